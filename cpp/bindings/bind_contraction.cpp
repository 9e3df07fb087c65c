// Products that sum over pairs of dimensions.
#include <limits>

#include "python.h"
#include "verigrad/contraction.h"

namespace verigrad::bindings {
namespace {

Tensor tensor_in(const char* op, py::handle object) {
  VG_CHECK(is_tensor(object.ptr()), TypeError, op, ": expected a Tensor, got ", Py_TYPE(object.ptr())->tp_name);
  return unwrap(object.ptr());
}

/// The tensors of f(a, b) or f([a, b]).
TensorList tensors_in(const char* op, const py::args& args, std::size_t first) {
  py::object list = args[py::slice(static_cast<py::ssize_t>(first), static_cast<py::ssize_t>(args.size()), 1)];
  if (args.size() == first + 1 && (py::isinstance<py::list>(args[first]) || py::isinstance<py::tuple>(args[first]))) {
    list = args[first];
  }
  TensorList tensors;
  for (const py::handle item : list) tensors.push_back(tensor_in(op, item));
  return tensors;
}

ops::Subscripts subscripts_in(py::handle list) {
  VG_CHECK(py::isinstance<py::list>(list) || py::isinstance<py::tuple>(list), TypeError,
           "einsum: expected a list of subscripts, got ", Py_TYPE(list.ptr())->tp_name);
  ops::Subscripts found;
  for (const py::handle item : list) {
    if (item.ptr() == Py_Ellipsis) {
      found.push_back(ops::kEllipsis);
      continue;
    }
    VG_CHECK(PyIndex_Check(item.ptr()), TypeError, "einsum: expected an int or Ellipsis as subscript, got ",
             Py_TYPE(item.ptr())->tp_name);
    const Py_ssize_t number = PyNumber_AsSsize_t(item.ptr(), nullptr);  // clipped, and then out of range
    VG_CHECK(number >= 0 && number < 52, ValueError, "einsum: expected subscripts in the range [0, 52), got ", number);
    found.push_back(static_cast<int>(number));
  }
  return found;
}

/// einsum("ij,jk->ik", a, b), einsum("ij,jk->ik", [a, b]) or einsum(a, [0, 1], b, [1, 2], [0, 2]).
Tensor einsum(const py::args& args) {
  VG_CHECK(args.size() >= 2, ValueError,
           "einsum: expected an equation and at least one operand, or at least one operand and its list of subscripts, "
           "got ",
           args.size(), " arguments");
  if (py::isinstance<py::str>(args[0])) {
    return ops::einsum(args[0].cast<std::string>(), tensors_in("einsum", args, 1));
  }
  VG_CHECK(is_tensor(py::object(args[0]).ptr()), TypeError, "einsum: expected the equation to be a str, got ",
           Py_TYPE(py::object(args[0]).ptr())->tp_name);
  std::vector<ops::Subscripts> inputs;
  TensorList operands;
  for (std::size_t i = 0; i + 1 < args.size(); i += 2) {
    operands.push_back(tensor_in("einsum", args[i]));
    inputs.push_back(subscripts_in(args[i + 1]));
  }
  std::optional<ops::Subscripts> output;
  if (args.size() % 2 == 1) output = subscripts_in(args[args.size() - 1]);
  return ops::einsum(inputs, output, operands);
}

/// `dims`: a number, two lists, or a tensor of either.
Tensor tensordot(const Tensor& a, const Tensor& b, const py::object& dims) {
  const py::object plain = is_tensor(dims.ptr()) ? tensor_to_list(unwrap(dims.ptr())) : dims;
  if (PyIndex_Check(plain.ptr())) return ops::tensordot(a, b, plain.cast<std::int64_t>());
  const auto is_list = [](py::handle x) { return py::isinstance<py::list>(x) || py::isinstance<py::tuple>(x); };
  if (is_list(plain) && py::len(plain) == 1 && PyIndex_Check(py::object(plain[py::int_(0)]).ptr())) {
    return ops::tensordot(a, b, plain[py::int_(0)].cast<std::int64_t>());
  }
  VG_CHECK(is_list(plain) && py::len(plain) == 2 && is_list(plain[py::int_(0)]) && is_list(plain[py::int_(1)]),
           TypeError, "tensordot: expected dims to be an int or two lists of ints, got ",
           py::repr(dims).cast<std::string>());
  const auto list = [&dims](py::handle part) {
    try {
      return part.cast<ops::DimList>();
    } catch (const py::cast_error&) {
      VG_THROW(TypeError, "tensordot: expected dims to be an int or two lists of ints, got ",
               py::repr(dims).cast<std::string>());
    }
  };
  return ops::tensordot(a, b, list(plain[py::int_(0)]), list(plain[py::int_(1)]));
}

Tensor chain_matmul(const py::args& args) {
  const TensorList matrices = tensors_in("chain_matmul", args, 0);
  VG_CHECK(!matrices.empty(), RuntimeError, "chain_matmul: expected one or more matrices, got none");
  for (const Tensor& matrix : matrices) {
    VG_CHECK(matrix.ndim() == 2, RuntimeError, "chain_matmul: expected matrices, got a tensor of shape ",
             matrix.shape());
  }
  return matrices.size() == 1 ? matrices[0] : ops::multi_dot("chain_matmul", matrices);
}

constexpr const char* kPowerDoc =
    "The n-th power of each matrix [*, m, m], of its inverse for a negative n.\n\nRaises LinAlgError for a negative "
    "power of a singular matrix.";
Tensor matrix_power(const Tensor& x, std::int64_t n) {
  if (n >= 0) return ops::matrix_power(x, n);
  VG_CHECK(n != std::numeric_limits<std::int64_t>::min(), RuntimeError,
           "linalg.matrix_power: expected an exponent whose negative fits int64, got ", n);
  // Only LAPACK inverts, and Python calls it.
  const py::object inverse = py::module_::import("verigrad.linalg").attr("inv")(wrap(x));
  return ops::matrix_power(unwrap(inverse.ptr()), -n);
}

using Addition = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, Scalar, Scalar);

/// The function, the method, and the method with an underscore, which writes into its tensor.
void def_addition(py::module_& m, TensorClass& cls, const char* name, const char* inplace, Addition f,
                  const char* first, const char* second, const char* doc) {
  const auto beta = py::arg("beta") = Scalar(1), alpha = py::arg("alpha") = Scalar(1);
  def_op(m, cls, name, true, f, py::arg(first), py::arg(second), py::kw_only(), beta, alpha, doc);
  def_inplace(
      cls, inplace, true,
      [f, inplace](const py::object& self, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
        const Tensor x = unwrap(self.ptr());
        const Tensor result = f(x, a, b, beta, alpha);
        VG_CHECK(result.shape() == x.shape(), RuntimeError, inplace, ": expected a tensor of the result's shape ",
                 result.shape(), ", got ", x.shape());
        ops::copy_(x, result);
        return self;
      },
      py::arg(first), py::arg(second), py::kw_only(), beta, alpha);
}

}  // namespace

void bind_contraction(py::module_& m, TensorClass& cls) {
  def_op(m, cls, "dot", true, &ops::dot, py::arg("tensor"));
  def_op(m, cls, "vdot", true, &ops::dot, py::arg("other"));
  def_op(m, cls, "mv", true, &ops::mv, py::arg("vec"));
  def_op(m, cls, "outer", true, &ops::outer, py::arg("vec2"));
  def_op(m, cls, "ger", true, &ops::outer, py::arg("vec2"));
  def_op(m, cls, "inner", true, &ops::inner, py::arg("other"));
  def_op(m, cls, "kron", true, &ops::kron, py::arg("other"), "Every element of the input times the other tensor.");
  def_op(m, cls, "cross", true, &ops::cross, py::arg("other"), py::arg("dim") = py::none(),
         "Cross products of vectors of 3 along `dim`, or along the first dimension of that size.");
  def_op(m, cls, "matrix_power", true, &matrix_power, py::arg("n"), kPowerDoc);
  def_function(m, "tensordot", true, &tensordot, py::arg("a"), py::arg("b"), py::arg("dims") = 2,
               "Sums over the last `dims` dimensions of a and the first of b, or over two lists of dimensions.");
  def_function(
      m, "einsum", true, &einsum,
      "einsum(equation, *operands) or einsum(operand, subscripts, ..., output): products summed by Einstein's "
      "convention. Subscripts are letters, or numbers from 0 to 51; repeated ones take a diagonal, an ellipsis "
      "stands for the dimensions that have none.");
  def_function(m, "chain_matmul", true, &chain_matmul, "The product of matrices, in the order of fewest operations.");

  def_addition(m, cls, "addmm", "addmm_", &ops::addmm, "mat1", "mat2", "beta * input + alpha * (mat1 @ mat2).");
  def_addition(m, cls, "addmv", "addmv_", &ops::addmv, "mat", "vec", "beta * input + alpha * (mat @ vec).");
  def_addition(m, cls, "addbmm", "addbmm_", &ops::addbmm, "batch1", "batch2",
               "beta * input + alpha * the sum of the products of a batch.");
  def_addition(m, cls, "baddbmm", "baddbmm_", &ops::baddbmm, "batch1", "batch2",
               "beta * input + alpha * (batch1 @ batch2).");
  def_addition(m, cls, "addr", "addr_", &ops::addr, "vec1", "vec2", "beta * input + alpha * outer(vec1, vec2).");

  py::module_ linalg = m.def_submodule("linalg");
  const auto def_linalg = [&](const char* name, const char* recorded, auto f, const auto&... extra) {
    linalg.def(name, f, extra...);
    register_op(recorded, true);
  };
  def_linalg("cross", "linalg_cross", &ops::linalg_cross, py::arg("input"), py::arg("other"), py::kw_only(),
             py::arg("dim") = -1, "Cross products of vectors of 3 along `dim`, broadcast.");
  def_linalg("vecdot", "linalg_vecdot", &ops::vecdot, py::arg("x"), py::arg("y"), py::kw_only(), py::arg("dim") = -1,
             "Inner products along `dim`, broadcast.");
  def_linalg(
      "multi_dot", "linalg_multi_dot",
      [](const SeveralTensors& tensors) { return ops::multi_dot("linalg.multi_dot", tensors.list); },
      py::arg("tensors"),
      "The product of two or more matrices, in the order of fewest operations; the first and last may be vectors.");
  linalg.def("matmul", &ops::matmul, py::arg("input"), py::arg("other"));
  linalg.def("matrix_power", &matrix_power, py::arg("A"), py::arg("n"), kPowerDoc);
}

}  // namespace verigrad::bindings

// Elementwise ops: the rows of unary.def and binary.def, their in-place forms, and the odd ones.
#include "python.h"
#include "verigrad/indexing.h"

namespace verigrad::bindings {
namespace {

/// f(tensor, tensor or number)
template <TensorTensor tt, TensorScalar ts>
Tensor mixed(const Tensor& input, const Operand& other) {
  return other.is_tensor() ? tt(input, other.tensor) : ts(input, other.scalar);
}
#define VG_MIXED(NAME) mixed<static_cast<TensorTensor>(&ops::NAME), static_cast<TensorScalar>(&ops::NAME)>

bool is_one(Scalar alpha) { return !alpha.is_bool() && alpha.to_double() == 1.0; }

/// alpha * other, of the dtype that it has in a sum with input.
Operand times(const Tensor& input, const Operand& other, Scalar alpha) {
  const Operand x = input;
  const DType dtype = ops::result_type({&x, &other});
  VG_CHECK(!alpha.is_floating_point() || is_floating_point(dtype), RuntimeError,
           "For integral input tensors, argument alpha must not be a floating point number.");
  VG_CHECK(!alpha.is_bool() || dtype == DType::Bool, RuntimeError, "Boolean alpha only supported for Boolean results.");
  if (dtype == DType::Bool) alpha = alpha.to<bool>();
  if (other.is_tensor()) return ops::mul(ops::to(other.tensor, dtype), alpha);
  if (dtype == DType::Bool) return Scalar(other.scalar.to<bool>() && alpha.to<bool>());
  if (is_floating_point(dtype)) return Scalar(other.scalar.to_double() * alpha.to_double());
  return Scalar(wrapping_mul(other.scalar.to<std::int64_t>(), alpha.to<std::int64_t>()));
}

/// add and sub take alpha: input + alpha * other.
template <TensorTensor tt, TensorScalar ts>
Tensor scaled(const Tensor& input, const Operand& other, Scalar alpha) {
  return is_one(alpha) ? mixed<tt, ts>(input, other) : mixed<tt, ts>(input, times(input, other, alpha));
}

template <InPlaceTensor tt, InPlaceScalar ts>
py::object inplace(const py::object& self, const Operand& other) {
  change_in_place<tt, ts>(unwrap(self.ptr()), other);
  return self;
}
template <InPlaceTensor tt, InPlaceScalar ts>
py::object inplace_scaled(const py::object& self, const Operand& other, Scalar alpha) {
  return is_one(alpha) ? inplace<tt, ts>(self, other) : inplace<tt, ts>(self, times(unwrap(self.ptr()), other, alpha));
}

Tensor power(const Operand& input, const Operand& exponent) {
  if (!input.is_tensor()) {
    VG_CHECK(exponent.is_tensor(), TypeError, "pow: expected a tensor as base or exponent, got two numbers");
    return ops::pow(input.scalar, exponent.tensor);
  }
  return VG_MIXED(pow)(input.tensor, exponent);
}

}  // namespace

void bind_elementwise(py::module_& m, TensorClass& cls) {
#define VG_UNARY(NAME, ...)                                      \
  def_op(m, cls, #NAME, true, &ops::NAME);                       \
  def_inplace(cls, #NAME "_", true, [](const py::object& self) { \
    ops::NAME##_(unwrap(self.ptr()));                            \
    return self;                                                 \
  });
#define VG_PREDICATE(NAME) def_op(m, cls, #NAME, false, &ops::NAME);
#include "verigrad/unary.def"

  def_op(m, cls, "add", true, &scaled<static_cast<TensorTensor>(&ops::add), static_cast<TensorScalar>(&ops::add)>,
         py::arg("other"), py::kw_only(), py::arg("alpha") = Scalar(1), "input + alpha * other, broadcast.");
  def_op(m, cls, "sub", true, &scaled<static_cast<TensorTensor>(&ops::sub), static_cast<TensorScalar>(&ops::sub)>,
         py::arg("other"), py::kw_only(), py::arg("alpha") = Scalar(1), "input - alpha * other, broadcast.");
  def_op(m, cls, "mul", true, &VG_MIXED(mul), py::arg("other"));
  def_op(m, cls, "div", true, &VG_MIXED(div), py::arg("other"));
  def_op(m, cls, "true_divide", true, &VG_MIXED(div), py::arg("other"));
  m.def("pow", &power, py::arg("input"), py::arg("exponent"));
  def_method(cls, "pow", true, &VG_MIXED(pow), py::arg("exponent"));
  def_op(m, cls, "remainder", true, &VG_MIXED(remainder), py::arg("other"));
  def_op(m, cls, "floor_divide", false, &VG_MIXED(floor_divide), py::arg("other"));
  const auto tensors = py::arg("other");
  def_op(m, cls, "maximum", true, static_cast<TensorTensor>(&ops::maximum), tensors);
  def_op(m, cls, "minimum", true, static_cast<TensorTensor>(&ops::minimum), tensors);
#define VG_COMPARE(NAME) def_op(m, cls, #NAME, false, &VG_MIXED(NAME), py::arg("other"));
#include "verigrad/binary.def"

  // The fused gradients of unary ops are ops too: verified like the others, but not part of the public names.
  py::module_ gradients = m.def_submodule("_gradients", "Gradients of unary ops as ops of their own.");
  def_function(gradients, "threshold_backward", true, static_cast<TensorTensor>(&ops::threshold_backward),
               py::arg("grad"), py::arg("output"));
  def_function(gradients, "tanh_backward", true, static_cast<TensorTensor>(&ops::tanh_backward), py::arg("grad"),
               py::arg("output"));
  def_function(gradients, "sigmoid_backward", true, static_cast<TensorTensor>(&ops::sigmoid_backward), py::arg("grad"),
               py::arg("output"));

  def_inplace(cls, "add_", true, &VG_INPLACE(inplace_scaled, add_), py::arg("other"), py::kw_only(),
              py::arg("alpha") = Scalar(1));
  def_inplace(cls, "sub_", true, &VG_INPLACE(inplace_scaled, sub_), py::arg("other"), py::kw_only(),
              py::arg("alpha") = Scalar(1));
  def_inplace(cls, "mul_", true, &VG_INPLACE(inplace, mul_), py::arg("other"));
  def_inplace(cls, "div_", true, &VG_INPLACE(inplace, div_), py::arg("other"));
  def_inplace(cls, "pow_", true, &VG_INPLACE(inplace, pow_), py::arg("exponent"));
  def_inplace(cls, "remainder_", true, &VG_INPLACE(inplace, remainder_), py::arg("other"));
  def_inplace(cls, "floor_divide_", false, &VG_INPLACE(inplace, floor_divide_), py::arg("other"));
  def_inplace(
      cls, "copy_", true,
      [](const py::object& self, const Tensor& src, bool non_blocking) {
        ops::copy_(unwrap(self.ptr()), src, non_blocking);
        return self;
      },
      py::arg("src"), py::arg("non_blocking").noconvert() = false);
  def_inplace(
      cls, "fill_", true,
      [](const py::object& self, const Operand& value) {
        const Tensor x = unwrap(self.ptr());
        if (value.is_tensor()) {
          VG_CHECK(value.tensor.ndim() == 0, RuntimeError,
                   "fill_ only supports 0-dimension value tensor but got tensor with ", value.tensor.ndim(),
                   " dimensions.");
          ops::copy_(x, value.tensor);
        } else {
          ops::fill_(x, value.scalar);
        }
        return self;
      },
      py::arg("value"));
  def_inplace(cls, "zero_", true, [](const py::object& self) {
    ops::fill_(unwrap(self.ptr()), 0);
    return self;
  });
  def_inplace(
      cls, "uniform_", false,
      [](const py::object& self, double from, double to, const Ref<Generator>& generator) {
        ops::uniform_(unwrap(self.ptr()), from, to, generator);
        return self;
      },
      py::arg("from") = 0.0, py::arg("to") = 1.0, py::kw_only(), py::arg("generator") = py::none());
  def_inplace(
      cls, "normal_", false,
      [](const py::object& self, double mean, double std, const Ref<Generator>& generator) {
        ops::normal_(unwrap(self.ptr()), mean, std, generator);
        return self;
      },
      py::arg("mean") = 0.0, py::arg("std") = 1.0, py::kw_only(), py::arg("generator") = py::none());

  def_function(m, "where", true, &ops::where, py::arg("condition"), py::arg("input"), py::arg("other"));
  m.def(
      "where", [](const Tensor& condition) { return py::tuple(py::cast(ops::nonzero_tuple(condition))); },
      py::arg("condition"));
  cls.def(
      "where",
      [](const Tensor& self, const Tensor& condition, const Operand& other) {
        return ops::where(condition, self, other);
      },
      py::arg("condition"), py::arg("other"));
  def_op(m, cls, "clone", true, &ops::clone);
  def_method(cls, "contiguous", true, &ops::contiguous);
  def_op(m, cls, "equal", false, &ops::equal, py::arg("other"));
  def_op(m, cls, "allclose", false, &ops::allclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false);
  def_op(m, cls, "isclose", false, &ops::isclose, py::arg("other"), py::arg("rtol") = 1e-5, py::arg("atol") = 1e-8,
         py::arg("equal_nan") = false);
  m.def(
      "result_type", [](const Operand& a, const Operand& b) { return ops::result_type({&a, &b}); }, py::arg("tensor1"),
      py::arg("tensor2"));
}

}  // namespace verigrad::bindings

// Reading and writing by index and by mask.
#include "verigrad/indexing.h"

#include "tensors_arg.h"

namespace verigrad::bindings {
namespace {

/// index_add's source times alpha.
Tensor scaled(const Tensor& source, Scalar alpha) {
  check_fits("index_add", alpha, source.dtype());
  const bool one = !alpha.is_bool() && alpha.to_double() == 1.0;
  return one ? source : ops::to(ops::mul(source, alpha), source.dtype());
}

/// The tensors of index_put; None is a whole dimension.
TensorList parse_indices(const char* op, const py::object& indices) {
  VG_CHECK(PyTuple_Check(indices.ptr()) || PyList_Check(indices.ptr()), TypeError, op,
           ": expected indices to be a tuple of tensors, got ", Py_TYPE(indices.ptr())->tp_name);
  TensorList list;
  for (const py::handle item : py::tuple(indices)) {
    VG_CHECK(item.is_none() || is_tensor(item.ptr()), TypeError, op, ": expected Tensor as element ", list.size(),
             " of indices, but got ", Py_TYPE(item.ptr())->tp_name);
    list.push_back(item.is_none() ? Tensor() : unwrap(item.ptr()));
  }
  return list;
}

/// A method that changes the tensor of its object, and answers the object.
template <class... Args, class... Extra>
void def_change(TensorClass& cls, const char* name, const Tensor& (*change)(const Tensor&, Args...),
                const Extra&... extra) {
  def_inplace(
      cls, name, true,
      [change](const py::object& self, std::decay_t<Args>... args) {
        change(unwrap(self.ptr()), args...);
        return self;
      },
      extra...);
}

void bind_rows(py::module_& m, TensorClass& cls) {
  const auto dim = py::arg("dim"), index = py::arg("index"), source = py::arg("source");
  def_op(m, cls, "index_select", true, &ops::index_select, dim, index);
  def_op(
      m, cls, "index_add", true,
      [](const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
        return ops::index_add(x, dim, index, scaled(source, alpha));
      },
      dim, index, source, py::kw_only(), py::arg("alpha") = Scalar(1));
  def_inplace(
      cls, "index_add_", true,
      [](const py::object& self, std::int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
        ops::index_add_(unwrap(self.ptr()), dim, index, scaled(source, alpha));
        return self;
      },
      dim, index, source, py::kw_only(), py::arg("alpha") = Scalar(1));
  def_op(m, cls, "index_copy", true, &ops::index_copy, dim, index, source);
  def_change(cls, "index_copy_", &ops::index_copy_, dim, index, source);
  def_op(m, cls, "index_fill", true, &ops::index_fill, dim, index, py::arg("value"),
         "A copy whose slices of `dim` that the int64 index names are `value`, a number or a 0-d tensor.");
  def_change(cls, "index_fill_", &ops::index_fill_, dim, index, py::arg("value"));
  def_op(
      m, cls, "index_put", true,
      [](const Tensor& x, const py::object& indices, const Tensor& values, bool accumulate) {
        return ops::index_put(x, parse_indices("index_put", indices), values, accumulate);
      },
      py::arg("indices"), py::arg("values"), py::arg("accumulate") = false,
      "A copy in which input[indices] = values, or += with `accumulate`, where equal indices add up.");
  def_inplace(
      cls, "index_put_", true,
      [](const py::object& self, const py::object& indices, const Tensor& values, bool accumulate) {
        ops::index_put_(unwrap(self.ptr()), parse_indices("index_put_", indices), values, accumulate);
        return self;
      },
      py::arg("indices"), py::arg("values"), py::arg("accumulate") = false);
}

void bind_elements(py::module_& m, TensorClass& cls) {
  const auto dim = py::arg("dim"), index = py::arg("index"), src = py::arg("src"), reduce = py::arg("reduce");
  def_op(m, cls, "gather", true, &ops::gather, dim, index);
  def_op(m, cls, "scatter_add", true, &ops::scatter_add, dim, index, src);
  def_change(cls, "scatter_add_", &ops::scatter_add_, dim, index, src);

  // scatter(dim, index, src or value) and the same with reduce=.
  using Plain = Tensor (*)(const Tensor&, std::int64_t, const Tensor&, const Operand&);
  using Reduced = Tensor (*)(const Tensor&, std::int64_t, const Tensor&, const Operand&, const std::string&);
  def_op(m, cls, "scatter", true, static_cast<Plain>(&ops::scatter), dim, index, src,
         "A copy with the elements of `src`, or a number, where the index says along `dim`.\n\n"
         "`reduce` \"add\" or \"multiply\" combines them with what is there. Of several elements for one place the "
         "last one counts, and it alone gets a gradient.");
  m.def("scatter", static_cast<Plain>(&ops::scatter), py::arg("input"), dim, index, py::arg("value"));
  cls.def("scatter", static_cast<Plain>(&ops::scatter), dim, index, py::arg("value"));
  for (const char* source : {"src", "value"}) {
    m.def("scatter", static_cast<Reduced>(&ops::scatter), py::arg("input"), dim, index, py::arg(source), py::kw_only(),
          reduce);
    cls.def("scatter", static_cast<Reduced>(&ops::scatter), dim, index, py::arg(source), py::kw_only(), reduce);
  }
  const auto plain_ = [](const py::object& self, std::int64_t dim, const Tensor& index, const Operand& src) {
    ops::scatter_(unwrap(self.ptr()), dim, index, src);
    return self;
  };
  const auto reduced_ = [](const py::object& self, std::int64_t dim, const Tensor& index, const Operand& src,
                           const std::string& reduce) {
    ops::scatter_(unwrap(self.ptr()), dim, index, src, reduce);
    return self;
  };
  const auto guard = py::call_guard<Uninterrupted>();
  def_inplace(cls, "scatter_", true, plain_, dim, index, src);
  cls.def("scatter_", plain_, guard, dim, index, py::arg("value"));
  for (const char* source : {"src", "value"}) {
    cls.def("scatter_", reduced_, guard, dim, index, py::arg(source), py::kw_only(), reduce);
  }
  const auto include = py::arg_v("include_self", true);
  def_op(m, cls, "scatter_reduce", true, &ops::scatter_reduce, dim, index, src, reduce, py::kw_only(), include,
         "A copy whose elements are combined with those that `src` sends to them along `dim`.\n\n"
         "`reduce` is \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\"; without `include_self` the elements "
         "themselves do not count. Means of integers are rounded down; equal extrema share the gradient.");
  def_change(cls, "scatter_reduce_", &ops::scatter_reduce_, dim, index, src, reduce, py::kw_only(), include);

  def_op(m, cls, "take", true, &ops::take, index,
         "The elements with these numbers, counted row by row, in the shape of "
         "the int64 index.");
  def_op(m, cls, "take_along_dim", true, &ops::take_along_dim, py::arg("indices"), py::arg("dim") = py::none(),
         "As gather, with the two broadcast in the other dimensions; without dim, of all elements in a row.");
  def_op(m, cls, "put", true, &ops::put, index, py::arg("source"), py::arg("accumulate") = false,
         "A copy with `source` at these numbers, counted row by row, or added there with `accumulate`.");
  def_change(cls, "put_", &ops::put_, index, py::arg("source"), py::arg("accumulate") = false);
}

void bind_masks(py::module_& m, TensorClass& cls) {
  const auto mask = py::arg("mask");
  def_op(m, cls, "masked_fill", true, &ops::masked_fill, mask, py::arg("value"));
  def_change(cls, "masked_fill_", &ops::masked_fill_, mask, py::arg("value"));
  def_op(m, cls, "masked_select", true, &ops::masked_select, mask, "The elements where the mask holds, as a vector.");
  def_op(m, cls, "masked_scatter", true, &ops::masked_scatter, mask, py::arg("source"),
         "A copy with the first elements of `source`, in order, where the mask holds.");
  def_change(cls, "masked_scatter_", &ops::masked_scatter_, mask, py::arg("source"));
  def_op(
      m, cls, "nonzero", false,
      [](const Tensor& x, bool as_tuple_) -> py::object {
        return as_tuple_ ? py::object(as_tuple(ops::nonzero_tuple(x))) : wrap(ops::nonzero(x));
      },
      py::kw_only(), py::arg("as_tuple") = false,
      "The indices of the elements that are not zero, a row each; with `as_tuple` a vector for each dimension.");
  def_op(m, cls, "argwhere", false, &ops::nonzero, "The indices of the elements that are not zero, a row each.");
}

}  // namespace

void bind_indexing(py::module_& m, TensorClass& cls) {
  bind_rows(m, cls);
  bind_elements(m, cls);
  bind_masks(m, cls);
}

}  // namespace verigrad::bindings

// Views, joining, and in files of their own the rest of shapes and indexing.
#include "tensors_arg.h"

namespace verigrad::bindings {

void bind_shape(py::module_& m, TensorClass& cls) {
  def_method(cls, "view", true,
             [](const Tensor& x, const py::args& size) { return ops::view(x, parse_size("view", size)); });
  def_method(
      cls, "view_as", true, [](const Tensor& x, const Tensor& other) { return ops::view(x, other.shape()); },
      py::arg("other"));
  m.def("reshape", &ops::reshape, py::arg("input"), py::arg("shape"));
  def_method(cls, "reshape", true,
             [](const Tensor& x, const py::args& shape) { return ops::reshape(x, parse_size("reshape", shape)); });
  def_method(
      cls, "reshape_as", true, [](const Tensor& x, const Tensor& other) { return ops::reshape(x, other.shape()); },
      py::arg("other"));
  def_op(m, cls, "flatten", true, &ops::flatten, py::arg("start_dim") = 0, py::arg("end_dim") = -1);
  def_op(m, cls, "transpose", true, &ops::transpose, py::arg("dim0"), py::arg("dim1"));
  m.def("permute", &ops::permute, py::arg("input"), py::arg("dims"));
  def_method(cls, "permute", true, [](const Tensor& x, const py::args& dims) {
    const Dims order = parse_size("permute", dims);
    return ops::permute(x, ops::DimList(order.begin(), order.end()));
  });
  def_op(m, cls, "t", true, &ops::t);
  def_op(m, cls, "unsqueeze", true, &ops::unsqueeze, py::arg("dim"));
  def_op(
      m, cls, "squeeze", true, [](const Tensor& x, const DimArg& dim) { return ops::squeeze(x, dim.dims); },
      py::arg("dim") = py::none());
  def_method(cls, "expand", true,
             [](const Tensor& x, const py::args& size) { return ops::expand(x, parse_size("expand", size)); });
  def_method(
      cls, "expand_as", true, [](const Tensor& x, const Tensor& other) { return ops::expand(x, other.shape()); },
      py::arg("other"));
  def_op(m, cls, "select", true, &ops::select, py::arg("dim"), py::arg("index"));
  def_op(m, cls, "narrow", true, &ops::narrow, py::arg("dim"), py::arg("start"), py::arg("length"));
  def_op(
      m, cls, "unbind", true, [](const Tensor& x, std::int64_t dim) { return as_tuple(ops::unbind(x, dim)); },
      py::arg("dim") = 0);
  def_op(m, cls, "detach", false, &ops::detach);

  const auto cat = [](const SeveralTensors& tensors, std::int64_t dim) { return ops::cat(tensors.list, dim); };
  const auto stack = [](const SeveralTensors& tensors, std::int64_t dim) { return ops::stack(tensors.list, dim); };
  def_function(m, "cat", true, cat, py::arg("tensors"), py::arg("dim") = 0);
  m.def("cat", cat, py::arg("tensors"), py::arg("axis"));
  def_function(m, "stack", true, stack, py::arg("tensors"), py::arg("dim") = 0);

  bind_rearrange(m, cls);
  bind_split(m, cls);
  bind_indexing(m, cls);
}

}  // namespace verigrad::bindings

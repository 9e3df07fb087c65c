// A tensor cut into views, and tensors put together.
#include "size_arg.h"
#include "tensors_arg.h"
#include "verigrad/split.h"

namespace verigrad::bindings {
namespace {

py::tuple split(const Tensor& x, const SizeArg& sizes, std::int64_t dim) {
  return as_tuple(sizes.single ? ops::split(x, sizes.values[0], dim) : ops::split_with_sizes(x, sizes.values, dim));
}

/// tensor_split by a tensor: a number of sections, or indices.
py::tuple split_by_tensor(const Tensor& x, const Tensor& where, std::int64_t dim) {
  VG_CHECK(where.dtype() == DType::Int64, RuntimeError,
           "tensor_split: expected tensor_indices_or_sections to have dtype of long, but got ", where.dtype());
  VG_CHECK(where.ndim() <= 1, RuntimeError,
           "tensor_split: expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but "
           "got a tensor with ",
           where.ndim(), " dims");
  if (where.ndim() == 0) return as_tuple(ops::tensor_split(x, ops::item(where).to<std::int64_t>(), dim));
  const Tensor plain = ops::contiguous(ops::to(where, where.dtype(), kHost));
  const auto* first = plain.data_as<std::int64_t>();
  return as_tuple(ops::tensor_split(x, ops::DimList(first, first + plain.numel()), dim));
}

void bind_splits(py::module_& m, TensorClass& cls) {
  def_function(m, "split", true, &split, py::arg("tensor"), py::arg("split_size_or_sections"), py::arg("dim") = 0,
               "Views of parts along a dimension: of a size, the last one smaller, or of the sizes in a list.");
  cls.def("split", &split, py::arg("split_size"), py::arg("dim") = 0);
  def_op(
      m, cls, "split_with_sizes", true,
      [](const Tensor& x, const ops::DimList& sizes, std::int64_t dim) {
        return as_tuple(ops::split_with_sizes(x, sizes, dim));
      },
      py::arg("split_sizes"), py::arg("dim") = 0);
  def_op(
      m, cls, "chunk", true,
      [](const Tensor& x, std::int64_t chunks, std::int64_t dim) { return as_tuple(ops::chunk(x, chunks, dim)); },
      py::arg("chunks"), py::arg("dim") = 0, "Views of up to that many parts of equal size; the last may be smaller.");

  // Tensors first: one of a single integer would be taken for a number.
  def_op(m, cls, "tensor_split", true, &split_by_tensor, py::arg("tensor_indices_or_sections"), py::arg("dim") = 0,
         "Views of that many parts, of sizes that differ by 1 at most, or of the parts before, between and behind "
         "indices.");
  const auto sections = [](const Tensor& x, std::int64_t count, std::int64_t dim) {
    return as_tuple(ops::tensor_split(x, count, dim));
  };
  const auto indices = [](const Tensor& x, const ops::DimList& at, std::int64_t dim) {
    return as_tuple(ops::tensor_split(x, at, dim));
  };
  m.def("tensor_split", sections, py::arg("input"), py::arg("sections"), py::arg("dim") = 0);
  cls.def("tensor_split", sections, py::arg("sections"), py::arg("dim") = 0);
  m.def("tensor_split", indices, py::arg("input"), py::arg("indices"), py::arg("dim") = 0);
  cls.def("tensor_split", indices, py::arg("indices"), py::arg("dim") = 0);

  const auto along = [&](const char* name, ops::Direction direction, const char* doc) {
    const auto equal = [direction](const Tensor& x, std::int64_t count) {
      return as_tuple(ops::split_along(direction, x, count));
    };
    const auto at = [direction](const Tensor& x, const ops::DimList& indices) {
      return as_tuple(ops::split_along(direction, x, indices));
    };
    def_op(m, cls, name, true, equal, py::arg("sections"), doc);
    m.def(name, at, py::arg("input"), py::arg("indices"));
    cls.def(name, at, py::arg("indices"));
  };
  along("hsplit", ops::Direction::horizontal, "tensor_split of the columns, into equal parts or at indices.");
  along("vsplit", ops::Direction::vertical, "tensor_split of the rows, into equal parts or at indices.");
  along("dsplit", ops::Direction::depth, "tensor_split of the third dimension, into equal parts or at indices.");
}

}  // namespace

void bind_split(py::module_& m, TensorClass& cls) {
  bind_splits(m, cls);
  const auto along = [&m](const char* name, ops::Direction direction, const char* doc) {
    def_function(
        m, name, true, [direction](const SeveralTensors& tensors) { return ops::stack_along(direction, tensors.list); },
        py::arg("tensors"), doc);
  };
  along("hstack", ops::Direction::horizontal, "Joined along the columns; vectors along their only dimension.");
  along("vstack", ops::Direction::vertical, "Joined along the rows; vectors are rows.");
  along("dstack", ops::Direction::depth, "Joined along the third dimension; see atleast_3d.");
  def_function(
      m, "column_stack", true, [](const SeveralTensors& tensors) { return ops::column_stack(tensors.list); },
      py::arg("tensors"), "Joined along the columns; vectors are columns.");
  def_function(
      m, "block_diag", true,
      [](const py::args& tensors) { return ops::block_diag(parse_tensors("block_diag", tensors, false)); },
      "A matrix of zeros with the matrices on its diagonal; vectors and numbers are rows.");
  def_function(
      m, "cartesian_prod", true,
      [](const py::args& tensors) { return ops::cartesian_prod(parse_tensors("cartesian_prod", tensors, false)); },
      "Every choice of an element from each vector, a row each; a single vector as it is.");
  def_function(m, "combinations", true, &ops::combinations, py::arg("input"), py::arg("r") = 2,
               py::arg("with_replacement") = false, "Every choice of r elements of a vector in order, a row each.");
}

}  // namespace verigrad::bindings

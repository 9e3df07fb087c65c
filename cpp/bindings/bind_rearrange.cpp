// Elements in another order or repeated, diagonals and triangles.
#include "tensors_arg.h"
#include "verigrad/diagonal.h"
#include "verigrad/rearrange.h"

namespace verigrad::bindings {
namespace {

using OptInt = std::optional<std::int64_t>;

void bind_repetition(py::module_& m, TensorClass& cls) {
  def_method(
      cls, "repeat", true,
      [](const Tensor& x, const py::args& args, const py::object& repeats) {
        return ops::repeat(x, parse_numbers("repeat", "repeats", args, repeats));
      },
      py::arg("repeats") = py::none(),
      "Copies of the whole along each dimension, as many as the numbers say; further numbers stand for new dimensions "
      "in front.");
  def_function(m, "tile", true, &ops::tile, py::arg("input"), py::arg("dims"),
               "As Tensor.repeat; where numbers are missing in front they are 1.");
  cls.def(
      "tile",
      [](const Tensor& x, const py::args& args, const py::object& dims) {
        return ops::tile(x, parse_numbers("tile", "dims", args, dims));
      },
      py::arg("dims") = py::none());

  // Tensors first: one of a single integer would be taken for a number.
  def_op(
      m, cls, "repeat_interleave", true,
      [](const Tensor& x, const Tensor& repeats, OptInt dim, OptInt output_size) {
        return ops::repeat_interleave(x, repeats, dim, output_size);
      },
      py::arg("repeats"), py::arg("dim") = py::none(), py::kw_only(), py::arg("output_size") = py::none(),
      "Each slice of `dim` so many times in a row: a number, or an int64 or int32 tensor of a number for each.\n\n"
      "Of all elements, in a row, where dim is None. Given the tensor of numbers alone: index i that many times. "
      "`output_size`, if given, must be the size that results.");
  const auto by_number = [](const Tensor& x, std::int64_t repeats, OptInt dim, OptInt output_size) {
    return ops::repeat_interleave(x, repeats, dim, output_size);
  };
  m.def("repeat_interleave", by_number, py::arg("input"), py::arg("repeats"), py::arg("dim") = py::none(),
        py::kw_only(), py::arg("output_size") = py::none());
  cls.def("repeat_interleave", by_number, py::arg("repeats"), py::arg("dim") = py::none(), py::kw_only(),
          py::arg("output_size") = py::none());
  m.def(
      "repeat_interleave",
      [](const Tensor& repeats, OptInt output_size) { return ops::repeat_interleave(repeats, output_size); },
      py::arg("repeats"), py::kw_only(), py::arg("output_size") = py::none());
}

void bind_order(py::module_& m, TensorClass& cls) {
  def_function(
      m, "flip", true, [](const Tensor& x, const DimArg& dims) { return ops::flip(x, dims.list()); }, py::arg("input"),
      py::arg("dims"), "A copy with the order of these dimensions reversed.");
  cls.def(
      "flip",
      [](const Tensor& x, const py::args& args, const py::object& dims) {
        return ops::flip(x, as_list(parse_numbers("flip", "dims", args, dims)));
      },
      py::arg("dims") = py::none());
  def_op(m, cls, "fliplr", true, &ops::fliplr);
  def_op(m, cls, "flipud", true, &ops::flipud);
  def_op(
      m, cls, "roll", true,
      [](const Tensor& x, const DimArg& shifts, const DimArg& dims) {
        return ops::roll(x, shifts.list(), dims.list());
      },
      py::arg("shifts"), py::arg("dims") = py::tuple(),
      "A copy whose elements have moved on by `shifts` along `dims`, those beyond the end to the beginning; without "
      "dims, as if all elements stood in a row.");
  def_op(m, cls, "rot90", true, &ops::rot90, py::arg("k") = 1, py::arg("dims") = py::make_tuple(0, 1),
         "The plane of two dimensions turned by k quarters, from the first towards the second.");

  for (const char* name : {"movedim", "moveaxis"}) {
    def_op(
        m, cls, name, true,
        [](const Tensor& x, const DimArg& source, const DimArg& destination) {
          return ops::movedim(x, source.list(), destination.list());
        },
        py::arg("source"), py::arg("destination"),
        "A view with the dimensions of `source` at the places of `destination`; the others keep their order.");
  }
  def_op(m, cls, "swapaxes", true, &ops::transpose, py::arg("axis0"), py::arg("axis1"));
  def_op(m, cls, "swapdims", true, &ops::transpose, py::arg("dim0"), py::arg("dim1"));
  def_op(m, cls, "unflatten", true, &ops::unflatten, py::arg("dim"), py::arg("sizes"),
         "A view with one dimension as several, of which one size may be -1.");
  def_op(m, cls, "ravel", true, &ops::ravel);
  def_op(m, cls, "adjoint", true, &ops::adjoint);
  cls.def_property_readonly("mT", [](const Tensor& x) {
    VG_CHECK(x.ndim() != 1, RuntimeError,
             "tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.");
    return ops::adjoint(x);
  });
  cls.def_property_readonly("mH", [](const Tensor& x) {
    VG_CHECK(x.ndim() != 1, RuntimeError,
             "tensor.mH is only supported on matrices or batches of matrices. Got 1-D tensor.");
    return ops::adjoint(x);
  });
  cls.def_property_readonly("H", [](const Tensor& x) {
    VG_CHECK(x.ndim() == 0 || x.ndim() == 2, RuntimeError, "tensor.H is only supported on matrices (2-D tensors). Got ",
             x.ndim(), "-D tensor.");
    return ops::adjoint(x);
  });
  def_method(cls, "unfold", true, &ops::windows, py::arg("dimension"), py::arg("size"), py::arg("step"),
             "A view of the windows of `size` elements at every step-th place of a dimension, in a new last one.");
}

void bind_broadcast(py::module_& m, TensorClass& cls) {
  def_function(m, "broadcast_to", true, &ops::expand, py::arg("input"), py::arg("size"), "See Tensor.expand.");
  cls.def(
      "broadcast_to",
      [](const Tensor& x, const py::args& args, const py::object& size) {
        return ops::expand(x, parse_numbers("broadcast_to", "size", args, size));
      },
      py::arg("size") = py::none());
  def_function(
      m, "broadcast_tensors", true,
      [](const py::args& tensors) {
        return as_tuple(ops::broadcast_tensors(parse_tensors("broadcast_tensors", tensors, false)));
      },
      "Views of the tensors in the shape to which they broadcast.");
  m.def(
      "broadcast_shapes",
      [](const py::args& shapes) {
        Dims shape;
        for (const py::handle item : shapes) {
          const Dims next =
              PyLong_Check(item.ptr()) ? Dims{item.cast<std::int64_t>()} : parse_dims("broadcast_shapes", item);
          for (const std::int64_t size : next) {
            VG_CHECK(size >= 0, ValueError, "broadcast_shapes: expected sizes of at least 0, got ", next);
          }
          shape = broadcast_shapes("broadcast_shapes", shape, next);
        }
        return shape;
      },
      "The shape to which shapes, sequences or single sizes, broadcast.");
  const auto at_least = [&m](const char* name, int ndim) {
    def_function(m, name, true, [name, ndim](const py::args& args) -> py::object {
      const bool alone = args.size() == 1 && is_tensor(args[0].ptr());
      TensorList out;
      for (const Tensor& x : parse_tensors(name, args, true)) out.push_back(ops::at_least(ndim, x));
      return alone ? wrap(out[0]) : py::object(as_tuple(out));
    });
  };
  at_least("atleast_1d", 1);
  at_least("atleast_2d", 2);
  at_least("atleast_3d", 3);
  def_function(
      m, "meshgrid", true,
      [](const py::args& tensors, const std::optional<std::string>& indexing) {
        return as_tuple(ops::meshgrid(parse_tensors("meshgrid", tensors, true), indexing.value_or("ij")));
      },
      py::arg("indexing") = py::none(),
      "A grid of the coordinates in vectors: for each vector a view in which its elements vary along its own "
      "dimension.\n\n`indexing` is \"ij\" (or None), or \"xy\", which swaps the first two dimensions.");
  m.def("numel", get<&Tensor::numel>, py::arg("input"));
}

void bind_diagonals(py::module_& m, TensorClass& cls) {
  const auto dims = [](int first, int second) {
    return std::make_pair(py::arg_v("dim1", first), py::arg_v("dim2", second));
  };
  const auto front = dims(0, 1), back = dims(-2, -1);
  def_op(m, cls, "diagonal", true, &ops::diagonal, py::arg("offset") = 0, front.first, front.second,
         "A view of the diagonals of the matrices along two dimensions, as the last dimension; `offset` counts the "
         "diagonals above the main one.");
  def_op(m, cls, "diag_embed", true, &ops::diag_embed, py::arg("offset") = 0, back.first, back.second);
  def_op(m, cls, "diag", true, &ops::diag, py::arg("diagonal") = 0);
  def_op(m, cls, "diagflat", true, &ops::diagflat, py::arg("offset") = 0);
  const auto diagonal = py::arg("diagonal") = 0;
  def_op(m, cls, "tril", true, &ops::tril, diagonal);
  def_op(m, cls, "triu", true, &ops::triu, diagonal);
  def_inplace(
      cls, "tril_", true,
      [](const py::object& self, std::int64_t diagonal) {
        ops::tril_(unwrap(self.ptr()), diagonal);
        return self;
      },
      diagonal);
  def_inplace(
      cls, "triu_", true,
      [](const py::object& self, std::int64_t diagonal) {
        ops::triu_(unwrap(self.ptr()), diagonal);
        return self;
      },
      diagonal);
  const auto indices = [&m](const char* name, auto make) {
    def_function(
        m, name, false,
        [make](std::int64_t row, std::int64_t col, std::int64_t offset, DType dtype, const DeviceArg& device) {
          return make(row, col, offset, dtype, device.or_default());
        },
        py::arg("row"), py::arg("col"), py::arg("offset") = 0, py::kw_only(), py::arg("dtype") = DType::Int64,
        py::arg("device") = py::none(), "Rows and columns of the elements of a triangle: [2, count], int64 or int32.");
  };
  indices("tril_indices", &ops::tril_indices);
  indices("triu_indices", &ops::triu_indices);
  def_op(m, cls, "select_scatter", true, &ops::select_scatter, py::arg("src"), py::arg("dim"), py::arg("index"),
         "A copy with `src` where select(dim, index) looks.");
  def_op(m, cls, "slice_scatter", true, &ops::slice_scatter, py::arg("src"), py::arg("dim") = 0,
         py::arg("start") = py::none(), py::arg("end") = py::none(), py::arg("step") = 1,
         "A copy with `src` in the place of the slice start:end:step of a dimension.");
  def_op(m, cls, "diagonal_scatter", true, &ops::diagonal_scatter, py::arg("src"), py::arg("offset") = 0, front.first,
         front.second, "A copy with `src` where `diagonal` looks.");
}

/// self, after a change of the object's tensor.
template <class Change>
py::object changed(const py::object& self, Change change) {
  change(unwrap(self.ptr()));
  return self;
}

/// No records: the checks of in-place ops expect the shape to stay. tests/autograd/test_inplace_views.py has them.
void bind_views_in_place(TensorClass& cls) {
  const auto guard = py::call_guard<Uninterrupted>();
  const auto swap = [](const py::object& self, std::int64_t a, std::int64_t b) {
    return changed(self, [&](const Tensor& x) { ops::transpose_(x, a, b); });
  };
  cls.def("transpose_", swap, guard, py::arg("dim0"), py::arg("dim1"))
      .def("swapdims_", swap, guard, py::arg("dim0"), py::arg("dim1"))
      .def("swapaxes_", swap, guard, py::arg("axis0"), py::arg("axis1"))
      .def(
          "t_", [](const py::object& self) { return changed(self, [](const Tensor& x) { ops::t_(x); }); }, guard)
      .def(
          "unsqueeze_",
          [](const py::object& self, std::int64_t dim) {
            return changed(self, [&](const Tensor& x) { ops::unsqueeze_(x, dim); });
          },
          guard, py::arg("dim"))
      .def(
          "squeeze_",
          [](const py::object& self, const DimArg& dim) {
            return changed(self, [&](const Tensor& x) { ops::squeeze_(x, dim.dims); });
          },
          guard, py::arg("dim") = py::none());
}

}  // namespace

void bind_rearrange(py::module_& m, TensorClass& cls) {
  bind_repetition(m, cls);
  bind_order(m, cls);
  bind_broadcast(m, cls);
  bind_diagonals(m, cls);
  bind_views_in_place(cls);
}

}  // namespace verigrad::bindings

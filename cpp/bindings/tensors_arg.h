// Arguments that are several tensors, or numbers given one by one.
#pragma once

#include "python.h"

namespace verigrad::bindings {

/// Tensors given as f(a, b), or with `grouped` also as f((a, b)).
inline TensorList parse_tensors(const char* op, const py::args& args, bool grouped) {
  py::tuple items = args;
  if (grouped && args.size() == 1 && (PyTuple_Check(args[0].ptr()) || PyList_Check(args[0].ptr()))) {
    items = py::tuple(args[0]);
  }
  TensorList tensors;
  for (const py::handle item : items) {
    VG_CHECK(is_tensor(item.ptr()), TypeError, op, ": expected Tensor as element ", tensors.size(), ", but got ",
             Py_TYPE(item.ptr())->tp_name);
    tensors.push_back(unwrap(item.ptr()));
  }
  return tensors;
}

/// Numbers given as f(2, 3), f((2, 3)) or f(name=(2, 3)).
inline Dims parse_numbers(const char* op, const char* name, const py::args& args, const py::object& named) {
  VG_CHECK(named.is_none() || args.empty(), TypeError, op, ": got ", name, " twice, by position and by name");
  VG_CHECK(!named.is_none() || !args.empty(), TypeError, op, "() missing 1 required positional argument: \"", name,
           "\"");
  return named.is_none() ? parse_size(op, args) : parse_dims(op, named);
}

/// The parts of bind_shape.
void bind_rearrange(py::module_& m, TensorClass& cls);
void bind_split(py::module_& m, TensorClass& cls);
void bind_indexing(py::module_& m, TensorClass& cls);

inline ops::DimList as_list(const Dims& dims) { return {dims.begin(), dims.end()}; }

inline py::tuple as_tuple(const TensorList& tensors) { return py::tuple(py::cast(tensors)); }

}  // namespace verigrad::bindings

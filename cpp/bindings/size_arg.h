// The arguments kernel_size, stride, padding and the like: an int, or one int for each dimension.
#pragma once

#include "python.h"

namespace verigrad::bindings {

struct SizeArg {
  ops::DimList values;
};
/// An empty list where the argument is None.
inline ops::DimList list_of(const std::optional<SizeArg>& arg) { return arg ? arg->values : ops::DimList{}; }

/// False for what is no int; raises ValueError for one beyond int64, as PyTorch does.
inline bool load_size(PyObject* object, ops::DimList& values) {
  if (PyBool_Check(object) || !PyIndex_Check(object)) return false;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  VG_CHECK(overflow == 0, ValueError, "Overflow when unpacking long long");
  values.push_back(value);
  return true;
}

}  // namespace verigrad::bindings

namespace pybind11::detail {

template <>
struct type_caster<verigrad::bindings::SizeArg> {
  PYBIND11_TYPE_CASTER(verigrad::bindings::SizeArg, const_name("int | collections.abc.Sequence[int]"));
  bool load(handle src, bool) {
    value.values.clear();
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) {
      return verigrad::bindings::load_size(src.ptr(), value.values);
    }
    for (const handle item : reinterpret_borrow<sequence>(src)) {
      if (!verigrad::bindings::load_size(item.ptr(), value.values)) return false;
    }
    return true;
  }
};

}  // namespace pybind11::detail

// The arguments kernel_size, stride, padding and the like: an int, or one int for each dimension.
#pragma once

#include "python.h"

namespace verigrad::bindings {

struct SizeArg {
  ops::DimList values;
  bool single = false;  // an int, not a sequence
  /// Two numbers out of a single one.
  ops::DimList both() const { return single ? ops::DimList{values[0], values[0]} : values; }
};
/// An empty list where the argument is None.
inline ops::DimList list_of(const std::optional<SizeArg>& arg) { return arg ? arg->values : ops::DimList{}; }

/// False for what is no int; raises ValueError for one beyond int64, TypeError in a sequence, as PyTorch does.
inline bool load_size(PyObject* object, ops::DimList& values, bool single) {
  if (PyBool_Check(object) || !PyIndex_Check(object)) return false;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  VG_CHECK(overflow == 0 || !single, ValueError, "Overflow when unpacking long long");
  VG_CHECK(overflow == 0, TypeError, "Overflow when unpacking long long in a tuple of ints");
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
    value.single = !PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr());
    if (value.single) {
      return verigrad::bindings::load_size(src.ptr(), value.values, true);
    }
    for (const handle item : reinterpret_borrow<sequence>(src)) {
      if (!verigrad::bindings::load_size(item.ptr(), value.values, false)) return false;
    }
    return true;
  }
};

}  // namespace pybind11::detail

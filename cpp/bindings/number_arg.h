// A number where a tensor without dimensions may stand for it.
#pragma once

#include "python.h"

namespace verigrad::bindings {

struct NumberArg {
  Scalar value = 0;
  operator Scalar() const { return value; }
};

}  // namespace verigrad::bindings

namespace pybind11::detail {

template <>
struct type_caster<verigrad::bindings::NumberArg> {
  PYBIND11_TYPE_CASTER(verigrad::bindings::NumberArg, const_name("float | int | bool"));
  bool load(handle src, bool) {
    if (verigrad::bindings::load_scalar(src.ptr(), value.value)) return true;
    if (!verigrad::bindings::is_tensor(src.ptr())) return false;
    const verigrad::Tensor tensor = verigrad::bindings::unwrap(src.ptr());
    if (tensor.ndim() != 0 || tensor.requires_grad()) return false;
    value.value = verigrad::ops::item(tensor);
    return true;
  }
};

}  // namespace pybind11::detail

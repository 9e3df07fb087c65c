#include "out.h"

namespace verigrad::bindings {

void check_no_gradient(const char* op, const Tensor& input) {
  VG_CHECK(!GradMode::enabled() || !input.defined() || !input.requires_grad(), RuntimeError, op,
           "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
           "requires grad.");
}

Tensor out_tensor(const char* op, const py::object& out) {
  if (out.is_none()) return {};
  VG_CHECK(is_tensor(out.ptr()), TypeError, op, "(): argument 'out' must be Tensor, not ", Py_TYPE(out.ptr())->tp_name);
  return unwrap(out.ptr());
}

void write_out(const char* op, const Tensor& out, const Tensor& result) {
  VG_CHECK(can_cast(result.dtype(), out.dtype()), RuntimeError, op, ": result type ", result.dtype(),
           " can't be cast to the desired output type ", out.dtype());
  VG_CHECK(out.device() == result.device(), RuntimeError, op, ": expected out on ", result.device(), ", got ",
           out.device());
  if (out.shape() != result.shape()) {
    if (out.numel() != 0) {
      std::ostringstream text;
      text << op << ": An output with one or more elements was resized since it had shape " << out.shape()
           << ", which does not match the required output shape " << result.shape()
           << ". Outputs should have the right shape, or no elements.";
      if (PyErr_WarnEx(PyExc_UserWarning, text.str().c_str(), 1) != 0) throw py::error_already_set();
    }
    out.set_data(ops::empty(result.shape(), out.dtype(), out.device()));
  }
  const Uninterrupted whole;
  ops::copy_(out, result);
}

}  // namespace verigrad::bindings

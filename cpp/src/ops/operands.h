// Operands of recorded elementwise ops: a tensor or a Python number each. A number has no gradient, and stays a number
// in the VJPs of the others.
#pragma once

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

inline bool wants_gradient(const Tensor& x) { return x.requires_grad(); }
inline bool wants_gradient(Scalar) { return false; }
inline bool is_number(const Tensor&) { return false; }
inline bool is_number(Scalar) { return true; }
inline Save kept(const Tensor& x) { return Save::input(x); }
inline Save kept(Scalar x) { return Save::number(as_input(x)); }
inline Tensor in_dtype(const Tensor& x, DType dtype) { return to(x, dtype); }
inline Scalar in_dtype(Scalar x, DType) { return x; }  // the loop converts it

/// An operand in the backward pass: a tensor is saved by the node, a number kept here.
template <class T>
struct Kept {
  explicit Kept(const Tensor&) {}
  Tensor get(Node& n, int i) const { return n.saved(i); }
};
template <>
struct Kept<Scalar> {
  Scalar value;
  explicit Kept(Scalar v) : value(v) {}
  Scalar get(Node& n, int i) const {
    n.saved(i);  // raises where the graph is freed
    return value;
  }
};

/// An operand that a change of self in place does not change while it is read.
inline Tensor apart(const Tensor& b, const Tensor& self) {
  const bool shared = b.storage() == self.storage() &&
                      !(b.offset() == self.offset() && b.shape() == self.shape() && b.strides() == self.strides());
  return shared ? clone(b) : b;
}
inline Scalar apart(Scalar b, const Tensor&) { return b; }

/// Raises where the result of an in-place op has a dtype that self does not hold, or another shape.
inline void check_result(const char* op, const Tensor& self, DType dtype, const Dims& shape) {
  VG_CHECK(can_cast(dtype, self.dtype()), RuntimeError, op, "_: result type ", dtype,
           " can't be cast to the desired output type ", self.dtype());
  VG_CHECK(shape == self.shape(), RuntimeError, op, "_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
}

}  // namespace verigrad::ops

// Softmax and the losses built on it.
//
// With y = softmax(x): dL/dx = y (g - sum(g y)); with y = log_softmax(x): dL/dx = g - exp(y) sum(g)
// (C. M. Bishop, Pattern Recognition and Machine Learning, eq. 4.106).
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

Tensor softmax_like(kernels::SoftmaxOp op, const char* name, const Tensor& self, int dim, const Tensor& x) {
  const Tensor out = empty_tensor(x.shape(), x.dtype(), x.device());
  if (x.numel() == 0) return out;
  const Tensor in = contiguous(detach(x));
  kernels::Softmax s;
  s.outer = s.inner = 1;
  s.size = x.ndim() > 0 ? x.shape()[dim] : 1;
  for (int d = 0; d < dim; ++d) s.outer *= x.shape()[d];
  for (int d = dim + 1; d < x.ndim(); ++d) s.inner *= x.shape()[d];
  s.in = in.data();
  s.out = out.data();
  VG_KERNEL(softmax, name, self.device())(op, x.dtype(), s);
  return out;
}

Tensor floating_input(const char* op, const Tensor& self, OptDType dtype) {
  const DType result = dtype.value_or(self.dtype());
  VG_CHECK(is_floating_point(result), NotImplementedError, op, ": expected a floating-point dtype, got ", result);
  return to(self, result);
}

}  // namespace

Tensor softmax(const Tensor& self, std::int64_t dim, OptDType dtype) {
  const int d = wrap_dim("softmax", dim, self.ndim());
  const Tensor x = floating_input("softmax", self, dtype);
  const Tensor out = softmax_like(kernels::SoftmaxOp::softmax, "softmax", self, d, x);
  return record("SoftmaxBackward0", out, {x}, {Save::output(out)}, [d](Node& n, const Tensor& g) -> TensorList {
    const Tensor y = n.saved(0), gy = mul(g, y);
    return {sub(gy, mul(y, sum(gy, {d}, true)))};
  });
}

Tensor log_softmax(const Tensor& self, std::int64_t dim, OptDType dtype) {
  const int d = wrap_dim("log_softmax", dim, self.ndim());
  const Tensor x = floating_input("log_softmax", self, dtype);
  const Tensor out = softmax_like(kernels::SoftmaxOp::log_softmax, "log_softmax", self, d, x);
  return record("LogSoftmaxBackward0", out, {x}, {Save::output(out)}, [d](Node& n, const Tensor& g) -> TensorList {
    return {sub(g, mul(exp(n.saved(0)), sum(g, {d}, true)))};
  });
}

}  // namespace verigrad::ops

// where, and comparisons of whole tensors.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

Tensor where(const Tensor& condition, const Tensor& a_, const Tensor& b_) {
  VG_CHECK(condition.dtype() == DType::Bool, RuntimeError,
           "where: expected condition to be a boolean tensor, but got a tensor with dtype ", condition.dtype());
  const DType dtype = result_type(a_, b_);
  const Tensor a = beside(to_stored("where", a_, dtype), condition),
               b = beside(to_stored("where", b_, dtype), condition);
  check_same_device("where", condition, a);
  check_same_device("where", condition, b);
  const Dims shape = broadcast_shapes("where", condition.shape(), broadcast_shapes("where", a.shape(), b.shape()));
  const Tensor out = empty_tensor(shape, dtype, condition.device());
  kernels::Loop loop;
  if (make_loop(loop, out, {&condition, &a, &b})) VG_KERNEL(where, "where", out.device())(dtype, loop);
  if (!is_floating_point(dtype)) return out;
  return record("WhereBackward0", out, {a, b}, {Save::input(condition)}, [](Node& n, const Tensor& g) -> TensorList {
    const Tensor condition = n.saved(0), zero = wrapped_scalar(0, g.dtype(), g.device());
    return {n.needs(0) ? sum_to_shape(where(condition, g, zero), input_meta(n, 0).shape) : Tensor(),
            n.needs(1) ? sum_to_shape(where(condition, zero, g), input_meta(n, 1).shape) : Tensor()};
  });
}

Tensor masked_fill(const Tensor& self, const Tensor& mask, const Tensor& value) {
  VG_CHECK(mask.dtype() == DType::Bool, RuntimeError,
           "masked_fill_ only supports boolean masks, but got mask with dtype ", mask.dtype());
  VG_CHECK(value.ndim() == 0, RuntimeError,
           "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.ndim(),
           " dimension(s).");
  check_fits("masked_fill", item(value), self.dtype());
  return where(mask, to(value, self.dtype()), self);
}

bool equal(const Tensor& a, const Tensor& b) {
  check_same_device("equal", a, b);
  if (a.shape() != b.shape()) return false;
  return item(all(eq(detach(a), detach(b)))).to<bool>();
}

Tensor isclose(const Tensor& a_, const Tensor& b_, double rtol, double atol, bool equal_nan) {
  VG_CHECK(a_.dtype() == b_.dtype(), RuntimeError, "isclose: ", a_.dtype(), " did not match ", b_.dtype());
  VG_CHECK(rtol >= 0 && atol >= 0, RuntimeError, "isclose: expected rtol and atol of at least 0, got ", rtol, " and ",
           atol);
  const Tensor a = detach(a_), b = detach(b_);
  Tensor close = eq(a, b);
  if (equal_nan && is_floating_point(a.dtype())) close = logical_or(close, logical_and(isnan(a), isnan(b)));
  if (rtol == 0 && atol == 0) return close;
  const DType dtype = is_floating_point(a.dtype()) ? a.dtype() : DType::Float64;
  const Tensor x = to(a, dtype), y = to(b, dtype);
  const Tensor error = abs(sub(x, y));
  const Tensor allowed = add(abs(mul(y, rtol)), atol);
  return logical_or(close, logical_and(isfinite(error), le(error, allowed)));
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  return item(all(isclose(a, b, rtol, atol, equal_nan))).to<bool>();
}

}  // namespace verigrad::ops

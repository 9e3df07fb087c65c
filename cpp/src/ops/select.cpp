// where, and comparisons of whole tensors.
#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {

namespace {

/// where of operands that have the dtype already.
Tensor choose(const char* op, const Tensor& condition_, const Operand& a_, const Operand& b_, DType dtype) {
  Tensor condition = condition_;
  for (const Operand* x : {&a_, &b_}) {
    if (condition.ndim() == 0 && x->is_tensor()) condition = beside(condition, x->tensor);
  }
  const auto prepare = [&](const Operand& x) -> Operand {
    if (!x.is_tensor()) return x;
    Tensor here = beside(x.tensor, condition);
    check_same_device(op, condition, here);
    return here;
  };
  const auto shape_of = [](const Operand& x) { return x.is_tensor() ? x.tensor.shape() : Dims(); };
  const Operand a = prepare(a_), b = prepare(b_);
  const Dims shape = broadcast_shapes(op, condition.shape(), broadcast_shapes(op, shape_of(a), shape_of(b)));
  const Tensor out = empty_tensor(shape, dtype, condition.device());
  where_out(out, condition, a, b);
  if (!is_floating_point(dtype)) return out;
  return record("WhereBackward0", out, {as_input(a), as_input(b)}, {Save::input(condition)},
                [](Node& n, const Tensor& g) -> TensorList {
                  const Tensor condition = n.saved(0);
                  return {n.needs(0) ? sum_to_shape(where(condition, g, 0), input_meta(n, 0).shape) : Tensor(),
                          n.needs(1) ? sum_to_shape(where(condition, 0, g), input_meta(n, 1).shape) : Tensor()};
                });
}

}  // namespace

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  VG_CHECK(condition.dtype() == DType::Bool, RuntimeError,
           "where: expected condition to be a boolean tensor, but got a tensor with dtype ", condition.dtype());
  const DType dtype = result_type({&a, &b});
  return choose("where", condition, to_stored("where", a, dtype), to_stored("where", b, dtype), dtype);
}

Tensor masked_fill(const Tensor& self, const Tensor& mask, const Operand& value) {
  VG_CHECK(mask.dtype() == DType::Bool, RuntimeError,
           "masked_fill_ only supports boolean masks, but got mask with dtype ", mask.dtype());
  const DType dtype = self.dtype();
  if (value.is_tensor()) {
    VG_CHECK(value.tensor.ndim() == 0, RuntimeError,
             "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.tensor.ndim(),
             " dimension(s).");
    // Only the value of a wider dtype says whether it fits.
    if (promote_types(value.tensor.dtype(), dtype) != dtype) check_fits("masked_fill", item(value.tensor), dtype);
  }
  return choose("masked_fill", mask, to_stored("masked_fill", value, dtype), self, dtype);
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

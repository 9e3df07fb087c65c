// Where a condition or a mask holds, and comparisons of whole tensors.
#include "ops/changes.h"
#include "verigrad/indexing.h"

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

Operand fill_value(const char* op, const Operand& value, DType dtype) {
  if (value.is_tensor()) {
    VG_CHECK(value.tensor.ndim() == 0, RuntimeError, op,
             " only supports a 0-dimensional value tensor, but got tensor with ", value.tensor.ndim(),
             " dimension(s).");
    // Only the value of a wider dtype says whether it fits.
    if (promote_types(value.tensor.dtype(), dtype) != dtype) check_fits(op, item(value.tensor), dtype);
  }
  return to_stored(op, value, dtype);
}

namespace {

void check_mask(const char* op, const Tensor& mask) {
  VG_CHECK(mask.dtype() == DType::Bool, RuntimeError, op, " only supports boolean masks, but got mask with dtype ",
           mask.dtype());
}

}  // namespace

Tensor masked_fill(const Tensor& self, const Tensor& mask, const Operand& value) {
  check_mask("masked_fill_", mask);
  const DType dtype = self.dtype();
  return choose("masked_fill", mask, fill_value("masked_fill_", value, dtype), self, dtype);
}

const Tensor& masked_fill_(const Tensor& self, const Tensor& mask, const Operand& value) {
  check_mask("masked_fill_", mask);
  const Dims shape = broadcast_shapes("masked_fill_", self.shape(), mask.shape());
  VG_CHECK(shape == self.shape(), RuntimeError, "masked_fill_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  const bool record_it = recording(self) || (value.is_tensor() && recording(value.tensor));
  return change_in_place(
      self, record_it,
      [&] {
        Operand filled = fill_value("masked_fill_", value, self.dtype());
        if (filled.is_tensor()) filled = apart_from(self, beside(detach(filled.tensor), self));
        const Tensor chosen = apart_from(self, beside(mask, self));
        check_same_device("masked_fill_", self, chosen);
        where_out(self, chosen, filled, self);
      },
      [&] { return masked_fill(self, mask, value); });
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  VG_CHECK(mask.dtype() == DType::Bool, RuntimeError, "masked_select: expected BoolTensor for mask, got ",
           mask.dtype());
  check_same_device("masked_select", self, mask);
  const Dims shape = broadcast_shapes("masked_select", self.shape(), mask.shape());
  const Tensor places = nonzero(reshape(expand(mask, shape), {-1}));
  return select_rows("masked_select", reshape(expand(self, shape), {-1}), 0, reshape(places, {-1}));
}

Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
  VG_CHECK(self.dtype() == source.dtype(), RuntimeError,
           "masked_scatter: expected self and source to have same dtypes but got ", self.dtype(), " and ",
           source.dtype());
  check_mask("masked_scatter_", mask);
  check_same_device("masked_scatter", self, mask);
  check_same_device("masked_scatter", self, source);
  const Dims shape = broadcast_shapes("masked_scatter", self.shape(), mask.shape());
  const Tensor places = reshape(nonzero(reshape(expand(mask, shape), {-1})), {-1});
  VG_CHECK(places.numel() <= source.numel(), RuntimeError,
           "masked_scatter: Number of elements of source < number of ones in mask, got ", source.numel(), " and ",
           places.numel());
  const Tensor taken = narrow(reshape(source, {-1}), 0, 0, places.numel());
  return reshape(index_copy(reshape(expand(self, shape), {-1}), 0, places, taken), shape);
}

const Tensor& masked_scatter_(const Tensor& self, const Tensor& mask, const Tensor& source) {
  const Dims shape = broadcast_shapes("masked_scatter_", self.shape(), mask.shape());
  VG_CHECK(shape == self.shape(), RuntimeError, "masked_scatter_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  const auto result = [&] { return masked_scatter(self, mask, source); };
  return change_in_place(self, recording(self, source), [&] { copy_out(self, result()); }, result);
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

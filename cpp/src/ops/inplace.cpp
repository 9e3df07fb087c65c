// What every in-place op does: the checks before, and the history after.
#include <cmath>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad {

using ops::input_meta;

void check_inplace(const Tensor& self, bool recorded) {
  const int untracked = self.impl()->untracked_view;
  VG_CHECK(!(untracked == 2 && GradMode::enabled()) && !(untracked && recorded), RuntimeError,
           "A view was created in no_grad mode and is being modified inplace with grad mode enabled. This use case is "
           "ambiguous and forbidden: move both the view and the inplace inside the no_grad block, or both outside.");
  if (recorded) {
    const bool view = self.impl()->meta && self.impl()->meta->base.defined();
    const Tensor& owner = view ? self.impl()->meta->base : self;
    VG_CHECK(!(owner.requires_grad() && owner.is_leaf()), RuntimeError, "a ", view ? "view of a " : "",
             "leaf Variable that requires grad is being used in an in-place operation.");
    VG_CHECK(!self.impl()->inference || InferenceMode::enabled(), RuntimeError,
             "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a "
             "normal tensor before doing inplace update.");
  }
  VG_CHECK(self.impl()->contiguous || !may_overlap(self.shape(), self.strides()), RuntimeError,
           "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
           "Please clone() the tensor before performing the operation.");
}

namespace {

/// A copy laid out with `strides`, so that any view that could be taken of a tensor with them can be taken of it.
Tensor clone_strided(const Tensor& self, const Dims& strides) {
  if (self.numel() == 0 || (self.strides() == strides && self.is_contiguous())) return ops::clone(self);
  if (may_overlap(self.shape(), strides)) return ops::clone(self);
  std::int64_t extent = 1;
  for (int d = 0; d < self.ndim(); ++d) extent += std::max<std::int64_t>(self.shape()[d] - 1, 0) * strides[d];
  const Tensor out = alias(empty_tensor({extent}, self.dtype(), self.device()), self.shape(), strides, 0);
  ops::copy_out(out, self);
  return record("CloneBackward0", out, {self}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

Tensor record_copy_slices(const Tensor& out, const Tensor& base, const Tensor& src, const ViewFunction& again);

/// `base` with the elements that `again` selects replaced by `src`, out of place.
Tensor copy_slices(const Tensor& base, const Dims& strides, const Tensor& src, const ViewFunction& again) {
  Tensor out;
  {
    const NoGradGuard guard;
    out = clone_strided(base, strides);
    ops::copy_out(again(out), src);
  }
  return record_copy_slices(out, base, src, again);
}

Tensor record_copy_slices(const Tensor& out, const Tensor& base, const Tensor& src, const ViewFunction& again) {
  return record("CopySlices", out, {base, src}, {},
                [again, strides = base.strides()](Node& n, const Tensor& g) -> TensorList {
                  const Tensor grad = clone_strided(g, strides);
                  Tensor grad_base, grad_src;
                  if (n.needs(1)) grad_src = ops::to(again(grad), input_meta(n, 1).dtype);
                  if (n.needs(0)) grad_base = copy_slices(grad, strides, ops::zeros_like(again(grad)), again);
                  return {grad_base, grad_src};
                });
}

}  // namespace

void finish_inplace(const Tensor& self, const Tensor& result) {
  self.bump_version();
  if (!GradMode::enabled()) return;
  AutogradMeta& meta = autograd_meta(self);
  if (meta.base.defined()) {
    const Tensor base = meta.base;
    if (!result.requires_grad() && !base.requires_grad()) return;
    const Tensor now = record_copy_slices(alias(base), base, result, meta.view_fn);
    AutogradMeta& base_meta = autograd_meta(base);
    base_meta.grad_fn = now.grad_fn();
    base_meta.output_nr = 0;
    ++base_meta.history_epoch;
  } else if (result.requires_grad()) {
    meta.grad_fn = result.grad_fn();
    meta.output_nr = result.impl()->meta->output_nr;
    ++meta.history_epoch;
  }
  if (meta.retains_grad) {
    meta.retains_grad = false;
    retain_grad(self);
  }
}

namespace ops {
namespace {

/// Overwrites self, whose old value gets a zero gradient.
template <class Write>
const Tensor& overwrite(const char* node, const Tensor& self, Write write) {
  const bool record_it = recording(self);
  check_inplace(self, record_it);
  write();
  if (record_it) {
    finish_inplace(self, record(node, alias(self), {self}, {},
                                [](Node&, const Tensor& g) -> TensorList { return {zeros_like(g)}; }));
  } else {
    self.bump_version();
  }
  return self;
}

/// Runs a random kernel over a contiguous tensor, or over a scratch that is then copied.
void fill_random(kernels::RandomOp op, const char* name, const Tensor& self, double low, double high,
                 const OptGenerator& generator) {
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, name, ": expected a floating-point dtype, got ",
           self.dtype());
  const Tensor out = self.is_contiguous() ? self : empty_tensor(self.shape(), self.dtype(), self.device());
  random_out(op, name, out, low, high, 0, 0, generator);
  if (!self.is_contiguous()) copy_out(self, out);
}

}  // namespace

const Tensor& copy_(const Tensor& self, const Tensor& source) {
  const bool record_it = is_floating_point(self.dtype()) && recording(self, source);
  check_inplace(self, record_it);
  const Dims shape = broadcast_shapes("copy_", self.shape(), source.shape());
  VG_CHECK(shape == self.shape(), RuntimeError, "copy_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  if (source.is_same(self)) return self;
  {
    const NoGradGuard guard;
    copy_out(self, source.storage() == self.storage() ? clone(source) : source);
  }
  if (!record_it) {
    self.bump_version();
    return self;
  }
  finish_inplace(self,
                 record("CopyBackwards", alias(self), {self, source}, {}, [](Node& n, const Tensor& g) -> TensorList {
                   Tensor grad_source;
                   if (n.needs(1)) {
                     const GradMeta& meta = input_meta(n, 1);
                     grad_source = to(sum_to_shape(g, meta.shape), meta.dtype);
                   }
                   return {n.needs(0) ? zeros_like(g) : Tensor(), grad_source};
                 }));
  return self;
}

const Tensor& fill_(const Tensor& self, Scalar value) {
  check_fits("fill_", value, self.dtype());
  return overwrite("FillBackward0", self, [&] { fill_out(self, value); });
}

const Tensor& uniform_(const Tensor& self, double low, double high, OptGenerator generator) {
  VG_CHECK(low <= high, RuntimeError, "uniform_: expects to return a [from, to) range, but found from=", low,
           " > to=", high);
  VG_CHECK(std::isfinite(high - low), RuntimeError, "uniform_: expected a finite range, got from=", low, " to=", high);
  return overwrite("UniformBackward0", self,
                   [&] { fill_random(kernels::RandomOp::uniform, "uniform_", self, low, high, generator); });
}

const Tensor& normal_(const Tensor& self, double mean, double std, OptGenerator generator) {
  VG_CHECK(std >= 0.0, RuntimeError, "normal_: expects std >= 0.0, but found std ", std);
  return overwrite("NormalBackward0", self,
                   [&] { fill_random(kernels::RandomOp::normal, "normal_", self, mean, std, generator); });
}

}  // namespace ops
}  // namespace verigrad

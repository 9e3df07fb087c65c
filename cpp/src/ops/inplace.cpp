// What every in-place op does: the checks before, and the history after.
#include <cmath>
#include <mutex>

#include "autograd/record.h"
#include "core/backend.h"
#include "ops/elementwise.h"
#include "verigrad/rearrange.h"

namespace verigrad {

using ops::input_meta;

namespace {

void check_no_leaf(const Tensor& self) {
  const Tensor base = base_of(self);
  // A view of a tensor without gradients may be a leaf itself.
  const auto leaf = [](const Tensor& t) { return t.defined() && t.requires_grad() && t.is_leaf(); };
  VG_CHECK(!leaf(self) && !leaf(base), RuntimeError, "a ", base.defined() ? "view of a " : "",
           "leaf Variable that requires grad is being used in an in-place operation.");
}

}  // namespace

void check_inplace(const Tensor& self, bool recorded) {
  VG_CHECK(!(self.impl()->untracked_view && GradMode::enabled() && (recorded || self.requires_grad())), RuntimeError,
           "A view was created in no_grad mode and is being modified inplace with grad mode enabled. This use case is "
           "ambiguous and forbidden: move both the view and the inplace inside the no_grad block, or both outside.");
  const auto check_overlap = [](const Tensor& written) {
    VG_CHECK(written.is_contiguous() || !may_overlap(written.shape(), written.strides()), RuntimeError,
             "unsupported operation: more than one element of the written-to tensor refers to a single memory "
             "location. Please clone() the tensor before performing the operation.");
  };
  if (recorded) {
    check_no_leaf(self);
    VG_CHECK(!self.impl()->inference || InferenceMode::enabled(), RuntimeError,
             "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a "
             "normal tensor before doing inplace update.");
    const Tensor base = base_of(self);
    check_overlap(base.defined() ? base : self);
  }
  check_overlap(self);
}

namespace {

/// One past the last element that a tensor reaches, counted from its first.
std::int64_t extent(const Dims& shape, const Dims& strides) {
  std::int64_t end = 1;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return 0;
    end += (shape[d] - 1) * strides[d];
  }
  return end;
}

/// Which elements of its base a view shows. The base is `strides` over memory that starts at its first element.
struct Selection {
  Dims base_strides, shape, strides;
  std::int64_t offset;
  Selection(const Tensor& base, const Tensor& view)
      : base_strides(base.strides()),
        shape(view.shape()),
        strides(view.strides()),
        offset(view.offset() - base.offset()) {}
  Tensor of(const Tensor& laid_out) const { return alias(laid_out, shape, strides, laid_out.offset() + offset); }
};

/// A copy laid out with `strides`, so that any view that could be taken of a tensor with them can be taken of it.
Tensor clone_strided(const Tensor& self, const Dims& strides) {
  if (self.strides() == strides && self.is_contiguous()) return ops::clone(self);
  const Tensor memory = ops::empty({extent(self.shape(), strides)}, self.dtype(), self.device());
  const Tensor out = alias(memory, self.shape(), strides, 0);
  ops::copy_out(out, self);
  return record("CloneBackward0", out, {self}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

Tensor put_back(const Tensor& part, const Dims& shape, const Selection& selection);

/// What `selection` shows of `base`, which has any strides, in memory of its own.
Tensor take(const Tensor& base, const Selection& selection) {
  Tensor out;
  {
    const NoGradGuard guard;
    out = selection.of(clone_strided(base, selection.base_strides));
  }
  return record("AsStridedBackward0", out, {base}, {}, [selection](Node& n, const Tensor& g) -> TensorList {
    return {put_back(g, input_meta(n, 0).shape, selection)};
  });
}

/// The gradient of `take`: zeros of `shape` with `part` where the view is. An element shown more than once (after
/// expand or unfold) gets the sum.
Tensor put_back(const Tensor& part, const Dims& shape, const Selection& selection) {
  const Dims& strides = selection.base_strides;
  Tensor memory = ops::zeros({extent(shape, strides)}, part.dtype(), part.device());
  if (part.numel() > 0) {
    const NoGradGuard guard;
    Dims once = part.shape();
    for (int d = 0; d < once.size(); ++d) {
      if (selection.strides[d] == 0) once[d] = 1;
    }
    const Tensor sum = sum_to_shape(part, once);
    if (may_overlap(once, selection.strides)) {
      const Tensor place = ops::arange(0, memory.numel(), 1, DType::Int64, part.device());
      const Tensor places = alias(place, once, selection.strides, selection.offset);
      memory = ops::index_add(memory, 0, ops::reshape(places, {-1}), ops::reshape(sum, {-1}));
    } else {
      ops::copy_out(alias(memory, once, selection.strides, selection.offset), sum);
    }
  }
  const Tensor out = alias(memory, shape, strides, 0);
  return record("AsStridedBackwardBackward0", out, {part}, {},
                [selection](Node&, const Tensor& g) -> TensorList { return {take(g, selection)}; });
}

/// Records `out`, which is `base` with the elements that `selection` shows replaced by `src`.
Tensor record_copy_slices(const Tensor& out, const Tensor& base, const Tensor& src, const Selection& selection) {
  return record("CopySlices", out, {base, src}, {}, [selection](Node& n, const Tensor& g) -> TensorList {
    Tensor grad_base, grad_src;
    if (n.needs(1)) grad_src = ops::to(take(g, selection), input_meta(n, 1).dtype);
    if (n.needs(0)) {
      const Tensor nothing = ops::zeros(selection.shape, g.dtype(), g.device());
      {
        const NoGradGuard guard;
        grad_base = clone_strided(g, selection.base_strides);
        ops::copy_out(selection.of(grad_base), nothing);
      }
      grad_base = record_copy_slices(grad_base, g, nothing, selection);
    }
    return {grad_base, grad_src};
  });
}

}  // namespace

Tensor view_again(const Tensor& base, const Tensor& view) {
  const Selection selection(base, view);
  return record("AsStridedBackward0", alias(view), {base}, {}, [selection](Node& n, const Tensor& g) -> TensorList {
    return {put_back(g, input_meta(n, 0).shape, selection)};
  });
}

void finish_inplace(const Tensor& self, const Tensor& result) {
  self.bump_version();
  if (!GradMode::enabled()) return;
  AutogradMeta& meta = autograd_meta(self);
  if (const Tensor base = base_of(self); base.defined()) {
    if (!result.requires_grad() && !base.requires_grad()) return;
    const Tensor now = record_copy_slices(alias(base), base, result, Selection(base, self));
    move_history(base, now);
    ++base.impl()->meta->history_epoch;
    if (meta.retains_grad) self.grad_fn();
  } else if (result.requires_grad()) {
    move_history(self, result);
    ++meta.history_epoch;
  }
}

void finish_overwrite(const char* node, const Tensor& self, bool recorded) {
  if (!recorded) {
    self.bump_version();
    return;
  }
  const auto zero = [](Node&, const Tensor& g) -> TensorList { return {ops::zeros_like(g)}; };
  finish_inplace(self, record(node, alias(self), {self}, {}, zero));
}

namespace ops {
namespace {

/// Overwrites self, whose old value gets a zero gradient.
template <class Write>
const Tensor& overwrite(const char* node, const Tensor& self, Write write) {
  const bool record_it = recording(self);
  check_inplace(self, record_it);
  write();
  finish_overwrite(node, self, record_it);
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

/// Copies from another device; self's memory is the receiver where it can be.
void copy_between(const Tensor& self, const Tensor& source, bool non_blocking) {
  const bool to_host = self.device() == kHost;
  const Tensor from = to_host ? to(source, self.dtype()) : source;  // cast where the stream is
  if (self.is_contiguous() && from.dtype() == self.dtype() && from.shape() == self.shape()) {
    const Tensor packed = contiguous(from);
    copy_memory(self.device(), self.data(), packed.device(), packed.data(), self.numel() * itemsize(self.dtype()),
                non_blocking);
  } else {
    copy_out(self, to(from, self.dtype(), self.device(), non_blocking && !to_host));  // which the host reads at once
  }
}

/// self becomes `view(self)`, which shows the same memory: its shape, its strides and its history.
template <class View>
const Tensor& become(const Tensor& self, View view) {
  if (recording(self)) check_no_leaf(self);
  {
    // The history of a result follows its shape even while nothing is recorded.
    const GradModeGuard guard(GradMode::enabled() || self.grad_fn());
    const Tensor seen = view(self);
    if (self.grad_fn()) move_history(self, seen);
    TensorImpl& to = *self.impl();
    to.shape = seen.shape();
    to.strides = seen.strides();
    to.contiguous = seen.is_contiguous();
  }
  if (AutogradMeta* meta = self.impl()->meta.get()) {
    // An accumulator expects gradients of the old shape: older graphs keep it, newer ones get another.
    const std::lock_guard guard(meta->lock);
    meta->accumulator = nullptr;
  }
  self.bump_version();
  return self;
}

}  // namespace

const Tensor& transpose_(const Tensor& self, std::int64_t dim0, std::int64_t dim1) {
  return become(self, [&](const Tensor& x) { return transpose(x, dim0, dim1); });
}
const Tensor& t_(const Tensor& self) {
  return become(self, [](const Tensor& x) { return t(x); });
}
const Tensor& unsqueeze_(const Tensor& self, std::int64_t dim) {
  return become(self, [&](const Tensor& x) { return unsqueeze(x, dim); });
}
const Tensor& squeeze_(const Tensor& self, const std::optional<DimList>& dims) {
  return become(self, [&](const Tensor& x) { return squeeze(x, dims); });
}

const Tensor& copy_(const Tensor& self, const Tensor& source, bool non_blocking) {
  const bool record_it = is_floating_point(self.dtype()) && recording(self, source);
  check_inplace(self, record_it);
  const Dims shape = broadcast_shapes("copy_", self.shape(), source.shape());
  VG_CHECK(shape == self.shape(), RuntimeError, "copy_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", shape);
  if (source.is_same(self)) return self;
  {
    const NoGradGuard guard;
    if (source.device() == self.device()) {
      copy_out(self, source.storage() == self.storage() ? clone(source) : source);
    } else {
      copy_between(self, source, non_blocking);
    }
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
                     grad_source = to(sum_to_shape(g, meta.shape), meta.dtype, meta.device);
                   }
                   return {n.needs(0) ? zeros_like(g) : Tensor(), grad_source};
                 }));
  return self;
}

const Tensor& fill_(const Tensor& self, Scalar value) {
  check_fits("fill_", value, self.dtype());
  return overwrite("FillBackward0", self, [&] { fill_out(self, value); });
}

Tensor fill(const Tensor& self, const Operand& value) {
  const Tensor out = empty_tensor(self.shape(), self.dtype(), self.device());
  if (!value.is_tensor()) {
    check_fits("fill", value.scalar, self.dtype());
    fill_out(out, value.scalar);
    return record("FillBackward0", out, {self}, {},
                  [](Node&, const Tensor& g) -> TensorList { return {zeros_like(g)}; });
  }
  VG_CHECK(value.tensor.ndim() == 0, RuntimeError, "fill: expected a 0-dimension value tensor but got tensor with ",
           value.tensor.ndim(), " dimensions.");
  copy_out(out, to(value.tensor, self.dtype(), self.device()));
  if (!is_floating_point(self.dtype())) return out;
  return record("FillBackward1", out, {self, value.tensor}, {}, [](Node& n, const Tensor& g) -> TensorList {
    Tensor grad_value;
    if (n.needs(1)) grad_value = to(sum(g), input_meta(n, 1).dtype, input_meta(n, 1).device);
    return {n.needs(0) ? zeros_like(g) : Tensor(), grad_value};
  });
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

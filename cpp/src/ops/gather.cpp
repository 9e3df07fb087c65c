// Single elements along a dimension: gather, and the scatters, which write.
#include <cmath>
#include <limits>

#include "ops/changes.h"
#include "verigrad/indexing.h"

namespace verigrad::ops {
namespace {

/// What a scatter does with the value that is there and the one that comes.
enum class ScatterOp { assign, add, multiply, maximum, minimum };

kernels::Gather make_gather(const char* op, const Tensor& index, int dim, const Tensor& src, const Tensor& out,
                            const Tensor& addressed) {
  kernels::Gather g;
  g.op = op;
  g.shape = index.shape();
  g.dim = dim;
  g.size = addressed.shape()[dim];
  g.index = index.data_as<std::int64_t>();
  g.index_strides = index.strides();
  g.src = src.data();
  g.src_strides = src.strides();
  g.out = out.data();
  g.out_strides = out.strides();
  return g;
}

void check_index_shape(const char* op, const Tensor& index, const Tensor& self, int dim, bool every_dim) {
  VG_CHECK(index.ndim() == self.ndim(), RuntimeError, op,
           ": Index tensor must have the same number of dimensions as self tensor, got index ", index.shape(), " and ",
           self.shape());
  for (int d = 0; d < self.ndim(); ++d) {
    VG_CHECK((!every_dim && d == dim) || index.shape()[d] <= self.shape()[d], RuntimeError, op,
             ": Size does not match at dimension ", d, " expected index ", index.shape(), " to be no larger than self ",
             self.shape(), " apart from dimension ", dim);
  }
}

/// Where the elements of an index lie in a contiguous tensor of that shape, counted from its first.
Tensor places(const char* op, const Tensor& index, int dim, const Dims& shape) {
  const Dims strides = contiguous_strides(shape);
  const auto step = [&](const Operand& before, const Tensor& along, std::int64_t size, int d) {
    const Tensor at = empty_tensor(index.shape(), DType::Int64, index.device());
    positions_out(op, kernels::Mistake::position, at, before, along, {size}, strides[d]);
    return at;
  };
  Tensor at = step(0, index, shape[dim], dim);
  for (int d = 0; d < index.ndim(); ++d) {
    const std::int64_t size = index.shape()[d];
    if (d == dim || size == 1) continue;
    Dims along(index.ndim(), 1);
    along[d] = size;
    at = step(at, reshape(arange(0, size, 1, DType::Int64, index.device()), along), size, d);
  }
  return at;
}

/// The checked arguments of a scatter into `self`, all with at least one dimension.
struct Scatter {
  const char* op;
  int dim;
  Tensor index, src;

  Scatter(const char* op_, const Tensor& self, std::int64_t dim_, const Tensor& index_, const Operand& value)
      : op(op_), dim(wrap_dim(op_, dim_, self.ndim())) {
    check_same_device(op, self, index_);
    index = at_least_1d(as_index(op, index_));
    if (value.is_tensor()) {
      check_same_device(op, self, value.tensor);
      VG_CHECK(self.dtype() == value.tensor.dtype(), RuntimeError, op,
               "(): Expected self.dtype to be equal to src.dtype, got ", self.dtype(), " and ", value.tensor.dtype());
      src = at_least_1d(value.tensor);
    } else {
      check_fits(op, value.scalar, self.dtype());
      src = expand(full({}, value.scalar, self.dtype(), self.device()), index.shape());
    }
    if (index.numel() == 0) return;
    check_index_shape(op, index, at_least_1d(detach(self)), dim, false);
    check_index_shape(op, index, src, dim, true);
  }

  /// Into a contiguous tensor, in the order of the index; of several that are assigned the last one wins.
  void run(ScatterOp how, const Tensor& out) const {
    if (index.numel() == 0) return;
    const Tensor target = at_least_1d(detach(out));
    if (how == ScatterOp::add) {
      VG_KERNEL(scatter_add, op, out.device())(out.dtype(), make_gather(op, index, dim, src, target, target));
      return;
    }
    const Tensor at = places(op, index, dim, target.shape()), flat = reshape(target, {-1});
    Tensor part = detach(src);
    for (int d = 0; d < index.ndim(); ++d) part = narrow(part, d, 0, index.shape()[d]);
    if (how == ScatterOp::assign) return write_rows(op, true, flat, 0, reshape(at, {-1}), reshape(part, {-1}));
    // Slice after slice of the source, none of which has two elements for one place.
    for (std::int64_t k = 0; k < index.shape()[dim]; ++k) {
      const Tensor here = contiguous(reshape(narrow(at, dim, k, 1), {-1})),
                   come = reshape(narrow(part, dim, k, 1), {-1});
      write_rows(op, true, flat, 0, here, combined(how, index_select(flat, 0, here), come));
    }
  }

  static Tensor combined(ScatterOp how, const Tensor& there, const Tensor& come) {
    if (how == ScatterOp::multiply) return mul(there, come);
    return how == ScatterOp::maximum ? maximum(there, come) : minimum(there, come);
  }

  /// self with what the op makes of it.
  Tensor result(ScatterOp how, const Tensor& self) const {
    const Tensor out = clone(detach(self));
    run(how, out);
    return out;
  }

  /// The same where self lies. What is read must not be what is written.
  void change(ScatterOp how, const Tensor& self) const {
    Scatter apart = *this;
    apart.src = apart_from(self, detach(src));
    apart.index = apart_from(self, index);
    change_contiguous(self, [&](const Tensor& out) { apart.run(how, out); });
  }
};

/// The part of a source that an index reaches has this gradient; the rest has no effect.
Tensor source_gradient(const Tensor& part, const Dims& shape) {
  Tensor grad = part;
  for (int d = 0; d < shape.size(); ++d) {
    Dims rest = grad.shape();
    rest[d] = shape[d] - rest[d];
    if (rest[d] > 0) grad = cat({grad, zeros(rest, grad.dtype(), grad.device())}, d);
  }
  return grad;
}

/// Whether each element of an index is the last one that names its place in a tensor of that shape: all write their
/// number there, and those that read it back have won.
Tensor last_writers(const Tensor& index, int dim, const Dims& shape) {
  const NoGradGuard guard;
  const Tensor number = reshape(arange(0, index.numel(), 1, DType::Int64, index.device()), index.shape());
  const Tensor written = scatter(zeros(shape, DType::Int64, index.device()), dim, index, number);
  return eq(gather(written, dim, index), number);
}

}  // namespace

Tensor gather(const Tensor& self_, std::int64_t dim, const Tensor& index_) {
  const int d = wrap_dim("gather", dim, self_.ndim());
  check_same_device("gather", self_, index_);
  const Tensor self = at_least_1d(self_), index = at_least_1d(as_index("gather", index_));
  if (index.numel() > 0) check_index_shape("gather", index, self, d, false);
  const Tensor out = empty_tensor(index.shape(), self.dtype(), self.device());
  if (out.numel() > 0)
    VG_KERNEL(gather, "gather", self.device())(self.dtype(), make_gather("gather", index, d, self, out, self));
  if (is_floating_point(self.dtype())) {
    record("GatherBackward0", out, {self}, {Save::input(index)}, [d](Node& n, const Tensor& g) -> TensorList {
      const GradMeta& meta = input_meta(n, 0);
      return {scatter_add_(zeros(meta.shape, meta.dtype, meta.device), d, n.saved(0), g)};
    });
  }
  return index_.ndim() == 0 ? reshape(out, {}) : out;
}

Tensor take_along_dim(const Tensor& self, const Tensor& indices, std::optional<std::int64_t> dim) {
  constexpr const char* op = "torch.take_along_dim()";
  VG_CHECK(indices.dtype() == DType::Int64, RuntimeError, op, ": dtype of indices should be Long but got ",
           indices.dtype());
  const auto at = [&](const Tensor& index, std::int64_t size) {
    const Tensor out = empty_tensor(index.shape(), DType::Int64, index.device());
    positions_out(op, kernels::Mistake::position, out, 0, index, {size, true});
    return out;
  };
  check_same_device(op, self, indices);
  if (!dim) return gather(reshape(self, {-1}), 0, at(reshape(indices, {-1}), self.numel()));
  VG_CHECK(self.ndim() == indices.ndim(), RuntimeError, op,
           ": input and indices should have the same number of dimensions, but got ", self.ndim(),
           " dimensions for input, and ", indices.ndim(), " dimensions for indices");
  VG_CHECK(self.ndim() > 0, IndexError, "take_along_dim: Dimension specified as ", *dim,
           " but tensor has no dimensions");
  const int d = wrap_dim("take_along_dim", *dim, self.ndim());
  Dims from = self.shape(), to = indices.shape();
  from[d] = to[d] = 1;
  const Dims shape = broadcast_shapes("take_along_dim", from, to);
  from = to = shape;
  from[d] = self.shape()[d];
  to[d] = indices.shape()[d];
  return gather(expand(self, from), d, at(expand(indices, to), from[d]));
}

Tensor scatter(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src) {
  const Scatter s("scatter", self, dim, index, src);
  const Tensor out = s.result(ScatterOp::assign, self);
  if (!is_floating_point(self.dtype())) return out;
  return record("ScatterBackward0", out, {self, s.src}, {Save::input(s.index)},
                [d = s.dim](Node& n, const Tensor& g) -> TensorList {
                  const Tensor index = n.saved(0);
                  Tensor grad_self, grad_src;
                  if (n.needs(0)) grad_self = scatter(g, d, index, 0);
                  if (n.needs(1)) {
                    const Tensor whole = at_least_1d(g);
                    const Tensor part = where(last_writers(index, d, whole.shape()), gather(whole, d, index), 0);
                    grad_src = source_gradient(part, input_meta(n, 1).shape);
                  }
                  return {grad_self, grad_src};
                });
}

Tensor scatter_add(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src) {
  const Scatter s("scatter_add", self, dim, index, src);
  const Tensor out = s.result(ScatterOp::add, self);
  if (!is_floating_point(self.dtype())) return out;
  return record("ScatterAddBackward0", out, {self, s.src}, {Save::input(s.index)},
                [d = s.dim](Node& n, const Tensor& g) -> TensorList {
                  Tensor grad_src;
                  if (n.needs(1)) {
                    grad_src = source_gradient(gather(at_least_1d(g), d, n.saved(0)), input_meta(n, 1).shape);
                  }
                  return {g, grad_src};
                });
}

namespace {

enum class Combine { sum, prod, mean, amax, amin };

Combine parse_combine(const std::string& reduce) {
  if (reduce == "sum") return Combine::sum;
  if (reduce == "prod") return Combine::prod;
  if (reduce == "mean") return Combine::mean;
  if (reduce == "amax") return Combine::amax;
  VG_CHECK(reduce == "amin", RuntimeError,
           "scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
  return Combine::amin;
}

/// What changes nothing when it is combined.
Scalar neutral(Combine how, DType dtype) {
  if (how == Combine::prod) return 1;
  if (how != Combine::amax && how != Combine::amin) return 0;
  const bool least = how == Combine::amax;
  return dispatch(dtype, [&]<class T>(TypeTag<T>) -> Scalar {
    if constexpr (std::is_same_v<T, bool>) {
      return !least;
    } else if constexpr (std::is_floating_point_v<T>) {
      return least ? -HUGE_VAL : HUGE_VAL;
    } else {
      using Limits = std::numeric_limits<T>;
      return static_cast<std::int64_t>(least ? Limits::min() : Limits::max());
    }
  });
}

/// How many numbers each place of a mean is made of, as a tensor of `dtype`; 1 where it is none.
Tensor counts(const Tensor& like, int dim, const Tensor& index, bool include_self) {
  const Tensor one = ones(index.shape(), like.dtype(), like.device());
  const Tensor n = scatter_add(include_self ? ones_like(like) : zeros_like(like), dim, index, one);
  return masked_fill(n, eq(n, 0), 1);
}

/// Gradients by self and src of the product: the result over each factor, and where one factor alone is 0 the product
/// of the others.
TensorList product_backward(const Tensor& g, const Tensor& self, const Tensor& src, const Tensor& result, int dim,
                            const Tensor& index, bool include_self) {
  const Tensor others = masked_fill(self, eq(self, 0), 1);
  const Tensor grad_self = div(mul(g, scatter_reduce(others, dim, index, src, "prod", include_self)), others);
  const Tensor zero = detach(eq(src, 0));
  const Tensor zeros_there =
      gather(scatter_add(zeros_like(detach(self)), dim, index, to(zero, self.dtype())), dim, index);
  const Tensor alone = logical_and(zero, eq(zeros_there, 1));
  const Tensor without = scatter_reduce(self, dim, index, masked_fill(src, alone, 1), "prod", include_self);
  const Tensor grad_src = where(alone, gather(mul(g, without), dim, index),
                                div(gather(mul(g, result), dim, index), masked_fill(src, zero, 1)));
  return {grad_self, grad_src};
}

/// Gradients by self and src of the extremum, which equal candidates share.
TensorList extremum_gradients(const Tensor& g, const Tensor& self, const Tensor& src, const Tensor& result, int dim,
                              const Tensor& index, bool include_self) {
  Tensor own = to(eq(self, result), g.dtype());
  if (!include_self) own = scatter(own, dim, index, 0);
  const Tensor come = to(eq(src, gather(result, dim, index)), g.dtype());
  const Tensor share = div(g, scatter_add(own, dim, index, come));
  return {mul(own, share), mul(come, gather(share, dim, index))};
}

/// The reduction of tensors that have at least one dimension, of a source of the index's shape.
Tensor reduce_scattered(const Tensor& self, const Scatter& s, Combine how, bool include_self) {
  const Tensor start = include_self ? detach(self) : scatter(detach(self), s.dim, s.index, neutral(how, self.dtype()));
  constexpr ScatterOp kOps[] = {ScatterOp::add, ScatterOp::multiply, ScatterOp::add, ScatterOp::maximum,
                                ScatterOp::minimum};
  Tensor out = s.result(kOps[static_cast<int>(how)], start);
  if (how == Combine::mean) {
    const Tensor n = counts(start, s.dim, s.index, include_self);
    out = is_floating_point(self.dtype()) ? div(out, n) : floor_divide(out, n);
  }
  if (!is_floating_point(self.dtype())) return out;
  const Tensor none;
  const bool plain = how == Combine::sum || how == Combine::mean;
  return record("ScatterReduceBackward0", out, {self, s.src},
                {Save::input(s.index), Save::input(plain ? none : self), Save::input(plain ? none : s.src),
                 Save::output(plain ? none : out)},
                [how, include_self, plain, d = s.dim](Node& n, const Tensor& g) -> TensorList {
                  const Tensor index = n.saved(0);
                  TensorList grads;
                  if (plain) {
                    const Tensor each = how == Combine::mean ? div(g, counts(detach(g), d, index, include_self)) : g;
                    grads = {each, gather(each, d, index)};
                  } else if (how == Combine::prod) {
                    grads = product_backward(g, n.saved(1), n.saved(2), n.saved(3), d, index, include_self);
                  } else {
                    grads = extremum_gradients(g, n.saved(1), n.saved(2), n.saved(3), d, index, include_self);
                  }
                  if (!include_self) grads[0] = scatter(grads[0], d, index, 0);
                  return grads;
                });
}

}  // namespace

Tensor scatter_reduce(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src,
                      const std::string& reduce, bool include_self) {
  const Combine how = parse_combine(reduce);
  VG_CHECK(how != Combine::mean || self.dtype() != DType::Bool, NotImplementedError,
           "scatter_reduce: reduce mean is not implemented for dtype bool");
  Scatter s("scatter_reduce", self, dim, index, src);
  if (s.index.numel() == 0) return scatter_add(self, dim, index, src);  // of nothing
  for (int d = 0; d < s.index.ndim(); ++d) {
    if (s.src.shape()[d] != s.index.shape()[d]) s.src = narrow(s.src, d, 0, s.index.shape()[d]);
  }
  return reshape(reduce_scattered(at_least_1d(self), s, how, include_self), self.shape());
}

namespace {

/// The names of scatter for two of those of scatter_reduce.
std::string combine_name(const std::string& reduce) {
  VG_CHECK(reduce == "add" || reduce == "multiply", RuntimeError,
           "scatter: reduce argument must be either add or multiply, got ", reduce);
  return reduce == "add" ? "sum" : "prod";
}

Tensor as_source(const Tensor& self, const Tensor& index, const Operand& src) {
  if (src.is_tensor()) return src.tensor;
  check_fits("scatter", src.scalar, self.dtype());
  return expand(full({}, src.scalar, self.dtype(), self.device()), index.shape());
}

}  // namespace

Tensor scatter(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src,
               const std::string& reduce) {
  const std::string name = combine_name(reduce);
  return scatter_reduce(self, dim, index, as_source(self, index, src), name);
}

const Tensor& scatter_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src) {
  return change_in_place(
      self, recording(self) || (src.is_tensor() && recording(src.tensor)),
      [&] { Scatter("scatter", self, dim, index, src).change(ScatterOp::assign, self); },
      [&] { return scatter(self, dim, index, src); });
}

const Tensor& scatter_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src,
                       const std::string& reduce) {
  const std::string name = combine_name(reduce);
  return scatter_reduce_(self, dim, index, as_source(self, index, src), name);
}

const Tensor& scatter_add_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src) {
  return change_in_place(
      self, recording(self, src), [&] { Scatter("scatter_add", self, dim, index, src).change(ScatterOp::add, self); },
      [&] { return scatter_add(self, dim, index, src); });
}

const Tensor& scatter_reduce_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src,
                              const std::string& reduce, bool include_self) {
  const bool record_it = recording(self, src);
  const auto result = [&] {
    return scatter_reduce(record_it ? clone(self) : self, dim, index, src, reduce, include_self);
  };
  return change_in_place(self, record_it, [&] { copy_out(self, result()); }, result);
}

}  // namespace verigrad::ops

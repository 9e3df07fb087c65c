// What is counted: distinct elements, whole numbers, bins, places in sorted rows.
#include <cmath>
#include <limits>

#include "ops/elementwise.h"
#include "verigrad/sorting.h"

namespace verigrad::ops {
namespace {

/// Slices along dimension 0 in the order of their elements: sorted by the last one, and then, keeping that order, by
/// those before it.
Tensor slice_order(const Tensor& rows) {
  Tensor order = arange(Scalar(0), Scalar(rows.size(0)), Scalar(1), DType::Int64, rows.device());
  for (std::int64_t column = rows.size(1) - 1; column >= 0; --column) {
    const Tensor keys = index_select(select(rows, 1, column), 0, order);
    order = index_select(order, 0, argsort(keys));
  }
  return order;
}

/// Dimension d comes first, or goes back from there; the others keep their order.
Tensor moved(const Tensor& x, int from, int to) {
  DimList order;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != from) order.push_back(i);
  }
  order.insert(order.begin() + to, from);
  return contiguous(permute(x, order));
}

}  // namespace

Unique unique(const Tensor& self, std::optional<std::int64_t> dim, bool sorted) {
  const char* op = sorted ? "unique" : "unique_consecutive";
  const int d = dim ? wrap_dim(op, *dim, self.ndim()) : 0;
  Tensor x = detach(self);
  Dims kept;  // of a slice
  if (dim && x.ndim() > 0) {
    for (int i = 0; i < x.ndim(); ++i) {
      VG_CHECK(i == d || x.shape()[i] != 0, RuntimeError, op,
               ": There are 0 sized dimensions, and they aren't selected, so unique cannot be applied, got shape ",
               x.shape());
    }
    x = moved(x, d, 0);
    kept = x.shape();
  }
  const std::int64_t n = kept.empty() ? x.numel() : kept[0], width = n == 0 ? 0 : x.numel() / n;
  const bool slices = !kept.empty() && kept.size() > 1;
  x = slices ? reshape(x, {n, width}) : reshape(x, {n});
  Tensor order;
  if (sorted) {
    order = slices ? slice_order(x) : argsort(x);
    x = index_select(x, 0, order);
  }
  Unique found;
  Tensor begins = ones({std::min<std::int64_t>(1, n)}, DType::Bool, x.device());
  if (n > 1) {
    const Tensor differs = ne(narrow(x, 0, 1, n - 1), narrow(x, 0, 0, n - 1));
    begins = cat({begins, slices ? any(differs, {1}) : differs});
  }
  const Tensor starts = reshape(nonzero(begins), {-1});
  const std::int64_t groups = starts.numel();
  found.values = index_select(x, 0, starts);
  const Tensor group = sub(cumsum(begins, 0), Scalar(1));
  found.inverse = order.defined() ? index_copy(empty_like(group), 0, order, group) : group;
  const Tensor end = full({groups > 0 ? 1 : 0}, n, DType::Int64, x.device());
  found.counts = sub(
      cat({narrow(starts, 0, std::min<std::int64_t>(1, groups), std::max<std::int64_t>(0, groups - 1)), end}), starts);
  if (slices) {
    kept[0] = groups;
    found.values = moved(reshape(found.values, kept), 0, d);
  }
  if (!dim) found.inverse = reshape(found.inverse, self.shape());
  return found;
}

Tensor bincount(const Tensor& self, const Tensor& weights, std::int64_t minlength) {
  VG_CHECK(is_integral(self.dtype()), NotImplementedError, "\"bincount\" not implemented for ", self.dtype());
  VG_CHECK(minlength >= 0, RuntimeError, "bincount: minlength should be >= 0, got ", minlength);
  VG_CHECK(self.ndim() == 1, RuntimeError, "bincount: only supports 1-d non-negative integral inputs, got shape ",
           self.shape());
  VG_CHECK(!weights.defined() || (weights.ndim() == 1 && weights.numel() == self.numel()), RuntimeError,
           "bincount: weights should be 1-d and have the same length as input, got shape ",
           weights.defined() ? weights.shape() : Dims{});
  if (weights.defined()) check_same_device("bincount", self, weights);
  if (self.numel() == 0) return zeros({minlength}, DType::Int64, self.device());
  const std::int64_t least = item(min(self)).to<std::int64_t>(), greatest = item(max(self)).to<std::int64_t>();
  VG_CHECK(least >= 0, RuntimeError, "bincount: only supports 1-d non-negative integral inputs, got ", least);
  const std::int64_t size = std::max(minlength, checked_add("bincount", greatest, 1));
  DType dtype = DType::Int64;
  if (weights.defined()) dtype = weights.dtype() == DType::Float32 ? DType::Float32 : DType::Float64;
  const Tensor counted = weights.defined() ? to(detach(weights), dtype) : ones({self.numel()}, dtype, self.device());
  return index_add(zeros({size}, dtype, self.device()), 0, to(self, DType::Int64), counted);
}

Tensor histc(const Tensor& self, std::int64_t bins, double min, double max) {
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, "\"histc\" not implemented for ", self.dtype());
  VG_CHECK(bins > 0, RuntimeError, "histc: bins must be > 0, but got ", bins);
  const Tensor x = reshape(detach(self), {self.numel()});
  if (min == max && x.numel() > 0) {
    min = item(ops::min(x)).to_double();
    max = item(ops::max(x)).to_double();
  }
  VG_CHECK(std::isfinite(min) && std::isfinite(max), RuntimeError, "histc: range of [", min, ", ", max,
           "] is not finite");
  VG_CHECK(min <= max, RuntimeError, "histc: max must be larger than min, got ", max, " and ", min);
  if (min == max) {
    min -= 1;
    max += 1;
  }
  const Tensor inside = logical_and(ge(x, Scalar(min)), le(x, Scalar(max)));
  const Tensor place = div(mul(sub(x, Scalar(min)), static_cast<double>(bins)), Scalar(max - min));
  // The greatest element belongs to the last bin; what is outside has one of its own, which goes.
  const Tensor bin = minimum(to(masked_fill(place, logical_not(inside), Operand(0)), DType::Int64), bins - 1);
  const Tensor chosen = masked_fill(bin, logical_not(inside), Operand(Scalar(bins)));
  const Tensor counts =
      index_add(zeros({checked_add("histc", bins, 1)}, x.dtype(), x.device()), 0, chosen, ones_like(x));
  return contiguous(narrow(counts, 0, 0, bins));
}

Tensor searchsorted(const char* op, const Tensor& sorted, const Operand& values, bool right, const Tensor& sorter,
                    bool out_int32) {
  VG_CHECK(sorted.ndim() > 0, RuntimeError, op, ": boundaries tensor should have positive dimension, got 0");
  const DType dtype = values.is_tensor() ? promote_types(sorted.dtype(), values.tensor.dtype())
                                         : promote_types(sorted.dtype(), values.scalar.dtype(default_dtype()));
  VG_CHECK(values.is_tensor() || sorted.ndim() == 1, RuntimeError, op,
           ": input value can be a scalar only when boundaries tensor dimension is 1, got boundaries of shape ",
           sorted.shape());
  const Tensor x = values.is_tensor() ? values.tensor : full({}, values.scalar, dtype, sorted.device());
  check_same_device(op, sorted, x);
  bool fits = sorted.ndim() == 1 || x.ndim() == sorted.ndim();
  for (int i = 0; fits && sorted.ndim() > 1 && i + 1 < x.ndim(); ++i) fits = x.shape()[i] == sorted.shape()[i];
  VG_CHECK(fits, RuntimeError, op,
           ": boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value "
           "tensor must match, got boundaries tensor ",
           sorted.shape(), " and input value tensor ", x.shape());
  if (sorter.defined()) {
    check_same_device(op, sorted, sorter);
    VG_CHECK(sorter.shape() == sorted.shape(), RuntimeError, op,
             ": boundary and sorter must have the same size, got boundary tensor ", sorted.shape(),
             " and sorter tensor ", sorter.shape());
    VG_CHECK(sorter.dtype() == DType::Int64, RuntimeError, op, ": sorter must be a tensor of long dtype, got ",
             sorter.dtype());
    if (sorter.numel() > 0) {
      VG_CHECK(item(min(sorter)).to<std::int64_t>() >= 0 && item(max(sorter)).to<std::int64_t>() < sorted.size(-1),
               RuntimeError, op, ": sorter index out of range, got one outside of [0, ", sorted.size(-1), ")");
    }
  }
  const Tensor out = empty_tensor(x.shape(), DType::Int64, x.device());
  const std::int64_t size = sorted.size(-1);
  VG_CHECK(!out_int32 || size <= std::numeric_limits<std::int32_t>::max(), RuntimeError, op,
           ": expected boundaries whose number int32 holds, got ", size);
  if (size == 0) {
    fill_out(out, Scalar(0));
  } else if (out.numel() > 0) {
    const Tensor rows = contiguous(to(detach(sorted), dtype)), wanted = contiguous(to(detach(x), dtype));
    const Tensor order = sorter.defined() ? contiguous(sorter) : sorter;
    kernels::Search s;
    s.outer = sorted.numel() / size;
    s.size = size;
    s.count = wanted.numel() / s.outer;
    s.right = right;
    s.sorted = rows.data();
    s.sorter = order.defined() ? order.data_as<std::int64_t>() : nullptr;
    s.values = wanted.data();
    s.out = out.data_as<std::int64_t>();
    VG_KERNEL(search, op, x.device())(dtype, s);
  }
  return out_int32 ? to(out, DType::Int32) : out;
}

}  // namespace verigrad::ops

// Sorting and what is picked by order.
#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "verigrad/indexing.h"
#include "verigrad/nn/activation.h"
#include "verigrad/sorting.h"

namespace verigrad::ops {
namespace {

/// The first `count` of the sorted lines along d, without history. Both results are contiguous.
TensorPair sorted_lines(const char* op, const Tensor& self, int d, std::int64_t count, bool descending) {
  const Tensor x = contiguous(transpose(detach(self), d, -1));
  Dims shape = x.shape();
  shape.back() = count;
  const Tensor values = empty_tensor(shape, x.dtype(), x.device());
  const Tensor index = empty_tensor(shape, DType::Int64, x.device());
  if (values.numel() > 0) {
    kernels::Sort s;
    s.size = x.size(-1);
    s.outer = x.numel() / s.size;
    s.count = count;
    s.descending = descending;
    s.in = x.data();
    s.out = values.data();
    s.index = index.data_as<std::int64_t>();
    VG_KERNEL(sort, op, x.device())(x.dtype(), s);
  }
  return {contiguous(transpose(values, d, -1)), contiguous(transpose(index, d, -1))};
}

/// f of a tensor with dimensions; a number is a vector of one for it.
template <class F>
TensorPair as_line(const Tensor& self, const F& f) {
  if (self.ndim() > 0) return f(self);
  const auto [values, index] = f(reshape(self, {1}));
  return {reshape(values, {}), reshape(index, {})};
}

/// `values`, which stand in `self` at `index` along d, with their history.
Tensor picked(const char* node, const Tensor& values, const Tensor& self, const Tensor& index, int d) {
  if (!is_floating_point(self.dtype())) return values;
  return record(node, values, {self}, {Save::input(index)}, [d](Node& n, const Tensor& g) -> TensorList {
    return {scatter_add_(zeros(input_meta(n, 0).shape, g.dtype(), g.device()), d, n.saved(0), g)};
  });
}

/// One element of each line, at `index`, whose size along d is 1.
TensorPair picked_one(const char* node, const Tensor& self, const Tensor& index, int d, bool keepdim) {
  const Tensor values = picked(node, gather(detach(self), d, index), self, index, d);
  if (keepdim) return {values, index};
  return {squeeze(values, DimList{d}), squeeze(index, DimList{d})};
}

void check_line(const char* op, const Tensor& self, int d) {
  VG_CHECK(self.size(d) != 0, IndexError, op, "(): Expected reduction dim ", d, " to have non-zero size, got shape ",
           self.shape());
}

void refuse_bool(const char* op, const Tensor& self) {
  VG_CHECK(self.dtype() != DType::Bool, NotImplementedError, "\"", op, "\" not implemented for 'Bool'");
}

/// Where the median of each line stands, along d with size 1.
Tensor median_place(const char* op, const Tensor& self, int d, bool ignore_nan) {
  const Tensor x = detach(self);
  const std::int64_t n = x.size(d), middle = (n - 1) / 2;
  if (!is_floating_point(x.dtype())) return narrow(sorted_lines(op, x, d, middle + 1, false).second, d, middle, 1);
  const Tensor nan = isnan(x);
  if (ignore_nan) {
    const Tensor there = sum(logical_not(nan), {d}, true);
    const Tensor place = floor_divide(maximum(sub(there, Scalar(1)), zeros_like(there)), Scalar(2));
    return gather(sorted_lines(op, x, d, n, false).second, d, place);
  }
  const Tensor place = narrow(sorted_lines(op, x, d, middle + 1, false).second, d, middle, 1);
  return where(any(nan, {d}, true), argmax(to(nan, DType::UInt8), d, true), place);
}

}  // namespace

TensorPair sort(const Tensor& self, std::int64_t dim, bool descending) {
  const int d = wrap_dim("sort", dim, self.ndim());
  return as_line(self, [&](const Tensor& x) -> TensorPair {
    const auto [values, index] = sorted_lines("sort", x, d, x.size(d), descending);
    return {picked("SortBackward0", values, x, index, d), index};
  });
}

Tensor argsort(const Tensor& self, std::int64_t dim, bool descending) {
  return sort(detach(self), dim, descending).second;
}

TensorPair topk(const Tensor& self, std::int64_t k, std::int64_t dim, bool largest) {
  const int d = wrap_dim("topk", dim, self.ndim());
  VG_CHECK(k >= 0 && k <= (self.ndim() == 0 ? 1 : self.size(d)), RuntimeError,
           "topk: selected index k out of range, got ", k, " for shape ", self.shape());
  VG_CHECK(self.dtype() != DType::Bool, RuntimeError, "topk: expected a dtype of numbers, got bool");
  return as_line(self, [&](const Tensor& x) -> TensorPair {
    const auto [values, index] = sorted_lines("topk", x, d, k, largest);
    return {picked("TopkBackward0", values, x, index, d), index};
  });
}

TensorPair kthvalue(const Tensor& self, std::int64_t k, std::int64_t dim, bool keepdim) {
  const int d = wrap_dim("kthvalue", dim, self.ndim());
  refuse_bool("kthvalue", self);
  if (self.ndim() > 0) check_line("kthvalue", self, d);
  VG_CHECK(k >= 1 && k <= (self.ndim() == 0 ? 1 : self.size(d)), RuntimeError,
           "kthvalue(): selected number k out of range for dimension ", d, ", got ", k);
  return as_line(self, [&](const Tensor& x) {
    const Tensor index = narrow(sorted_lines("kthvalue", x, d, k, false).second, d, k - 1, 1);
    return picked_one("KthvalueBackward0", x, contiguous(index), d, keepdim || self.ndim() == 0);
  });
}

TensorPair median(const Tensor& self, std::int64_t dim, bool keepdim, bool ignore_nan) {
  const char* op = ignore_nan ? "nanmedian" : "median";
  const int d = wrap_dim(op, dim, self.ndim());
  refuse_bool(op, self);
  if (self.ndim() > 0) check_line(op, self, d);
  return as_line(self, [&](const Tensor& x) {
    return picked_one(ignore_nan ? "NanmedianBackward1" : "MedianBackward1", x,
                      contiguous(median_place(op, x, d, ignore_nan)), d, keepdim || self.ndim() == 0);
  });
}

Tensor median(const Tensor& self, bool ignore_nan) {
  const char* op = ignore_nan ? "nanmedian" : "median";
  refuse_bool(op, self);
  const Tensor line = reshape(detach(self), {self.numel()});
  VG_CHECK(line.numel() > 0 || is_floating_point(self.dtype()), RuntimeError, op,
           ": expected elements in a tensor of integers, got shape ", self.shape());
  const Tensor out = line.numel() == 0 ? full({}, std::numeric_limits<double>::quiet_NaN(), self.dtype(), self.device())
                                       : reshape(gather(line, 0, median_place(op, line, 0, ignore_nan)), {});
  if (!is_floating_point(self.dtype())) return out;
  return record(ignore_nan ? "NanmedianBackward0" : "MedianBackward0", out, {self},
                {Save::input(self), Save::output(out)}, [](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0), y = n.saved(1);
                  const Tensor chosen = to(logical_or(eq(x, y), logical_and(isnan(x), isnan(y))), g.dtype());
                  return {mul(chosen, div(g, sum(chosen)))};
                });
}

Tensor quantile(const Tensor& self, const Operand& level, std::optional<std::int64_t> dim, bool keepdim,
                const std::string& interpolation, bool ignore_nan) {
  const char* op = ignore_nan ? "nanquantile" : "quantile";
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, op,
           "() input tensor must be either float or double dtype, got ", self.dtype());
  const Tensor q = level.is_tensor() ? level.tensor : full({}, level.scalar, self.dtype(), self.device());
  VG_CHECK(q.ndim() <= 1, RuntimeError, op, "() q must be a scalar or 1D tensor, got shape ", q.shape());
  check_same_device(op, self, q);
  VG_CHECK(q.dtype() == self.dtype(), RuntimeError, op, "() q tensor must be same dtype as the input tensor, got ",
           q.dtype(), " and ", self.dtype());
  VG_CHECK(interpolation == "linear" || interpolation == "lower" || interpolation == "higher" ||
               interpolation == "midpoint" || interpolation == "nearest",
           RuntimeError, op, "() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ",
           interpolation);
  VG_CHECK(self.numel() > 0, RuntimeError, op, "() input tensor must be non-empty, got shape ", self.shape());
  const bool inside = level.is_tensor()
                          ? item(all(logical_and(ge(detach(q), Scalar(0)), le(detach(q), Scalar(1))))).to<bool>()
                          : level.scalar.to_double() >= 0 && level.scalar.to_double() <= 1;
  VG_CHECK(inside, RuntimeError, op, "() q values must be in the range [0, 1], got others");
  const int d = dim ? wrap_dim(op, *dim, self.ndim()) : 0;
  const Tensor lines = dim && self.ndim() > 0 ? transpose(self, d, -1) : reshape(self, {self.numel()});
  const Tensor sorted = sort(lines).first;
  const std::int64_t n = sorted.size(-1), wanted = q.numel();

  Dims shape = sorted.shape();
  shape.back() = wanted;
  // The place of each quantile in its line; that of a line with NaN is the last, where NaN stands.
  Tensor ranks;
  if (ignore_nan) {
    const Tensor there = sum(logical_not(isnan(detach(sorted))), {-1}, true);
    ranks = mul(q, to(maximum(sub(there, Scalar(1)), zeros_like(there)), q.dtype()));
  } else {
    const Tensor broken = isnan(narrow(detach(sorted), -1, n - 1, 1));
    ranks = masked_fill(expand(mul(q, static_cast<double>(n - 1)), shape), broken,
                        Operand(Scalar(static_cast<double>(n - 1))));
  }
  ranks = expand(ranks, shape);
  const auto at = [&](const Tensor& rank) { return gather(sorted, -1, to(detach(rank), DType::Int64)); };
  const Tensor below = floor_divide(detach(ranks), 1.0), above = neg(floor_divide(neg(detach(ranks)), 1.0));
  Tensor out;
  if (interpolation == "lower") {
    out = at(below);
  } else if (interpolation == "higher") {
    out = at(above);
  } else if (interpolation == "nearest") {
    // Half-way ranks go to the even neighbour.
    const Tensor part = sub(detach(ranks), below);
    const Tensor odd = ne(remainder(below, 2.0), Scalar(0));
    out = at(where(logical_or(gt(part, Scalar(0.5)), logical_and(eq(part, Scalar(0.5)), odd)), above, below));
  } else {
    const Tensor low = at(below), high = at(above);
    const Tensor weight = interpolation == "midpoint" ? Tensor() : sub(ranks, below);
    const Tensor step = sub(high, low);
    out = add(low, weight.defined() ? mul(step, weight) : mul(step, 0.5));
  }
  // [..., q] with the last dimension in the place of the reduced one; q comes first.
  if (dim && self.ndim() > 0) out = transpose(out, d, -1);
  DimList order{d};
  Dims result;
  if (q.ndim() == 1) result.push_back(wanted);
  for (int i = 0; i < self.ndim(); ++i) {
    const bool reduced = !dim || i == d;
    if (dim && i != d) order.push_back(i);
    if (!reduced || keepdim) result.push_back(reduced ? 1 : self.shape()[i]);
  }
  out = permute(out, order);
  return reshape(out, result);
}

}  // namespace verigrad::ops

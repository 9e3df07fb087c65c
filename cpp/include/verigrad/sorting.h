// Running results along a dimension, sorting, and counting. Elements are ordered as in sort: NaN is the greatest, and
// of equal elements the first comes first.
#pragma once

#include <string>

#include "verigrad/ops.h"

namespace verigrad::ops {

using TensorPair = std::pair<Tensor, Tensor>;

Tensor cumsum(const Tensor& self, std::int64_t dim, OptDType dtype = {});
Tensor cumprod(const Tensor& self, std::int64_t dim, OptDType dtype = {});
const Tensor& cumsum_(const Tensor& self, std::int64_t dim, OptDType dtype = {});
const Tensor& cumprod_(const Tensor& self, std::int64_t dim, OptDType dtype = {});
/// The logarithm of the sum of the exponentials of each element and those before it; floating-point tensors.
Tensor logcumsumexp(const Tensor& self, std::int64_t dim);
/// The greatest and least so far, with their places; of equals the last.
TensorPair cummax(const Tensor& self, std::int64_t dim);
TensorPair cummin(const Tensor& self, std::int64_t dim);

/// Sorted values and where they stood; always stable.
TensorPair sort(const Tensor& self, std::int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& self, std::int64_t dim = -1, bool descending = false);
/// The k greatest or least, in order.
TensorPair topk(const Tensor& self, std::int64_t k, std::int64_t dim = -1, bool largest = true);
/// The k-th least, from 1 on.
TensorPair kthvalue(const Tensor& self, std::int64_t k, std::int64_t dim = -1, bool keepdim = false);
/// The lower of the two in the middle; NaN where there is one, which `ignore_nan` leaves out. Over all elements, equal
/// ones share the gradient.
Tensor median(const Tensor& self, bool ignore_nan = false);
TensorPair median(const Tensor& self, std::int64_t dim, bool keepdim = false, bool ignore_nan = false);
/// `q`: a number or a vector of them, which becomes the first dimension of the result.
Tensor quantile(const Tensor& self, const Operand& q, std::optional<std::int64_t> dim, bool keepdim,
                const std::string& interpolation, bool ignore_nan = false);

/// The distinct elements (or slices along `dim`) in order, or without `sorted` each run of equal ones; for each element
/// the number of its own, and how many of each there are.
struct Unique {
  Tensor values, inverse, counts;
};
Unique unique(const Tensor& self, std::optional<std::int64_t> dim = {}, bool sorted = true);
/// How often each number occurs, or the sum of its weights.
Tensor bincount(const Tensor& self, const Tensor& weights = {}, std::int64_t minlength = 0);
/// Counts in bins of equal width from `min` to `max`, or from the least to the greatest where these are equal.
Tensor histc(const Tensor& self, std::int64_t bins = 100, double min = 0, double max = 0);
/// Where values belong in sorted rows; see kernels::find_place.
Tensor searchsorted(const char* op, const Tensor& sorted, const Operand& values, bool right = false,
                    const Tensor& sorter = {}, bool out_int32 = false);

}  // namespace verigrad::ops

// Moments and other reductions that are composed of sums.
#include "verigrad/statistics.h"

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "verigrad/diagonal.h"
#include "verigrad/nn/activation.h"

namespace verigrad::ops {
namespace {

/// x less its mean over `dims`. What is summed is the distance to the first element of each line, so that lines of
/// equal elements give 0 exactly and a common offset costs no digits.
Tensor centered(const Tensor& x, const DimList& dims) {
  Tensor first = detach(x);
  for (const std::int64_t d : dims) first = narrow(first, d, 0, std::min<std::int64_t>(1, first.size(d)));
  const Tensor shifted = sub(x, first);
  return sub(shifted, mean(shifted, dims, true));
}

double degrees_of_freedom(const Tensor& x, const std::vector<bool>& reduced, double correction) {
  return std::max(0.0, static_cast<double>(reduced_count(x.shape(), reduced)) - correction);
}

Tensor variance_backward(const Tensor& g, const Tensor& x, const std::vector<bool>& reduced, double correction) {
  const double freedom = degrees_of_freedom(x, reduced, correction);
  return mul(mul(restore_dims(g, x.shape(), reduced), 2.0 / freedom), centered(x, dim_list(reduced, x.ndim())));
}

/// The variance without history.
Tensor variance_of(const Tensor& self, const std::vector<bool>& reduced, double correction, bool keepdim) {
  const DimList dims = dim_list(reduced, self.ndim());
  const Tensor d = centered(detach(self), dims);
  binary_out(kernels::BinaryOp::mul, d, d, d);
  const Tensor total = sum(d, dims, keepdim);
  binary_out(kernels::BinaryOp::div, total, total, Scalar(degrees_of_freedom(self, reduced, correction)));
  return total;
}

void check_floating(const char* op, const Tensor& self) {
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, op, ": std and var only support floating point dtypes, got ",
           self.dtype());
}

/// g / (2 y), and 0 where y is: the gradient of a root.
Tensor root_backward(const Tensor& g, const Tensor& y) {
  const Tensor zero = eq(y, Scalar(0));
  return masked_fill(div(g, mul(masked_fill(y, zero, Operand(1)), 2.0)), zero, Operand(0));
}

void check_weights(const char* name, const Tensor& weights, const Tensor& observations, bool integral) {
  VG_CHECK(weights.ndim() <= 1, RuntimeError, "cov: expected ", name, " to have one or fewer dimensions, got ",
           weights.ndim());
  VG_CHECK(integral ? is_integral(weights.dtype()) : is_floating_point(weights.dtype()), RuntimeError, "cov: expected ",
           name, " to have ", integral ? "integral" : "floating point", " dtype, got ", weights.dtype());
  check_same_device("cov", observations, weights);
  VG_CHECK(weights.numel() == observations.size(1), RuntimeError, "cov: expected ", name, " to have the same numel as ",
           "there are observations in the input, got ", weights.numel(), " != ", observations.size(1));
  VG_CHECK(!item(any(lt(detach(weights), Scalar(0)))).to<bool>(), RuntimeError, "cov: expected ", name,
           " that are not negative, got negative ones");
}

}  // namespace

Tensor variance(const Tensor& self, const DimList& dims, double correction, bool keepdim) {
  check_floating("var", self);
  const auto reduced = reduced_dims("var", dims, self.ndim());
  return record("VarBackward0", variance_of(self, reduced, correction, keepdim), {self}, {Save::input(self)},
                [reduced, correction](Node& n, const Tensor& g) -> TensorList {
                  return {variance_backward(g, n.saved(0), reduced, correction)};
                });
}

Tensor deviation(const Tensor& self, const DimList& dims, double correction, bool keepdim) {
  check_floating("std", self);
  const auto reduced = reduced_dims("std", dims, self.ndim());
  const Tensor out = variance_of(self, reduced, correction, keepdim);
  unary_out(kernels::UnaryOp::sqrt, "std", out, out);
  return record("StdBackward0", out, {self}, {Save::input(self), Save::output(out)},
                [reduced, correction](Node& n, const Tensor& g) -> TensorList {
                  return {variance_backward(root_backward(g, n.saved(1)), n.saved(0), reduced, correction)};
                });
}

std::pair<Tensor, Tensor> variance_mean(const Tensor& self, const DimList& dims, double correction, bool keepdim) {
  check_floating("var_mean", self);
  return {variance(self, dims, correction, keepdim), mean(self, dims, keepdim)};
}

std::pair<Tensor, Tensor> deviation_mean(const Tensor& self, const DimList& dims, double correction, bool keepdim) {
  check_floating("std_mean", self);
  return {deviation(self, dims, correction, keepdim), mean(self, dims, keepdim)};
}

Tensor cov(const Tensor& self, double correction, const Tensor& fweights, const Tensor& aweights) {
  VG_CHECK(self.ndim() <= 2, RuntimeError, "cov: expected input to have two or fewer dimensions, got ", self.ndim());
  VG_CHECK(self.dtype() != DType::Bool, RuntimeError, "cov: expected an input of numbers, got dtype bool");
  const DType real = is_floating_point(self.dtype()) ? self.dtype() : default_dtype();
  const Tensor rows = to(self.ndim() < 2 ? reshape(self, {1, self.numel()}) : self, real);
  if (fweights.defined()) check_weights("fweights", fweights, rows, true);
  if (aweights.defined()) check_weights("aweights", aweights, rows, false);
  Tensor w = fweights.defined() ? reshape(fweights, {fweights.numel()}) : Tensor();
  const Tensor importance = aweights.defined() ? reshape(aweights, {aweights.numel()}) : Tensor();
  if (importance.defined()) w = w.defined() ? mul(w, importance) : importance;

  const auto weighted = [&](const Tensor& x) { return w.defined() ? mul(x, w) : x; };
  const Tensor count = w.defined() ? to(sum(w), real) : full({}, rows.size(1), real, self.device());
  // As in `centered`: what is summed are distances to the first observation.
  const Tensor shifted = sub(rows, narrow(detach(rows), 1, 0, std::min<std::int64_t>(1, rows.size(1))));
  const Tensor distances = sub(shifted, div(sum(weighted(shifted), {1}, true), count));
  Tensor freedom = sub(count, Scalar(correction));
  if (importance.defined() && correction != 0) {
    freedom = sub(count, mul(div(sum(mul(w, importance)), count), correction));
  }
  freedom = maximum(freedom, zeros_like(freedom));
  const Tensor scaled = weighted(distances);
  const DType dtype = result_type(distances, scaled);
  return squeeze(div(mm(to(distances, dtype), transpose(to(scaled, dtype), 0, 1)), freedom));
}

Tensor corrcoef(const Tensor& self) {
  VG_CHECK(self.ndim() <= 2, RuntimeError, "corrcoef: expected input to have two or fewer dimensions, got ",
           self.ndim());
  const Tensor c = cov(self);
  if (c.ndim() == 0) return div(c, c);
  const Tensor spread = sqrt(diagonal(c));
  return clamp(div(div(c, unsqueeze(spread, 1)), unsqueeze(spread, 0)), Operand(-1), Operand(1));
}

Tensor logsumexp(const Tensor& self, const DimList& dims, bool keepdim) {
  const auto reduced = reduced_dims("logsumexp", dims, self.ndim());
  const Tensor x = is_floating_point(self.dtype()) ? self : to(self, default_dtype());
  const DimList list = dim_list(reduced, x.ndim());
  Tensor top = zeros(reduced_shape(x.shape(), reduced, true), x.dtype(), x.device());
  if (x.numel() > 0) {
    top = amax(detach(x), list, true);
    top = masked_fill(top, isinf(top), Operand(0));
  }
  const Tensor powers = sub(detach(x), top);
  unary_out(kernels::UnaryOp::exp, "logsumexp", powers, powers);
  const Tensor out = sum(powers, list, keepdim);
  unary_out(kernels::UnaryOp::log, "logsumexp", out, out);
  binary_out(kernels::BinaryOp::add, out, out, reshape(top, out.shape()));
  return record("LogsumexpBackward0", out, {x}, {Save::input(x), Save::output(out)},
                [reduced](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0);
                  const Tensor share = exp(sub(x, restore_dims(n.saved(1), x.shape(), reduced)));
                  return {mul(restore_dims(g, x.shape(), reduced), share)};
                });
}

Tensor count_nonzero(const Tensor& self, const DimList& dims) {
  reduced_dims("count_nonzero", dims, self.ndim());
  return sum(ne(detach(self), Scalar(0)), dims);
}

std::pair<Tensor, Tensor> aminmax(const Tensor& self, std::optional<std::int64_t> dim, bool keepdim) {
  DimList dims;
  if (dim) {
    const int d = wrap_dim("aminmax", *dim, self.ndim());
    VG_CHECK(self.ndim() == 0 || self.shape()[d] != 0, IndexError, "aminmax: Expected reduction dim ", d,
             " to have non-zero size, got shape ", self.shape());
    dims.push_back(d);
  }
  VG_CHECK(dim || self.numel() > 0, RuntimeError,
           "aminmax: cannot compute aminmax over an empty dimension as the operation has no identity, got shape ",
           self.shape());
  return {amin(self, dims, keepdim), amax(self, dims, keepdim)};
}

Tensor nansum(const Tensor& self, const DimList& dims, bool keepdim, OptDType dtype) {
  reduced_dims("nansum", dims, self.ndim());
  return sum(is_floating_point(self.dtype()) ? masked_fill(self, isnan(self), Operand(0)) : self, dims, keepdim, dtype);
}

Tensor nanmean(const Tensor& self, const DimList& dims, bool keepdim, OptDType dtype) {
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, "nanmean: expected input to have floating point dtype, got ",
           self.dtype());
  reduced_dims("nanmean", dims, self.ndim());
  return div(nansum(self, dims, keepdim, dtype), sum(logical_not(isnan(self)), dims, keepdim));
}

Tensor trace(const Tensor& self) {
  VG_CHECK(self.ndim() == 2, RuntimeError, "trace: expected a matrix, got a tensor with dim ", self.ndim());
  VG_CHECK(self.dtype() != DType::Bool, NotImplementedError, "\"trace\" not implemented for 'Bool'");
  const Tensor out = sum(diagonal(detach(self)));
  if (!is_floating_point(self.dtype())) return out;
  return record("TraceBackward0", out, {self}, {}, [](Node& n, const Tensor& g) -> TensorList {
    const auto& x = input_meta(n, 0);
    return {where(eye(x.shape[0], x.shape[1], DType::Bool, g.device()), g, 0)};
  });
}

}  // namespace verigrad::ops

// Running sums, products and extremes along one dimension.
#include <cmath>

#include "autograd/record.h"
#include "ops/changes.h"
#include "verigrad/indexing.h"
#include "verigrad/sorting.h"

namespace verigrad::ops {
namespace {

using kernels::ScanOp;

/// The kernel over a tensor that has dimension d; `index`: where the places of extremes go; `factor`: of a recurrence.
Tensor scanned(ScanOp op, const char* name, const Tensor& self, int d, bool reverse, const Tensor& index = {},
               const Tensor& factor = {}) {
  const Tensor out = empty_tensor(self.shape(), self.dtype(), self.device());
  if (out.numel() == 0) return out;
  const Tensor x = contiguous(detach(self)), f = factor.defined() ? contiguous(factor) : Tensor();
  kernels::Scan s;
  s.outer = s.inner = 1;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i != d) (i < d ? s.outer : s.inner) *= x.shape()[i];
  }
  s.size = x.ndim() == 0 ? 1 : x.shape()[d];
  s.reverse = reverse;
  s.in = x.data();
  s.factor = f.defined() ? f.data() : nullptr;
  s.out = out.data();
  s.index = index.defined() ? index.data_as<std::int64_t>() : nullptr;
  VG_KERNEL(scan, name, x.device())(op, x.dtype(), s);
  return out;
}

/// Integers are summed and multiplied as int64.
Tensor as_running(const Tensor& self, OptDType dtype) {
  return to(self, dtype.value_or(is_floating_point(self.dtype()) ? self.dtype() : DType::Int64));
}

/// The result in a dtype that the kernel has none of.
Tensor by_way_of_int64(const Tensor& x, Tensor (*f)(const Tensor&, std::int64_t, OptDType), int d) {
  return to(f(to(x, DType::Int64), d, {}), x.dtype());
}

/// The sum of each element and those after it, or, again, before it.
Tensor running_sum(const Tensor& x, int d, bool reverse) {
  const Tensor out = scanned(ScanOp::sum, "cumsum", x, d, reverse);
  if (!is_floating_point(x.dtype())) return out;
  return record("CumsumBackward0", out, {x}, {},
                [d, reverse](Node&, const Tensor& g) -> TensorList { return {running_sum(g, d, !reverse)}; });
}

/// `x` with zeros up to `size` behind it.
Tensor padded(const Tensor& x, int d, std::int64_t size) {
  if (x.size(d) == size) return x;
  Dims rest = x.shape();
  rest[d] = size - x.size(d);
  return cat({x, zeros(rest, x.dtype(), x.device())}, d);
}

/// Gradient of cumprod without a division, so that zeros need no special case. With z, the running product of the
/// products of neighbours, y[2i + 1] = z[i] and y[2i] = z[i - 1] x[2i]; the gradient goes back through these, and
/// through z in the same way.
Tensor cumprod_backward(const Tensor& g, const Tensor& x, int d) {
  const std::int64_t n = x.size(d), half = n / 2, evens = n - half;
  if (n <= 1) return g;
  const Tensor even = slice(x, d, 0, n, 2), odd = slice(x, d, 1, n, 2), first = narrow(even, d, 0, half);
  const Tensor g_even = slice(g, d, 0, n, 2), g_odd = slice(g, d, 1, n, 2);
  const Tensor pairs = mul(first, odd), z = cumprod(pairs, d);
  const Tensor later = narrow(even, d, 1, evens - 1), g_later = narrow(g_even, d, 1, evens - 1);
  const Tensor grad_z = add(g_odd, padded(mul(g_later, later), d, half));
  const Tensor grad_pairs = cumprod_backward(grad_z, pairs, d);
  const Tensor direct = cat({narrow(g_even, d, 0, 1), mul(g_later, narrow(z, d, 0, evens - 1))}, d);
  const Tensor grad_even = add(direct, padded(mul(grad_pairs, odd), d, evens)), grad_odd = mul(grad_pairs, first);
  Dims woven = x.shape();
  woven[d] = 2 * half;
  const Tensor both = reshape(stack({narrow(grad_even, d, 0, half), grad_odd}, d + 1), woven);
  return n % 2 == 0 ? both : cat({both, narrow(grad_even, d, half, 1)}, d);
}

// The derivatives of y = logcumsumexp(x): with the shares p[i, j] = e^(x[i] - y[j]) for i <= j, `share_sums` is
// u -> sum over i of u[i] p[i, j], and transposed g -> sum over j of g[j] p[i, j]. Both are recurrences with the
// factors e^(y[j - 1] - y[j]) <= 1, so nothing overflows.

/// y[i] at i + 1; the first is unlike all others: it makes a factor of 0.
Tensor decays(const Tensor& y, int d, bool transposed) {
  const std::int64_t n = y.size(d);
  const Tensor earlier = narrow(y, d, 0, n - 1), later = narrow(y, d, 1, n - 1);
  // What comes before an infinity has no share in it.
  const Tensor steps = where(eq(later, HUGE_VAL), 0.0, exp(sub(earlier, later)));
  Dims edge = y.shape();
  edge[d] = 1;
  const Tensor none = zeros(edge, y.dtype(), y.device());
  return transposed ? cat({steps, none}, d) : cat({none, steps}, d);
}

Tensor share_sums(const Tensor& u, const Tensor& x, const Tensor& y, int d, bool transposed) {
  if (u.numel() == 0) return u;
  Tensor out;
  {
    const NoGradGuard guard;
    const Tensor own = exp(sub(x, y));
    const auto sums = [&](const Tensor& terms) {
      if (x.ndim() == 0) return terms;
      return scanned(ScanOp::recurrence, "logcumsumexp", terms, d, transposed, {}, decays(y, d, transposed));
    };
    out = transposed ? mul(own, sums(detach(u))) : sums(mul(own, detach(u)));
  }
  return record("LogcumsumexpBackwardBackward0", out, {u, x}, {Save::input(u), Save::input(x), Save::input(y)},
                [d, transposed](Node& n, const Tensor& g) -> TensorList {
                  const Tensor u = n.saved(0), x = n.saved(1), y = n.saved(2);
                  TensorList grads(2);
                  const Tensor back = share_sums(g, x, y, d, !transposed);
                  if (n.needs(0)) grads[0] = back;
                  if (n.needs(1)) {
                    // Of the sum of u[i] p[i, j] g[j] by x: u * (transposed g) less the transposed g * (sums of u).
                    const Tensor to_sum = transposed ? g : u, to_spread = transposed ? u : g;
                    const Tensor spread = share_sums(to_spread, x, y, d, true),
                                 sum = share_sums(to_sum, x, y, d, false);
                    grads[1] = sub(mul(to_sum, spread), share_sums(mul(to_spread, sum), x, y, d, true));
                  }
                  return grads;
                });
}

/// self = f(self), whose result has self's dtype.
template <class F>
const Tensor& running_inplace(const char* op, const Tensor& self, std::int64_t dim, OptDType dtype, F f) {
  VG_CHECK(dtype.value_or(self.dtype()) == self.dtype(), RuntimeError, op, ": expected dtype ", self.dtype(),
           ", that of the tensor, got ", *dtype);
  wrap_dim(op, dim, self.ndim());
  const bool recorded = GradMode::enabled() && self.requires_grad();
  const auto result = [&] { return f(recorded ? clone(self) : self, dim, OptDType(self.dtype())); };
  return change_in_place(self, recorded, [&] { copy_out(self, result()); }, result);
}

TensorPair running_extreme(ScanOp op, const char* name, const char* node, const Tensor& self, std::int64_t dim) {
  const int d = wrap_dim(name, dim, self.ndim());
  const Tensor index = zeros(self.shape(), DType::Int64, self.device());
  const Tensor values = scanned(op, name, self, d, false, index);
  if (self.ndim() == 0 || !is_floating_point(self.dtype())) {
    if (!is_floating_point(self.dtype())) return {values, index};
    return {record(node, values, {self}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; }), index};
  }
  return {record(node, values, {self}, {Save::input(index)},
                 [d](Node& n, const Tensor& g) -> TensorList {
                   return {scatter_add_(zeros(input_meta(n, 0).shape, g.dtype(), g.device()), d, n.saved(0), g)};
                 }),
          index};
}

}  // namespace

Tensor cumsum(const Tensor& self, std::int64_t dim, OptDType dtype) {
  const int d = wrap_dim("cumsum", dim, self.ndim());
  const Tensor x = as_running(self, dtype);
  if (!is_floating_point(x.dtype()) && x.dtype() != DType::Int64) return by_way_of_int64(x, cumsum, d);
  return running_sum(x, d, false);
}

Tensor cumprod(const Tensor& self, std::int64_t dim, OptDType dtype) {
  const int d = wrap_dim("cumprod", dim, self.ndim());
  const Tensor x = as_running(self, dtype);
  if (!is_floating_point(x.dtype()) && x.dtype() != DType::Int64) return by_way_of_int64(x, cumprod, d);
  const Tensor out = scanned(ScanOp::prod, "cumprod", x, d, false);
  if (!is_floating_point(x.dtype())) return out;
  return record("CumprodBackward0", out, {x}, {Save::input(x)}, [d](Node& n, const Tensor& g) -> TensorList {
    const Tensor x = n.saved(0);
    return {x.ndim() == 0 ? g : cumprod_backward(g, x, d)};
  });
}

const Tensor& cumsum_(const Tensor& self, std::int64_t dim, OptDType dtype) {
  return running_inplace("cumsum_", self, dim, dtype, &cumsum);
}
const Tensor& cumprod_(const Tensor& self, std::int64_t dim, OptDType dtype) {
  return running_inplace("cumprod_", self, dim, dtype, &cumprod);
}

Tensor logcumsumexp(const Tensor& self, std::int64_t dim) {
  const int d = wrap_dim("logcumsumexp", dim, self.ndim());
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, "logcumsumexp: expected a floating-point dtype, got ",
           self.dtype());
  const Tensor out = scanned(ScanOp::log_sum, "logcumsumexp", self, d, false);
  return record(
      "LogcumsumexpBackward0", out, {self}, {Save::input(self), Save::output(out)},
      [d](Node& n, const Tensor& g) -> TensorList { return {share_sums(g, n.saved(0), detach(n.saved(1)), d, true)}; });
}

TensorPair cummax(const Tensor& self, std::int64_t dim) {
  return running_extreme(ScanOp::max, "cummax", "CummaxBackward0", self, dim);
}
TensorPair cummin(const Tensor& self, std::int64_t dim) {
  return running_extreme(ScanOp::min, "cummin", "CumminBackward0", self, dim);
}

}  // namespace verigrad::ops

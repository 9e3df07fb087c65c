// Activations, generated from verigrad/activation.def, those composed of others, and clamp.
#include "verigrad/nn/activation.h"

#include <cmath>
#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

using kernels::Kind;

// ---- second derivatives --------------------------------------------------------------------------------------------

/// s (1 - s) with s = sigmoid(x), without cancellation.
Tensor logistic_slope(const Tensor& x) { return mul(sigmoid(x), sigmoid(neg(x))); }

Tensor elu_second(const Tensor& x, double a, double c) {
  const Tensor below = mul(exp(mul(clamp(x, {}, 0), c)), a * c * c);
  return where(le(x, 0.0), below, 0);
}

// phi(x) (2 - x^2)
Tensor gelu_second(const Tensor& x) {
  const Tensor z = square(x);
  return mul(mul(exp(mul(z, -0.5)), 0.39894228040143268), sub(2.0, z));
}

// With v = 2 u and s = sigmoid(v): (x s)'' = s (1 - s) (2 v' + x (v'' + v'^2 (1 - 2 s))).
Tensor gelu_tanh_second(const Tensor& x) {
  constexpr double k = 1.5957691216057308, c = 0.044715;
  const Tensor z = square(x);
  const Tensor v = mul(mul(x, add(mul(z, c), 1.0)), k);
  const Tensor v1 = mul(add(mul(z, 3 * c), 1.0), k), v2 = mul(x, 6 * c * k);
  const Tensor balance = sub(1.0, mul(sigmoid(v), 2.0));
  const Tensor inner = add(mul(v1, 2.0), mul(x, add(v2, mul(square(v1), balance))));
  return mul(logistic_slope(v), inner);
}

// s (1 - s) (2 + x (1 - 2 s))
Tensor silu_second(const Tensor& x) { return mul(logistic_slope(x), add(mul(x, sub(1.0, mul(sigmoid(x), 2.0))), 2.0)); }

// With t = tanh(softplus(x)) and s = sigmoid(x): t' = (1 - t^2) s, and (x t)'' = t' (2 + x (1 - s - 2 t s)).
Tensor mish_second(const Tensor& x) {
  const Tensor t = tanh(activations::softplus(x, 1, 20)), s = sigmoid(x);
  const Tensor slope = mul(sub(1.0, square(t)), s);
  return mul(slope, add(mul(x, sub(sigmoid(neg(x)), mul(mul(t, s), 2.0))), 2.0));
}

Tensor hardswish_second(const Tensor& x) {
  // Not a choice between two numbers, which would take the default dtype's digits.
  return mul(to(lt(abs(x), 3.0), x.dtype()), 1.0 / 3.0);
}

Tensor softplus_second(const Tensor& x, double beta, double threshold) {
  const Tensor z = mul(x, beta);
  return where(gt(z, threshold), 0, mul(logistic_slope(z), beta));
}

// 2 t (1 - t^2) with t = tanh(x)
Tensor tanhshrink_second(const Tensor& x) {
  const Tensor t = tanh(x);
  return mul(mul(t, 2.0), sub(1.0, square(t)));
}

// -2 sign(x) / (1 + |x|)^3
Tensor softsign_second(const Tensor& x) { return mul(mul(sign(x), -2.0), pow(add(abs(x), 1.0), -3.0)); }

// (2 x - 1) / (x (1 - x))^2 between the limits
Tensor logit_second(const Tensor& x, double eps) {
  const double low = eps < 0 ? 0 : eps;
  const Tensor inside = logical_and(ge(x, low), le(x, 1 - low));
  return where(inside, div(sub(add(x, x), 1.0), square(mul(x, sub(1.0, x)))), 0);
}

// ---- the rows ------------------------------------------------------------------------------------------------------

#define VG_ACTIVATION(NAME, STEM, KIND, SECOND)                                                                  \
  struct Spec_##NAME {                                                                                           \
    static constexpr auto op = kernels::ActivationOp::NAME;                                                      \
    static constexpr const char* name = #NAME;                                                                   \
    static constexpr const char* node = STEM "Backward0";                                                        \
    static constexpr const char* backward_node = STEM "BackwardBackward0";                                       \
    static constexpr Kind kind = Kind::KIND;                                                                     \
    static Tensor second([[maybe_unused]] const Tensor& x, [[maybe_unused]] double a, [[maybe_unused]] double b, \
                         [[maybe_unused]] double c) {                                                            \
      return SECOND;                                                                                             \
    }                                                                                                            \
  };
#include "verigrad/activation.def"

template <class Spec>
void run(const Tensor& out, std::initializer_list<const Tensor*> inputs, bool backward, double a, double b, double c) {
  kernels::Activation activation;
  if (!make_loop(activation.loop, out, inputs)) return;
  activation.backward = backward;
  activation.a = a;
  activation.b = b;
  activation.c = c;
  VG_KERNEL(activation, Spec::name, out.device())(Spec::op, out.dtype(), activation);
}

template <class Spec>
Tensor backward(const Tensor& g, const Tensor& x, double a, double b, double c) {
  check_same_device(Spec::name, g, x);
  VG_CHECK(is_floating_point(x.dtype()) && g.dtype() == x.dtype() && g.shape() == x.shape(), RuntimeError, Spec::name,
           "_backward: expected a gradient of the input's shape ", x.shape(), " and dtype ", x.dtype(), ", got ",
           g.shape(), " and ", g.dtype());
  const Tensor out = empty_tensor(x.shape(), x.dtype(), x.device());
  run<Spec>(out, {&g, &x}, true, a, b, c);
  return record(Spec::backward_node, out, {g, x}, {Save::input(g), Save::input(x)},
                [a, b, c](Node& n, const Tensor& gg) -> TensorList {
                  const Tensor x = n.saved(1);
                  Tensor grad_g, grad_x;
                  if (n.needs(0)) grad_g = backward<Spec>(gg, x, a, b, c);
                  if (n.needs(1)) {
                    const Tensor second = Spec::second(x, a, b, c);
                    grad_x = second.defined() ? mul(mul(gg, n.saved(0)), second) : zeros_like(gg);
                  }
                  return {grad_g, grad_x};
                });
}

template <class Spec>
Tensor forward(const Tensor& self, double a, double b, double c) {
  const DType dtype = computed_in(Spec::kind, self.dtype());
  check_kind(Spec::name, Spec::kind, dtype);
  const Tensor x = to(self, dtype);
  const Tensor out = empty_tensor(x.shape(), dtype, x.device());
  run<Spec>(out, {&x}, false, a, b, c);
  return record(Spec::node, out, {x}, {Save::input(x)},
                [a, b, c](Node& n, const Tensor& g) -> TensorList { return {backward<Spec>(g, n.saved(0), a, b, c)}; });
}

/// self = f(self), in place.
template <class Spec>
const Tensor& run_inplace(const Tensor& self, double a, double b, double c) {
  const bool record_it = recording(self);
  check_inplace(self, record_it);
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, Spec::name, "_: expected a floating-point dtype, got ",
           self.dtype());
  if (!record_it) {
    run<Spec>(self, {&self}, false, a, b, c);
    self.bump_version();
    return self;
  }
  const Tensor result = forward<Spec>(clone(self), a, b, c);
  copy_out(self, result);
  finish_inplace(self, result);
  return self;
}

}  // namespace

namespace activations {
#define VG_ACTIVATION(NAME, ...)                                                                          \
  Tensor NAME(const Tensor& x, double a, double b, double c) { return forward<Spec_##NAME>(x, a, b, c); } \
  const Tensor& NAME##_(const Tensor& x, double a, double b, double c) {                                  \
    return run_inplace<Spec_##NAME>(x, a, b, c);                                                          \
  }                                                                                                       \
  Tensor NAME##_backward(const Tensor& g, const Tensor& x, double a, double b, double c) {                \
    return backward<Spec_##NAME>(g, x, a, b, c);                                                          \
  }
#include "verigrad/activation.def"
}  // namespace activations

// ---- with PyTorch's arguments --------------------------------------------------------------------------------------

#define VG_EITHER(NAME, ...) \
  (inplace ? Tensor(activations::NAME##_(self, __VA_ARGS__)) : activations::NAME(self, __VA_ARGS__))

Tensor leaky_relu(const Tensor& self, double negative_slope, bool inplace) {
  return VG_EITHER(leaky_relu, negative_slope);
}
Tensor elu(const Tensor& self, double alpha, bool inplace) { return VG_EITHER(elu, alpha, 1, 1); }
Tensor selu(const Tensor& self, bool inplace) {
  // The fixed point of mean 0 and variance 1: G. Klambauer et al., arXiv 1706.02515, equation 14.
  constexpr double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
  return VG_EITHER(elu, alpha * scale, scale, 1);
}
// J. T. Barron, arXiv 1704.07483, equation 2.
Tensor celu(const Tensor& self, double alpha, bool inplace) {
  VG_CHECK(alpha != 0, RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU");
  return VG_EITHER(celu, alpha, 1, 1 / alpha);
}
Tensor gelu(const Tensor& self, const std::string& approximate) {
  VG_CHECK(approximate == "none" || approximate == "tanh", RuntimeError,
           "gelu: approximate argument must be either none or tanh, got '", approximate, "'");
  return approximate == "none" ? activations::gelu(self) : activations::gelu_tanh(self);
}
Tensor silu(const Tensor& self, bool inplace) { return VG_EITHER(silu, 0); }
Tensor mish(const Tensor& self, bool inplace) { return VG_EITHER(mish, 0); }
Tensor hardswish(const Tensor& self, bool inplace) { return VG_EITHER(hardswish, 0); }
Tensor hardsigmoid(const Tensor& self, bool inplace) { return VG_EITHER(hardsigmoid, 0); }

Tensor hardtanh(const Tensor& self, double min_val, double max_val, bool inplace) {
  VG_CHECK(min_val <= max_val, ValueError, "hardtanh: min_val cannot be greater than max_val, got ", min_val, " and ",
           max_val);
  if (is_floating_point(self.dtype())) return VG_EITHER(hardtanh, min_val, max_val);
  VG_CHECK(self.dtype() != DType::Bool, RuntimeError, "hardtanh: expected a numeric dtype, got bool");
  VG_CHECK(self.dtype() != DType::UInt8 || min_val >= 0, RuntimeError,
           "cannot do hardtanh on an unsigned type with negative limits");
  check_fits("hardtanh", min_val, self.dtype());
  check_fits("hardtanh", max_val, self.dtype());
  const Bound low = Scalar(static_cast<std::int64_t>(min_val)), high = Scalar(static_cast<std::int64_t>(max_val));
  return inplace ? Tensor(clamp_(self, low, high)) : clamp(self, low, high);
}
Tensor relu6(const Tensor& self, bool inplace) { return hardtanh(self, 0, 6, inplace); }
Tensor hardshrink(const Tensor& self, double lambd) { return activations::hardshrink(self, lambd); }
Tensor softshrink(const Tensor& self, double lambd) {
  VG_CHECK(lambd >= 0, RuntimeError, "softshrink: lambda must be in range [0, inf), but found ", lambd);
  return activations::softshrink(self, lambd);
}
Tensor tanhshrink(const Tensor& self) { return activations::tanhshrink(self); }
Tensor softplus(const Tensor& self, double beta, double threshold) {
  return activations::softplus(self, beta, threshold);
}
Tensor softsign(const Tensor& self) { return activations::softsign(self); }
Tensor logsigmoid(const Tensor& self) { return activations::logsigmoid(self); }

Tensor threshold(const Tensor& self, double threshold, double value, bool inplace) {
  if (is_floating_point(self.dtype())) return VG_EITHER(thresholded, threshold, value);
  VG_CHECK(self.dtype() != DType::Bool, NotImplementedError, "threshold: expected a numeric dtype, got bool");
  check_fits("threshold", threshold, self.dtype());
  check_fits("threshold", value, self.dtype());
  const Scalar limit = static_cast<std::int64_t>(threshold), other = static_cast<std::int64_t>(value);
  const Tensor result = where(le(self, limit), other, self);
  return inplace ? Tensor(copy_(self, result)) : result;
}
#undef VG_EITHER

// Y. N. Dauphin et al., arXiv 1612.08083, equation 1.
Tensor glu(const Tensor& self, std::int64_t dim) {
  VG_CHECK(self.ndim() > 0, RuntimeError, "glu does not support scalars because halving size must be even");
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, "glu: expected a floating-point dtype, got ",
           self.dtype());
  const int d = wrap_dim("glu", dim, self.ndim());
  const std::int64_t size = self.shape()[d];
  VG_CHECK(size % 2 == 0, RuntimeError, "glu: Halving dimension must be even, but dimension ", d, " is size ", size);
  return mul(narrow(self, d, 0, size / 2), sigmoid(narrow(self, d, size / 2, size / 2)));
}

// K. He et al., arXiv 1502.01852, equation 1.
Tensor prelu(const Tensor& self, const Tensor& weight) {
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, "prelu: expected a floating-point dtype, got ",
           self.dtype());
  VG_CHECK(self.dtype() == weight.dtype(), RuntimeError, "prelu: Type promoting not supported. Got ", self.dtype(),
           " and ", weight.dtype());
  VG_CHECK(weight.ndim() <= 1, RuntimeError,
           "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.ndim());
  check_same_device("prelu", self, weight);
  Tensor w = weight;
  if (weight.numel() != 1) {
    VG_CHECK(self.ndim() > 0, RuntimeError, "prelu: Not allow zero-dim input tensor.");
    const std::int64_t channels = self.ndim() > 1 ? self.shape()[1] : 1;
    VG_CHECK(weight.numel() == channels, RuntimeError,
             "prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = ", weight.numel(),
             " and channel size = ", channels, ".");
    Dims shape{channels};
    for (int i = 2; i < self.ndim(); ++i) shape.push_back(1);
    w = reshape(weight, shape);
  } else {
    w = reshape(weight, {});
  }
  Tensor out;
  {
    const NoGradGuard guard;
    out = where(gt(self, 0.0), self, mul(self, w));
  }
  return record("PreluKernelBackward0", out, {self, w}, {Save::input(self), Save::input(w)},
                [](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0), w = n.saved(1), above = gt(x, 0.0);
                  Tensor grad_x, grad_w;
                  if (n.needs(0)) grad_x = where(above, g, mul(g, w));
                  if (n.needs(1)) grad_w = sum_to_shape(where(above, 0, mul(g, x)), input_meta(n, 1).shape);
                  return {grad_x, grad_w};
                });
}

// B. Xu et al., arXiv 1505.00853, section 2.4.
Tensor rrelu(const Tensor& self, double lower, double upper, bool training, bool inplace,
             const OptGenerator& generator) {
  VG_CHECK(std::isfinite(lower) && std::isfinite(upper) && std::isfinite(upper - lower), RuntimeError,
           "rrelu: expected finite bounds, got lower=", lower, " and upper=", upper);
  VG_CHECK(lower <= upper, RuntimeError, "rrelu: Lower bound should be less than or equal to the upper bound, got ",
           lower, " and ", upper);
  if (!training) return leaky_relu(self, (lower + upper) / 2, inplace);
  VG_CHECK(is_floating_point(self.dtype()), NotImplementedError, "rrelu: expected a floating-point dtype, got ",
           self.dtype());
  if (inplace) check_inplace(self, recording(self));
  Tensor slope;
  {
    const NoGradGuard guard;
    const Tensor draws = empty_tensor(self.shape(), self.dtype(), self.device());
    random_out(kernels::RandomOp::uniform, "rrelu", draws, lower, upper, 0, 0, generator);
    slope = where(le(self, 0.0), draws, 1);
  }
  return inplace ? Tensor(mul_(self, slope)) : mul(self, slope);
}

// ---- without a name in nn ------------------------------------------------------------------------------------------

namespace {
/// Below 0 there are no limits.
double limit_of(std::optional<double> eps) { return eps && *eps >= 0 ? *eps : -1; }

double largest(DType dtype) {
  return dtype == DType::Float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
}

/// f(a, b) with the numbers of round_digits.
template <class F>
decltype(auto) with_power(std::int64_t decimals, F&& f) {
  return f(std::pow(10.0, std::fabs(static_cast<double>(decimals))), decimals < 0 ? -1.0 : 1.0);
}
}  // namespace

Tensor logit(const Tensor& self, std::optional<double> eps) { return activations::logit(self, limit_of(eps)); }
const Tensor& logit_(const Tensor& self, std::optional<double> eps) {
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, "logit_: result type ", default_dtype(),
           " can't be cast to the desired output type ", self.dtype());
  return activations::logit_(self, limit_of(eps));
}

Tensor nan_to_num(const Tensor& self, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  if (!is_floating_point(self.dtype())) return clone(self);
  const double most = largest(self.dtype());
  return activations::nan_to_num(self, nan, posinf.value_or(most), neginf.value_or(-most));
}
const Tensor& nan_to_num_(const Tensor& self, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  const double most = largest(self.dtype());
  if (is_floating_point(self.dtype())) {
    return activations::nan_to_num_(self, nan, posinf.value_or(most), neginf.value_or(-most));
  }
  check_inplace(self, false);
  self.bump_version();
  return self;
}

Tensor round(const Tensor& self, std::int64_t decimals) {
  if (decimals == 0) return round(self);
  return with_power(decimals, [&](double a, double b) { return activations::round_digits(self, a, b); });
}
const Tensor& round_(const Tensor& self, std::int64_t decimals) {
  if (decimals == 0) return round_(self);
  return with_power(decimals,
                    [&](double a, double b) -> const Tensor& { return activations::round_digits_(self, a, b); });
}

// ---- clamp ---------------------------------------------------------------------------------------------------------

namespace {

/// Whether the bound is none, or a number, which must fit the dtype, but NaN.
bool plain_number(const Bound& bound, DType dtype) {
  if (!bound) return true;
  if (bound->is_tensor()) return false;
  check_fits("clamp", bound->scalar, dtype);
  return !std::isnan(bound->scalar.to_double());
}
double number_or(const Bound& bound, double other) { return bound ? bound->scalar.to_double() : other; }

void check_given(const Bound& min, const Bound& max) {
  VG_CHECK(min || max, RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None");
}

DType clamp_dtype(const Tensor& self, const Bound& min, const Bound& max) {
  const Operand x = self, &low = min ? *min : x, &high = max ? *max : x;
  return result_type({&x, &low, &high});
}

/// f(x, bound), an op of two tensors or of a tensor and a number.
#define VG_BOUNDED(OP, X, BOUND) (BOUND).visit([&](const auto& bound_) { return OP(X, bound_); })

/// A bound in the backward pass: the tensor that the node saved, or the number.
struct KeptBound {
  std::optional<Scalar> number;
  explicit KeptBound(const Bound& bound) {
    if (bound && !bound->is_tensor()) number = bound->scalar;
  }
  Bound get(Node& n, int i) const {
    if (number) return Operand(*number);
    const Tensor saved = n.saved(i);
    return saved.defined() ? Bound(saved) : Bound();
  }
};

}  // namespace

Tensor clamp(const Tensor& self, const Bound& min, const Bound& max) {
  check_given(min, max);
  if (is_floating_point(self.dtype()) && plain_number(min, self.dtype()) && plain_number(max, self.dtype())) {
    return activations::clamped(self, number_or(min, -HUGE_VAL), number_or(max, HUGE_VAL));
  }
  const DType dtype = clamp_dtype(self, min, max);
  const Tensor x = to(self, dtype);
  const auto stored = [&](const Bound& bound) { return bound ? to_stored("clamp", *bound, dtype) : Operand(Tensor()); };
  const Operand low = stored(min), high = stored(max);
  Tensor out = x;
  {
    const NoGradGuard guard;
    if (min) out = VG_BOUNDED(maximum, out, low);
    if (max) out = VG_BOUNDED(minimum, out, high);
  }
  if (!is_floating_point(dtype)) return out;
  return record("ClampBackward0", out, {x, as_input(low), as_input(high)},
                {Save::input(x), Save::input(low.tensor), Save::input(high.tensor)},
                [kept_low = KeptBound(min), kept_high = KeptBound(max)](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0);
                  const Bound low = kept_low.get(n, 1), high = kept_high.get(n, 2);
                  TensorList grads(3);
                  if (n.needs(0)) {
                    Tensor inside = low ? VG_BOUNDED(ge, x, *low) : VG_BOUNDED(le, x, *high);
                    if (low && high) inside = logical_and(inside, VG_BOUNDED(le, x, *high));
                    grads[0] = sum_to_shape(where(inside, g, 0), input_meta(n, 0).shape);
                  }
                  if (n.needs(1)) {
                    Tensor wins = lt(x, low->tensor);
                    if (high) wins = logical_and(wins, VG_BOUNDED(lt, low->tensor, *high));
                    grads[1] = sum_to_shape(where(wins, g, 0), input_meta(n, 1).shape);
                  }
                  if (n.needs(2)) {
                    Tensor wins = gt(x, high->tensor);
                    if (low) wins = logical_or(wins, VG_BOUNDED(lt, high->tensor, *low));
                    grads[2] = sum_to_shape(where(wins, g, 0), input_meta(n, 2).shape);
                  }
                  return grads;
                });
}

const Tensor& clamp_(const Tensor& self, const Bound& min, const Bound& max) {
  check_given(min, max);
  if (is_floating_point(self.dtype()) && plain_number(min, self.dtype()) && plain_number(max, self.dtype())) {
    return activations::clamped_(self, number_or(min, -HUGE_VAL), number_or(max, HUGE_VAL));
  }
  bool record_it = recording(self);
  for (const Bound* bound : {&min, &max}) {
    record_it = record_it || (*bound && (*bound)->is_tensor() && recording((*bound)->tensor));
  }
  check_inplace(self, record_it);
  const DType dtype = clamp_dtype(self, min, max);
  VG_CHECK(can_cast(dtype, self.dtype()), RuntimeError, "clamp_: result type ", dtype,
           " can't be cast to the desired output type ", self.dtype());
  if (!record_it && dtype == self.dtype()) {
    const auto prepare = [&self, dtype](const Bound& bound) -> Bound {
      if (!bound) return {};
      const Operand limit = to_stored("clamp_", *bound, dtype);
      if (!limit.is_tensor()) return limit;
      const Dims shape = broadcast_shapes("clamp_", self.shape(), limit.tensor.shape());
      VG_CHECK(shape == self.shape(), RuntimeError, "clamp_: output with shape ", self.shape(),
               " doesn't match the broadcast shape ", shape);
      // Memory shared with a bound would be read after it was written.
      return limit.tensor.storage() == self.storage() ? Operand(clone(limit.tensor)) : limit;
    };
    const auto apply = [&self](kernels::BinaryOp op, const Bound& limit) {
      if (limit) limit->visit([&](const auto& value) { binary_out(op, self, self, value); });
    };
    const Bound lowest = prepare(min), highest = prepare(max);
    apply(kernels::BinaryOp::maximum, lowest);
    apply(kernels::BinaryOp::minimum, highest);
    self.bump_version();
    return self;
  }
  const Tensor result = to(clamp(record_it ? clone(self) : self, min, max), self.dtype());
  VG_CHECK(result.shape() == self.shape(), RuntimeError, "clamp_: output with shape ", self.shape(),
           " doesn't match the broadcast shape ", result.shape());
  copy_out(self, result);
  finish_inplace(self, result);
  return self;
}

}  // namespace verigrad::ops

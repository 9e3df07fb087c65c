// The activations of activation.def, each formula and its derivative once, for g++ and nvcc.
//
// value(x, k) is the function, slope(x, k) its derivative; k holds the row's numbers in the dtype of x. Where PyTorch
// meets infinity times zero (gelu, silu, mish, hardswish at -inf, softsign at both ends) the limit stands here. A NaN
// gives a NaN; at kinks, and at a NaN of a piecewise linear function, the slope is the one that PyTorch chose.
#pragma once

#include <cmath>

#include "kernels/functors.h"

namespace verigrad::kernels::activations {

template <class T>
struct Numbers {
  T a, b, c;
};

#define VG_VALUE(...) \
  template <class T>  \
  VG_HD static T value(T x, [[maybe_unused]] const Numbers<T>& k) __VA_ARGS__
#define VG_SLOPE(...) \
  template <class T>  \
  VG_HD static T slope([[maybe_unused]] T x, [[maybe_unused]] const Numbers<T>& k) __VA_ARGS__

/// The standard normal distribution.
template <class T>
struct Normal {
  T cdf, density;
};
VG_HD inline Normal<float> normal(float x) {
  const float_math::Normal at = float_math::normal(x);
  return {at.cdf, at.density};
}
VG_HD inline Normal<double> normal(double x) {
  return {0.5 * std::erfc(-0.70710678118654752 * x), 0.39894228040143268 * std::exp(-0.5 * (x * x))};
}

/// x y, where 0 for y wins over an infinite x.
template <class T>
VG_HD inline T times_vanishing(T x, T y) {
  return y == T(0) ? T(0) : x * y;
}

struct leaky_relu {
  static constexpr bool kAlwaysMultiplies = true;  // the loop stays free of branches
  VG_VALUE({ return x > T(0) ? x : x * k.a; })
  VG_SLOPE({ return x > T(0) ? T(1) : k.a; })
};

/// D.-A. Clevert et al., arXiv 1511.07289, equation 15; with b also SELU, with c CELU.
struct elu {
  VG_VALUE({ return x <= T(0) ? functors::expm1()(x * k.c) * k.a : x * k.b; })
  VG_SLOPE({ return x <= T(0) ? functors::exp()(x * k.c) * (k.a * k.c) : k.b; })
};
struct celu : elu {};

/// x Phi(x), Phi the distribution function of the standard normal distribution (D. Hendrycks, K. Gimpel, arXiv
/// 1606.08415, section 2).
struct gelu {
  VG_VALUE({ return times_vanishing(x, normal(x).cdf); })
  VG_SLOPE({
    const Normal<T> at = normal(x);
    return at.cdf + times_vanishing(x, at.density);
  })
};

/// The approximation x (1 + tanh u) / 2 = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), of the same section.
struct gelu_tanh {
  template <class T>
  VG_HD static T twice_u(T x) {
    return T(1.5957691216057308) * (x + T(0.044715) * (x * x * x));
  }
  VG_VALUE({ return times_vanishing(x, functors::sigmoid()(twice_u(x))); })
  VG_SLOPE({
    const T u = twice_u(x);
    const T s = functors::sigmoid()(u);
    const T rest = s * functors::sigmoid()(-u);
    const T inner = T(1.5957691216057308) * (T(1) + T(0.134145) * (x * x));
    return s + times_vanishing(x * inner, rest);
  })
};

/// x sigmoid(x) (S. Elfwing et al., arXiv 1702.03118, equation 5).
struct silu {
  VG_VALUE({ return times_vanishing(x, functors::sigmoid()(x)); })
  VG_SLOPE({
    const T s = functors::sigmoid()(x);
    return s + times_vanishing(x, s * functors::sigmoid()(-x));
  })
};

/// x tanh(softplus(x)) (D. Misra, arXiv 1908.08681, equation 1). With e = exp(-|x|) the tangent is n / d, n = e^2 + 2 e
/// and d = n + 2 below 0, n = 1 + 2 e and d = n + 2 e^2 above; its derivative is 4 e^2 (1 + e) / d^2 above and 4 e (1 +
/// e) / d^2 times e below: no overflow and no cancellation.
struct mish {
  VG_VALUE({
    const T e = functors::exp()(-functors::abs()(x));
    const T n = x > T(0) ? T(1) + T(2) * e : e * (e + T(2));
    const T d = n + T(2) * (x > T(0) ? e * e : T(1));
    return times_vanishing(x, n / d);
  })
  VG_SLOPE({
    const T e = functors::exp()(-functors::abs()(x));
    const T n = x > T(0) ? T(1) + T(2) * e : e * (e + T(2));
    const T d = n + T(2) * (x > T(0) ? e * e : T(1));
    const T w = x > T(0) ? e * e : e;
    return n / d + times_vanishing(x, T(4) * w * (T(1) + e) / (d * d));
  })
};

/// A. Howard et al., arXiv 1905.02244, section 5.2.
struct hardsigmoid {
  VG_VALUE({
    const T y = x + T(3);
    return (y < T(0) ? T(0) : (y > T(6) ? T(6) : y)) / T(6);
  })
  VG_SLOPE({ return (x > T(-3)) & (x < T(3)) ? T(1) / T(6) : T(0); })
};
struct hardswish {
  VG_VALUE({
    const T y = x + T(3);
    return times_vanishing(x, y < T(0) ? T(0) : (y > T(6) ? T(6) : y)) / T(6);
  })
  VG_SLOPE({
    const T inner = x / T(3) + T(0.5);
    return x <= T(-3) ? T(0) : (x < T(3) ? inner : T(1));
  })
};

struct hardtanh {
  VG_VALUE({
    const T y = x < k.a ? k.a : x;
    return y > k.b ? k.b : y;
  })
  VG_SLOPE({ return (x <= k.a) | (x >= k.b) ? T(0) : T(1); })
};
struct clamped {
  VG_VALUE({ return hardtanh::value(x, k); })
  VG_SLOPE({ return (x >= k.a) & (x <= k.b) ? T(1) : T(0); })
};

struct hardshrink {
  VG_VALUE({ return (x >= -k.a) & (x <= k.a) ? T(0) : x; })
  VG_SLOPE({ return (x >= -k.a) & (x <= k.a) ? T(0) : T(1); })
};
struct softshrink {
  VG_VALUE({
    const T inside = x != x ? x : T(0);
    return x > k.a ? x - k.a : (x < -k.a ? x + k.a : inside);
  })
  VG_SLOPE({ return hardshrink::slope(x, k); })
};

struct thresholded {
  VG_VALUE({ return x <= k.a ? k.b : x; })
  VG_SLOPE({ return x <= k.a ? T(0) : T(1); })
};

/// ln(1 + e^(a x)) / a (C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing",
/// NIPS 2000, section 3), as max(z, 0) + ln(1 + e^-|z|), which does not overflow whatever b is.
struct softplus {
  VG_VALUE({
    const T z = x * k.a;
    const T soft = (functors::log1p_unit()(functors::exp()(-functors::abs()(z))) + (z < T(0) ? T(0) : z)) / k.a;
    return z > k.b ? x : soft;
  })
  VG_SLOPE({
    const T z = x * k.a;
    return z > k.b ? T(1) : functors::sigmoid()(z);
  })
};

struct logsigmoid {
  VG_VALUE({ return (x > T(0) ? T(0) : x) - functors::log1p_unit()(functors::exp()(-functors::abs()(x))); })
  VG_SLOPE({ return functors::sigmoid()(-x); })
};

/// x - tanh(x) without cancellation: float32 from a polynomial, float64 from Lambert's continued fraction tanh(x) =
/// x / (1 + x^2 / (3 + x^2 / (5 + ...))), both for small x.
struct tanhshrink {
  VG_HD static float value(float x, const Numbers<float>&) {
    return float_math::with_sign(float_math::tanhshrink_positive(float_math::magnitude(x)), x);
  }
  VG_HD static double value(double x, const Numbers<double>&) {
    if (!(std::fabs(x) < 1.0)) return x - std::tanh(x);
    const double z = x * x;
    double q = 19.0;
    for (double odd = 17.0; odd > 2.0; odd -= 2.0) q = odd + z / q;
    q = z / q;
    return x * (q / (1.0 + q));
  }
  VG_SLOPE({
    const T t = functors::tanh()(x);
    return t * t;
  })
};

/// J. Turian et al., "Quadratic features and deep architectures for chunking", NAACL 2009, section 2.
struct softsign {
  VG_VALUE({
    const T a = functors::abs()(x);
    const T sign = x < T(0) ? T(-1) : T(1);
    return a == T(HUGE_VALF) ? sign : x / (T(1) + a);
  })
  VG_SLOPE({
    const T r = T(1) / (T(1) + functors::abs()(x));
    return r * r;
  })
};

/// ln(x / (1 - x)), near 1/2 as ln(1 + (2 x - 1) / (1 - x)), since the quotient is nearly 1 there.
struct logit {
  VG_VALUE({
    const bool limits = k.a >= T(0);
    T z = limits & (x < k.a) ? k.a : x;
    z = limits & (x > T(1) - k.a) ? T(1) - k.a : z;
    const bool middle = (z > T(0.25)) & (z < T(0.75));
    const T near = functors::log1p()((middle ? z + z - T(1) : T(0)) / (T(1) - z));
    return middle ? near : functors::log()(z / (T(1) - z));
  })
  VG_SLOPE({
    const bool limits = k.a >= T(0);
    const bool outside = limits ? (x < k.a) | (x > T(1) - k.a) : (x < T(0)) | (x > T(1));
    return outside ? (limits ? T(0) : T(HUGE_VALF) - T(HUGE_VALF)) : T(1) / (x * (T(1) - x));
  })
};

struct nan_to_num {
  VG_VALUE({ return x != x ? k.a : (x == T(HUGE_VALF) ? k.b : (x == T(-HUGE_VALF) ? k.c : x)); })
  VG_SLOPE({ return functors::isfinite()(x) ? T(1) : T(0); })
};

struct round_digits {
  VG_VALUE({ return k.b < T(0) ? std::rint(x / k.a) * k.a : std::rint(x * k.a) / k.a; })
  VG_SLOPE({ return T(0); })
};

#undef VG_VALUE
#undef VG_SLOPE

/// g f'(x). A slope of 0 stops the gradient, whatever it is.
template <class Op, class T>
VG_HD inline T gradient(T g, T x, const Numbers<T>& k) {
  const T slope = Op::slope(x, k);
  if constexpr (requires { Op::kAlwaysMultiplies; }) {
    return g * slope;
  } else {
    return slope == T(0) ? T(0) : g * slope;
  }
}

}  // namespace verigrad::kernels::activations

// Each scalar formula once, under the name of its row in unary.def, binary.def or ternary.def; compiled by g++ and
// nvcc.
//
// Semantics are PyTorch's: integers wrap, integer division rounds to minus infinity, NaN goes through maximum, minimum
// and relu, and for bool `add` is or and `mul` is and. Integer division by zero is the loop's business, since it must
// be refused before anything is written; here it gives 0, so that nothing traps.
#pragma once

#include "kernels/functors_unary.h"

namespace verigrad::kernels::functors {

// ---- two arguments, result of the same type -----------------------------------------------------------------------

struct add {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return a + b;
    } else if constexpr (kBool<T>) {
      return a | b;
    } else {
      return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
    }
  }
};

struct sub {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return a - b;
    } else {
      return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
    }
  }
};

struct mul {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return a * b;
    } else if constexpr (kBool<T>) {
      return a & b;
    } else {
      return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
    }
  }
};

struct div {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return a / b;
  }
};

struct pow {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (std::is_same_v<T, float>) {
      return float_math::pow(a, b);
    } else if constexpr (kFloating<T>) {
      return std::pow(a, b);
    } else {
      if constexpr (std::is_signed_v<T>) {
        // The ops layer refuses negative exponents of integers; these are the values that are integers anyway.
        if (b < 0) return a == 1 ? T(1) : (a == T(-1) ? (b % 2 == 0 ? T(1) : T(-1)) : T(0));
      }
      Wrapping<T> base = static_cast<Wrapping<T>>(a), result = 1;
      for (Wrapping<T> e = static_cast<Wrapping<T>>(b); e != 0; e >>= 1) {
        if (e & 1) result *= base;
        base *= base;
      }
      return static_cast<T>(result);
    }
  }
};

/// Powers with one exponent for all elements.
template <int kExponent>
struct power_of {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kExponent == 2) {
      return x * x;
    } else if constexpr (kExponent == 3) {
      return x * x * x;
    } else if constexpr (kExponent == -1) {
      return T(1) / x;
    } else {
      return T(1) / (x * x);
    }
  }
};
/// f(power_of) where a number as exponent is a common one; false elsewhere.
template <class T, class F>
bool common_power(T exponent, F f) {
  if constexpr (kFloating<T>) {
    if (exponent == T(2)) return f(power_of<2>()), true;
    if (exponent == T(3)) return f(power_of<3>()), true;
    if (exponent == T(-1)) return f(power_of<-1>()), true;
    if (exponent == T(-2)) return f(power_of<-2>()), true;
  }
  return false;
}

struct maximum {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return (a > b) | (a != a) ? a : b;  // `|`: no branch, so that loops become vector code
  }
};
struct minimum {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return (a < b) | (a != a) ? a : b;
  }
};

/// The mark of divisions: the loops look for divisors of 0 among integers.
struct divides {
  static constexpr bool kDivides = true;
};
template <class Op>
inline constexpr bool kDivides = std::is_base_of_v<divides, Op>;

/// A remainder of C is not that of Python: it has the dividend's sign.
template <class T>
VG_HD inline bool has_other_sign(T r, T b) {
  return (r != T(0)) & ((b < T(0)) != (r < T(0)));
}

/// The mark of those that need std::fmod for rare floats alone.
struct by_remainder : divides {
  VG_HD static bool usual(float a, float b) { return float_math::quotient_is_small(a, b); }
};

/// Python's rule: the result has the divisor's sign.
struct remainder : by_remainder {
  template <class T>
  VG_HD static T of(T r, T b) {
    return has_other_sign(r, b) ? r + b : r;
  }
  VG_HD static float fast(float a, float b) { return of(float_math::remainder_of_small(a, b), b); }
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return of(std::fmod(a, b), b);
    } else if constexpr (std::is_signed_v<T>) {
      if (b == 0 || b == -1) return 0;
      const T r = static_cast<T>(a % b);
      return (r != 0 && (r < 0) != (b < 0)) ? static_cast<T>(r + b) : r;
    } else {
      return b == 0 ? T(0) : static_cast<T>(a % b);
    }
  }
};

/// Rounds to minus infinity. For floats as Python's divmod: from the remainder, so that a == floor_divide * b +
/// remainder holds as nearly as rounding allows.
struct floor_divide : by_remainder {
  template <class T>
  VG_HD static T of(T a, T b, T r) {
    const T quotient = (a - r) / b;
    const T q = has_other_sign(r, b) ? quotient - T(1) : quotient;
    const T down = std::floor(q);
    const T whole = q - down > T(0.5) ? down + T(1) : down;
    return q == T(0) ? std::copysign(T(0), a / b) : whole;
  }
  VG_HD static float fast(float a, float b) { return of(a, b, float_math::remainder_of_small(a, b)); }
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return b == T(0) ? a / b : of(a, b, std::fmod(a, b));
    } else if constexpr (std::is_signed_v<T>) {
      if (b == 0) return 0;
      if (b == -1) return neg()(a);
      const T q = static_cast<T>(a / b);
      return (a % b != 0 && (a < 0) != (b < 0)) ? static_cast<T>(q - 1) : q;
    } else {
      return b == 0 ? T(0) : static_cast<T>(a / b);
    }
  }
};

struct div_floor : floor_divide {};

/// Rounds to zero.
struct div_trunc : divides {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return std::trunc(a / b);
    } else if constexpr (std::is_signed_v<T>) {
      return b == 0 ? T(0) : (b == -1 ? neg()(a) : static_cast<T>(a / b));
    } else {
      return b == 0 ? T(0) : static_cast<T>(a / b);
    }
  }
};

/// C's rule: the result has the dividend's sign.
struct fmod : by_remainder {
  VG_HD static float fast(float a, float b) { return float_math::remainder_of_small(a, b); }
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      return std::fmod(a, b);
    } else if constexpr (std::is_signed_v<T>) {
      return b == 0 || b == -1 ? T(0) : static_cast<T>(a % b);
    } else {
      return b == 0 ? T(0) : static_cast<T>(a % b);
    }
  }
};

struct atan2 {
  VG_HD double operator()(double a, double b) const { return std::atan2(a, b); }
  VG_HD float operator()(float a, float b) const { return float_math::atan2(a, b); }
};
/// In float64, rounded once.
struct hypot {
  VG_HD double operator()(double a, double b) const { return std::hypot(a, b); }
  VG_HD float operator()(float a, float b) const {
    return static_cast<float>(std::hypot(static_cast<double>(a), static_cast<double>(b)));
  }
};

/// ln(e^a + e^b) without overflow; equal infinities give themselves.
struct logaddexp {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    const T gap = a == b ? T(0) : -std::fabs(a - b);
    return (a > b ? a : b) + log1p_unit()(exp()(gap));
  }
};
struct logaddexp2 {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    const T gap = a == b ? T(0) : -std::fabs(a - b);
    return (a > b ? a : b) + log1p_unit()(exp2()(gap)) * T(1.4426950408889634);
  }
};

/// 0 for a = 0, whatever b is but NaN.
struct xlogy {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    const T product = a * log()(b);
    return (a == T(0)) & (b == b) ? T(0) : product;
  }
};

/// In double, as lgamma.
struct polygamma {
  template <class T>
  VG_HD T operator()(T x, T n) const {
    return static_cast<T>(gamma_functions::polygamma(static_cast<double>(x), static_cast<double>(n)));
  }
};
struct zeta {
  template <class T>
  VG_HD T operator()(T s, T q) const {
    return static_cast<T>(gamma_functions::zeta(static_cast<double>(s), static_cast<double>(q)));
  }
};

struct copysign {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return std::copysign(a, b);
  }
};

/// As maximum and minimum, but a number wins over NaN.
struct fmax {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return (a >= b) | (b != b) ? a : b;
  }
};
struct fmin {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return (a <= b) | (b != b) ? a : b;
  }
};

/// b at 0, else 1 where a is positive and 0 elsewhere, NaN too.
struct heaviside {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return a == T(0) ? b : static_cast<T>(a > T(0));
  }
};

struct bitwise_and {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct bitwise_or {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct bitwise_xor {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
/// By fewer than 0 or by all bits: nothing is left, but the sign to the right.
struct bitwise_left_shift {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    constexpr T kBits = sizeof(T) * 8;
    if (is_negative(b) || b >= kBits) return 0;
    return static_cast<T>(static_cast<Wrapping<T>>(a) << b);
  }
};
struct bitwise_right_shift {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    constexpr T kBits = sizeof(T) * 8;
    if (is_negative(b) || b >= kBits) return is_negative(a) ? static_cast<T>(-1) : T(0);
    return static_cast<T>(a >> b);
  }
};

/// Gradient of relu from its output `y`. A NaN lets the gradient through, as PyTorch's does.
struct threshold_backward {
  template <class T>
  VG_HD T operator()(T g, T y) const {
    return y <= T(0) ? T(0) : g;
  }
};
/// From the output y = tanh(x).
struct tanh_backward {
  template <class T>
  VG_HD T operator()(T g, T y) const {
    return g * (T(1) - y * y);
  }
};
/// From the output y = sigmoid(x).
struct sigmoid_backward {
  template <class T>
  VG_HD T operator()(T g, T y) const {
    return g * (T(1) - y) * y;
  }
};

// ---- two arguments, result bool -----------------------------------------------------------------------------------

#define VG_COMPARISON(NAME, EXPRESSION)     \
  struct NAME {                             \
    template <class T>                      \
    VG_HD bool operator()(T a, T b) const { \
      return EXPRESSION;                    \
    }                                       \
  };
VG_COMPARISON(eq, a == b)
VG_COMPARISON(ne, a != b)
VG_COMPARISON(lt, a < b)
VG_COMPARISON(le, a <= b)
VG_COMPARISON(gt, a > b)
VG_COMPARISON(ge, a >= b)
VG_COMPARISON(logical_and, (a != T(0)) & (b != T(0)))
VG_COMPARISON(logical_or, (a != T(0)) | (b != T(0)))
VG_COMPARISON(logical_xor, (a != T(0)) != (b != T(0)))
#undef VG_COMPARISON

// ---- three arguments and a number ---------------------------------------------------------------------------------

/// a + w (b - a), from the nearer end, so that it is exact at both.
struct lerp {
  template <class T>
  VG_HD T operator()(T a, T b, T w, T) const {
    const T way = b - a;
    return (w < T(0.5)) & (w > T(-0.5)) ? a + w * way : b - way * (T(1) - w);
  }
};
struct addcmul {
  template <class T>
  VG_HD T operator()(T a, T b, T c, T v) const {
    return add()(a, mul()(mul()(v, b), c));
  }
};
struct addcdiv {
  template <class T>
  VG_HD T operator()(T a, T b, T c, T v) const {
    return a + v * b / c;
  }
};

}  // namespace verigrad::kernels::functors

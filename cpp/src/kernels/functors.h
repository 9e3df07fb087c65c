// Each scalar formula once, under the name of its row in unary.def or binary.def; compiled by g++ and by nvcc.
//
// Semantics are PyTorch's: integers wrap, integer division rounds to minus infinity, NaN goes through maximum, minimum
// and relu, and for bool `add` is or and `mul` is and. Integer division by zero is the loop's business, since it must
// be refused before anything is written; here it gives 0, so that nothing traps.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/float_math.h"
#include "kernels/host_device.h"

namespace verigrad::kernels::functors {

template <class T>
inline constexpr bool kFloating = std::is_floating_point_v<T>;
template <class T>
inline constexpr bool kBool = std::is_same_v<T, bool>;
/// The type to compute in where overflow must wrap: unsigned, and wide enough not to be promoted to int.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// x < 0, without a warning for unsigned types.
template <class T>
VG_HD inline bool is_negative(T x) {
  if constexpr (std::is_unsigned_v<T>) {
    return false;
  } else {
    return x < T(0);
  }
}

// ---- one argument, result of the same type ------------------------------------------------------------------------

struct neg {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kFloating<T>) {
      return -x;
    } else {
      return static_cast<T>(Wrapping<T>{0} - static_cast<Wrapping<T>>(x));
    }
  }
};

struct abs {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kFloating<T>) {
      return std::fabs(x);
    } else if constexpr (std::is_signed_v<T>) {
      return x < 0 ? neg()(x) : x;
    } else {
      return x;
    }
  }
};

struct sign {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kBool<T>) {
      return x;
    } else if constexpr (kFloating<T>) {
      return x > T(0) ? T(1) : (x < T(0) ? T(-1) : T(0));
    } else {
      return static_cast<T>(static_cast<int>(x > T(0)) - static_cast<int>(is_negative(x)));
    }
  }
};

// The float32 versions are ours, for speed; float64 is the standard library's.
#define VG_ELEMENTARY(NAME)                                               \
  struct NAME {                                                           \
    VG_HD float operator()(float x) const { return float_math::NAME(x); } \
    VG_HD double operator()(double x) const { return std::NAME(x); }      \
  };
VG_ELEMENTARY(exp)
VG_ELEMENTARY(exp2)
VG_ELEMENTARY(expm1)
VG_ELEMENTARY(log)
VG_ELEMENTARY(log2)
VG_ELEMENTARY(log10)
VG_ELEMENTARY(log1p)
VG_ELEMENTARY(tanh)
VG_ELEMENTARY(erf)
VG_ELEMENTARY(erfc)
#undef VG_ELEMENTARY

/// sin and cos have a fast formula for |x| <= 1e6; a loop may use `fast` on a block and repair the rest with `exact`.
struct sin {
  VG_HD static float fast(float x) { return float_math::sin_shifted(x, 0); }
  VG_HD static float exact(float x) { return static_cast<float>(std::sin(static_cast<double>(x))); }
  VG_HD float operator()(float x) const { return float_math::trig_in_range(x) ? fast(x) : exact(x); }
  VG_HD double operator()(double x) const { return std::sin(x); }
};
struct cos {
  VG_HD static float fast(float x) { return float_math::sin_shifted(x, 1); }
  VG_HD static float exact(float x) { return static_cast<float>(std::cos(static_cast<double>(x))); }
  VG_HD float operator()(float x) const { return float_math::trig_in_range(x) ? fast(x) : exact(x); }
  VG_HD double operator()(double x) const { return std::cos(x); }
};

struct sqrt {
  template <class T>
  VG_HD T operator()(T x) const {
    return std::sqrt(x);
  }
};

struct reciprocal {
  template <class T>
  VG_HD T operator()(T x) const {
    return T(1) / x;
  }
};

struct rsqrt {
  template <class T>
  VG_HD T operator()(T x) const {
    return T(1) / std::sqrt(x);
  }
};

struct square {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kFloating<T>) {
      return x * x;
    } else {
      return static_cast<T>(static_cast<Wrapping<T>>(x) * static_cast<Wrapping<T>>(x));
    }
  }
};

struct sigmoid {
  VG_HD float operator()(float x) const { return float_math::sigmoid(x); }
  VG_HD double operator()(double x) const {
    const double e = std::exp(-std::fabs(x));
    return (x < 0 ? e : 1.0) / (1.0 + e);
  }
};

struct relu {
  template <class T>
  VG_HD T operator()(T x) const {
    return is_negative(x) ? T(0) : x;  // keeps NaN and -0
  }
};

// ---- one argument, result bool ------------------------------------------------------------------------------------

struct isnan {
  template <class T>
  VG_HD bool operator()(T x) const {
    return x != x;
  }
};
struct isinf {
  template <class T>
  VG_HD bool operator()(T x) const {
    if constexpr (kFloating<T>) {
      return std::fabs(x) == T(HUGE_VALF);
    } else {
      return false;
    }
  }
};
struct isfinite {
  template <class T>
  VG_HD bool operator()(T x) const {
    if constexpr (kFloating<T>) {
      return std::fabs(x) < T(HUGE_VALF);
    } else {
      return true;
    }
  }
};
struct logical_not {
  template <class T>
  VG_HD bool operator()(T x) const {
    return x == T(0);
  }
};

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

/// Python's rule: the result has the divisor's sign.
struct remainder {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      const T r = std::fmod(a, b);
      return (r != T(0) && (b < T(0)) != (r < T(0))) ? r + b : r;
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
struct floor_divide {
  template <class T>
  VG_HD T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      if (b == T(0)) return a / b;
      const T r = std::fmod(a, b);
      T q = (a - r) / b;
      if (r != T(0) && (b < T(0)) != (r < T(0))) q -= T(1);
      if (q == T(0)) return std::copysign(T(0), a / b);
      const T down = std::floor(q);
      return q - down > T(0.5) ? down + T(1) : down;
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

}  // namespace verigrad::kernels::functors

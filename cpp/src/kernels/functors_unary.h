// The formulas of one argument, under the names of the rows of unary.def, and what all formulas share; see functors.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/float_trigonometry.h"
#include "kernels/gamma_functions.h"
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

// Whole numbers; halves go to the even one.
#define VG_WHOLE(NAME, FUNCTION)    \
  struct NAME {                     \
    template <class T>              \
    VG_HD T operator()(T x) const { \
      if constexpr (kFloating<T>) { \
        return std::FUNCTION(x);    \
      } else {                      \
        return x;                   \
      }                             \
    }                               \
  };
VG_WHOLE(ceil, ceil)
VG_WHOLE(floor, floor)
VG_WHOLE(trunc, trunc)
VG_WHOLE(round, rint)
#undef VG_WHOLE

struct frac {
  template <class T>
  VG_HD T operator()(T x) const {
    return x - std::trunc(x);
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
VG_ELEMENTARY(asin)
VG_ELEMENTARY(acos)
VG_ELEMENTARY(atan)
VG_ELEMENTARY(sinh)
VG_ELEMENTARY(cosh)
#undef VG_ELEMENTARY

/// log1p between 0 and 1.
struct log1p_unit {
  VG_HD float operator()(float e) const { return float_math::log1p_unit(e); }
  VG_HD double operator()(double e) const { return std::log1p(e); }
};

// A functor with `fast` and `usual`: where the arguments are usual, which nearly all are, `fast` is right as well, and
// has no branch. Loops use it on a block, and compute the block again if an argument is not usual.

struct sin {
  VG_HD static bool usual(float x) { return float_math::trig_in_range(x); }
  VG_HD static float fast(float x) { return float_math::sin_shifted(x, 0); }
  VG_HD static float exact(float x) { return static_cast<float>(std::sin(static_cast<double>(x))); }
  VG_HD float operator()(float x) const { return usual(x) ? fast(x) : exact(x); }
  VG_HD double operator()(double x) const { return std::sin(x); }
};
struct cos {
  VG_HD static bool usual(float x) { return float_math::trig_in_range(x); }
  VG_HD static float fast(float x) { return float_math::sin_shifted(x, 1); }
  VG_HD static float exact(float x) { return static_cast<float>(std::cos(static_cast<double>(x))); }
  VG_HD float operator()(float x) const { return usual(x) ? fast(x) : exact(x); }
  VG_HD double operator()(double x) const { return std::cos(x); }
};

struct tan {
  VG_HD static bool usual(float x) { return float_math::trig_in_range(x); }
  VG_HD static float fast(float x) { return float_math::tan_in_range(x); }
  VG_HD static float exact(float x) { return static_cast<float>(std::tan(static_cast<double>(x))); }
  VG_HD float operator()(float x) const { return usual(x) ? fast(x) : exact(x); }
  VG_HD double operator()(double x) const { return std::tan(x); }
};

// The standard library's in float64, also for float32, whose result is then rounded once.
#define VG_PRECISE(NAME)                                                                                    \
  struct NAME {                                                                                             \
    VG_HD double operator()(double x) const { return std::NAME(x); }                                        \
    VG_HD float operator()(float x) const { return static_cast<float>(std::NAME(static_cast<double>(x))); } \
  };
VG_PRECISE(asinh)
VG_PRECISE(acosh)
VG_PRECISE(atanh)
#undef VG_PRECISE

/// The inverse of erf: S. Winitzki's start ("A handy approximation for the error function and its inverse", 2008), and
/// two of Halley's steps. Where |x| > 1/2 they go by erfc, since 1 - |x| is exact.
struct erfinv {
  VG_HD double operator()(double x) const {
    const double a = std::fabs(x);
    if (!(a < 1.0)) return a == 1.0 ? x * HUGE_VAL : (a - a) / (a - a);
    const double w = 0.5 * std::log((1.0 - a) * (1.0 + a));
    const double t = 4.3307467508 + w;
    double z = std::sqrt(std::sqrt(t * t - w * (2.0 / 0.147)) - t);
    for (int step = 0; step < 2; ++step) {
      const double error = a > 0.5 ? (1.0 - a) - std::erfc(z) : std::erf(z) - a;
      const double u = error * (0.88622692545275801 * std::exp(z * z));
      z -= u / (1.0 + z * u);
    }
    return std::copysign(z, x);
  }
  VG_HD float operator()(float x) const { return static_cast<float>((*this)(static_cast<double>(x))); }
};

// By gamma_functions.h, in double.
#define VG_GAMMA(NAME)                                                           \
  struct NAME {                                                                  \
    VG_HD double operator()(double x) const { return gamma_functions::NAME(x); } \
    VG_HD float operator()(float x) const {                                      \
      return static_cast<float>(gamma_functions::NAME(static_cast<double>(x)));  \
    }                                                                            \
  };
VG_GAMMA(lgamma)
VG_GAMMA(digamma)
#undef VG_GAMMA

struct deg2rad {
  template <class T>
  VG_HD T operator()(T x) const {
    return x * T(0.017453292519943295);
  }
};
struct rad2deg {
  template <class T>
  VG_HD T operator()(T x) const {
    return x * T(57.295779513082323);
  }
};

struct bitwise_not {
  template <class T>
  VG_HD T operator()(T x) const {
    if constexpr (kBool<T>) {
      return !x;
    } else {
      return static_cast<T>(~x);
    }
  }
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
struct isposinf {
  template <class T>
  VG_HD bool operator()(T x) const {
    if constexpr (kFloating<T>) {
      return x == T(HUGE_VALF);
    } else {
      return false;
    }
  }
};
struct isneginf {
  template <class T>
  VG_HD bool operator()(T x) const {
    if constexpr (kFloating<T>) {
      return x == T(-HUGE_VALF);
    } else {
      return false;
    }
  }
};
struct signbit {
  template <class T>
  VG_HD bool operator()(T x) const {
    if constexpr (kFloating<T>) {
      return std::signbit(x);
    } else {
      return is_negative(x);
    }
  }
};
struct logical_not {
  template <class T>
  VG_HD bool operator()(T x) const {
    return x == T(0);
  }
};

}  // namespace verigrad::kernels::functors

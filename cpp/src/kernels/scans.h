// Formulas of running results, for every device.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"

namespace verigrad::kernels {

/// As what a running sum or product of T is carried: that of float32 in double, since its rounding piles up.
template <class T>
using Carried = std::conditional_t<std::is_same_v<T, float>, double, T>;

// A formula has the State<T> that goes from element to element, that of nothing and that of one element, how two states
// become that of both (the second's elements come later; it is associative), and the result of a state.

/// Integers wrap.
struct RunningSum {
  template <class T>
  using State = Carried<T>;
  template <class T>
  VG_HD static State<T> nothing() {
    return State<T>(0);
  }
  template <class T>
  VG_HD static State<T> load(const T* in, const T*, std::int64_t at) {
    return static_cast<State<T>>(in[at]);
  }
  template <class A>
  VG_HD static A join(A a, A b) {
    if constexpr (std::is_integral_v<A>) {
      return static_cast<A>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    } else {
      return a + b;
    }
  }
  template <class A>
  VG_HD static A result(A a) {
    return a;
  }
};

struct RunningProduct {
  template <class T>
  using State = Carried<T>;
  template <class T>
  VG_HD static State<T> nothing() {
    return State<T>(1);
  }
  template <class T>
  VG_HD static State<T> load(const T* in, const T*, std::int64_t at) {
    return static_cast<State<T>>(in[at]);
  }
  template <class A>
  VG_HD static A join(A a, A b) {
    if constexpr (std::is_integral_v<A>) {
      return static_cast<A>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    } else {
      return a * b;
    }
  }
  template <class A>
  VG_HD static A result(A a) {
    return a;
  }
};

/// The logarithm of a sum of exponentials: the greatest term, and the sum of the others' shares of it.
struct LogSum {
  double greatest, sum;
};
struct RunningLogSum {
  template <class T>
  using State = LogSum;
  template <class T>
  VG_HD static LogSum nothing() {
    return {-HUGE_VAL, 0.0};
  }
  template <class T>
  VG_HD static LogSum load(const T* in, const T*, std::int64_t at) {
    return {static_cast<double>(in[at]), 1.0};
  }
  VG_HD static LogSum join(const LogSum& a, const LogSum& b) {
    if (b.greatest != b.greatest) return b;
    if (a.greatest == b.greatest) return {a.greatest, a.sum + b.sum};  // infinities, too
    if (a.greatest < b.greatest) return {b.greatest, a.sum * std::exp(a.greatest - b.greatest) + b.sum};
    return {a.greatest, a.sum + b.sum * std::exp(b.greatest - a.greatest)};  // or NaN
  }
  VG_HD static double result(const LogSum& a) { return a.greatest + std::log(a.sum); }
};

/// y[i] = x[i] + f[i] y[i - 1], where a factor of 0 forgets what was before, whatever it is.
template <class A>
struct Affine {
  A factor, sum;
};
struct RunningRecurrence {
  template <class T>
  using State = Affine<Carried<T>>;
  template <class T>
  VG_HD static State<T> nothing() {
    return {Carried<T>(1), Carried<T>(0)};
  }
  template <class T>
  VG_HD static State<T> load(const T* in, const T* factor, std::int64_t at) {
    return {static_cast<Carried<T>>(factor[at]), static_cast<Carried<T>>(in[at])};
  }
  template <class A>
  VG_HD static Affine<A> join(const Affine<A>& a, const Affine<A>& b) {
    if (b.factor == A(0)) return b;
    return {a.factor * b.factor, b.sum + b.factor * a.sum};
  }
  template <class A>
  VG_HD static A result(const Affine<A>& a) {
    return a.sum;
  }
};

/// Whether x, which comes later, takes the place of the extreme so far: of equals the last has it, and the last NaN
/// has it from the first NaN on.
template <bool kGreatest, class T>
VG_HD inline bool supersedes(T x, T best) {
  return x != x || (kGreatest ? x >= best : x <= best);
}

}  // namespace verigrad::kernels

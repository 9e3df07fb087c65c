// Formulas of running results, for every device.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"

namespace verigrad::kernels {

/// As what a running sum or product of T is carried: that of float32 in double, since its rounding piles up.
template <class T>
using Carried = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// Integers wrap.
struct RunningSum {
  template <class A>
  static constexpr A identity = A(0);
  template <class A>
  VG_HD A operator()(A a, A b) const {
    if constexpr (std::is_integral_v<A>) {
      return static_cast<A>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    } else {
      return a + b;
    }
  }
};

struct RunningProduct {
  template <class A>
  static constexpr A identity = A(1);
  template <class A>
  VG_HD A operator()(A a, A b) const {
    if constexpr (std::is_integral_v<A>) {
      return static_cast<A>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    } else {
      return a * b;
    }
  }
};

/// Whether x, which comes later, takes the place of the extreme so far: of equals the last has it, and the last NaN
/// has it from the first NaN on.
template <bool kGreatest, class T>
VG_HD inline bool supersedes(T x, T best) {
  if (x != x) return true;
  if (best != best) return false;
  return kGreatest ? x >= best : x <= best;
}

}  // namespace verigrad::kernels

// What a window of pooling makes of its elements, once for all devices.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::pool_windows {

/// The elements from `start` to before `stop`, `step` apart.
VG_HD inline std::int64_t taps(std::int64_t start, std::int64_t stop, std::int64_t step) {
  return start < stop ? (stop - start - 1) / step + 1 : 0;
}

/// Windows of two elements side by side.
inline bool is_pairs(const PoolAxis& a) {
  if (a.adaptive) return a.in == 2 * a.out;
  return a.kernel == 2 && a.stride == 2 && a.pad == 0 && a.dilation == 1 && 2 * a.out <= a.in;
}
/// Whether the windows are squares of 2 x 2 that lie side by side, whose averages are computed in the elements' own
/// type. The CPU counts places in int32 beside float32.
inline bool is_pairs(const Pool& p) {
  return p.h.in * p.w.in <= std::numeric_limits<std::int32_t>::max() && is_pairs(p.h) && is_pairs(p.w);
}
/// What the averages of such squares are divided by.
template <class T>
VG_HD inline T pair_divisor(const Pool& p) {
  return static_cast<T>(p.divisor != 0 ? p.divisor : 4.0);
}
/// The sum of such a square, of numbers or vectors of them.
template <class V>
VG_HD inline void sum_of_pairs(V& sum, const V& a, const V& b, const V& c, const V& d) {
  sum = (a + b) + (c + d);
}

/// What the sums of the windows of row i and of column j are divided by is the product of two numbers.
VG_HD inline double row_divisor(const Pool& p, std::int64_t i) {
  return p.divisor != 0 ? p.divisor : static_cast<double>(p.h.count(i, p.count_include_pad));
}
VG_HD inline double column_divisor(const Pool& p, std::int64_t j) {
  return p.divisor != 0 ? 1.0 : static_cast<double>(p.w.count(j, p.count_include_pad));
}

/// What averages are summed in: double for float32, so that a large window loses nothing.
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, T>;

/// The better one of a value and what comes after it, of numbers or vectors of them: a greater one, or any NaN.
template <class V, class M>
VG_HD inline void take_later(V& best, M& at, const V& x, const M& place) {
  const auto take = (x > best) | (x != x);
  best = take ? x : best;
  at = take ? place : at;
}

/// x replaces best if it is greater, or as great and at an earlier place; the NaN at the last place wins. This is the
/// order of a scan by rows, whatever the order of the calls.
template <class T, class I>
VG_HD inline void take_better(T& best, I& at, T x, I place) {
  bool take = (x > best) | ((x == best) & (place < at));
  if constexpr (std::is_floating_point_v<T>) take = take | ((x != x) & ((best == best) | (place > at)));
  best = take ? x : best;
  at = take ? place : at;
}

}  // namespace verigrad::kernels::pool_windows

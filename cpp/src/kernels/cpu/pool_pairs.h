// Pooling over windows of 2 x 2 that lie side by side, the common case: two rows become one, or one becomes two.
//
// A vector of outputs takes two vectors of each row, split into even and odd elements. The last vector of a row ends
// with the row and so may repeat outputs of the one before.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/boundaries.h"
#include "kernels/cpu/simd.h"
#include "kernels/pool_windows.h"

namespace verigrad::kernels::cpu {

/// A vector of Bytes / sizeof(T) elements, whole numbers of the same size, and the shuffles between them.
template <class T, int Bytes>
struct Lanes {
  static constexpr int kCount = Bytes / static_cast<int>(sizeof(T));
  using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Vector [[gnu::vector_size(Bytes)]] = T;
  using Ints [[gnu::vector_size(Bytes)]] = Int;
  using Longs [[gnu::vector_size(Bytes * 8 / sizeof(T))]] = std::int64_t;

  VG_INLINE static void load(Vector& v, const T* p) { std::memcpy(&v, p, Bytes); }
  VG_INLINE static void store(T* p, const Vector& v) { std::memcpy(p, &v, Bytes); }
  /// The even and the odd ones of 2 * kCount elements.
  VG_INLINE static void split(Vector& even, Vector& odd, const T* p) {
    Vector a, b;
    load(a, p);
    load(b, p + kCount);
    split(even, odd, a, b, std::make_integer_sequence<int, kCount>());
  }
  VG_INLINE static void join(T* p, const Vector& even, const Vector& odd) {
    join(p, even, odd, std::make_integer_sequence<int, kCount>());
  }
  /// 0, 2, 4, ...
  VG_INLINE static void doubles(Ints& v) {
    for (int i = 0; i < kCount; ++i) v[i] = 2 * i;
  }

 private:
  template <int... I>
  VG_INLINE static void split(Vector& even, Vector& odd, const Vector& a, const Vector& b,
                              std::integer_sequence<int, I...>) {
    even = __builtin_shufflevector(a, b, (2 * I)...);
    odd = __builtin_shufflevector(a, b, (2 * I + 1)...);
  }
  template <int... I>
  VG_INLINE static void join(T* p, const Vector& even, const Vector& odd, std::integer_sequence<int, I...>) {
    store(p, __builtin_shufflevector(even, odd, (I / 2 + I % 2 * kCount)...));
    store(p + kCount, __builtin_shufflevector(even, odd, ((kCount + I) / 2 + I % 2 * kCount)...));
  }
};

/// Calls f.template operator()<Lanes>(j) for vectors that cover n outputs, or f.one(j) for each where n is too small.
template <class T, int Bytes, class F>
VG_INLINE void for_lanes(std::int64_t n, F& f) {
  using L = Lanes<T, Bytes>;
  if (n >= L::kCount) {
    std::int64_t j = 0;
    for (; j + L::kCount <= n; j += L::kCount) f.template many<L>(j);
    if (j < n) f.template many<L>(n - L::kCount);
  } else if constexpr (Bytes > boundary::vector_bytes_baseline) {
    for_lanes<T, boundary::vector_bytes_baseline>(n, f);
  } else {
    for (std::int64_t j = 0; j < n; ++j) f.one(j);
  }
}

/// out[j] and index[j] (if wanted) of the pairs of two rows; `base` is the place of the upper row in its plane.
template <class T>
struct PairMax {
  T* out;
  std::int64_t* index;
  const T* upper;
  const T* lower;
  std::int64_t base, width;

  template <class L>
  VG_INLINE void many(std::int64_t j) {
    typename L::Vector best, b, c, d;
    L::split(best, b, upper + 2 * j);
    L::split(c, d, lower + 2 * j);
    typename L::Ints at;
    L::doubles(at);
    at += static_cast<typename L::Int>(base + 2 * j);
    const typename L::Ints first = at;
    const typename L::Ints below = first + static_cast<typename L::Int>(width);
    pool_windows::take_later(best, at, b, first + 1);
    pool_windows::take_later(best, at, c, below);
    pool_windows::take_later(best, at, d, below + 1);
    L::store(out + j, best);
    if (index) {
      const typename L::Longs wide = __builtin_convertvector(at, typename L::Longs);
      std::memcpy(index + j, &wide, sizeof wide);
    }
  }
  VG_INLINE void one(std::int64_t j) {
    T best = upper[2 * j];
    std::int64_t at = base + 2 * j;
    const std::int64_t first = at;
    pool_windows::take_later(best, at, upper[2 * j + 1], first + 1);
    pool_windows::take_later(best, at, lower[2 * j], first + width);
    pool_windows::take_later(best, at, lower[2 * j + 1], first + width + 1);
    out[j] = best;
    if (index) index[j] = at;
  }
};

/// The gradients at the places of the maxima, zeros at the others.
template <class T>
struct PairMaxBackward {
  T* upper;
  T* lower;
  const T* g;
  const std::int64_t* index;
  std::int64_t base, width;

  template <class L>
  VG_INLINE void many(std::int64_t j) {
    typename L::Longs wide;
    std::memcpy(&wide, index + j, sizeof wide);
    wide -= base + 2 * j;
    typename L::Ints first;
    L::doubles(first);
    const typename L::Ints at = __builtin_convertvector(wide, typename L::Ints) - first;
    const typename L::Int below = static_cast<typename L::Int>(width);
    typename L::Vector x;
    L::load(x, g + j);
    const typename L::Vector none = {};
    L::join(upper + 2 * j, at == 0 ? x : none, at == 1 ? x : none);
    L::join(lower + 2 * j, at == below ? x : none, at == below + 1 ? x : none);
  }
  VG_INLINE void one(std::int64_t j) {
    const std::int64_t at = index[j] - base - 2 * j;
    upper[2 * j] = at == 0 ? g[j] : T(0);
    upper[2 * j + 1] = at == 1 ? g[j] : T(0);
    lower[2 * j] = at == width ? g[j] : T(0);
    lower[2 * j + 1] = at == width + 1 ? g[j] : T(0);
  }
};

template <class T>
struct PairAverage {
  T* out;
  const T* upper;
  const T* lower;
  T divisor;

  template <class L>
  VG_INLINE void many(std::int64_t j) {
    typename L::Vector a, b, c, d;
    L::split(a, b, upper + 2 * j);
    L::split(c, d, lower + 2 * j);
    typename L::Vector sum;
    pool_windows::sum_of_pairs(sum, a, b, c, d);
    L::store(out + j, sum / divisor);
  }
  VG_INLINE void one(std::int64_t j) {
    T sum;
    pool_windows::sum_of_pairs(sum, upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1]);
    out[j] = sum / divisor;
  }
};

template <class T>
struct PairAverageBackward {
  T* upper;
  T* lower;
  const T* g;
  T divisor;

  template <class L>
  VG_INLINE void many(std::int64_t j) {
    typename L::Vector x;
    L::load(x, g + j);
    x /= divisor;
    L::join(upper + 2 * j, x, x);
    L::join(lower + 2 * j, x, x);
  }
  VG_INLINE void one(std::int64_t j) {
    const T x = g[j] / divisor;
    upper[2 * j] = upper[2 * j + 1] = lower[2 * j] = lower[2 * j + 1] = x;
  }
};

}  // namespace verigrad::kernels::cpu

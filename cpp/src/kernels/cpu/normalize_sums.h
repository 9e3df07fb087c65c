// Sums over a channel for normalisation: float64 partial sums in a fixed order, whatever the instruction set.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/boundaries.h"
#include "kernels/cpu/simd.h"
#include "kernels/normalization.h"

namespace verigrad::kernels::cpu {

/// Elements after which the partial sums of the lanes go into a compensated total.
inline constexpr std::int64_t kSumRun = boundary::normalize_sum_run;

using normalization::finite_or_zero;
using normalization::Moments;
using normalization::Total;

/// Sums of up to three quantities of the elements, in 16 lanes (three: 8, all that the registers hold).
template <int kCount>
class LaneSums {
  static constexpr int kVectors =
      static_cast<int>((kCount == 3 ? boundary::normalize_gradient_lanes : boundary::normalize_lanes) / 4);

 public:
  using Four [[gnu::vector_size(32)]] = double;

  /// Adds `terms(i, out)` for i = 0 .. n - 1, where out[k] is the k-th quantity of four neighbouring elements, and
  /// `term(i, out)` that of one.
  template <class Terms, class Term>
  VG_INLINE void add(std::int64_t n, const Terms& terms, const Term& term) {
    for (std::int64_t begin = 0; begin < n;) {
      const std::int64_t count = n - begin < kSumRun ? n - begin : kSumRun;
      run(begin, count, terms, term);
      begin += count;
      pending_ += count;
      if (pending_ >= kSumRun) flush();
    }
  }

  VG_INLINE double value(int k) {
    if (pending_ > 0) flush();
    return totals_[k].value();
  }

 private:
  template <class Terms, class Term>
  VG_INLINE void run(std::int64_t begin, std::int64_t count, const Terms& terms, const Term& term) {
    Four a[kCount][kVectors];
    for (int k = 0; k < kCount; ++k) {
      for (int v = 0; v < kVectors; ++v) a[k][v] = lanes_[k][v];
    }
    std::int64_t i = 0;
    for (; i + 4 * kVectors <= count; i += 4 * kVectors) {
      for (int v = 0; v < kVectors; ++v) {
        Four out[kCount];
        terms(begin + i + 4 * v, out);
        for (int k = 0; k < kCount; ++k) a[k][v] += out[k];
      }
    }
    for (; i + 4 <= count; i += 4) {
      Four out[kCount];
      terms(begin + i, out);
      for (int k = 0; k < kCount; ++k) a[k][0] += out[k];
    }
    for (int k = 0; k < kCount; ++k) {
      for (int v = 0; v < kVectors; ++v) lanes_[k][v] = a[k][v];
    }
    for (; i < count; ++i) {
      double out[kCount];
      term(begin + i, out);
      for (int k = 0; k < kCount; ++k) tail_[k] += out[k];
    }
  }

  VG_INLINE void flush() {
    for (int k = 0; k < kCount; ++k) {
      Four s = lanes_[k][0] + lanes_[k][1];
      if constexpr (kVectors == 4) s += lanes_[k][2] + lanes_[k][3];
      totals_[k].add(((s[0] + s[1]) + (s[2] + s[3])) + tail_[k]);
      for (int v = 0; v < kVectors; ++v) lanes_[k][v] = Four{};
      tail_[k] = 0;
    }
    pending_ = 0;
  }

  Four lanes_[kCount][kVectors] = {};
  double tail_[kCount] = {};
  Total totals_[kCount];
  std::int64_t pending_ = 0;
};

/// Four neighbouring elements in float64.
template <class T, class Four>
VG_INLINE void load_four(const T* p, Four& out) {
  if constexpr (sizeof(T) == sizeof(double)) {
    std::memcpy(&out, p, sizeof out);
  } else {
    // One instruction; __builtin_convertvector becomes four with GCC 12.
    out = Four{static_cast<double>(p[0]), static_cast<double>(p[1]), static_cast<double>(p[2]),
               static_cast<double>(p[3])};
  }
}

/// Products of four neighbouring elements, rounded to their type as the gradient's are, in float64.
template <class T, class Four>
VG_INLINE void load_products(const T* p, const T* q, Four& out) {
  out = Four{static_cast<double>(p[0] * q[0]), static_cast<double>(p[1] * q[1]), static_cast<double>(p[2] * q[2]),
             static_cast<double>(p[3] * q[3])};
}

/// The sum of x - shift over `outer` pieces of n elements, `stride` apart.
template <class T>
VG_INLINE double sum_about(const T* p, std::int64_t outer, std::int64_t stride, std::int64_t n, double shift) {
  using Sums = LaneSums<1>;
  Sums sums;
  for (std::int64_t o = 0; o < outer; ++o) {
    const T* q = p + o * stride;
    sums.add(
        n,
        [q, shift](std::int64_t i, Sums::Four* out) __attribute__((always_inline)) {
          load_four(q + i, out[0]);
          out[0] -= shift;
        },
        [q, shift](std::int64_t i, double* out)
            __attribute__((always_inline)) { out[0] = static_cast<double>(q[i]) - shift; });
  }
  return sums.value(0);
}

/// float32 takes one pass about the first element: float64 sums have the digits for it. float64 takes the corrected
/// two-pass algorithm (T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The
/// American Statistician 37, 1983).
template <class T, bool kCentered>
VG_INLINE Moments moments_of(const T* p, std::int64_t outer, std::int64_t stride, std::int64_t n) {
  Moments m;
  m.count = static_cast<double>(outer * n);
  if constexpr (kCentered) {
    m.shift = finite_or_zero(static_cast<double>(p[0]));
    if constexpr (sizeof(T) == sizeof(double)) {
      m.shift += finite_or_zero(sum_about(p, outer, stride, n, m.shift) / m.count);
    }
    using Sums = LaneSums<2>;
    Sums sums;
    const double shift = m.shift;
    for (std::int64_t o = 0; o < outer; ++o) {
      const T* q = p + o * stride;
      sums.add(
          n,
          [q, shift](std::int64_t i, Sums::Four* out) __attribute__((always_inline)) {
            load_four(q + i, out[0]);
            out[0] -= shift;
            out[1] = out[0] * out[0];
          },
          [q, shift](std::int64_t i, double* out) __attribute__((always_inline)) {
            out[0] = static_cast<double>(q[i]) - shift;
            out[1] = out[0] * out[0];
          });
    }
    m.sum = sums.value(0);
    m.square = sums.value(1);
  } else {
    using Sums = LaneSums<1>;
    Sums sums;
    for (std::int64_t o = 0; o < outer; ++o) {
      const T* q = p + o * stride;
      sums.add(
          n,
          [q](std::int64_t i, Sums::Four* out) __attribute__((always_inline)) {
            load_four(q + i, out[0]);
            out[0] *= out[0];
          },
          [q](std::int64_t i, double* out) __attribute__((always_inline)) {
            const double x = static_cast<double>(q[i]);
            out[0] = x * x;
          });
    }
    m.square = sums.value(0);
  }
  return m;
}

}  // namespace verigrad::kernels::cpu

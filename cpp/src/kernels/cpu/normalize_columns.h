// Normalisation of channels with few neighbouring elements: the loops run over several channels at once.
#pragma once

#include <cstdint>

#include "kernels/cpu/normalize_sums.h"

namespace verigrad::kernels::cpu {

/// Elements of a channel that lie side by side, up to which channels share the vector loops.
inline constexpr std::int64_t kFewInner = boundary::normalize_few_inner;
inline constexpr std::int64_t kColumns = boundary::normalize_columns;

/// Sums down up to kColumns columns.
template <int kCount>
struct ColumnSums {
  static constexpr int kRows =
      static_cast<int>(boundary::normalize_column_rows);  // that follow one another before a total takes their sum

  double part[kCount][kColumns] = {};
  double sum[kCount][kColumns] = {};
  double rest[kCount][kColumns] = {};
  int pending = 0;

  /// To be called after `part` has taken a row.
  VG_INLINE void row_done() {
    if (++pending == kRows) flush();
  }

  /// The total of the columns [begin, end).
  VG_INLINE double value(int k, std::int64_t begin, std::int64_t end) {
    if (pending > 0) flush();
    Total total;
    for (std::int64_t j = begin; j < end; ++j) {
      total.add(sum[k][j]);
      total.rest += rest[k][j];
    }
    return total.value();
  }

 private:
  VG_INLINE void flush() {
    for (int k = 0; k < kCount; ++k) {
      for (std::int64_t j = 0; j < kColumns; ++j) {
        Total total{sum[k][j], rest[k][j]};
        total.add(part[k][j]);
        sum[k][j] = total.sum;
        rest[k][j] = total.rest;
        part[k][j] = 0;
      }
    }
    pending = 0;
  }
};

/// The moments of `channels` neighbouring channels of `inner` columns each; see `moments_of`.
template <class T, bool kCentered>
VG_INLINE void column_moments(Moments* m, const T* p, std::int64_t outer, std::int64_t stride, std::int64_t channels,
                              std::int64_t inner) {
  const std::int64_t width = channels * inner;
  double shift[kColumns] = {};
  const double count = static_cast<double>(outer * inner);
  if constexpr (kCentered) {
    for (std::int64_t j = 0; j < width; ++j) shift[j] = finite_or_zero(static_cast<double>(p[j / inner * inner]));
    if constexpr (sizeof(T) == sizeof(double)) {
      ColumnSums<1> sums;
      for (std::int64_t o = 0; o < outer; ++o) {
        const T* q = p + o * stride;
        for (std::int64_t j = 0; j < width; ++j) sums.part[0][j] += static_cast<double>(q[j]) - shift[j];
        sums.row_done();
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        const double change = finite_or_zero(sums.value(0, c * inner, (c + 1) * inner) / count);
        for (std::int64_t j = c * inner; j < (c + 1) * inner; ++j) shift[j] += change;
      }
    }
  }
  ColumnSums<2> sums;
  for (std::int64_t o = 0; o < outer; ++o) {
    const T* q = p + o * stride;
    for (std::int64_t j = 0; j < width; ++j) {
      const double d = static_cast<double>(q[j]) - shift[j];
      if constexpr (kCentered) sums.part[0][j] += d;
      sums.part[1][j] += d * d;
    }
    sums.row_done();
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const std::int64_t begin = c * inner, end = begin + inner;
    m[c].shift = shift[begin];
    m[c].count = count;
    if constexpr (kCentered) m[c].sum = sums.value(0, begin, end);
    m[c].square = sums.value(1, begin, end);
  }
}

}  // namespace verigrad::kernels::cpu

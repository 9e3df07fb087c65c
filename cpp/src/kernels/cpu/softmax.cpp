// softmax and log_softmax, with the maximum subtracted first.
#include <cmath>
#include <limits>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/reduce_loops.h"
#include "kernels/functors.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

constexpr std::int64_t kShortRow = boundary::softmax_short_row;
constexpr std::int64_t kBlock =
    boundary::softmax_block;  // elements of the block in which short rows are processed together

/// Contiguous rows.
template <class T, bool kLog>
struct SoftmaxRows {
  VG_INLINE static void run(T* out, const T* in, std::int64_t rows, std::int64_t size) {
    if (size <= kShortRow) {
      short_rows(out, in, rows, size);
    } else {
      for (std::int64_t r = 0; r < rows; ++r) long_row(out + r * size, in + r * size, size);
    }
  }

 private:
  VG_INLINE static void long_row(T* out, const T* in, std::int64_t n) {
    const functors::exp exp;
    const T top = maximum(in, n);
    T sum = 0;
    if constexpr (kLog) {
      T buffer[kBlock];
      for (std::int64_t i = 0; i < n; i += kBlock) {
        const std::int64_t count = n - i < kBlock ? n - i : kBlock;
        for (std::int64_t j = 0; j < count; ++j) buffer[j] = exp(in[i + j] - top);
        sum += reduce_run<SumOf, T>(buffer, count);
      }
      const T log_sum = functors::log()(sum);
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = (in[i] - top) - log_sum;
    } else {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = exp(in[i] - top);
      for (std::int64_t i = 0; i < n; i += kBlock)
        sum += reduce_run<SumOf, T>(out + i, n - i < kBlock ? n - i : kBlock);
      for (std::int64_t i = 0; i < n; ++i) out[i] /= sum;
    }
  }

  /// A NaN among the elements may be missed here (comparisons with it are false); it comes back through the sum.
  VG_INLINE static T maximum(const T* p, std::int64_t n) {
    T lanes[kLanes];
    for (int j = 0; j < kLanes; ++j) lanes[j] = p[j];
    std::int64_t i = kLanes;
    for (; i + kLanes <= n; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lanes[j] = p[i + j] > lanes[j] ? p[i + j] : lanes[j];
    }
    T top = lanes[0];
    for (int j = 1; j < kLanes; ++j) top = lanes[j] > top ? lanes[j] : top;
    for (; i < n; ++i) top = p[i] > top ? p[i] : top;
    return top;
  }

  /// Many rows share the vector loops, since one row would leave most lanes idle.
  VG_INLINE static void short_rows(T* out, const T* in, std::int64_t rows, std::int64_t size) {
    const functors::exp exp;
    T shifted[kBlock], powers[kBlock], sums[kBlock];
    const std::int64_t together = kBlock / size;
    for (std::int64_t first = 0; first < rows; first += together) {
      const std::int64_t count = rows - first < together ? rows - first : together;
      const std::int64_t n = count * size;
      const T* x = in + first * size;
      T* y = out + first * size;
      for (std::int64_t r = 0; r < count; ++r) {
        const T* row = x + r * size;
        T top = row[0];
        for (std::int64_t j = 1; j < size; ++j) top = row[j] > top ? row[j] : top;
        for (std::int64_t j = 0; j < size; ++j) shifted[r * size + j] = row[j] - top;
      }
      for (std::int64_t i = 0; i < n; ++i) powers[i] = exp(shifted[i]);
      for (std::int64_t r = 0; r < count; ++r) sums[r] = reduce_run<SumOf, T>(powers + r * size, size);
      if constexpr (kLog) {
        for (std::int64_t r = 0; r < count; ++r) sums[r] = functors::log()(sums[r]);
        for (std::int64_t r = 0; r < count; ++r) {
          for (std::int64_t j = 0; j < size; ++j) y[r * size + j] = shifted[r * size + j] - sums[r];
        }
      } else {
        for (std::int64_t r = 0; r < count; ++r) {
          for (std::int64_t j = 0; j < size; ++j) y[r * size + j] = powers[r * size + j] / sums[r];
        }
      }
    }
  }
};

/// Down the columns of [size, inner], for `columns` neighbouring ones.
template <class T, bool kLog>
struct SoftmaxColumns {
  static constexpr std::int64_t kColumns = boundary::softmax_columns;

  VG_INLINE static void run(T* out, const T* in, std::int64_t size, std::int64_t inner, std::int64_t columns) {
    const functors::exp exp;
    T top[kColumns], sum[kColumns];
    for (std::int64_t j = 0; j < columns; ++j) {
      top[j] = in[j];
      sum[j] = 0;
    }
    for (std::int64_t s = 1; s < size; ++s) {
      const T* x = in + s * inner;
      for (std::int64_t j = 0; j < columns; ++j) top[j] = x[j] > top[j] ? x[j] : top[j];
    }
    for (std::int64_t s = 0; s < size; ++s) {
      const T* x = in + s * inner;
      T* y = out + s * inner;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < columns; ++j) {
        const T shifted = x[j] - top[j];
        const T power = exp(shifted);
        y[j] = kLog ? shifted : power;
        sum[j] += power;
      }
    }
    if constexpr (kLog) {
      for (std::int64_t j = 0; j < columns; ++j) sum[j] = functors::log()(sum[j]);
    }
    for (std::int64_t s = 0; s < size; ++s) {
      T* y = out + s * inner;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < columns; ++j) y[j] = kLog ? y[j] - sum[j] : y[j] / sum[j];
    }
  }
};

template <class T, bool kLog>
void run(const Softmax& s) {
  const T* in = static_cast<const T*>(s.in);
  T* out = static_cast<T*>(s.out);
  // exp makes an element dearer than a plain loop's.
  const std::int64_t numel = s.outer * s.size * s.inner;
  const bool serial = numel < kDearSerialElements;
  if (s.inner == 1) {
    const std::int64_t grain = serial ? s.outer : std::max<std::int64_t>(1, kDearGrainElements / s.size);
    parallel_for(s.outer, grain, [&](std::int64_t begin, std::int64_t end) {
      simd_run<SoftmaxRows<T, kLog>>(out + begin * s.size, in + begin * s.size, end - begin, s.size);
    });
    return;
  }
  using Columns = SoftmaxColumns<T, kLog>;
  const std::int64_t per_slice = (s.inner - 1) / Columns::kColumns + 1;
  const std::int64_t items = s.outer * per_slice;
  const std::int64_t work = s.size * std::min(s.inner, Columns::kColumns);
  const std::int64_t grain = serial ? items : std::max<std::int64_t>(1, kDearGrainElements / work);
  parallel_for(items, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % per_slice * Columns::kColumns;
      const std::int64_t at = i / per_slice * s.size * s.inner + first;
      simd_run<Columns>(out + at, in + at, s.size, s.inner, std::min(s.inner - first, Columns::kColumns));
    }
  });
}

}  // namespace

void softmax(SoftmaxOp op, DType dtype, const Softmax& s) {
  const bool log = op == SoftmaxOp::log_softmax;
  dispatch_floating(log ? "log_softmax" : "softmax", dtype, [&]<class T>(TypeTag<T>) {
    if (log) {
      run<T, true>(s);
    } else {
      run<T, false>(s);
    }
  });
}

}  // namespace verigrad::kernels::cpu

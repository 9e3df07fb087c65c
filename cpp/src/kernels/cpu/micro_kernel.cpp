// The build allows contraction into fused multiply-add for this file alone.
#include "kernels/cpu/micro_kernel.h"

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cpu/simd.h"

namespace verigrad::kernels::cpu {
namespace {

template <class T, int kBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
};

template <class T, int kBytes>
using Vector = typename VectorOf<T, kBytes>::type;

template <class V, class T>
VG_INLINE V load(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T>
VG_INLINE void store(T* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

template <class T, int kBytes, int kRows, int kVectors>
struct Outer {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  static constexpr int kColumns = kLanes * kVectors;

  VG_INLINE static void run(std::int64_t depth, const T* a, const T* b, T* c, std::int64_t ldc, const T* start) {
    product(depth, a, [=](std::int64_t p) { return b + p * kColumns; }, c, ldc, start);
  }

  VG_INLINE static void run_at(std::int64_t depth, const T* a, const T* b, const std::int64_t* offset, T* c,
                               std::int64_t ldc, const T* start) {
    product(depth, a, [=](std::int64_t p) { return b + offset[p]; }, c, ldc, start);
  }

 private:
  template <class Row>
  VG_INLINE static void product(std::int64_t depth, const T* a, Row row, T* c, std::int64_t ldc, const T* start) {
    V sum[kRows][kVectors] = {};
    for (std::int64_t p = 0; p < depth; ++p) {
      const T* b = row(p);
      V right[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) right[j] = load<V>(b + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const V left = a[i] - V{};  // in every lane
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sum[i][j] += left * right[j];
      }
      a += kRows;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        T* to = c + i * ldc + j * kLanes;
        store(to, sum[i][j] + (start ? start[i] - V{} : load<V>(to)));
      }
    }
  }
};

template <class T, int kBytes, int kRows, int kVectors>
struct Panel {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  static constexpr int kColumns = kLanes * kVectors;

  VG_INLINE static void run(std::int64_t depth, const T* a, std::int64_t row, std::int64_t step, const T* b, T* c,
                            std::int64_t ldc, const T* bias, bool add) {
    V sum[kRows][kVectors] = {};
    for (std::int64_t p = 0; p < depth; ++p) {
      V right[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) right[j] = load<V>(b + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const V left = a[i * row] - V{};  // in every lane
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sum[i][j] += left * right[j];
      }
      a += step;
      b += kColumns;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        T* to = c + i * ldc + j * kLanes;
        if (bias) sum[i][j] += load<V>(bias + j * kLanes);
        if (add) sum[i][j] += load<V>(to);
        store(to, sum[i][j]);
      }
    }
  }
};

/// A square of lanes is turned over in registers: each round puts the lanes of a row beside those of the row half the
/// square below, and after log2(lanes) rounds rows are columns.
template <class T, int kBytes>
struct Transpose {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  static constexpr int kHalf = kLanes / 2;

  VG_INLINE static void run(const T* from, std::int64_t distance, std::int64_t rows, std::int64_t columns, T* to,
                            std::int64_t pitch) {
    std::int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      std::int64_t p = 0;
      for (; p + kLanes <= rows; p += kLanes) square(from + j * distance + p, distance, to + p * pitch + j, pitch);
      plain(from + j * distance + p, distance, rows - p, kLanes, to + p * pitch + j, pitch);
    }
    plain(from + j * distance, distance, rows, columns - j, to + j, pitch);
  }

 private:
  VG_INLINE static void plain(const T* from, std::int64_t distance, std::int64_t rows, std::int64_t columns, T* to,
                              std::int64_t pitch) {
    for (std::int64_t j = 0; j < columns; ++j) {
      for (std::int64_t p = 0; p < rows; ++p) to[p * pitch + j] = from[j * distance + p];
    }
  }

  VG_INLINE static void square(const T* from, std::int64_t distance, T* to, std::int64_t pitch) {
    V lines[kLanes], next[kLanes];
    const auto order = lanes(std::make_integer_sequence<int, kLanes>());
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) lines[i] = load<V>(from + i * distance);
#pragma GCC unroll 4
    for (int round = kLanes; round > 1; round /= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < kHalf; ++i) {
        next[2 * i] = __builtin_shuffle(lines[i], lines[i + kHalf], order.low);
        next[2 * i + 1] = __builtin_shuffle(lines[i], lines[i + kHalf], order.high);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) lines[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) store(to + i * pitch, lines[i]);
  }

  using Index = Vector<std::conditional_t<sizeof(T) == sizeof(std::int32_t), std::int32_t, std::int64_t>, kBytes>;
  struct Order {
    Index low, high;
  };
  template <int... kLane>
  VG_INLINE static Order lanes(std::integer_sequence<int, kLane...>) {
    return {Index{(kLane / 2 + kLane % 2 * kLanes)...}, Index{(kHalf + kLane / 2 + kLane % 2 * kLanes)...}};
  }
};

template <class T, int kBytes, int kRows, int kColumns>
struct Dot {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

  VG_INLINE static void run(std::int64_t length, const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T* c,
                            std::int64_t ldc) {
    V sum[kRows][kColumns] = {};
    for (std::int64_t l = 0; l < length; l += kLanes) {
      V right[kColumns];
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j) right[j] = load<V>(b + j * ldb + l);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const V left = load<V>(a + i * lda + l);
#pragma GCC unroll 8
        for (int j = 0; j < kColumns; ++j) sum[i][j] += left * right[j];
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j) c[i * ldc + j] += total(sum[i][j]);
    }
  }

 private:
  VG_INLINE static T total(V v) {
    T lanes[kLanes];
    std::memcpy(lanes, &v, sizeof v);
#pragma GCC unroll 4
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
  }
};

constexpr std::int64_t kFewRuns = boundary::pack_few_runs;

template <class T, int kBytes>
struct Pack {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

  VG_INLINE static void run(const T* source, const std::int64_t* offset, std::int64_t taps, const Run* runs,
                            std::int64_t count, T* panel, std::int64_t pitch) {
    if (count <= kFewRuns) {
      static_assert(kFewRuns == 3, "the runs are written out");
      const Run none{0, 0, 0};
      const Run first = runs[0], second = count > 1 ? runs[1] : none, third = count > 2 ? runs[2] : none;
      for (std::int64_t k = 0; k < taps; ++k) {
        const T* from = source + offset[k];
        T* to = panel + k * pitch;
        copy(from, to, first);
        copy(from, to, second);
        copy(from, to, third);
      }
    } else {
      for (std::int64_t k = 0; k < taps; ++k) {
        for (std::int64_t r = 0; r < count; ++r) copy(source + offset[k], panel + k * pitch, runs[r]);
      }
    }
  }

 private:
  VG_INLINE static void copy(const T* from, T* to, const Run& run) {
    from += run.from;
    to += run.to;
    for (std::int64_t j = 0; j < run.count; j += kLanes) store(to + j, load<V>(from + j));
  }
};

// Each level has a wide and a tall tile; both keep the multipliers busy, and one of them wastes fewer rows.
struct Plain {
  template <class Tile, class... Args>
  static void run(Args... args) {
    Tile::run(args...);
  }
  template <class Tile, class... Args>
  static void run_at(Args... args) {
    Tile::run_at(args...);
  }
};
#if VG_X86_LEVELS
struct Avx2 {
  template <class Tile, class... Args>
  [[gnu::target("avx2,fma")]] static void run(Args... args) {
    Tile::run(args...);
  }
  template <class Tile, class... Args>
  [[gnu::target("avx2,fma")]] static void run_at(Args... args) {
    Tile::run_at(args...);
  }
};
struct Avx512 {
  template <class Tile, class... Args>
  [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")]] static void run(Args... args) {
    Tile::run(args...);
  }
  template <class Tile, class... Args>
  [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")]] static void run_at(Args... args) {
    Tile::run_at(args...);
  }
};

SimdLevel fma_level() {
  static const bool fma = __builtin_cpu_supports("fma");
  return fma ? simd_level() : SimdLevel::baseline;
}
#endif

template <class Level, class T, int kBytes, int kRows, int kVectors>
OuterKernel<T> outer() {
  using Tile = Outer<T, kBytes, kRows, kVectors>;
  return {kRows, Tile::kColumns, &Level::template run<Tile>, &Level::template run_at<Tile>};
}

template <class Level, class T, int kBytes, int kRows, int kColumns>
DotKernel<T> dot() {
  return {kRows, kColumns, &Level::template run<Dot<T, kBytes, kRows, kColumns>>};
}

template <class Level, class T, int kBytes, int kRows, int kVectors>
constexpr PanelKernel<T> panel() {
  using Tile = Panel<T, kBytes, kRows, kVectors>;
  return {kRows, Tile::kColumns, &Level::template run<Tile>};
}

/// The tiles of one width, for 1, 2 ... kRows rows.
template <class Level, class T, int kBytes, int kRows, int kVectors>
PanelKernel<T> panel_of(std::int64_t rows) {
  static constexpr auto kernels = []<int... kLess>(std::integer_sequence<int, kLess...>) {
    return std::array<PanelKernel<T>, kRows>{panel<Level, T, kBytes, kLess + 1, kVectors>()...};
  }(std::make_integer_sequence<int, kRows>());
  return kernels[static_cast<std::size_t>(std::min<std::int64_t>(rows, kRows) - 1)];
}

/// A loop with vectors of the level's length.
template <class Kernel, template <class, int> class Loop, class T>
Kernel level_kernel() {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512: return &Avx512::run<Loop<T, boundary::vector_bytes_avx512>>;
    case SimdLevel::avx2: return &Avx2::run<Loop<T, boundary::vector_bytes_avx2>>;
    case SimdLevel::baseline: break;
  }
#endif
  return &Plain::run<Loop<T, boundary::vector_bytes_baseline>>;
}

template <class Kernel>
Kernel less_waste(std::int64_t rows, Kernel first, Kernel second) {
  const auto padded = [rows](const Kernel& k) { return (rows + k.rows - 1) / k.rows * k.rows; };
  return padded(second) < padded(first) ? second : first;
}

}  // namespace

// Both tiles of a form ("outer" or "dot") for a level.
#define VG_TILE_OF(FORM, WHICH, LEVEL, NAME)                                              \
  FORM<LEVEL, T, boundary::vector_bytes_##NAME, boundary::FORM##_##WHICH##_##NAME##_rows, \
       boundary::FORM##_##WHICH##_##NAME##_columns>()
#define VG_TILES(FORM, LEVEL, NAME) VG_TILE_OF(FORM, wide, LEVEL, NAME), VG_TILE_OF(FORM, tall, LEVEL, NAME)

template <class T>
OuterKernel<T> outer_kernel(std::int64_t rows) {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512: return less_waste(rows, VG_TILES(outer, Avx512, avx512));
    case SimdLevel::avx2: return less_waste(rows, VG_TILES(outer, Avx2, avx2));
    case SimdLevel::baseline: break;
  }
#endif
  return less_waste(rows, VG_TILES(outer, Plain, baseline));
}

template <class T>
DotKernel<T> dot_kernel(std::int64_t rows) {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512: return less_waste(rows, VG_TILES(dot, Avx512, avx512));
    case SimdLevel::avx2: return less_waste(rows, VG_TILES(dot, Avx2, avx2));
    case SimdLevel::baseline: break;
  }
#endif
  return less_waste(rows, VG_TILES(dot, Plain, baseline));
}

template <class T>
PanelKernel<T> step_kernel() {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512:
      return panel<Avx512, T, boundary::vector_bytes_avx512, boundary::step_avx512_rows,
                   boundary::step_avx512_columns>();
    case SimdLevel::avx2:
      return panel<Avx2, T, boundary::vector_bytes_avx2, boundary::step_avx2_rows, boundary::step_avx2_columns>();
    case SimdLevel::baseline: break;
  }
#endif
  return panel<Plain, T, boundary::vector_bytes_baseline, boundary::step_baseline_rows,
               boundary::step_baseline_columns>();
}

// The tile of products that is so many vectors wide.
#define VG_PRODUCT(LEVEL, NAME, WHICH)                                                         \
  panel_of<LEVEL, T, boundary::vector_bytes_##NAME, boundary::product_##WHICH##_##NAME##_rows, \
           boundary::product_##WHICH##_##NAME##_columns>(rows)

template <class T>
PanelKernel<T> product_kernel([[maybe_unused]] std::int64_t rows, [[maybe_unused]] std::int64_t columns) {
#if VG_X86_LEVELS
  const auto within = [columns](std::int64_t bytes, std::int64_t vectors) {
    return columns <= vectors * bytes / std::int64_t{sizeof(T)};
  };
  switch (fma_level()) {
    case SimdLevel::avx512:
      if (within(boundary::vector_bytes_avx512, boundary::product_narrow_avx512_columns)) {
        return VG_PRODUCT(Avx512, avx512, narrow);
      }
      if (within(boundary::vector_bytes_avx512, boundary::product_medium_avx512_columns)) {
        return VG_PRODUCT(Avx512, avx512, medium);
      }
      if (within(boundary::vector_bytes_avx512, boundary::product_broad_avx512_columns)) {
        return VG_PRODUCT(Avx512, avx512, broad);
      }
      return VG_PRODUCT(Avx512, avx512, wide);
    case SimdLevel::avx2:
      if (within(boundary::vector_bytes_avx2, boundary::product_narrow_avx2_columns)) {
        return VG_PRODUCT(Avx2, avx2, narrow);
      }
      return VG_PRODUCT(Avx2, avx2, wide);
    case SimdLevel::baseline: break;
  }
#endif
  return {};
}

template <class T>
TransposeKernel<T> transpose_kernel() {
  return level_kernel<TransposeKernel<T>, Transpose, T>();
}

template <class T>
PackKernel<T> pack_kernel() {
  return level_kernel<PackKernel<T>, Pack, T>();
}

template OuterKernel<float> outer_kernel(std::int64_t);
template OuterKernel<double> outer_kernel(std::int64_t);
template DotKernel<float> dot_kernel(std::int64_t);
template DotKernel<double> dot_kernel(std::int64_t);
template PanelKernel<float> step_kernel();
template PanelKernel<double> step_kernel();
template PanelKernel<float> product_kernel(std::int64_t, std::int64_t);
template PanelKernel<double> product_kernel(std::int64_t, std::int64_t);
template TransposeKernel<float> transpose_kernel();
template TransposeKernel<double> transpose_kernel();
template PackKernel<float> pack_kernel();
template PackKernel<double> pack_kernel();

}  // namespace verigrad::kernels::cpu

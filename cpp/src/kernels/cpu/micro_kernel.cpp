// The build allows contraction into fused multiply-add for this file alone.
#include "kernels/cpu/micro_kernel.h"

#include <cstring>

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
struct StepTile {
  using V = Vector<T, kBytes>;
  static constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));
  static constexpr int kColumns = kLanes * kVectors;

  VG_INLINE static void run(std::int64_t depth, const T* a, std::int64_t lda, const T* b, T* c, std::int64_t ldc) {
    V sum[kRows][kVectors] = {};
    for (std::int64_t p = 0; p < depth; ++p) {
      V right[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) right[j] = load<V>(b + p * kColumns + j * kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; ++i) {
        const V left = a[i * lda + p] - V{};  // in every lane
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sum[i][j] += left * right[j];
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) store(c + i * ldc + j * kLanes, sum[i][j]);
    }
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
StepKernel<T> step() {
  using Tile = StepTile<T, kBytes, kRows, kVectors>;
  return {kRows, Tile::kColumns, &Level::template run<Tile>};
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
StepKernel<T> step_kernel() {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512:
      return step<Avx512, T, boundary::vector_bytes_avx512, boundary::step_avx512_rows,
                  boundary::step_avx512_columns>();
    case SimdLevel::avx2:
      return step<Avx2, T, boundary::vector_bytes_avx2, boundary::step_avx2_rows, boundary::step_avx2_columns>();
    case SimdLevel::baseline: break;
  }
#endif
  return step<Plain, T, boundary::vector_bytes_baseline, boundary::step_baseline_rows,
              boundary::step_baseline_columns>();
}

template <class T>
PackKernel<T> pack_kernel() {
#if VG_X86_LEVELS
  switch (fma_level()) {
    case SimdLevel::avx512: return &Avx512::run<Pack<T, boundary::vector_bytes_avx512>>;
    case SimdLevel::avx2: return &Avx2::run<Pack<T, boundary::vector_bytes_avx2>>;
    case SimdLevel::baseline: break;
  }
#endif
  return &Plain::run<Pack<T, boundary::vector_bytes_baseline>>;
}

template OuterKernel<float> outer_kernel(std::int64_t);
template OuterKernel<double> outer_kernel(std::int64_t);
template DotKernel<float> dot_kernel(std::int64_t);
template DotKernel<double> dot_kernel(std::int64_t);
template StepKernel<float> step_kernel();
template StepKernel<double> step_kernel();
template PackKernel<float> pack_kernel();
template PackKernel<double> pack_kernel();

}  // namespace verigrad::kernels::cpu

// The inner loops of reductions. Their order of operations depends on the number of elements alone, so every
// instruction set and every number of threads gives the same bits; it is close to pairwise summation, whose error grows
// with log n (N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14, 1993).
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/boundaries.h"
#include "kernels/cpu/simd.h"
#include "kernels/reduce_ops.h"

namespace verigrad::kernels::cpu {

inline constexpr int kLanes = static_cast<int>(boundary::reduction_lanes);
/// Elements of one step of a lane loop: four for each lane, which are combined first.
inline constexpr std::int64_t kStep = boundary::reduction_step;
static_assert(kStep == 4 * kLanes);
/// Elements that one lane loop takes; longer runs are halved.
inline constexpr std::int64_t kRun = boundary::reduction_leaf;

template <class Op, class Acc>
inline constexpr bool kFloatExtremum =
    std::is_floating_point_v<Acc> && (std::is_same_v<Op, MaxOf> || std::is_same_v<Op, MinOf>);

/// max or min of contiguous floats. NaN is noted apart from the extremes, which makes the loop twice as fast.
template <class Op, class T, class In>
  requires(kFloatExtremum<Op, T>)
VG_INLINE T reduce_run(const In* p, std::int64_t n) {
  using Flag = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  T lanes[kLanes];
  Flag nan[kLanes];
  for (int j = 0; j < kLanes; ++j) {
    lanes[j] = Op::template identity<T>;
    nan[j] = 0;
  }
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC unroll 1
    for (int j = 0; j < kLanes; ++j) {
      const T x = p[i + j];
      lanes[j] = Op::better(x, lanes[j]) ? x : lanes[j];
      nan[j] |= x != x ? Flag(1) : Flag(0);
    }
  }
  T best = Op::template identity<T>;
  Flag any = 0;
  for (; i < n; ++i) {
    best = Op::better(p[i], best) ? p[i] : best;
    any |= p[i] != p[i] ? Flag(1) : Flag(0);
  }
  if (n >= kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      best = Op::better(lanes[j], best) ? lanes[j] : best;
      any |= nan[j];
    }
  }
  return any != 0 ? std::numeric_limits<T>::quiet_NaN() : best;
}

/// Combines the lanes: those 16 apart, then 8, 4, 1 and 2 apart.
template <class Op, class Acc>
VG_INLINE Acc fold_lanes(Acc* lanes) {
  const Op op;
  if constexpr (std::is_floating_point_v<Acc>) {
    // In registers of 16 bytes, which every level has: through memory this would cost more than a short row's sum.
    using Vector [[gnu::vector_size(16)]] = Acc;
    constexpr int kCount = kLanes * static_cast<int>(sizeof(Acc)) / 16;
    Vector v[kCount];
    std::memcpy(v, lanes, sizeof v);
    for (int half = kCount / 2; half * 16 >= 4 * static_cast<int>(sizeof(Acc)); half /= 2) {
      for (int j = 0; j < half; ++j) v[j] = Op::vectors(v[j], v[j + half]);
    }
    std::memcpy(lanes, v, 4 * sizeof(Acc));
  } else {
    for (int half = kLanes / 2; half >= 4; half /= 2) {
      for (int j = 0; j < half; ++j) lanes[j] = op(lanes[j], lanes[j + half]);
    }
  }
  return op(op(lanes[0], lanes[1]), op(lanes[2], lanes[3]));
}

/// Contiguous elements. `kLanes` partial results, each over every 32nd element, four of them combined at a time; then
/// the partial results are halved until one is left.
template <class Op, class Acc, class In>
  requires(!kFloatExtremum<Op, Acc>)
VG_INLINE Acc reduce_run(const In* p, std::int64_t n) {
  const Op op;
  std::int64_t i = 0;
  if (n < kLanes) {
    // One running result over groups of four. (Four running results are what GCC 12 compiles to wrong code here, for
    // int32 into int64 with AVX2; test_kernels_reduce.cpp has the case.)
    Acc result = Op::template identity<Acc>;
    for (; i + 4 <= n; i += 4) {
      result = op(result, op(op(load<Acc>(p[i]), load<Acc>(p[i + 1])), op(load<Acc>(p[i + 2]), load<Acc>(p[i + 3]))));
    }
    for (; i < n; ++i) result = op(result, load<Acc>(p[i]));
    return result;
  }
  // Not unrolled, the loops over the lanes become vector code for every operation and type.
  Acc lanes[kLanes];
#pragma GCC unroll 1
  for (int j = 0; j < kLanes; ++j) lanes[j] = load<Acc>(p[j]);
  for (i = kLanes; i + kStep <= n; i += kStep) {
    const In* q = p + i;
#pragma GCC unroll 1
    for (int j = 0; j < kLanes; ++j) {
      lanes[j] = op(lanes[j], op(op(load<Acc>(q[j]), load<Acc>(q[j + kLanes])),
                                 op(load<Acc>(q[j + 2 * kLanes]), load<Acc>(q[j + 3 * kLanes]))));
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC unroll 1
    for (int j = 0; j < kLanes; ++j) lanes[j] = op(lanes[j], load<Acc>(p[i + j]));
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = op(lanes[j], load<Acc>(p[i]));
  return fold_lanes<Op>(lanes);
}

/// Strided elements: eight interleaved partial results. In a sum four elements of each are combined at a time and long
/// runs are halved, so that no more than 16 additions follow one another: equal elements (an expanded tensor) all round
/// the same way. The relative errors of a product add up in any order.
template <class Op, class Acc, class In>
Acc reduce_strided_run(const In* p, std::int64_t n, std::int64_t stride) {
  const Op op;
  constexpr bool kSum = std::is_base_of_v<SumOf, Op>;
  constexpr std::int64_t kStrided = boundary::reduction_strided_lanes, kTaken = boundary::reduction_strided_step;
  static_assert(kStrided == 8 && kTaken == 4 * kStrided, "the sums below are written out");
  if (kSum && n > boundary::reduction_strided_leaf) {
    const std::int64_t half = (n / 2 + kTaken - 1) / kTaken * kTaken;
    return op(reduce_strided_run<Op, Acc>(p, half, stride),
              reduce_strided_run<Op, Acc>(p + half * stride, n - half, stride));
  }
  Acc lanes[kStrided];
  for (Acc& lane : lanes) lane = Op::template identity<Acc>;
  std::int64_t i = 0;
  for (; kSum && i + kTaken <= n; i += kTaken) {
    const In* q = p + i * stride;
    for (std::int64_t j = 0; j < kStrided; ++j) {
      lanes[j] =
          op(lanes[j], op(op(load<Acc>(q[j * stride]), load<Acc>(q[(j + kStrided) * stride])),
                          op(load<Acc>(q[(j + 2 * kStrided) * stride]), load<Acc>(q[(j + 3 * kStrided) * stride]))));
    }
  }
  for (; i + kStrided <= n; i += kStrided) {
    for (std::int64_t j = 0; j < kStrided; ++j) lanes[j] = op(lanes[j], load<Acc>(p[(i + j) * stride]));
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = op(lanes[j], load<Acc>(p[i * stride]));
  return op(op(op(lanes[0], lanes[4]), op(lanes[2], lanes[6])), op(op(lanes[1], lanes[5]), op(lanes[3], lanes[7])));
}

/// out[r] = the reduction of the contiguous row r.
template <class Op, class Acc, class In>
struct ReduceRows {
  VG_INLINE static void run(Acc* out, const In* p, std::int64_t rows, std::int64_t stride, std::int64_t n) {
    for (std::int64_t r = 0; r < rows; ++r) out[r] = reduce_run<Op, Acc>(p + r * stride, n);
  }
};

/// out[c] = the reduction over rows of the contiguous columns; four rows at a time.
template <class Op, class Acc, class In>
struct ReduceColumns {
  VG_INLINE static void run(Acc* out, const In* p, std::int64_t columns, std::int64_t rows, std::int64_t stride) {
    const Op op;
    constexpr std::int64_t kGroup = boundary::reduction_row_group;
    static_assert(kGroup == 4, "the groups below are written out");
    // Extremes of floats go row after row: comparisons within comparisons do not become vector code.
    const std::int64_t grouped = kFloatExtremum<Op, Acc> ? 0 : rows / kGroup * kGroup;
    std::int64_t r = 0;
    if (grouped > 0) {
      const In *a = p, *b = a + stride, *c = b + stride, *d = c + stride;
      for (std::int64_t j = 0; j < columns; ++j) {
        out[j] = op(op(load<Acc>(a[j]), load<Acc>(b[j])), op(load<Acc>(c[j]), load<Acc>(d[j])));
      }
      r = kGroup;
    } else {
      for (std::int64_t j = 0; j < columns; ++j) out[j] = Op::template identity<Acc>;
    }
    for (; r < grouped; r += kGroup) {
      const In *a = p + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < columns; ++j) {
        out[j] = op(out[j], op(op(load<Acc>(a[j]), load<Acc>(b[j])), op(load<Acc>(c[j]), load<Acc>(d[j]))));
      }
    }
    for (; r < rows; ++r) {
      const In* a = p + r * stride;
#pragma GCC ivdep
      for (std::int64_t j = 0; j < columns; ++j) out[j] = op(out[j], load<Acc>(a[j]));
    }
  }
};

/// out[j] = op(out[j], in[j])
template <class Op, class Acc>
struct CombineLoop {
  VG_INLINE static void run(Acc* out, const Acc* in, std::int64_t n) {
    const Op op;
#pragma GCC ivdep
    for (std::int64_t j = 0; j < n; ++j) out[j] = op(out[j], in[j]);
  }
};

}  // namespace verigrad::kernels::cpu

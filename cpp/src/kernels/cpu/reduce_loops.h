// The inner loops of reductions. Their order of operations depends on the number of elements alone, so every instruction
// set and every number of threads gives the same bits; it is close to pairwise summation, whose error grows with log n
// (N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14, 1993).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/cpu/simd.h"
#include "kernels/functors.h"

namespace verigrad::kernels::cpu {

// A reduction: how to combine two values and what leaves a value unchanged.
struct SumOf : functors::add {
  template <class T>
  static constexpr T identity = T(0);
};
struct ProductOf : functors::mul {
  template <class T>
  static constexpr T identity = T(1);
};
struct MaxOf : functors::maximum {
  template <class T>
  static constexpr T identity = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                            : std::numeric_limits<T>::lowest();
};
struct MinOf : functors::minimum {
  template <class T>
  static constexpr T identity =
      std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
};
struct AllOf : functors::mul {
  template <class T>
  static constexpr T identity = T(true);
};
struct AnyOf : functors::add {
  template <class T>
  static constexpr T identity = T(false);
};

/// An element as the type that the reduction computes in.
template <class Acc, class In>
VG_INLINE Acc load(const In& x) {
  if constexpr (std::is_same_v<Acc, bool>) {
    return x != In(0);
  } else {
    return static_cast<Acc>(x);
  }
}

inline constexpr int kLanes = 32;
/// Elements that one lane loop takes; longer runs are halved.
inline constexpr std::int64_t kRun = 2048;

/// Contiguous elements. `kLanes` partial results, each over every 32nd element, four of them combined at a time; then the
/// partial results are halved until one is left.
template <class Op, class Acc, class In>
VG_INLINE Acc reduce_run(const In* p, std::int64_t n) {
  const Op op;
  std::int64_t i = 0;
  if (n < kLanes) {
    Acc a = Op::template identity<Acc>, b = a, c = a, d = a;
    for (; i + 4 <= n; i += 4) {
      a = op(a, load<Acc>(p[i]));
      b = op(b, load<Acc>(p[i + 1]));
      c = op(c, load<Acc>(p[i + 2]));
      d = op(d, load<Acc>(p[i + 3]));
    }
    for (; i < n; ++i) a = op(a, load<Acc>(p[i]));
    return op(op(a, b), op(c, d));
  }
  Acc lanes[kLanes];
  for (int j = 0; j < kLanes; ++j) lanes[j] = load<Acc>(p[j]);
  for (i = kLanes; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const In* q = p + i;
    for (int j = 0; j < kLanes; ++j) {
      lanes[j] = op(lanes[j], op(op(load<Acc>(q[j]), load<Acc>(q[j + kLanes])),
                                 op(load<Acc>(q[j + 2 * kLanes]), load<Acc>(q[j + 3 * kLanes]))));
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] = op(lanes[j], load<Acc>(p[i + j]));
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = op(lanes[j], load<Acc>(p[i]));
  for (int j = 0; j < 16; ++j) lanes[j] = op(lanes[j], lanes[j + 16]);
  for (int j = 0; j < 8; ++j) lanes[j] = op(lanes[j], lanes[j + 8]);
  for (int j = 0; j < 4; ++j) lanes[j] = op(lanes[j], lanes[j + 4]);
  return op(op(lanes[0], lanes[1]), op(lanes[2], lanes[3]));
}

/// Strided elements: eight interleaved partial results.
template <class Op, class Acc, class In>
Acc reduce_strided_run(const In* p, std::int64_t n, std::int64_t stride) {
  const Op op;
  Acc lanes[8];
  for (Acc& lane : lanes) lane = Op::template identity<Acc>;
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) lanes[j] = op(lanes[j], load<Acc>(p[(i + j) * stride]));
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
    std::int64_t r = 0;
    if (rows >= 4) {
      const In *a = p, *b = a + stride, *c = b + stride, *d = c + stride;
      for (std::int64_t j = 0; j < columns; ++j) {
        out[j] = op(op(load<Acc>(a[j]), load<Acc>(b[j])), op(load<Acc>(c[j]), load<Acc>(d[j])));
      }
      r = 4;
    } else {
      for (std::int64_t j = 0; j < columns; ++j) out[j] = Op::template identity<Acc>;
    }
    for (; r + 4 <= rows; r += 4) {
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

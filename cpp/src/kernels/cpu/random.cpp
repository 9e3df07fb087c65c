// Random numbers from Philox blocks of four 32-bit words. Which words an element takes depends on its position alone:
//
//   uniform, float32    block counter + i / 4, word i % 4
//   keep, every dtype   the same
//   normal, float32     the same two neighbouring words for elements 2j and 2j + 1: Box-Muller's radius and angle
//   everything else     block counter + i / 2, words 0 and 1 for even i, 2 and 3 for odd i (64 bits an element)
//   normal, float64     one block for elements 2j and 2j + 1: words 0 and 1 the radius, 2 and 3 the angle
//
// Box-Muller: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29,
// 1958.
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/functors.h"
#include "kernels/philox.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

constexpr std::int64_t kBatch = boundary::random_batch;  // blocks generated together
constexpr std::int64_t kWords = boundary::random_words;

/// The words of `kBatch` blocks, word by word.
struct Words {
  std::uint32_t word[kWords][kBatch];

  VG_INLINE void generate(std::uint64_t seed, std::uint64_t counter) {
    for (std::int64_t b = 0; b < kBatch; ++b) {
      const PhiloxBlock block = philox(seed, counter + static_cast<std::uint64_t>(b));
      for (int w = 0; w < kWords; ++w) word[w][b] = block.word[w];
    }
  }
};

/// In [low, high): where rounding carries low + u * (high - low) up to `high`, the number below it is taken.
template <class T>
struct UniformBlocks {
  static constexpr std::int64_t kPerBlock = sizeof(T) == 4 ? kWords : kWords / 2;

  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, T low, T high) {
    Words words;
    words.generate(seed, counter);
    const T width = high - low;
    const T last = std::nextafter(high, low);
    T values[kBatch * kPerBlock];
    for (int w = 0; w < kPerBlock; ++w) {
      for (std::int64_t b = 0; b < kBatch; ++b) {
        T u;
        if constexpr (sizeof(T) == 4) {
          u = uniform_float(words.word[w][b]);
        } else {
          u = uniform_double(words.word[2 * w][b], words.word[2 * w + 1][b]);
        }
        const T x = low + u * width;
        values[w * kBatch + b] = x < high ? x : last;
      }
    }
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < kPerBlock; ++w) out[b * kPerBlock + w] = values[w * kBatch + b];
    }
  }
};

template <class T>
struct NormalBlocks {
  static constexpr std::int64_t kPerBlock = sizeof(T) == 4 ? kWords : kWords / 2;

  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, T mean, T deviation) {
    Words words;
    words.generate(seed, counter);
    T values[kBatch * kPerBlock];
    for (int w = 0; w < kPerBlock; w += 2) {
      for (std::int64_t b = 0; b < kBatch; ++b) {
        // 1 - u is in (0, 1], so the logarithm is finite.
        T radius, sine, cosine;
        if constexpr (sizeof(T) == 4) {
          const float u = 1.0f - uniform_float(words.word[w][b]);
          const float angle = 6.2831853071795864769f * uniform_float(words.word[w + 1][b]);
          radius = std::sqrt(-2.0f * float_math::log(u));
          sine = functors::sin::fast(angle);
          cosine = functors::cos::fast(angle);
        } else {
          const double u = 1.0 - uniform_double(words.word[0][b], words.word[1][b]);
          const double angle = 6.2831853071795864769 * uniform_double(words.word[2][b], words.word[3][b]);
          radius = std::sqrt(-2.0 * std::log(u));
          sine = std::sin(angle);
          cosine = std::cos(angle);
        }
        values[w * kBatch + b] = mean + deviation * (radius * cosine);
        values[(w + 1) * kBatch + b] = mean + deviation * (radius * sine);
      }
    }
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < kPerBlock; ++w) out[b * kPerBlock + w] = values[w * kBatch + b];
    }
  }
};

/// `kept` where the word is at least `limit`, else 0.
template <class T>
struct KeepBlocks {
  static constexpr std::int64_t kPerBlock = kWords;

  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, std::uint32_t limit, T kept) {
    Words words;
    words.generate(seed, counter);
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < kWords; ++w) out[kWords * b + w] = words.word[w][b] >= limit ? kept : T(0);
    }
  }
};

/// The high half of a 64 by 64 bit product maps 64 random bits to [0, range) with a bias of at most range / 2^64
/// (D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019, without the rejection).
VG_INLINE std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
#else
  const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFFFFFFu)) >> 32);
#endif
}

template <class T>
struct IntegerBlocks {
  static constexpr std::int64_t kPerBlock = kWords / 2;

  /// `range` 0 stands for 2^64.
  VG_INLINE static void run(T* out, std::uint64_t seed, std::uint64_t counter, std::int64_t low, std::uint64_t range) {
    Words words;
    words.generate(seed, counter);
    for (std::int64_t b = 0; b < kBatch; ++b) {
      for (int w = 0; w < 2; ++w) {
        const std::uint64_t bits = (std::uint64_t{words.word[2 * w][b]} << 32) | words.word[2 * w + 1][b];
        const std::uint64_t n = range == 0 ? bits : multiply_high(bits, range);
        out[2 * b + w] = static_cast<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + n));
      }
    }
  }
};

/// Batches of blocks over the output; the last one goes through a buffer.
template <class Blocks, class T, class A, class B>
void generate(const Random& r, A a, B b) {
  constexpr std::int64_t kElements = kBatch * Blocks::kPerBlock;
  T* out = static_cast<T*>(r.out);
  const std::int64_t batches = (r.numel - 1) / kElements + 1;
  const std::int64_t grain = r.numel < kDearSerialElements ? batches : kDearGrainElements / kElements;
  parallel_for(batches, grain, [&](std::int64_t begin, std::int64_t end) {
    const auto run = simd_select<Blocks, T*, std::uint64_t, std::uint64_t, A, B>();
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t counter = r.counter + static_cast<std::uint64_t>(i * kBatch);
      const std::int64_t rest = r.numel - i * kElements;
      if (rest >= kElements) {
        run(out + i * kElements, r.seed, counter, a, b);
      } else {
        T buffer[kElements];
        run(buffer, r.seed, counter, a, b);
        std::copy_n(buffer, rest, out + i * kElements);
      }
    }
  });
}

}  // namespace

void random(RandomOp op, DType dtype, const Random& r) {
  if (r.numel == 0) return;
  if (op == RandomOp::integers) {
    const std::uint64_t range = static_cast<std::uint64_t>(r.int_high) - static_cast<std::uint64_t>(r.int_low);
    dispatch(dtype, [&]<class T>(TypeTag<T>) { generate<IntegerBlocks<T>, T>(r, r.int_low, range); });
    return;
  }
  if (op == RandomOp::keep) {
    // The nearest multiple of 2^-32, and 1 as the one below, which no caller asks for.
    const std::uint32_t limit = static_cast<std::uint32_t>(std::min(std::nearbyint(r.low * 0x1p32), 0x1p32 - 1));
    dispatch_floating("dropout", dtype,
                      [&]<class T>(TypeTag<T>) { generate<KeepBlocks<T>, T>(r, limit, static_cast<T>(r.high)); });
    return;
  }
  dispatch_floating(op == RandomOp::uniform ? "uniform_" : "normal_", dtype, [&]<class T>(TypeTag<T>) {
    const T low = static_cast<T>(r.low), high = static_cast<T>(r.high);
    if (op == RandomOp::uniform) {
      generate<UniformBlocks<T>, T>(r, low, high);
    } else {
      generate<NormalBlocks<T>, T>(r, low, high);
    }
  });
}

}  // namespace verigrad::kernels::cpu

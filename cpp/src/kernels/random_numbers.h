// How Philox words become random numbers, once for all devices. Which words an element takes depends on its position
// alone:
//
//   uniform, float32    block counter + i / 4, word i % 4
//   keep, every dtype   the same
//   normal, float32     the same two neighbouring words for elements 2j and 2j + 1: Box-Muller's radius and angle
//   everything else     block counter + i / 2, words 0 and 1 for even i, 2 and 3 for odd i (64 bits an element)
//   normal, float64     one block for elements 2j and 2j + 1: words 0 and 1 the radius, 2 and 3 the angle
//
// Box-Muller: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29,
// 1958.
//
// A distribution makes `kAtOnce` numbers from on number `w` of the `kPerBlock` of a block. Word k of the block is
// words[k * step]: a device may keep many blocks word by word.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/functors.h"
#include "kernels/host_device.h"
#include "kernels/philox.h"
#include "kernels/table.h"

namespace verigrad::kernels::random_numbers {

/// Numbers of a block that takes one word for a float32, two for a float64.
template <class T>
inline constexpr int kFloatsPerBlock = sizeof(T) == 4 ? 4 : 2;

/// Number w of a block in [0, 1).
template <class T>
VG_HD inline T unit(const std::uint32_t* words, std::int64_t step, std::int64_t w) {
  if constexpr (sizeof(T) == 4) {
    return uniform_float(words[w * step]);
  } else {
    return uniform_double(words[2 * w * step], words[(2 * w + 1) * step]);
  }
}

/// In [low, high): where rounding carries low + u * (high - low) up to `high`, the number below it is taken.
template <class T>
struct Uniform {
  static constexpr int kPerBlock = kFloatsPerBlock<T>, kAtOnce = 1;
  T low, high, width, last;

  explicit Uniform(const Random& r)
      : low(static_cast<T>(r.low)), high(static_cast<T>(r.high)), width(high - low), last(std::nextafter(high, low)) {}
  VG_HD T at(const std::uint32_t* words, std::int64_t step, std::int64_t w) const {
    const T x = low + unit<T>(words, step, w) * width;
    return x < high ? x : last;
  }
};

template <class T>
struct Normal {
  static constexpr int kPerBlock = kFloatsPerBlock<T>, kAtOnce = 2;
  T mean, deviation;

  explicit Normal(const Random& r) : mean(static_cast<T>(r.low)), deviation(static_cast<T>(r.high)) {}
  VG_HD void pair(const std::uint32_t* words, std::int64_t step, std::int64_t w, T& first, T& second) const {
    // 1 - u is in (0, 1], so the logarithm is finite.
    const T u = T(1) - unit<T>(words, step, w);
    const T angle = static_cast<T>(6.2831853071795864769) * unit<T>(words, step, w + 1);
    T radius, sine, cosine;
    if constexpr (sizeof(T) == 4) {
      radius = std::sqrt(-2.0f * float_math::log(u));
      sine = functors::sin::fast(angle);
      cosine = functors::cos::fast(angle);
    } else {
      radius = std::sqrt(-2.0 * std::log(u));
      sine = std::sin(angle);
      cosine = std::cos(angle);
    }
    first = mean + deviation * (radius * cosine);
    second = mean + deviation * (radius * sine);
  }
};

/// `kept` where the word is at least `limit`, else 0.
template <class T>
struct Keep {
  static constexpr int kPerBlock = 4, kAtOnce = 1;
  std::uint32_t limit;
  T kept;

  /// The limit is the nearest multiple of 2^-32, and for 1 the one below, which no caller asks for.
  explicit Keep(const Random& r)
      : limit(static_cast<std::uint32_t>(std::min(std::nearbyint(r.low * 0x1p32), 0x1p32 - 1))),
        kept(static_cast<T>(r.high)) {}
  VG_HD T at(const std::uint32_t* words, std::int64_t step, std::int64_t w) const {
    return words[w * step] >= limit ? kept : T(0);
  }
};

/// The high half of a 64 by 64 bit product maps 64 random bits to [0, range) with a bias of at most range / 2^64
/// (D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019, without the rejection).
VG_HD inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
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
struct Integers {
  static constexpr int kPerBlock = 2, kAtOnce = 1;
  std::uint64_t low, range;  // `range` 0 stands for 2^64

  explicit Integers(const Random& r)
      : low(static_cast<std::uint64_t>(r.int_low)), range(static_cast<std::uint64_t>(r.int_high) - low) {}
  VG_HD T at(const std::uint32_t* words, std::int64_t step, std::int64_t w) const {
    const std::uint64_t bits = (std::uint64_t{words[2 * w * step]} << 32) | words[(2 * w + 1) * step];
    const std::uint64_t n = range == 0 ? bits : multiply_high(bits, range);
    return static_cast<T>(static_cast<std::int64_t>(low + n));
  }
};

}  // namespace verigrad::kernels::random_numbers

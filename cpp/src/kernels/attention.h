// What the kernels of attention share: the random factors of dropout.
#pragma once

#include <cstdint>

#include "kernels/random_numbers.h"
#include "kernels/table.h"

namespace verigrad::kernels {

/// The factors of dropout of the elements of [batch, queries, keys], counted row by row: those that the random op
/// `keep` would write, so that the backward pass makes them again.
template <class T>
struct AttentionDropout {
  std::uint64_t seed, counter;
  random_numbers::Keep<T> keep;

  explicit AttentionDropout(const Attention& a)
      : seed(a.seed), counter(a.counter), keep(Random{a.seed, a.counter, 0, a.dropout, a.kept, 0, 0, nullptr}) {}

  VG_HD T at(std::int64_t position) const {
    constexpr std::int64_t kWords = random_numbers::Keep<T>::kPerBlock;
    const PhiloxBlock block = philox(seed, counter + static_cast<std::uint64_t>(position / kWords));
    return keep.at(block.word, 1, position % kWords);
  }
};

}  // namespace verigrad::kernels

// A stable radix sort of (key, position) pairs, and runs of equal keys.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "kernels/cuda/scan.cuh"

namespace verigrad::kernels::cuda {

/// The digits by which the sort goes through the keys, from the lowest on.
inline constexpr int kDigitBits = boundary::cuda_sort_bits;
inline constexpr int kDigits = 1 << kDigitBits;
static_assert(kDigits == kThreads);  // each thread cares for one
/// Pairs that a lane takes, those of a warp, which are neighbours, and those of a block.
inline constexpr int kSortRounds = boundary::cuda_sort_rounds;
inline constexpr int kSortRun = kSortRounds * kWarpLanes;
inline constexpr int kSortTile = kWarps * kSortRun;

/// `I`: std::uint32_t or std::uint64_t.
template <class I>
struct Pairs {
  I* keys;
  I* positions;
};

template <class I>
__device__ int digit_at(I key, int shift) {
  return static_cast<int>(key >> shift & static_cast<I>(kDigits - 1));
}

/// Writes the pairs of a tile where they belong by the digit at `shift`. `start(digit, count)`, which all threads call
/// with their own digit: where those of the tile's pairs begin that have it.
template <class I, class Start>
__device__ void move_tile(Pairs<I> in, Pairs<I> out, std::int64_t count, std::int64_t tile, int shift,
                          const Start& start) {
  VG_SHARED(I, places, kWarps * kDigits);  // first the number of a warp's pairs with a digit, then where they begin
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes, warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int own = warp * kDigits;
  for (int d = lane; d < kDigits; d += kWarpLanes) places[own + d] = 0;
  __syncwarp();
  const std::int64_t first = tile * kSortTile + warp * kSortRun;
  I keys[kSortRounds], ranks[kSortRounds];
  VG_UNROLL
  for (int r = 0; r < kSortRounds; ++r) {
    if (first + r * kWarpLanes >= count) continue;  // the whole warp
    const std::int64_t i = first + r * kWarpLanes + lane;
    const bool inside = i < count;
    keys[r] = inside ? in.keys[i] : I(0);
    const int digit = inside ? digit_at(keys[r], shift) : kDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    const int before = __popc(peers & ((1u << lane) - 1));
    const I earlier = inside ? places[own + digit] : I(0);
    __syncwarp();
    if (inside && before == 0) places[own + digit] = earlier + static_cast<I>(__popc(peers));
    __syncwarp();
    ranks[r] = earlier + static_cast<I>(before);
  }
  __syncthreads();
  const int digit = static_cast<int>(threadIdx.x);
  I total = 0;
  for (int w = 0; w < kWarps; ++w) {
    const I of_warp = places[w * kDigits + digit];
    places[w * kDigits + digit] = total;
    total += of_warp;
  }
  const I begin = start(digit, total);
  for (int w = 0; w < kWarps; ++w) places[w * kDigits + digit] += begin;
  __syncthreads();
  VG_UNROLL
  for (int r = 0; r < kSortRounds; ++r) {
    const std::int64_t i = first + r * kWarpLanes + lane;
    if (i >= count) continue;
    const I to = places[own + digit_at(keys[r], shift)] + ranks[r];
    out.keys[to] = keys[r];
    out.positions[to] = in.positions[i];
  }
}

/// All passes over the pairs of a single tile. After an odd number of them the result is in `b`.
template <class I>
__global__ void sort_tile_kernel(Pairs<I> a, Pairs<I> b, std::int64_t count, int passes) {
  for (int p = 0; p < passes; ++p) {
    move_tile(p % 2 == 0 ? a : b, p % 2 == 0 ? b : a, count, 0, p * kDigitBits, [](int, I of_digit) {
      I total;
      return block_scan(of_digit, total);
    });
    __syncthreads();
  }
}

/// counts[digit][tile]: pairs of a tile that have the digit.
template <class I>
__global__ void sort_count_kernel(const I* keys, std::int64_t count, std::int64_t tiles, int shift, I* counts) {
  VG_SHARED(unsigned, of_digit, kDigits);
  of_digit[threadIdx.x] = 0;
  __syncthreads();
  const std::int64_t tile = blockIdx.x, first = tile * kSortTile;
  for (int k = static_cast<int>(threadIdx.x); k < kSortTile; k += kThreads) {
    if (first + k < count) atomicAdd(&of_digit[digit_at(keys[first + k], shift)], 1u);
  }
  __syncthreads();
  counts[threadIdx.x * tiles + tile] = of_digit[threadIdx.x];
}

template <class I>
__global__ void sort_move_kernel(Pairs<I> in, Pairs<I> out, std::int64_t count, std::int64_t tiles, int shift,
                                 const I* starts) {
  const std::int64_t tile = blockIdx.x;
  move_tile(in, out, count, tile, shift, [=](int digit, I) { return starts[digit * tiles + tile]; });
}

/// Memory for `count` (> 0) pairs and for sorting them.
template <class I>
class Sorter {
 public:
  explicit Sorter(std::int64_t count)
      : count_(count), keys_(count), positions_(count), other_keys_(count), other_positions_(count) {}

  /// To be filled before, and the result after.
  Pairs<I> pairs() const { return swapped_ ? other() : one(); }

  /// Sorts by keys of 0 .. greatest; those of equal keys keep their order.
  void sort(std::uint64_t greatest) {
    const int passes = (static_cast<int>(std::bit_width(greatest)) + kDigitBits - 1) / kDigitBits;
    const std::int64_t tiles = (count_ + kSortTile - 1) / kSortTile;
    if (tiles == 1) {
      launch(dim3(1), dim3(kThreads), &sort_tile_kernel<I>, one(), other(), count_, passes);
    } else {
      const dim3 blocks(static_cast<unsigned>(tiles));
      const Scratch<I> counts(tiles * kDigits);
      for (int p = 0; p < passes; ++p) {
        const Pairs<I> in = p % 2 == 0 ? one() : other(), out = p % 2 == 0 ? other() : one();
        launch(blocks, dim3(kThreads), &sort_count_kernel<I>, in.keys, count_, tiles, p * kDigitBits, counts.get());
        exclusive_scan(counts.get(), tiles * kDigits);
        launch(blocks, dim3(kThreads), &sort_move_kernel<I>, in, out, count_, tiles, p * kDigitBits, counts.get());
      }
    }
    swapped_ = passes % 2 == 1;
  }

 private:
  Pairs<I> one() const { return {keys_.get(), positions_.get()}; }
  Pairs<I> other() const { return {other_keys_.get(), other_positions_.get()}; }

  std::int64_t count_;
  Scratch<I> keys_, positions_, other_keys_, other_positions_;
  bool swapped_ = false;
};

/// Calls f with the narrowest type that counts to `count` and holds keys up to `greatest`.
template <class F>
void dispatch_pair_type(std::int64_t count, std::int64_t greatest, F&& f) {
  if (std::max(count, greatest) <= boundary::cuda_unsigned_positions) return f(TypeTag<std::uint32_t>{});
  f(TypeTag<std::uint64_t>{});
}

/// Whether a run of equal keys begins, or ends, at i.
template <class I>
__device__ bool run_begins(const I* keys, std::int64_t i) {
  return i == 0 || keys[i - 1] != keys[i];
}
template <class I>
__device__ bool run_ends(const I* keys, std::int64_t i, std::int64_t count) {
  return i == count - 1 || keys[i + 1] != keys[i];
}

/// One past the end of the run that begins at i, in steps that grow with it.
template <class I>
__device__ std::int64_t run_end(const I* keys, std::int64_t i, std::int64_t count) {
  const I key = keys[i];
  std::int64_t inside = i, step = 1;
  while (inside + step < count && keys[inside + step] == key) {
    inside += step;
    step *= 2;
  }
  std::int64_t outside = std::min(inside + step, count);
  while (outside - inside > 1) {
    const std::int64_t middle = inside + (outside - inside) / 2;
    if (keys[middle] == key) {
      inside = middle;
    } else {
      outside = middle;
    }
  }
  return outside;
}

/// `sum` and then, one after the other, value(positions[i]) for i of begin .. end - 1, added with `add`. Several are
/// read ahead.
template <class T, class I, class Value, class Add>
__device__ T add_in_order(T sum, const I* positions, std::int64_t begin, std::int64_t end, const Value& value,
                          const Add& add) {
  constexpr int kAhead = boundary::cuda_sum_ahead;
  std::int64_t i = begin;
  for (; i + kAhead <= end; i += kAhead) {
    T ahead[kAhead];
    VG_UNROLL
    for (int k = 0; k < kAhead; ++k) ahead[k] = value(static_cast<std::int64_t>(positions[i + k]));
    VG_UNROLL
    for (int k = 0; k < kAhead; ++k) sum = add(sum, ahead[k]);
  }
  for (; i < end; ++i) sum = add(sum, value(static_cast<std::int64_t>(positions[i])));
  return sum;
}

}  // namespace verigrad::kernels::cuda

// Reductions within a block: a number of threads share each result, and combine what they have by a tree whose form
// depends on the numbers of threads alone.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/shared.cuh"

namespace verigrad::kernels::cuda {

/// A value of any trivial type from another lane of the calling one's segment of `width` lanes; all lanes of the warp
/// must take part. `move` is one of CUDA's shuffles.
template <class V, class Move>
__device__ V shuffle_words(const V& value, const Move& move) {
  constexpr int kWords = static_cast<int>((sizeof(V) + 3) / 4);
  std::uint32_t words[kWords] = {};
  std::memcpy(words, &value, sizeof(V));
  for (int i = 0; i < kWords; ++i) words[i] = move(words[i]);
  V result;
  std::memcpy(&result, words, sizeof(V));
  return result;
}
/// From the lane `delta` further on.
template <class V>
__device__ V shuffle_down(const V& value, int delta, int width) {
  return shuffle_words(value, [=](std::uint32_t word) {
    return __shfl_down_sync(kAllLanes, word, static_cast<unsigned>(delta), width);
  });
}
/// From the first lane.
template <class V>
__device__ V shuffle_first(const V& value, int width) {
  return shuffle_words(value, [=](std::uint32_t word) { return __shfl_sync(kAllLanes, word, 0, width); });
}

/// The threads of a block of kThreads as groups of `lanes` (a power of two) that share a result each. The lanes of a
/// group are neighbours, at most a warp or else the whole block; or, with `across`, the same lanes of all groups are
/// neighbours, so that they read neighbouring columns.
struct Groups {
  int lanes = 1;
  bool across = false;

  __host__ __device__ int count() const { return kThreads / lanes; }
  /// The number of the calling thread's group in the block, and its own number in the group.
  __device__ int group() const {
    const int t = static_cast<int>(threadIdx.x);
    return across ? t % count() : t / lanes;
  }
  __device__ int lane() const {
    const int t = static_cast<int>(threadIdx.x);
    return across ? t / count() : t % lanes;
  }
};

/// `op` over the values of each group, for all of its lanes. Every thread of the block must call it.
template <class V, class Op>
__device__ V reduce_groups(const Groups& groups, const Op& op, V value) {
  if (groups.lanes == 1) return value;
  VG_SHARED(V, shared, kThreads);
  const int t = static_cast<int>(threadIdx.x);
  if (groups.across) {
    shared[t] = value;
    __syncthreads();
    for (int half = kThreads / 2; half >= groups.count(); half /= 2) {
      if (t < half) shared[t] = op(shared[t], shared[t + half]);
      __syncthreads();
    }
    value = shared[t % groups.count()];
    __syncthreads();  // the array may be used again
    return value;
  }
  const int width = groups.lanes < kWarpLanes ? groups.lanes : kWarpLanes;
  for (int delta = width / 2; delta > 0; delta /= 2) value = op(value, shuffle_down(value, delta, width));
  if (groups.lanes <= kWarpLanes) return shuffle_first(value, width);
  if (t % kWarpLanes == 0) shared[t / kWarpLanes] = value;
  __syncthreads();
  V of_warps[kWarps];
  for (int w = 0; w < kWarps; ++w) of_warps[w] = shared[w];
  __syncthreads();
  for (int half = kWarps / 2; half > 0; half /= 2) {
    for (int w = 0; w < half; ++w) of_warps[w] = op(of_warps[w], of_warps[w + half]);
  }
  return of_warps[0];
}

/// The values get(0) .. get(n - 1) of one thread, four at a time and one after the other.
template <class V, class Op, class Get>
__device__ V fold(const Op& op, V result, std::int64_t n, const Get& get) {
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) result = op(result, op(op(get(i), get(i + 1)), op(get(i + 2), get(i + 3))));
  for (; i < n; ++i) result = op(result, get(i));
  return result;
}

/// The same as a tree over leaves of kLeaf values, so that the rounding errors of a sum grow with log n as the CPU's
/// do: no more than 16 additions follow one another in a leaf.
template <class V, class Op, class Get>
__device__ V fold_tree(const Op& op, V identity, std::int64_t n, const Get& get) {
  constexpr std::int64_t kLeaf = boundary::cuda_sum_leaf;
  constexpr int kLevels = 40;
  if (n <= kLeaf) return fold(op, identity, n, get);
  // pending[l] is the value of 2^l leaves where bit l of the number of leaves so far is set.
  V pending[kLevels];
  std::int64_t leaves = 0;
  for (std::int64_t first = 0; first < n; first += kLeaf, ++leaves) {
    const std::int64_t count = n - first < kLeaf ? n - first : kLeaf;
    V value = fold(op, identity, count, [&](std::int64_t i) { return get(first + i); });
    int level = 0;
    for (; (leaves >> level & 1) != 0; ++level) value = op(pending[level], value);
    pending[level] = value;
  }
  V result = identity;
  for (int level = 0; leaves >> level != 0; ++level) {
    if ((leaves >> level & 1) != 0) result = op(pending[level], result);
  }
  return result;
}

}  // namespace verigrad::kernels::cuda

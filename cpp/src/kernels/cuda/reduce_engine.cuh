// The frame of all reductions over strided memory: which threads read what, and when many blocks share one result.
//
// A policy says what is reduced; it is passed to the kernels by value and has
//   Value                     what is combined, a trivial type
//   identity()                the Value of no elements
//   operator()(a, b)          two values as one
//   gather(k, elements)       the Value of the elements that one thread reads for result k
//   store(k, out, value)      writes result k, `out` elements behind the start of the output
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/block_reduce.cuh"
#include "kernels/reduce_plan.h"

namespace verigrad::kernels::cuda {

/// Results that keep their threads busy for a while, and blocks that fill any device several times over.
inline constexpr std::int64_t kMostBlocks = boundary::cuda_reduce_blocks;
/// Blocks that are wanted where a reduction can be split; a number of its own, so that bits do not depend on the
/// device.
inline constexpr std::int64_t kWantedBlocks = boundary::cuda_wanted_blocks;
/// Elements of a thread below which it is not worth splitting a reduction.
inline constexpr std::int64_t kSplitElements = boundary::cuda_split_elements;

/// The reduced index space in memory.
struct ReducedAxes {
  Layout<1> layout;
  std::int64_t stride = 0;
  bool one = false;  // a single dimension

  explicit ReducedAxes(const ReducePlan& plan)
      : layout(plan.reduced.sizes, &plan.reduced.in, plan.reduced_numel),
        stride(plan.reduced_stride),
        one(plan.reduced.sizes.size() <= 1) {}
  __device__ std::int64_t offset(std::int64_t position) const {
    if (one) return position * stride;
    std::int64_t at[1];
    layout.offsets(position, at);
    return at[0];
  }
};

/// The elements of one result that a thread reads: every `step`-th of the reduced index space.
struct Elements {
  const ReducedAxes* axes;
  std::int64_t base, first, step, count;

  __device__ std::int64_t position(std::int64_t i) const { return first + i * step; }
  __device__ std::int64_t offset(std::int64_t i) const { return base + axes->offset(position(i)); }
};

/// How a reduction is spread over blocks and threads: by the shape alone.
struct Spread {
  Groups groups;
  std::int64_t tiles = 1;   // of as many results as a block has groups
  std::int64_t chunks = 1;  // of the reduced index space, with a block each
  std::int64_t chunk = 1;   // elements
  Layout<2> kept;           // input, output
  ReducedAxes reduced;

  explicit Spread(const ReducePlan& plan)
      : Spread(plan, plan.kept_inner > 1 && plan.reduced_inner > 1 && plan.kept_stride < plan.reduced_stride) {}
  /// `across`: whether neighbouring threads read for neighbouring results.
  Spread(const ReducePlan& plan, bool across) : kept(layout_of(plan.kept, plan.kept_numel)), reduced(plan) {
    const std::int64_t n = plan.reduced_numel;
    const int wanted = power_of_two((n - 1) / boundary::cuda_lane_elements + 1, kThreads);
    if (across) {
      // Of long rows no more columns than make an access whole, so that many threads share a result.
      const int columns = power_of_two(std::min<std::int64_t>(plan.kept_inner, kWarpLanes), kWarpLanes);
      groups = {kThreads / std::max(columns, kThreads / wanted), true};
    } else {
      groups = {wanted <= kWarpLanes ? wanted : (n >= boundary::cuda_block_run ? kThreads : kWarpLanes), false};
    }
    tiles = (plan.kept_numel - 1) / groups.count() + 1;
    const std::int64_t most = std::max<std::int64_t>(1, n / (groups.lanes * kSplitElements));
    const std::int64_t parts = std::min(most, (kWantedBlocks - 1) / tiles + 1);
    chunk = ((n - 1) / parts / groups.lanes + 1) * groups.lanes;
    chunks = (n - 1) / chunk + 1;
  }

  bool whole() const { return chunks == 1; }
  /// One block for each tile, for a kernel that needs the result at once.
  void join() {
    chunks = 1;
    chunk = reduced.layout.numel;
  }
  dim3 blocks() const { return dim3(static_cast<unsigned>(std::min(kMostBlocks, tiles * chunks))); }

  /// What the calling thread reads of a chunk of the result whose input begins at `base`.
  __device__ Elements elements(std::int64_t base, std::int64_t number) const {
    const std::int64_t n = reduced.layout.numel;
    const std::int64_t first = number * chunk + groups.lane();
    const std::int64_t end = (number + 1) * chunk < n ? (number + 1) * chunk : n;
    return {&reduced, base, first, groups.lanes, first < end ? (end - first - 1) / groups.lanes + 1 : 0};
  }

 private:
  static Layout<2> layout_of(const Axes& axes, std::int64_t numel) {
    const Dims strides[2] = {axes.in, axes.out};
    return Layout<2>(axes.sizes, strides, numel);
  }
  static int power_of_two(std::int64_t least, int most) {
    int n = 1;
    while (n < most && n < least) n *= 2;
    return n;
  }
};

/// One chunk of one tile for each block: into `partial` [results, chunks], or where that is null to the output.
template <class P>
__global__ void reduce_kernel(P policy, Spread s, typename P::Value* partial) {
  for (std::int64_t item = blockIdx.x; item < s.tiles * s.chunks; item += gridDim.x) {
    const std::int64_t k = item % s.tiles * s.groups.count() + s.groups.group(), number = item / s.tiles;
    const bool mine = k < s.kept.numel;
    std::int64_t at[2] = {};
    typename P::Value value = policy.identity();
    if (mine) {
      s.kept.offsets(k, at);
      value = policy.gather(k, s.elements(at[0], number));
    }
    value = reduce_groups(s.groups, policy, value);
    if (!mine || s.groups.lane() != 0) continue;
    if (partial) {
      partial[k * s.chunks + number] = value;
    } else {
      policy.store(k, at[1], value);
    }
  }
}

/// The chunks of each result, with `groups` of threads. Reductions of so many results that they would not fit into one
/// grid are not split.
template <class P>
__global__ void combine_kernel(P policy, Layout<2> kept, Groups groups, const typename P::Value* partial,
                               std::int64_t chunks) {
  const std::int64_t k = static_cast<std::int64_t>(blockIdx.x) * groups.count() + groups.group();
  const bool mine = k < kept.numel;
  typename P::Value value = policy.identity();
  if (mine) {
    const typename P::Value* of_result = partial + k * chunks;
    for (std::int64_t i = groups.lane(); i < chunks; i += groups.lanes) value = policy(value, of_result[i]);
  }
  value = reduce_groups(groups, policy, value);
  if (!mine || groups.lane() != 0) return;
  std::int64_t at[2];
  kept.offsets(k, at);
  policy.store(k, at[1], value);
}

template <class P>
void run_reduction(const P& policy, const Spread& s) {
  using Value = typename P::Value;
  if (s.whole()) {
    launch(s.blocks(), dim3(kThreads), &reduce_kernel<P>, policy, s, nullptr);
    return;
  }
  const Scratch<Value> partial(s.kept.numel * s.chunks);
  launch(s.blocks(), dim3(kThreads), &reduce_kernel<P>, policy, s, partial.get());
  const Groups groups{s.chunks <= kWarpLanes ? kWarpLanes : kThreads, false};
  const std::int64_t tiles = (s.kept.numel - 1) / groups.count() + 1;
  launch(dim3(static_cast<unsigned>(tiles)), dim3(kThreads), &combine_kernel<P>, policy, s.kept, groups,
         static_cast<const Value*>(partial.get()), s.chunks);
}

}  // namespace verigrad::kernels::cuda

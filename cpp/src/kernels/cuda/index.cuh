// What the ops with indices share.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.cuh"
#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// Reports the indices that are out of range, for a call that has nothing else to do.
void check_rows(const IndexRows& r, Mistake mistake);

__device__ inline bool in_range(std::int64_t position, std::int64_t size) { return position >= 0 && position < size; }

/// The strides of a Gather's output, index and source; `numel` is the caller's to set.
inline Loop loop_of(const Gather& g) {
  Loop loop;
  loop.shape = g.shape;
  loop.operands = 3;
  loop.strides[0] = g.out_strides;
  loop.strides[1] = g.index_strides;
  loop.strides[2] = g.src_strides;
  return loop;
}

struct Division {
  std::int64_t quotient, rest;
};
/// Of numbers that are not negative; in 32 bits where they fit, which is much faster.
__device__ inline Division divide(std::int64_t n, std::int64_t by) {
  if ((n | by) <= boundary::cuda_unsigned_positions) {
    const auto low = static_cast<std::uint32_t>(n), divisor = static_cast<std::uint32_t>(by);
    return {low / divisor, low % divisor};
  }
  return {n / by, n % by};
}

}  // namespace verigrad::kernels::cuda

// Launching kernels: grids, loops over elements, strided indexing.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/boundaries.h"
#include "kernels/cuda/runtime.cuh"
#include "kernels/table.h"

namespace verigrad::kernels::cuda {

[[noreturn]] inline void refuse_dtype(DType dtype) {
  VG_THROW(RuntimeError, current_op(), ": no cuda implementation for dtype ", name(dtype));
}

/// Threads of a block where nothing else is wanted.
inline constexpr int kThreads = boundary::cuda_threads;
inline constexpr int kWarpLanes = boundary::cuda_warp;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;
inline constexpr int kWarps = kThreads / kWarpLanes;  // of a block of kThreads
/// Enough blocks to fill any device; their threads stride over the rest.
inline constexpr std::int64_t kMaxBlocks = boundary::cuda_grid_blocks;

/// `kernel(arguments...)` on a grid of `blocks` blocks of `threads` threads, on the thread's stream.
template <class... Params, class... Args>
void launch(dim3 blocks, dim3 threads, void (*kernel)(Params...), const Args&... args) {
#if defined(__CUDACC__)
  kernel<<<blocks, threads, 0, current_stream()>>>(static_cast<Params>(args)...);
#else
  check(emulation::catch_up(current_stream()));
  auto body = [&] { kernel(static_cast<Params>(args)...); };
  emulation::run_grid(
      current_op(), {blocks.x, blocks.y, blocks.z}, {threads.x, threads.y, threads.z}, 0,
      [](void* run) { (*static_cast<decltype(body)*>(run))(); }, &body);
#endif
  check(cudaGetLastError());
}

/// The blocks of a kernel that goes through `n` (> 0) elements with `for_each_element`.
inline dim3 blocks_for(std::int64_t n) {
  return dim3(static_cast<unsigned>(std::min(kMaxBlocks, (n + kThreads - 1) / kThreads)));
}
/// A kernel that uses `for_each_element`.
template <class... Params, class... Args>
void launch_over(std::int64_t n, void (*kernel)(Params...), const Args&... args) {
  launch(blocks_for(n), dim3(kThreads), kernel, args...);
}

/// f(i) for the elements i of 0 .. n - 1 that fall to the calling thread.
template <class F>
__device__ void for_each_element(std::int64_t n, const F& f) {
  const std::int64_t step = static_cast<std::int64_t>(blockDim.x) * gridDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

/// Where the elements of `N` operands are, passed to a kernel by value.
template <int N>
struct Layout {
  int rank = 0;
  bool contiguous = true;
  bool narrow = true;  // positions fit 32 bits
  std::int64_t numel = 0;
  std::int64_t shape[kMaxDims];
  std::int64_t strides[N][kMaxDims];

  explicit Layout(const Loop& loop) : Layout(loop.shape, loop.strides, loop.numel) {}
  /// `strides`: those of the N operands, one after the other.
  Layout(const Dims& shape_, const Dims* strides_, std::int64_t numel_)
      : rank(shape_.size()), narrow(numel_ <= boundary::cuda_unsigned_positions), numel(numel_) {
    for (int d = 0; d < rank; ++d) {
      shape[d] = shape_[d];
      for (int o = 0; o < N; ++o) {
        strides[o][d] = strides_[o][d];
        contiguous = contiguous && rank == 1 && strides[o][d] == 1;
      }
    }
  }

  /// The offsets of the operands at a row-major position.
  __device__ void offsets(std::int64_t position, std::int64_t (&out)[N]) const {
    if (contiguous) {
      for (int o = 0; o < N; ++o) out[o] = position;
    } else if (narrow) {
      split(static_cast<std::uint32_t>(position), out);
    } else {
      split(position, out);
    }
  }

 private:
  template <class I>
  __device__ void split(I position, std::int64_t (&out)[N]) const {
    for (int o = 0; o < N; ++o) out[o] = 0;
    for (int d = rank - 1; d >= 0; --d) {
      const I size = static_cast<I>(shape[d]);
      const I at = position % size;
      position /= size;
      for (int o = 0; o < N; ++o) out[o] += static_cast<std::int64_t>(at) * strides[o][d];
    }
  }
};

}  // namespace verigrad::kernels::cuda

// Launching elementwise kernels: error checks, grid sizes and strided indexing.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// Raises RuntimeError with CUDA's own words.
inline void check(const char* op, cudaError_t status) {
  VG_CHECK(status == cudaSuccess, RuntimeError, op, ": CUDA error: ", cudaGetErrorString(status));
}

inline constexpr int kThreads = 256;
/// Enough blocks to fill any device; each thread strides over the rest.
inline constexpr std::int64_t kMaxBlocks = 65535;

/// The layout of a loop over `N` operands, passed to a kernel by value.
template <int N>
struct Layout {
  int rank = 0;
  bool contiguous = true;
  std::int64_t numel = 0;
  std::int64_t shape[kMaxDims];
  std::int64_t strides[N][kMaxDims];

  explicit Layout(const Loop& loop) : rank(loop.shape.size()), numel(loop.numel) {
    for (int d = 0; d < rank; ++d) {
      shape[d] = loop.shape[d];
      for (int o = 0; o < N; ++o) {
        strides[o][d] = loop.strides[o][d];
        contiguous = contiguous && rank == 1 && strides[o][d] == 1;
      }
    }
  }

  /// The offsets of the operands at a row-major position.
  __device__ void offsets(std::int64_t position, std::int64_t (&out)[N]) const {
    if (contiguous) {
      for (int o = 0; o < N; ++o) out[o] = position;
      return;
    }
    for (int o = 0; o < N; ++o) out[o] = 0;
    for (int d = rank - 1; d >= 0; --d) {
      const std::int64_t at = position % shape[d];
      position /= shape[d];
      for (int o = 0; o < N; ++o) out[o] += at * strides[o][d];
    }
  }
};

/// `kernel(layout, arguments...)` over the elements of the layout, on the default stream.
template <int N, class... Args>
void launch(const char* op, void (*kernel)(Layout<N>, Args...), const Layout<N>& layout, Args... args) {
  const std::int64_t blocks = std::min(kMaxBlocks, (layout.numel + kThreads - 1) / kThreads);
#if defined(__CUDACC__)
  kernel<<<static_cast<unsigned>(blocks), kThreads>>>(layout, args...);
#else
  auto body = [&] { kernel(layout, args...); };
  emulation::run_grid(
      op, {static_cast<unsigned>(blocks), 1, 1}, {kThreads, 1, 1}, 0,
      [](void* run) { (*static_cast<decltype(body)*>(run))(); }, &body);
#endif
  check(op, cudaGetLastError());
}

}  // namespace verigrad::kernels::cuda

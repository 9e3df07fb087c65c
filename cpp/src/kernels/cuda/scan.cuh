// Running sums over arrays of a device.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/shared.cuh"

#if defined(__CUDACC__)
#define VG_UNROLL _Pragma("unroll")
#else
#define VG_UNROLL
#endif

namespace verigrad::kernels::cuda {

/// The sum of `value` over the threads before this one, in a block of kThreads threads, which all call it; `total`:
/// over all of them. For integers.
template <class T>
__device__ T block_scan(T value, T& total) {
  VG_SHARED(T, of_warp, kWarps);
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes, warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  T sum = value;
  for (int d = 1; d < kWarpLanes; d *= 2) {
    const T other = __shfl_up_sync(kAllLanes, sum, static_cast<unsigned>(d));
    if (lane >= d) sum += other;
  }
  if (lane == kWarpLanes - 1) of_warp[warp] = sum;
  __syncthreads();
  T before = 0;
  total = 0;
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) before = total;
    total += of_warp[w];
  }
  __syncthreads();  // the next call writes again
  return before + sum - value;
}

/// Lines up to this length, and any where there are so many, have a thread each.
inline constexpr std::int64_t kShortLine = boundary::cuda_short_line;
inline constexpr std::int64_t kManyLines = boundary::cuda_many_lines;

/// Neighbouring elements of a thread, and those of a block.
inline constexpr int kScanRun = boundary::cuda_scan_run;
inline constexpr int kScanChunk = kThreads * kScanRun;

/// sums[c]: the sum of chunk c.
template <class T>
__global__ void scan_sum_kernel(const T* values, std::int64_t n, T* sums) {
  const std::int64_t chunk = blockIdx.x;
  T sum = 0;
  for (int k = 0; k < kScanRun; ++k) {
    const std::int64_t i = chunk * kScanChunk + k * kThreads + threadIdx.x;
    if (i < n) sum += values[i];
  }
  T total;
  block_scan(sum, total);
  if (threadIdx.x == 0) sums[chunk] = total;
}

/// The elements of a chunk become the sums of those before them, from starts[chunk] on (null: 0).
template <class T>
__global__ void scan_kernel(T* values, std::int64_t n, const T* starts) {
  const std::int64_t chunk = blockIdx.x;
  const std::int64_t first = chunk * kScanChunk + static_cast<std::int64_t>(threadIdx.x) * kScanRun;
  T of_thread[kScanRun], sum = 0;
  VG_UNROLL
  for (int k = 0; k < kScanRun; ++k) {
    of_thread[k] = first + k < n ? values[first + k] : T(0);
    sum += of_thread[k];
  }
  T total;
  T before = block_scan(sum, total);
  if (starts) before += starts[chunk];
  VG_UNROLL
  for (int k = 0; k < kScanRun; ++k) {
    if (first + k < n) values[first + k] = before;
    before += of_thread[k];
  }
}

/// Each of n (> 0) integers becomes the sum of those before it.
template <class T>
void exclusive_scan(T* values, std::int64_t n) {
  const std::int64_t chunks = (n + kScanChunk - 1) / kScanChunk;
  const dim3 blocks(static_cast<unsigned>(chunks));
  if (chunks == 1) return launch(blocks, dim3(kThreads), &scan_kernel<T>, values, n, nullptr);
  const Scratch<T> sums(chunks);
  launch(blocks, dim3(kThreads), &scan_sum_kernel<T>, values, n, sums.get());
  exclusive_scan(sums.get(), chunks);
  launch(blocks, dim3(kThreads), &scan_kernel<T>, values, n, sums.get());
}

}  // namespace verigrad::kernels::cuda

// Stands in for CUDA's header of this name when kernels are compiled for the host: the part of CUDA that ours use.
// Device memory is host memory; what a stream does at once, and what later, is told in stream.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "block.h"
#include "memory.h"

namespace verigrad::emulation {
struct Stream;
struct Event;
}  // namespace verigrad::emulation

#define __global__
#define __device__
#define __host__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
extern thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;
inline constexpr int warpSize = verigrad::emulation::kWarp;

// Waiting and talking within a block.

inline void __syncthreads() { verigrad::emulation::sync_block(); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { verigrad::emulation::sync_warp(mask); }
inline unsigned __ballot_sync(unsigned mask, bool predicate) { return verigrad::emulation::ballot(mask, predicate); }
inline int __popc(unsigned bits) { return std::popcount(bits); }

/// A lane outside of the calling one's segment of `width` lanes gives the own value, as on the device.
template <class T>
T __shfl_from(unsigned mask, T value, int source, int first, int width) {
  T result;
  const bool inside = source >= first && source < first + width;
  verigrad::emulation::exchange(mask, &value, &result, sizeof value, inside ? source : verigrad::emulation::lane());
  return result;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  const int first = verigrad::emulation::lane() / width * width;
  return __shfl_from(mask, value, first + source % width, first, width);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int lane = verigrad::emulation::lane();
  return __shfl_from(mask, value, lane + static_cast<int>(delta), lane / width * width, width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  const int lane = verigrad::emulation::lane();
  return __shfl_from(mask, value, lane - static_cast<int>(delta), lane / width * width, width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize) {
  const int lane = verigrad::emulation::lane();
  return __shfl_from(mask, value, lane ^ bits, lane / width * width, width);
}
/// The bit of each lane of the mask that has the same value.
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
  unsigned bits = 0;
  for (int k = 0; k < warpSize; ++k) {
    if ((mask >> k & 1) != 0 && __shfl_sync(mask, value, k) == value) bits |= 1u << k;
  }
  return bits;
}

// Atomics: one thread runs at a time.

template <class T, class F>
T __atomic_change(T* address, F change) {
  const T old = *address;
  *address = change(old);
  return old;
}
template <class T>
T atomicAdd(T* address, T value) {
  return __atomic_change(address, [value](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicOr(T* address, T value) {
  return __atomic_change(address, [value](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomicMax(T* address, T value) {
  return __atomic_change(address, [value](T old) { return std::max(old, value); });
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return __atomic_change(address, [=](T old) { return old == expected ? value : old; });
}

// The run-time library: two devices, whose memory is the host's.

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
inline constexpr unsigned cudaHostAllocDefault = 0, cudaHostRegisterDefault = 0, cudaHostAllocMapped = 2,
                          cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;

using cudaStream_t = verigrad::emulation::Stream*;
using cudaEvent_t = verigrad::emulation::Event*;
enum cudaMemoryType { cudaMemoryTypeUnregistered = 0, cudaMemoryTypeHost = 1 };
struct cudaPointerAttributes {
  cudaMemoryType type;
};
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  std::size_t totalGlobalMem;
};

const char* cudaGetErrorString(cudaError_t status);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceSynchronize();

/// Fails above the limit that VERIGRAD_EMULATED_MEMORY gives in bytes (1 GiB).
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
/// The same limit, for all of the host's page-locked memory.
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
/// Refuses memory that queued work touches.
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaHostRegister(void* memory, std::size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void* memory);
/// Host memory alone is looked at.
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                                cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);

namespace verigrad::emulation {
/// Does what a stream has queued: before a kernel on it, which runs at once. A handle must be a stream of the current
/// device.
cudaError_t catch_up(cudaStream_t stream);
}  // namespace verigrad::emulation

// Stands in for CUDA's header of this name when kernels are compiled for the host: the part of CUDA that ours use.
// Device memory is host memory, a stream does its work at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "block.h"

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
T atomicMin(T* address, T value) {
  return __atomic_change(address, [value](T old) { return std::min(old, value); });
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return __atomic_change(address, [=](T old) { return old == expected ? value : old; });
}

// The run-time library.

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };

inline const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaSuccess ? "no error" : "out of memory";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
template <class T>
cudaError_t cudaMalloc(T** memory, std::size_t bytes) {
  *memory = static_cast<T*>(std::malloc(bytes));
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
inline cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

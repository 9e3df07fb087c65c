// The run-time library of the emulation: two devices whose work is done when the call returns.
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>

#include "cuda_runtime.h"
#include "memory.h"

namespace verigrad::emulation {
struct Stream {};
struct Event {
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr int kDevices = 2;
thread_local int current_device = 0;

/// Live blocks and their bytes, of both devices.
struct Memory {
  std::mutex mutex;
  std::map<void*, std::pair<int, std::size_t>> blocks;
  std::size_t used[kDevices] = {};
  std::size_t limit() const {
    const char* text = std::getenv("VERIGRAD_EMULATED_MEMORY");
    return text ? std::strtoull(text, nullptr, 10) : std::size_t{1} << 30;
  }
};
Memory& memory() {
  static Memory* of_process = new Memory;  // outlives tensors that die at exit
  return *of_process;
}

}  // namespace
}  // namespace verigrad::emulation

using namespace verigrad::emulation;

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    default: return "unknown error";
  }
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kDevices) return cudaErrorInvalidDevice;
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= kDevices) return cudaErrorInvalidDevice;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "verigrad emulation");
  properties->multiProcessorCount = 1;
  properties->totalGlobalMem = memory().limit();
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (bytes > m.limit() - std::min(m.limit(), m.used[current_device])) return cudaErrorMemoryAllocation;
  *address = device_allocate(bytes);
  if (!*address) return cudaErrorMemoryAllocation;
  m.blocks[*address] = {current_device, bytes};
  m.used[current_device] += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  if (!address) return cudaSuccess;
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto at = m.blocks.find(address);
  if (at == m.blocks.end()) return cudaErrorInvalidValue;
  m.used[at->second.first] -= at->second.second;
  device_free(address, at->second.second);
  m.blocks.erase(at);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  *address = std::calloc(1, bytes);
  return *address ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* address) {
  std::free(address);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  *total = m.limit();
  *free = *total - std::min(*total, m.used[current_device]);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t) {
  const DeviceMemoryOpen open;
  std::memset(address, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  const DeviceMemoryOpen open;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes, cudaStream_t) {
  const DeviceMemoryOpen open;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new Stream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

// The run-time library of the emulation: errors, what the devices are, and memory. Its streams: stream.cpp.
#include <cstdio>
#include <map>
#include <mutex>
#include <utility>

#include "cuda_runtime.h"
#include "memory.h"
#include "stream.h"

namespace verigrad::emulation {
namespace {

/// Page-locked memory of the host.
struct Locked {
  std::size_t bytes;
  bool ours;  // not registered by a program
};

/// Live blocks and their bytes, of all devices, and page-locked memory of the host.
struct Memory {
  std::mutex mutex;
  std::map<void*, std::pair<int, std::size_t>> blocks;
  std::map<const char*, Locked> locked;
  std::map<int, std::size_t> used;
  std::size_t used_host = 0;
  std::size_t limit() const {
    const char* text = std::getenv("VERIGRAD_EMULATED_MEMORY");
    return text ? std::strtoull(text, nullptr, 10) : std::size_t{1} << 30;
  }
};
Memory& memory() {
  static Memory* of_process = new Memory;  // outlives tensors that die at exit
  return *of_process;
}

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

cudaError_t failed(cudaError_t status) { return last_error = status; }

std::size_t page_locked_bytes() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  return m.used_host;
}

bool page_locked(const void* host) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto* at = static_cast<const char*>(host);
  auto found = m.locked.upper_bound(at);
  return found != m.locked.begin() && at < (--found)->first + found->second.bytes;
}

}  // namespace verigrad::emulation

using namespace verigrad::emulation;

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    default: return "unknown error";
  }
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  int count = 0;
  cudaGetDeviceCount(&count);
  if (device < 0 || device >= count) return failed(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "verigrad emulation");
  properties->multiProcessorCount = 1;
  properties->totalGlobalMem = memory().limit();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const int device = current_device();
  if (bytes > m.limit() - std::min(m.limit(), m.used[device])) return failed(cudaErrorMemoryAllocation);
  *address = device_allocate(bytes);
  if (!*address) return failed(cudaErrorMemoryAllocation);
  m.blocks[*address] = {device, bytes};
  m.used[device] += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  if (!address) return cudaSuccess;
  Memory& m = memory();
  const std::unique_lock lock(m.mutex);
  const auto at = m.blocks.find(address);
  if (at == m.blocks.end()) return failed(cudaErrorInvalidValue);
  const auto [device, bytes] = at->second;
  m.blocks.erase(at);
  m.used[device] -= bytes;
  run_what_touches(address, bytes);  // as CUDA, which waits for the device
  device_free(address, bytes);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (bytes > m.limit() - std::min(m.limit(), m.used_host)) return failed(cudaErrorMemoryAllocation);
  constexpr std::size_t kPage = 4096;
  *address = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (!*address) return failed(cudaErrorMemoryAllocation);
  m.locked[static_cast<char*>(*address)] = {bytes, true};
  m.used_host += bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* address) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto at = m.locked.find(static_cast<char*>(address));
  if (at == m.locked.end() || !at->second.ours) return failed(cudaErrorInvalidValue);
  if (in_use(address, at->second.bytes)) return failed(cudaErrorNotReady);  // a mistake that a machine may not notice
  m.used_host -= at->second.bytes;
  m.locked.erase(at);
  std::free(address);
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* address, std::size_t bytes, unsigned) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  m.locked[static_cast<char*>(address)] = {bytes, false};
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* address) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  return m.locked.erase(static_cast<char*>(address)) == 1 ? cudaSuccess : failed(cudaErrorInvalidValue);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  attributes->type = page_locked(address) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  *total = m.limit();
  *free = *total - std::min(*total, m.used[current_device()]);
  return cudaSuccess;
}

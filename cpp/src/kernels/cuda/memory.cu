// The devices' caching allocator. A block belongs to the stream that it was first asked for on: freed, it is used again
// there alone, so that what the stream is still to do with it comes first. A driver's allocation waits for the device,
// which a training step would meet in each op.
#include "kernels/cuda/memory.cuh"

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "kernels/cuda/runtime.cuh"

namespace verigrad::kernels::cuda {
namespace {

/// The emulation wants to see the end of each block, unless a test is about the cache.
#if defined(__CUDACC__)
constexpr bool exact_blocks() { return false; }
#else
using emulation::exact_blocks;
#endif

struct Block {
  int device;
  cudaStream_t stream;
  std::int64_t bytes;
};

struct Allocator {
  std::mutex mutex;
  std::unordered_map<void*, Block> live;
  std::map<std::pair<cudaStream_t, std::int64_t>, std::vector<void*>> free[kMaxDevices];
  MemoryUse use[kMaxDevices];

  /// A block of the cache; null where there is none of the size.
  void* take(int device, cudaStream_t stream, std::int64_t bytes) {
    const auto at = free[device].find({stream, bytes});
    if (at == free[device].end() || at->second.empty()) return nullptr;
    void* data = at->second.back();
    at->second.pop_back();
    return data;
  }

  /// Gives back the cache of a device; its streams have been waited for.
  void empty(int device) {
    for (auto& [key, blocks] : free[device]) {
      for (void* block : blocks) {
        cudaFree(block);
        use[device].reserved -= key.second;
      }
    }
    free[device].clear();
  }
};

Allocator& allocator() {
  static Allocator* of_process = new Allocator;  // outlives tensors that die at exit
  return *of_process;
}

}  // namespace

void* allocate(int device, std::int64_t nbytes) {
  VG_CHECK(nbytes <= std::int64_t{1} << 60, OutOfMemoryError, current_op(), ": CUDA out of memory: tried to allocate ",
           nbytes, " bytes");
  const std::int64_t bytes = exact_blocks() ? std::max<std::int64_t>(nbytes, 1) : block_bytes(nbytes);
  Allocator& a = allocator();
  const std::lock_guard lock(a.mutex);
  const cudaStream_t stream = stream_of(device);
  MemoryUse& use = a.use[device];
  void* data = a.take(device, stream, bytes);
  const DeviceGuard guard(device);
  if (!data && !a.free[device].empty()) {
    // What a stream has left behind that nobody holds any more, and that has done its work.
    for (const cudaStream_t idle : idle_streams(device)) {
      if (cudaStreamQuery(idle) == cudaSuccess && (data = a.take(device, idle, bytes))) break;
    }
    cudaGetLastError();  // forgets those that were not ready
  }
  if (!data) {
    if (cudaMalloc(&data, static_cast<std::size_t>(bytes)) != cudaSuccess) {
      cudaGetLastError();  // forgets it
      check_wait(cudaDeviceSynchronize());
      a.empty(device);
      const cudaError_t status = cudaMalloc(&data, static_cast<std::size_t>(bytes));
      if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        std::size_t left = 0, total = 0;
        cudaMemGetInfo(&left, &total);
        VG_THROW(OutOfMemoryError, current_op(), ": CUDA out of memory: tried to allocate ", nbytes,
                 " bytes on cuda:", device, " of ", total, " bytes, of which ", left, " are free and tensors hold ",
                 use.allocated);
      }
      check(status);
    }
    use.reserved += bytes;
  }
  a.live.emplace(data, Block{device, stream, bytes});
  use.allocated += bytes;
  use.max_allocated = std::max(use.max_allocated, use.allocated);
  return data;
}

void release(int device, void* data) {
  Allocator& a = allocator();
  const std::lock_guard lock(a.mutex);
  const auto at = a.live.find(data);
  const Block block = at->second;
  a.live.erase(at);
  a.use[device].allocated -= block.bytes;
  if (exact_blocks()) {
    a.use[device].reserved -= block.bytes;
    cudaFree(data);
  } else {
    a.free[device][{block.stream, block.bytes}].push_back(data);
  }
}

MemoryUse memory_use(int device) {
  Allocator& a = allocator();
  const std::lock_guard lock(a.mutex);
  return a.use[device];
}

void reset_peak(int device) {
  Allocator& a = allocator();
  const std::lock_guard lock(a.mutex);
  a.use[device].max_allocated = a.use[device].allocated;
}

void empty_cache() {
  empty_host_cache();
  Allocator& a = allocator();
  const std::lock_guard lock(a.mutex);
  for (int device = 0; device < kMaxDevices; ++device) {
    if (a.free[device].empty()) continue;
    const DeviceGuard guard(device);
    check_wait(cudaDeviceSynchronize());
    a.empty(device);
  }
}

}  // namespace verigrad::kernels::cuda

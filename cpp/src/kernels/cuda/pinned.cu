// Page-locked memory of the host, which a device copies from and to while the program goes on. A driver's allocation is
// slow and waits for the devices, so blocks come from a cache. A block that was freed may still be read or written by
// copies that are queued: it is used again when the events behind them are done.
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda/memory.cuh"
#include "kernels/cuda/runtime.cuh"

namespace verigrad::kernels::cuda {
namespace {

/// The most that is taken from the driver for copies of memory that is not page-locked.
constexpr std::int64_t kMaxStaging = std::int64_t{64} << 20;

/// The last copy that a stream was given with a block.
struct Use {
  int device;
  cudaStream_t stream;
  cudaEvent_t event;
  bool pending;
};

struct Block {
  char* data;
  std::int64_t bytes;
  std::vector<Use> uses;

  bool done() {
    for (Use& use : uses) {
      if (!use.pending) continue;
      const cudaError_t status = cudaEventQuery(use.event);
      if (status == cudaErrorNotReady) {
        cudaGetLastError();  // forgets it
        return false;
      }
      check(status);
      use.pending = false;
    }
    return true;
  }
};

struct HostCache {
  std::mutex mutex;
  std::map<const char*, Block> live;  // by their addresses
  std::map<std::int64_t, std::vector<Block>> free;
  std::int64_t staging = 0;  // bytes

  /// A block whose copies are done, live again; null where there is none of the size.
  void* take(std::int64_t bytes) {
    std::vector<Block>& blocks = free[bytes];
    for (Block& block : blocks) {
      if (!block.done()) continue;
      std::swap(block, blocks.back());
      char* data = blocks.back().data;
      live.emplace(data, std::move(blocks.back()));
      blocks.pop_back();
      return data;
    }
    return nullptr;
  }
  Block* holding(const void* address) {
    const auto* at = static_cast<const char*>(address);
    auto found = live.upper_bound(at);
    if (found == live.begin()) return nullptr;
    Block& block = (--found)->second;
    return at < block.data + block.bytes ? &block : nullptr;
  }
};

HostCache& cache() {
  static HostCache* of_process = new HostCache;  // outlives tensors that die at exit
  return *of_process;
}

cudaError_t from_driver(int device, std::int64_t bytes, void** data) {
  const DeviceGuard guard(device);
  const cudaError_t status = cudaHostAlloc(data, static_cast<std::size_t>(bytes), cudaHostAllocDefault);
  if (status != cudaSuccess) {
    cudaGetLastError();
    return status;
  }
  HostCache& c = cache();
  const std::lock_guard lock(c.mutex);
  auto* begin = static_cast<char*>(*data);
  c.live.emplace(begin, Block{begin, bytes, {}});
  return status;
}

}  // namespace

void* allocate_host(int device, std::int64_t nbytes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 47;  // the address space of a process
  void* data = nullptr;
  cudaError_t status = cudaErrorMemoryAllocation;
  if (nbytes <= kMost) {
    const std::int64_t bytes = block_bytes(nbytes);
    {
      const std::lock_guard lock(cache().mutex);
      if ((data = cache().take(bytes))) return data;
    }
    status = from_driver(device, bytes, &data);
    if (status == cudaErrorMemoryAllocation) {
      empty_host_cache();
      status = from_driver(device, bytes, &data);
    }
  }
  VG_CHECK(status != cudaErrorMemoryAllocation, OutOfMemoryError, current_op(),
           ": the host is out of page-locked memory: tried to allocate ", nbytes, " bytes");
  check(status);
  return data;
}

void* allocate_staging(int device, std::int64_t nbytes) {
  const std::int64_t bytes = block_bytes(nbytes);
  HostCache& c = cache();
  {
    const std::lock_guard lock(c.mutex);
    if (void* data = c.take(bytes)) return data;
    if (c.staging + bytes > kMaxStaging) return nullptr;
    c.staging += bytes;
  }
  void* data = nullptr;
  if (from_driver(device, bytes, &data) == cudaSuccess) return data;
  const std::lock_guard lock(c.mutex);
  c.staging -= bytes;
  return nullptr;
}

void release_host(void* data) {
  HostCache& c = cache();
  const std::lock_guard lock(c.mutex);
  const auto at = c.live.find(static_cast<char*>(data));
  c.free[at->second.bytes].push_back(std::move(at->second));
  c.live.erase(at);
}

bool page_locked(const void* host) {
  {
    const std::lock_guard lock(cache().mutex);
    if (cache().holding(host)) return true;
  }
  cudaPointerAttributes found;
  if (cudaPointerGetAttributes(&found, host) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return found.type == cudaMemoryTypeHost;
}

void note_copy(const void* host, int device, cudaStream_t stream) {
  HostCache& c = cache();
  const std::lock_guard lock(c.mutex);
  Block* block = c.holding(host);
  if (!block) return;  // another library's, which its owner keeps
  Use* use = nullptr;
  for (Use& known : block->uses) {
    if (known.device == device && known.stream == stream) use = &known;
  }
  cudaError_t status = cudaSuccess;
  if (!use) {
    cudaEvent_t event;
    status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (status == cudaSuccess) use = &block->uses.emplace_back(Use{device, stream, event, false});
  }
  if (use) status = cudaEventRecord(use->event, stream);
  if (status == cudaSuccess) {
    use->pending = true;
  } else {
    cudaStreamSynchronize(stream);  // nothing is queued when the caller hears of it
    check(status);
  }
}

void empty_host_cache() {
  std::map<std::int64_t, std::vector<Block>> unused;
  {
    const std::lock_guard lock(cache().mutex);
    unused.swap(cache().free);
    cache().staging = 0;
  }
  for (auto& entry : unused) {
    for (Block& block : entry.second) {
      for (const Use& use : block.uses) {
        if (use.pending) cudaEventSynchronize(use.event);
        cudaEventDestroy(use.event);
      }
      check(cudaFreeHost(block.data));
    }
  }
}

}  // namespace verigrad::kernels::cuda

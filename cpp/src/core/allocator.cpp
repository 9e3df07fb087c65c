#include "core/allocator.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <vector>

#include "verigrad/error.h"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

// Under a sanitizer every block goes straight to the system, so that a use after free is seen.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VG_CACHE_BLOCKS 0
#else
#define VG_CACHE_BLOCKS 1
#endif

namespace verigrad {
namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::int64_t kMaxCachedBytes = std::int64_t{512} << 20;  // per thread
constexpr int kClasses = 4 * 48;
constexpr std::int64_t kMaxBlockBytes = std::int64_t{1} << 47;  // the address space of a process

std::atomic<std::int64_t> allocated_bytes{0};

struct SizeClass {
  int index;
  std::int64_t bytes;
};

/// Four classes per power of two, so that at most a fifth of a block is lost to rounding.
SizeClass size_class(std::int64_t nbytes) {
  const std::uint64_t units = static_cast<std::uint64_t>((nbytes + kAlignment - 1) / kAlignment);
  if (units <= 4) {
    const int u = units == 0 ? 1 : static_cast<int>(units);
    return {u - 1, u * kAlignment};
  }
  const int log2 = static_cast<int>(std::bit_width(units - 1)) - 1;  // units in (2^log2, 2^(log2+1)]
  const std::uint64_t step = std::uint64_t{1} << (log2 - 2);
  const std::uint64_t quarter = (units - 1 - (std::uint64_t{1} << log2)) / step + 1;
  return {4 * (log2 - 1) + static_cast<int>(quarter) - 1,
          static_cast<std::int64_t>((std::uint64_t{1} << log2) + quarter * step) * kAlignment};
}

void* system_allocate(std::int64_t nbytes) {
  void* data = std::aligned_alloc(kAlignment, static_cast<std::size_t>(nbytes));
  VG_CHECK(data != nullptr, RuntimeError, "allocator: not enough memory: you tried to allocate ", nbytes, " bytes");
  return data;
}

#if VG_CACHE_BLOCKS
/// Unused blocks of a size class. The last one freed is the next one used, so that the first `idle` ones, the fewest
/// that there were since the last sweep, have not been used since.
struct Shelf {
  std::vector<void*> blocks;
  std::size_t idle = 0;
  std::int64_t block_bytes = 0;
};

struct Cache {
  Shelf shelves[kClasses];
  std::int64_t bytes = 0;
  std::int64_t refused = 0;  // since the last sweep

  ~Cache();

  void* take(SizeClass c) {
    Shelf& shelf = shelves[c.index];
    if (shelf.blocks.empty()) return nullptr;
    void* data = shelf.blocks.back();
    shelf.blocks.pop_back();
    shelf.idle = std::min(shelf.idle, shelf.blocks.size());
    bytes -= c.bytes;
    return data;
  }

  /// Whether there is room. A cache that is full of sizes that the program needs no more is swept: as soon as it has
  /// refused as much as it holds, it gives back what was not used in that time.
  bool keep(void* data, SizeClass c) {
    if (bytes + c.bytes > kMaxCachedBytes) {
      if (c.bytes > kMaxCachedBytes || (refused += c.bytes) < kMaxCachedBytes) return false;
      sweep();
      if (bytes + c.bytes > kMaxCachedBytes) return false;
    }
    Shelf& shelf = shelves[c.index];
    shelf.blocks.push_back(data);
    shelf.block_bytes = c.bytes;
    bytes += c.bytes;
    return true;
  }

  void sweep() {
    for (Shelf& shelf : shelves) {
      const auto end = shelf.blocks.begin() + static_cast<std::ptrdiff_t>(shelf.idle);
      std::for_each(shelf.blocks.begin(), end, std::free);
      bytes -= static_cast<std::int64_t>(shelf.idle) * shelf.block_bytes;
      shelf.blocks.erase(shelf.blocks.begin(), end);
      shelf.idle = shelf.blocks.size();
    }
    refused = 0;
  }

  void clear() {
    for (Shelf& shelf : shelves) {
      std::for_each(shelf.blocks.begin(), shelf.blocks.end(), std::free);
      shelf = {};
    }
    bytes = refused = 0;
  }
};

// Outlives the cache: storages that die after it, at the end of the thread, go straight to the system.
thread_local bool cache_closed = false;
thread_local Cache cache;

Cache::~Cache() {
  cache_closed = true;
  clear();
}
#endif

}  // namespace

void* cpu_allocate(std::int64_t nbytes) {
  VG_CHECK(nbytes <= kMaxBlockBytes, RuntimeError, "allocator: not enough memory: you tried to allocate ", nbytes,
           " bytes");
  const SizeClass c = size_class(nbytes);
  void* data = nullptr;
#if VG_CACHE_BLOCKS
  if (!cache_closed) data = cache.take(c);
#endif
  if (!data) data = system_allocate(c.bytes);
  allocated_bytes.fetch_add(nbytes, std::memory_order_relaxed);
  return data;
}

void cpu_free(void* data, std::int64_t nbytes) {
  allocated_bytes.fetch_sub(nbytes, std::memory_order_relaxed);
#if VG_CACHE_BLOCKS
  if (!cache_closed && cache.keep(data, size_class(nbytes))) return;
#endif
  std::free(data);
}

std::int64_t physical_memory() {
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
  static const std::int64_t bytes = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  if (bytes > 0) return bytes;
#endif
  return kMaxBlockBytes;
}

std::int64_t cpu_cached_bytes() {
#if VG_CACHE_BLOCKS
  if (!cache_closed) return cache.bytes;
#endif
  return 0;
}

std::int64_t cpu_allocated_bytes() { return allocated_bytes.load(std::memory_order_relaxed); }

void cpu_empty_cache() {
#if VG_CACHE_BLOCKS
  if (!cache_closed) cache.clear();
#endif
}

}  // namespace verigrad

#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace verigrad::emulation {
namespace {

std::atomic<bool> exact{true};

constexpr std::size_t kAlignment = 256;
}  // namespace

bool exact_blocks() { return exact; }
void set_exact_blocks(bool on) { exact = on; }

#if defined(__SANITIZE_ADDRESS__)

/// Aligned as CUDA's allocations are.
void* device_allocate(std::size_t bytes) {
  void* data = nullptr;
  return posix_memalign(&data, kAlignment, bytes) == 0 ? data : nullptr;
}
void device_free(void* data, std::size_t) { std::free(data); }
DeviceMemoryOpen::DeviceMemoryOpen() = default;
DeviceMemoryOpen::~DeviceMemoryOpen() = default;

#else

namespace {

bool host_refused() {
  static const bool refused = [] {
    const char* text = std::getenv("VERIGRAD_EMULATED_HOST");
    return text && std::strcmp(text, "refused") == 0;
  }();
  return refused;
}

std::size_t pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

/// One range of addresses that is opened and closed as a whole.
struct Arena {
  static constexpr std::size_t kBytes = std::size_t{1} << 36;
  std::mutex mutex;
  char* base = nullptr;
  std::size_t used = 0;  // addresses given out so far
  std::multimap<std::size_t, void*> free;
  int open = 0;

  Arena() {
    void* range = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base = range == MAP_FAILED ? nullptr : static_cast<char*>(range);
  }
  void protect() {
    if (used > 0) mprotect(base, pages(used), open > 0 ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
};
Arena& arena() {
  static Arena* of_process = new Arena;
  return *of_process;
}

/// Of large blocks, such as the workspace of a product, the bytes at the beginning that are no numbers.
constexpr std::size_t kPoisoned = std::size_t{1} << 20;

std::size_t aligned(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

void* device_allocate(std::size_t bytes) {
  if (host_refused()) {
    Arena& a = arena();
    const std::lock_guard lock(a.mutex);
    const std::size_t size = aligned(bytes, kAlignment);
    if (const auto at = a.free.lower_bound(size); at != a.free.end() && at->first == size) {
      void* data = at->second;
      a.free.erase(at);
      return data;
    }
    if (!a.base || size > Arena::kBytes - a.used) return nullptr;
    void* data = a.base + a.used;
    a.used += size;
    a.protect();
    return data;
  }
  // 16-byte accesses stay aligned; what lies behind the last element begins with a page of no rights.
  const std::size_t room = pages(bytes), page = pages(1), size = aligned(bytes, 16);
  void* range = mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (range == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(range);
  mprotect(start + room, page, PROT_NONE);
  char* data = start + room - std::min(room, size);
  std::memset(data, 0xFF, std::min(size, kPoisoned));  // as floats not a number
  return data;
}

void device_free(void* data, std::size_t bytes) {
  if (host_refused()) {
    Arena& a = arena();
    const std::lock_guard lock(a.mutex);
    a.free.emplace(aligned(bytes, kAlignment), data);
    return;
  }
  const std::size_t room = pages(bytes), page = pages(1), size = aligned(bytes, 16);
  munmap(static_cast<char*>(data) + size - room, room + page);
}

DeviceMemoryOpen::DeviceMemoryOpen() {
  if (!host_refused()) return;
  Arena& a = arena();
  const std::lock_guard lock(a.mutex);
  if (a.open++ == 0) a.protect();
}
DeviceMemoryOpen::~DeviceMemoryOpen() {
  if (!host_refused()) return;
  Arena& a = arena();
  const std::lock_guard lock(a.mutex);
  if (--a.open == 0) a.protect();
}

#endif

}  // namespace verigrad::emulation

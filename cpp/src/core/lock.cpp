#include "verigrad/lock.h"

#include <chrono>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace verigrad {

std::atomic<std::uint32_t> Lock::process{1};

#if defined(__unix__) || defined(__APPLE__)
struct ForkedLocks {
  ForkedLocks() {
    pthread_atfork(nullptr, nullptr, [] {
      if (Lock::process.fetch_add(1, std::memory_order_relaxed) == UINT32_MAX) Lock::process.store(1);
    });
  }
};
namespace {
const ForkedLocks forked_locks;
}
#endif

void Lock::wait(std::uint32_t mine) {
  for (int tries = 0;; ++tries) {
    std::uint32_t seen = holder_.load(std::memory_order_relaxed);
    // Another process's number: its holder does not exist here.
    if (seen != mine && holder_.compare_exchange_strong(seen, mine, std::memory_order_acquire)) return;
    if (tries < 100) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

}  // namespace verigrad

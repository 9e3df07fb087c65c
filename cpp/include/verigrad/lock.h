// A lock of four bytes that a fork cannot leave locked.
#pragma once

#include <atomic>
#include <cstdint>

namespace verigrad {

/// Protects the fields of one object (BasicLockable). What another thread holds while the process forks is free in the
/// child, where that thread does not exist. What it guards must therefore make sense at every step: exchange a pointer,
/// do not rebuild a structure. Not recursive; no Python code may run under it.
class Lock {
 public:
  Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() {
    const std::uint32_t mine = process.load(std::memory_order_relaxed);
    std::uint32_t seen = 0;
    if (!holder_.compare_exchange_strong(seen, mine, std::memory_order_acquire, std::memory_order_relaxed)) wait(mine);
  }
  void unlock() { holder_.store(0, std::memory_order_release); }

 private:
  friend struct ForkedLocks;
  void wait(std::uint32_t mine);

  static std::atomic<std::uint32_t> process;  // another number in each forked child, never 0
  std::atomic<std::uint32_t> holder_{0};      // the process whose thread has the lock; 0: nobody
};

}  // namespace verigrad

// Operands with a page next to them that must not be touched: a kernel that reads or writes past its array ends the
// program, also where what it reads is not used.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <vector>

namespace cuda_test {

enum class Guard { before, after };

template <class T>
class Guarded {
 public:
  Guarded(const std::vector<T>& values, Guard side) : count_(values.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = count_ * sizeof(T), room = (bytes + page - 1) / page * page;
    size_ = room + 2 * page;
    memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    char* inner = static_cast<char*>(memory_) + page;
    mprotect(memory_, page, PROT_NONE);
    mprotect(inner + room, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(side == Guard::before ? inner : inner + room - bytes);
    std::copy(values.begin(), values.end(), data_);
  }
  ~Guarded() { munmap(memory_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() const { return data_; }
  std::vector<T> values() const { return std::vector<T>(data_, data_ + count_); }

 private:
  std::size_t count_, size_;
  void* memory_;
  T* data_;
};

}  // namespace cuda_test

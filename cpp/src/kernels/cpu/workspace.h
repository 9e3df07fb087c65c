// Memory of kernels.
#pragma once

#include <cstdint>

#include "core/allocator.h"

namespace verigrad::kernels::cpu {

/// Memory of the caching allocator for one task.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::int64_t count)
      : bytes_(count * static_cast<std::int64_t>(sizeof(T))), data_(static_cast<T*>(cpu_allocate(bytes_))) {}
  ~Workspace() { cpu_free(data_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  T* get() const { return data_; }

 private:
  std::int64_t bytes_;
  T* data_;
};

}  // namespace verigrad::kernels::cpu

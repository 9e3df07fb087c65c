// Shared memory of a block: VG_SHARED(type, name, count) declares an array of a constant size in a kernel. The
// emulation checks its indices and gives each block one that is not a number.
#pragma once

#include <cuda_runtime.h>

#if defined(__CUDACC__)

#define VG_SHARED(T, NAME, COUNT) __shared__ T NAME[COUNT]

#else

#include <array>
#include <cstddef>
#include <cstring>

namespace verigrad::emulation {

template <class T, std::size_t kCount>
class Shared {
 public:
  Shared& of_this_block() {
    if (block_ != block_number()) {
      block_ = block_number();
      std::memset(static_cast<void*>(values_.data()), 0xFF, sizeof values_);
    }
    return *this;
  }
  template <class I>
  T& operator[](I index) {
    const auto i = static_cast<std::size_t>(index);
    if (i >= kCount) out_of_shared(i, kCount);
    return values_[i];
  }

 private:
  std::array<T, kCount> values_;
  std::uint64_t block_ = 0;
};

}  // namespace verigrad::emulation

#define VG_SHARED(T, NAME, COUNT)                                                    \
  static thread_local ::verigrad::emulation::Shared<T, (COUNT)> NAME##_of_any_block; \
  auto& NAME = NAME##_of_any_block.of_this_block()

#endif

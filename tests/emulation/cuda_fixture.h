// What the tests of CUDA slots share: the table, data, and the comparison with the CPU's slots.
#pragma once

#include <limits>

#include "kernel_fixture.h"
#include "kernels/cuda/runtime.cuh"

namespace verigrad::kernels {
void register_cuda_kernels(KernelTable& table);
}

namespace cuda_test {

using namespace kernel_test;
namespace cuda = verigrad::kernels::cuda;

inline const KernelTable& cuda_table() {
  static const KernelTable filled = [] {
    KernelTable t;
    register_cuda_kernels(t);
    return t;
  }();
  return filled;
}

/// Around the sizes of a block and of a grid that strides.
inline const std::vector<std::int64_t> kSizes = {1, 2, 255, 256, 257, 1000, 65537};

/// A bool in memory is a byte.
template <class T>
using Cell = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;

template <class T>
std::vector<Cell<T>> values(std::int64_t n) {
  if constexpr (std::is_same_v<T, bool>) return random_values<std::uint8_t>(n, 0, 4);  // true is any but 0
  std::vector<Cell<T>> x = random_values<Cell<T>>(n, std::is_floating_point_v<T> ? -4 : 0, 9);
  if constexpr (std::is_floating_point_v<T>) {
    const T special[] = {T(0),
                         -T(0),
                         std::numeric_limits<T>::infinity(),
                         -std::numeric_limits<T>::infinity(),
                         std::numeric_limits<T>::quiet_NaN(),
                         T(1e30),
                         T(-1e5),
                         T(1e-40)};
    for (std::size_t i = 0; i < x.size(); i += 7) x[i] = special[i / 7 % 8];
  }
  return x;
}

/// What `call` writes through the table of either device.
template <class Out, class Call>
bool agree(std::int64_t n, const Call& call) {
  std::vector<Cell<Out>> ours(static_cast<std::size_t>(n), Cell<Out>(3)), theirs = ours;
  call(cuda_table(), ours.data());
  call(cpu_table(), theirs.data());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const Cell<Out> a = ours[i], b = theirs[i];
    if (a != a && b != b) continue;  // which NaN it is depends on the order of operands that a compiler chose
    if (std::memcmp(&a, &b, sizeof a) != 0) return false;
  }
  return true;
}

}  // namespace cuda_test

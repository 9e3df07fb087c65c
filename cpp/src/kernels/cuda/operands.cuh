// Operands of kernels: numbers in place of memory, the order in which a loop visits memory, the width of accesses.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/casts.h"
#include "kernels/cuda/boundaries.h"
#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// An operand: elements in memory, or the loop's number.
template <class T>
struct Input {
  const Stored<T>* data;
  T number;

  Input(const Loop& loop, int operand) : data(static_cast<const Stored<T>*>(loop.data[operand])), number() {
    if (loop.is_number(operand)) number = loop.number_as<T>(operand);
  }
  __device__ T operator[](std::int64_t offset) const { return data ? static_cast<T>(data[offset]) : number; }
};

/// Sixteen bytes, which a thread reads or writes at once.
struct alignas(16) Wide {
  std::uint64_t low, high;
};
static_assert(sizeof(Wide) == boundary::cuda_unit_bytes);

/// dispatch_width for units, which may be wider than an element.
template <class F>
void dispatch_unit(std::int64_t bytes, F&& f) {
  if (bytes == sizeof(Wide)) return f(TypeTag<Wide>{});
  dispatch_width(bytes, f);
}

inline std::int64_t address(const void* data) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(data));
}

/// The width of the largest unit of which all of the addresses and sizes in bytes are multiples: 1, 4, 8 or 16.
inline std::int64_t widest_unit(std::initializer_list<std::int64_t> what) {
  std::int64_t all = sizeof(Wide);
  for (const std::int64_t w : what) all |= w;
  const std::int64_t unit = all & -all;
  return unit == 2 ? 1 : unit;
}

/// The loop in the order in which the output lies in memory, its dimensions merged where all operands allow it. For
/// loops whose elements do not depend on each other.
inline Loop in_memory_order(const Loop& loop) {
  Loop result = loop;
  const int rank = loop.shape.size();
  int order[kMaxDims];
  for (int d = 0; d < rank; ++d) {
    int at = d;
    for (; at > 0 && loop.strides[0][order[at - 1]] < loop.strides[0][d]; --at) order[at] = order[at - 1];
    order[at] = d;
  }
  result.shape = {};
  for (int o = 0; o < loop.operands; ++o) result.strides[o] = {};
  for (int k = 0; k < rank; ++k) {
    const int d = order[k];
    const std::int64_t size = loop.shape[d];
    if (size == 1) continue;
    bool merge = !result.shape.empty();
    for (int o = 0; o < loop.operands; ++o) merge = merge && result.strides[o].back() == size * loop.strides[o][d];
    if (merge) {
      result.shape.back() *= size;
      for (int o = 0; o < loop.operands; ++o) result.strides[o].back() = loop.strides[o][d];
    } else {
      result.shape.push_back(size);
      for (int o = 0; o < loop.operands; ++o) result.strides[o].push_back(loop.strides[o][d]);
    }
  }
  return result;
}

}  // namespace verigrad::kernels::cuda

// What the kernel tests share: the CPU's table, random data, strided operands, and runs at every level and thread
// count.
#pragma once

#include <cstring>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "harness.h"
#include "kernels/cpu/simd.h"
#include "kernels/table.h"
#include "verigrad/parallel.h"

namespace kernel_test {

using namespace verigrad;
using namespace verigrad::kernels;
using cpu::SimdLevel;

inline const KernelTable& cpu_table() {
  static const KernelTable filled = [] {
    KernelTable t;
    register_cpu_kernels(t);
    return t;
  }();
  return filled;
}

/// Restores the level and the number of threads.
struct Settings {
  SimdLevel level = cpu::simd_level();
  int threads = get_num_threads();
  ~Settings() {
    cpu::set_simd_level(level);
    set_num_threads(threads);
  }
};

/// Calls f at every level of this processor with 1, 2 and 3 threads.
template <class F>
void for_all_settings(const F& f) {
  const Settings restore;
  for (int level = 0; level <= static_cast<int>(cpu::max_simd_level()); ++level) {
    cpu::set_simd_level(static_cast<SimdLevel>(level));
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      f();
    }
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// True when `f`, which returns a vector, has the same bits at every level and thread count. The first run is `result`.
template <class T, class F>
bool settings_agree(std::vector<T>& result, const F& f) {
  bool first = true, same = true;
  for_all_settings([&] {
    const std::vector<T> now = f();
    if (first) {
      result = now;
    } else {
      same = same && same_bits(result, now);
    }
    first = false;
  });
  return same;
}

inline std::mt19937_64& engine() {
  static std::mt19937_64 generator(20240229);
  return generator;
}

inline std::int64_t random_int(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(engine());
}

template <class T>
std::vector<T> random_values(std::int64_t n, double low = -4, double high = 4) {
  std::uniform_real_distribution<double> draw(low, high);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (auto& v : values) v = static_cast<T>(draw(engine()));
  return values;
}

inline std::int64_t product(const Dims& shape) {
  std::int64_t n = 1;
  for (const std::int64_t s : shape) n *= s;
  return n;
}

/// Row-major strides for `shape` laid out in the order `order` (outermost first), each dimension with `gap` times the
/// room that it needs.
inline Dims layout(const Dims& shape, const std::vector<int>& order, std::int64_t gap = 1) {
  Dims strides(shape.size(), 0);
  std::int64_t step = gap;
  for (auto d = order.rbegin(); d != order.rend(); ++d) {
    strides[*d] = step;
    step *= shape[*d] * gap;
  }
  return strides;
}

inline Dims row_major(const Dims& shape) {
  std::vector<int> order;
  for (int d = 0; d < shape.size(); ++d) order.push_back(d);
  return layout(shape, order);
}

inline std::int64_t extent(const Dims& shape, const Dims& strides) {
  std::int64_t n = 1;
  for (int d = 0; d < shape.size(); ++d) n += (shape[d] - 1) * strides[d];
  return n;
}

inline std::int64_t offset_at(const Dims& shape, const Dims& strides, std::int64_t position) {
  std::int64_t total = 0;
  for (int d = shape.size() - 1; d >= 0; --d) {
    total += position % shape[d] * strides[d];
    position /= shape[d];
  }
  return total;
}

struct Operand {
  const void* data;
  Dims strides;
};

inline Loop make_loop(const Dims& shape, std::initializer_list<Operand> operands) {
  Loop loop;
  loop.shape = shape;
  loop.numel = product(shape);
  for (const Operand& o : operands) {
    loop.data[loop.operands] = const_cast<void*>(o.data);
    loop.strides[loop.operands++] = o.strides;
  }
  return loop;
}

/// A loop over contiguous operands.
inline Loop flat_loop(std::int64_t n, std::initializer_list<const void*> operands) {
  Loop loop;
  loop.shape = {n};
  loop.numel = n;
  for (const void* data : operands) {
    loop.data[loop.operands] = const_cast<void*>(data);
    loop.strides[loop.operands++] = {1};
  }
  return loop;
}

/// The loop with a number in place of an operand, or as one more.
inline Loop with_number(Loop loop, int operand, DType dtype, Scalar value) {
  loop.operands = std::max(loop.operands, operand + 1);
  loop.data[operand] = nullptr;
  loop.strides[operand] = Dims(loop.shape.size(), 0);
  loop.set_number(operand, dtype, value);
  return loop;
}

}  // namespace kernel_test

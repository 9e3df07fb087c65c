// The order of the steps of a recurrent layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace verigrad::kernels::recurrent {

/// One step: how many sequences it has, and its first row. The first `carried` of them had a step before, in rows from
/// `before` on; the others begin here.
struct Step {
  std::int64_t size = 0, row = 0, carried = 0, before = 0;
};

/// The steps in the order in which they are computed; sizes[t] sequences have step t, `rows` is their sum.
inline std::vector<Step> steps_of(const std::int64_t* sizes, std::int64_t count, std::int64_t rows, bool reverse) {
  std::vector<Step> steps;
  steps.reserve(static_cast<std::size_t>(count));
  std::int64_t row = reverse ? rows : 0;
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t size = sizes[reverse ? count - 1 - k : k];
    if (reverse) row -= size;
    const Step last = k == 0 ? Step{} : steps.back();
    steps.push_back({size, row, std::min(size, last.size), last.row});
    if (!reverse) row += size;
  }
  return steps;
}

}  // namespace verigrad::kernels::recurrent

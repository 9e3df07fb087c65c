// A reduction brought into the form that the loops want: dimensions ordered by stride and merged.
#pragma once

#include <cstdint>

#include "kernels/table.h"

namespace verigrad::kernels {

/// Walks a list of dimensions; the offset of a row-major position.
struct Axes {
  Dims sizes;
  Dims in;
  Dims out;

  std::int64_t numel() const {
    std::int64_t n = 1;
    for (const std::int64_t s : sizes) n *= s;
    return n;
  }
  std::int64_t offset(const Dims& strides, std::int64_t position) const {
    std::int64_t total = 0;
    for (int d = sizes.size() - 1; d >= 0; --d) {
      total += position % sizes[d] * strides[d];
      position /= sizes[d];
    }
    return total;
  }
};

struct ReducePlan {
  Axes kept;     // outermost first
  Axes reduced;  // `out` unused
  std::int64_t kept_numel = 1;
  std::int64_t reduced_numel = 1;
  /// The innermost sizes and input strides; 1 where a list is empty.
  std::int64_t kept_inner = 1, kept_stride = 1;
  std::int64_t reduced_inner = 1, reduced_stride = 1;
};

/// With `ordered`, the reduced dimensions keep their order (for positions); otherwise the one with the smallest stride
/// becomes the innermost.
ReducePlan make_plan(const Reduction& reduction, bool ordered);

}  // namespace verigrad::kernels

// How an index is read, on every device.
#pragma once

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels {

/// The place that an index stands for; -1 if it is out of range.
VG_HD inline std::int64_t place(const IndexRange& range, std::int64_t index) {
  if (range.ignores && index == range.ignored) return 0;
  if (range.from_end && index < 0) index += range.size;
  return index >= 0 && index < range.size ? index : -1;
}

}  // namespace verigrad::kernels

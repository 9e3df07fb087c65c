// Where the windows of pooling lie along one axis.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace verigrad::kernels {

/// `out` windows over `in` elements. Window i has `kernel` elements, `dilation` apart, from i * stride - pad on, of
/// which those inside of the input count; or, adaptive, it goes from floor(i in / out) up to ceil((i + 1) in / out).
struct PoolAxis {
  std::int64_t in = 1, out = 1;
  std::int64_t kernel = 1, stride = 1, pad = 0, dilation = 1;
  bool adaptive = false;

  /// The first element of window i.
  VG_HD std::int64_t start(std::int64_t i) const {
    // i / out and i % out apart, so that no product exceeds int64.
    if (adaptive) return in / out * i + in % out * i / out;
    const std::int64_t first = i * stride - pad;
    return first < 0 ? first + (-first + dilation - 1) / dilation * dilation : first;
  }
  /// One past its last element.
  VG_HD std::int64_t stop(std::int64_t i) const {
    if (adaptive) return in / out * (i + 1) + (in % out * (i + 1) + out - 1) / out;
    const std::int64_t end = i * stride - pad + (kernel - 1) * dilation + 1;
    return end < in ? end : in;
  }
  /// Its elements with, where wanted, those of the padding. Of a window with dilation 1.
  VG_HD std::int64_t count(std::int64_t i, bool include_pad) const {
    if (adaptive || !include_pad) return stop(i) - start(i);
    const std::int64_t room = in + pad - (i * stride - pad);
    return kernel < room ? kernel : room;
  }
};

}  // namespace verigrad::kernels

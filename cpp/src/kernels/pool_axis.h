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

  // The windows of an element `at` of the input: those of [first_window, end_window) for which `contains` is true.

  VG_HD std::int64_t first_window(std::int64_t at) const {
    if (!adaptive) {
      const std::int64_t least = at + pad - (kernel - 1) * dilation;  // where the window may begin, from -pad on
      return least > 0 ? (least + stride - 1) / stride : 0;
    }
    // From near by: no product exceeds int64.
    std::int64_t i = near_window(at);
    while (i > 0 && stop(i - 1) > at) --i;
    while (stop(i) <= at) ++i;
    return i;
  }
  VG_HD std::int64_t end_window(std::int64_t at) const {
    if (!adaptive) {
      const std::int64_t most = at + pad;
      return most < 0 ? 0 : (most / stride < out ? most / stride + 1 : out);
    }
    std::int64_t i = near_window(at + 1);
    while (i < out && start(i) <= at) ++i;
    while (i > 0 && start(i - 1) > at) --i;
    return i;
  }
  /// Whether a window of that range has the element, or a gap there.
  VG_HD bool contains(std::int64_t i, std::int64_t at) const {
    return adaptive || dilation == 1 || (at + pad - i * stride) % dilation == 0;
  }

 private:
  /// floor(at out / in), or a neighbour of it where the product exceeds a double's digits.
  VG_HD std::int64_t near_window(std::int64_t at) const {
    return static_cast<std::int64_t>(static_cast<double>(at) * static_cast<double>(out) / static_cast<double>(in));
  }
};

}  // namespace verigrad::kernels

// The arithmetic of windows that move over an image, along one axis: see Window in table.h.
#pragma once

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels {

/// I: the type to count in.
template <class I>
struct WindowAxis {
  I in, out, kernel, stride, pad, dilation;

  /// The element that `tap` of window i reads; it may be outside of the image.
  VG_HD I element(I i, I tap) const { return i * stride - pad + tap * dilation; }
  VG_HD bool inside(I element) const { return element >= 0 && element < in; }
  /// The window that reads an element with `tap`; negative where there is none.
  VG_HD I window(I element, I tap) const {
    const I distance = element + pad - tap * dilation;
    const I i = stride == 1 ? distance : distance / stride;
    return i * stride == distance && i < out ? i : -1;
  }
  /// What elements, windows and their distances are at most: what I must hold.
  VG_HD I span() const {
    const I side = pad < 0 ? -pad : pad;
    return in + side + out * stride + kernel * dilation;
  }
};

template <class I = std::int64_t>
VG_HD inline WindowAxis<I> rows_of(const Window& w) {
  return {static_cast<I>(w.in_h),     static_cast<I>(w.out_h), static_cast<I>(w.kernel_h),
          static_cast<I>(w.stride_h), static_cast<I>(w.pad_h), static_cast<I>(w.dilation_h)};
}
template <class I = std::int64_t>
VG_HD inline WindowAxis<I> columns_of(const Window& w) {
  return {static_cast<I>(w.in_w),     static_cast<I>(w.out_w), static_cast<I>(w.kernel_w),
          static_cast<I>(w.stride_w), static_cast<I>(w.pad_w), static_cast<I>(w.dilation_w)};
}

}  // namespace verigrad::kernels

// Columns of a part of a convolution: some images, and some of their windows.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// Columns [image][channel, tap][window] for contiguous images [images, channels, in_h, in_w], for the windows `first`
/// to `first + count - 1` in row-major order. Images lie `image` elements apart, rows of columns `row`.
struct ColumnsPart {
  Window window;
  std::int64_t images = 0, channels = 0;
  std::int64_t first = 0, count = 0;
  std::int64_t image = 0, row = 0;
};

template <class T>
void unfold_part(const ColumnsPart& part, const T* images, T* columns);

/// Elements are sums in the order of taps. They begin with `bias`, one for each channel, or with 0 where it is null;
/// or, with `add`, with what is there, and elements that no window of the part can reach are left alone.
template <class T>
void fold_part(const ColumnsPart& part, const T* columns, T* images, const T* bias, bool add);

}  // namespace verigrad::kernels::cuda

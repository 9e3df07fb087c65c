// unfold and fold on a CUDA device, whole and in parts. fold gathers: each element of the image looks for the windows
// that read it, so that no two threads write to one place and sums have one order.
#include "kernels/cuda/columns.cuh"

#include <algorithm>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/window.h"

namespace verigrad::kernels::cuda {
namespace {

/// A ColumnsPart in the type that kernels count in: 32 bits where all positions fit, since divisions of 64 bits cost a
/// multiple.
template <class I>
struct Part {
  WindowAxis<I> h, w;
  I channels, first, count;
  std::int64_t image, row;

  explicit Part(const ColumnsPart& p)
      : h(rows_of<I>(p.window)),
        w(columns_of<I>(p.window)),
        channels(static_cast<I>(p.channels)),
        first(static_cast<I>(p.first)),
        count(static_cast<I>(p.count)),
        image(p.image),
        row(p.row) {}

  /// Where row (plane, tap 0) of the columns begins.
  __device__ std::int64_t row_of_plane(I plane) const {
    return plane / channels * image + static_cast<std::int64_t>(plane % channels) * (h.kernel * w.kernel) * row;
  }
};

/// f(Part) in the narrowest type that holds positions up to `elements`.
template <class F>
void with_part(const ColumnsPart& p, std::int64_t elements, const F& f) {
  const std::int64_t windows = p.window.out_h * p.window.out_w, image = p.window.in_h * p.window.in_w;
  const std::int64_t most = std::max({elements, windows, image, p.window.kernel_h * p.window.kernel_w,
                                      rows_of(p.window).span(), columns_of(p.window).span()});
  if (most <= boundary::cuda_signed_positions) {
    f(Part<std::int32_t>(p));
  } else {
    f(Part<std::int64_t>(p));
  }
}

/// A thread has a window of a plane, and copies all that it reads: neighbours write to neighbours for each tap.
template <class T, class I>
__global__ void unfold_kernel(Part<I> p, std::int64_t numel, const T* images, T* columns) {
  for_each_element(numel, [&](std::int64_t e) {
    const I at = static_cast<I>(e), plane = at / p.count, l = at % p.count;
    const I window = p.first + l, i = window / p.w.out, j = window % p.w.out;
    const T* from = images + static_cast<std::int64_t>(plane) * (p.h.in * p.w.in);
    T* to = columns + p.row_of_plane(plane) + l;
    for (I r = 0; r < p.h.kernel; ++r) {
      const I row = p.h.element(i, r);
      const bool inside = p.h.inside(row);
      for (I s = 0; s < p.w.kernel; ++s) {
        const I column = p.w.element(j, s);
        *to = inside && p.w.inside(column) ? from[row * p.w.in + column] : T(0);
        to += p.row;
      }
    }
  });
}

/// Some rows and columns of all planes.
template <class I>
struct Region {
  I first_row, rows, first_column, columns;
};

template <class T, class I>
__global__ void fold_kernel(Part<I> p, Region<I> region, std::int64_t numel, const T* columns, T* images, const T* bias,
                            bool add) {
  for_each_element(numel, [&](std::int64_t e) {
    const I at = static_cast<I>(e), line = at / region.columns, plane = line / region.rows;
    const I row = region.first_row + line % region.rows, column = region.first_column + at % region.columns;
    T& out = images[static_cast<std::int64_t>(plane) * (p.h.in * p.w.in) + row * p.w.in + column];
    T sum = add ? out : bias ? bias[plane % p.channels] : T(0);
    const T* from = columns + p.row_of_plane(plane);
    for (I r = 0; r < p.h.kernel; ++r) {
      const I i = p.h.window(row, r);
      if (i < 0) continue;
      for (I s = 0; s < p.w.kernel; ++s) {
        const I j = p.w.window(column, s);
        const I l = i * p.w.out + j - p.first;
        if (j >= 0 && l >= 0 && l < p.count) sum += from[(r * p.w.kernel + s) * p.row + l];
      }
    }
    out = sum;
  });
}

/// The elements of an axis that windows `first` to `last` can reach, as first and number.
std::pair<std::int64_t, std::int64_t> reach(const WindowAxis<std::int64_t>& axis, std::int64_t first,
                                            std::int64_t last) {
  const std::int64_t from = std::clamp<std::int64_t>(axis.element(first, 0), 0, axis.in);
  const std::int64_t to = std::clamp<std::int64_t>(axis.element(last, axis.kernel - 1) + 1, from, axis.in);
  return {from, to - from};
}

}  // namespace

template <class T>
void unfold_part(const ColumnsPart& part, const T* images, T* columns) {
  const std::int64_t numel = part.images * part.channels * part.count;
  with_part(part, numel,
            [&]<class I>(const Part<I>& p) { launch_over(numel, &unfold_kernel<T, I>, p, numel, images, columns); });
}

template <class T>
void fold_part(const ColumnsPart& part, const T* columns, T* images, const T* bias, bool add) {
  const Window& w = part.window;
  std::pair<std::int64_t, std::int64_t> rows{0, w.in_h}, in_row{0, w.in_w};
  if (add) {
    const std::int64_t last = part.first + part.count - 1, first_row = part.first / w.out_w, last_row = last / w.out_w;
    rows = reach(rows_of(w), first_row, last_row);
    if (first_row == last_row) in_row = reach(columns_of(w), part.first % w.out_w, last % w.out_w);
  }
  const std::int64_t numel = part.images * part.channels * rows.second * in_row.second;
  if (numel == 0) return;
  with_part(part, numel, [&]<class I>(const Part<I>& p) {
    const Region<I> region{static_cast<I>(rows.first), static_cast<I>(rows.second), static_cast<I>(in_row.first),
                           static_cast<I>(in_row.second)};
    launch_over(numel, &fold_kernel<T, I>, p, region, numel, columns, images, bias, add);
  });
}

template void unfold_part(const ColumnsPart&, const float*, float*);
template void unfold_part(const ColumnsPart&, const double*, double*);
template void fold_part(const ColumnsPart&, const float*, float*, const float*, bool);
template void fold_part(const ColumnsPart&, const double*, double*, const double*, bool);

void columns(ColumnsOp op, DType dtype, const Columns& c) {
  const std::int64_t length = c.window.out_h * c.window.out_w;
  ColumnsPart part;
  part.window = c.window;
  part.images = c.planes;
  part.channels = 1;
  part.count = part.row = length;
  part.image = c.window.kernel_h * c.window.kernel_w * length;
  dispatch_floating(current_op(), dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (op == ColumnsOp::unfold) {
      unfold_part(part, static_cast<const T*>(c.in), static_cast<T*>(c.out));
    } else {
      fold_part(part, static_cast<const T*>(c.in), static_cast<T*>(c.out), static_cast<const T*>(nullptr), false);
    }
  });
}

}  // namespace verigrad::kernels::cuda

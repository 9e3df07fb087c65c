// unfold and fold: what convolutions and their transposes call im2col and col2im.
#include <cstring>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/window.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// The outputs j of a row of windows for which j * stride + shift lies in [0, size).
struct Span {
  std::int64_t first, stop;
};
Span inside(std::int64_t out, std::int64_t stride, std::int64_t shift, std::int64_t size) {
  const std::int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const std::int64_t stop = shift >= size ? 0 : (size - shift + stride - 1) / stride;
  return {std::min(first, out), std::max(std::min(stop, out), std::min(first, out))};
}

/// One row of columns: element (r, s) of all windows of a plane.
template <class T>
struct UnfoldRow {
  VG_INLINE static void run(const Window* w, const T* plane, T* row, std::int64_t r, std::int64_t s) {
    const WindowAxis<std::int64_t> rows = rows_of(*w);
    const std::int64_t shift = columns_of(*w).element(0, s);
    const Span span = inside(w->out_w, w->stride_w, shift, w->in_w);
    for (std::int64_t i = 0; i < w->out_h; ++i, row += w->out_w) {
      const std::int64_t h = rows.element(i, r);
      if (!rows.inside(h)) {
        std::fill_n(row, w->out_w, T(0));
        continue;
      }
      const T* in = plane + h * w->in_w + shift;
      std::fill(row, row + span.first, T(0));
      if (w->stride_w == 1) {
        if (span.stop > span.first)
          std::memcpy(row + span.first, in + span.first, static_cast<std::size_t>(span.stop - span.first) * sizeof(T));
      } else {
        for (std::int64_t j = span.first; j < span.stop; ++j) row[j] = in[j * w->stride_w];
      }
      std::fill(row + span.stop, row + w->out_w, T(0));
    }
  }
};

/// A plane as the sum of its rows of columns, element (0, 0) of all windows first.
template <class T>
struct FoldPlane {
  VG_INLINE static void run(const Window* w, const T* columns, T* plane) {
    const WindowAxis<std::int64_t> rows = rows_of(*w);
    std::fill_n(plane, w->in_h * w->in_w, T(0));
    for (std::int64_t r = 0; r < w->kernel_h; ++r) {
      for (std::int64_t s = 0; s < w->kernel_w; ++s) {
        const std::int64_t shift = columns_of(*w).element(0, s);
        const Span span = inside(w->out_w, w->stride_w, shift, w->in_w);
        for (std::int64_t i = 0; i < w->out_h; ++i, columns += w->out_w) {
          const std::int64_t h = rows.element(i, r);
          if (!rows.inside(h)) continue;
          T* out = plane + h * w->in_w + shift;
          if (w->stride_w == 1) {
#pragma GCC ivdep
            for (std::int64_t j = span.first; j < span.stop; ++j) out[j] += columns[j];
          } else {
            for (std::int64_t j = span.first; j < span.stop; ++j) out[j * w->stride_w] += columns[j];
          }
        }
      }
    }
  }
};

template <class T>
void unfold(const Columns& c) {
  const Window& w = c.window;
  const std::int64_t taps = w.kernel_h * w.kernel_w, length = w.out_h * w.out_w;
  const std::int64_t rows = c.planes * taps;
  const bool serial = rows * length < kSerialElements;
  parallel_for(rows, serial ? rows : std::max<std::int64_t>(1, kGrainElements / length),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   const T* plane = static_cast<const T*>(c.in) + k / taps * w.in_h * w.in_w;
                   const std::int64_t tap = k % taps;
                   UnfoldRow<T>::run(&w, plane, static_cast<T*>(c.out) + k * length, tap / w.kernel_w,
                                     tap % w.kernel_w);
                 }
               });
}

template <class T>
void fold(const Columns& c) {
  const Window& w = c.window;
  const std::int64_t taps = w.kernel_h * w.kernel_w, length = w.out_h * w.out_w;
  const std::int64_t work = taps * length + w.in_h * w.in_w;
  const bool serial = c.planes * work < kSerialElements;
  parallel_for(c.planes, serial ? c.planes : std::max<std::int64_t>(1, kGrainElements / work),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   simd_run<FoldPlane<T>>(&w, static_cast<const T*>(c.in) + k * taps * length,
                                          static_cast<T*>(c.out) + k * w.in_h * w.in_w);
                 }
               });
}

}  // namespace

void columns(ColumnsOp op, DType dtype, const Columns& c) {
  dispatch_floating(op == ColumnsOp::unfold ? "unfold" : "fold", dtype, [&]<class T>(TypeTag<T>) {
    if (op == ColumnsOp::unfold) {
      unfold<T>(c);
    } else {
      fold<T>(c);
    }
  });
}

}  // namespace verigrad::kernels::cpu

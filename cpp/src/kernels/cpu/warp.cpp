// Warping of images: each row of an output image on its own, so that any number of threads gives the same bits.
//
// Coordinates and interpolation are in double for every dtype. A neighbour of weight 0 is not read: where the matrix
// meets the pixels exactly the result is the image's element, whatever stands beside it.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/error.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

constexpr std::int64_t kColumns = boundary::warp_columns;

/// Where `count` neighbouring pixels of an output row come from.
struct Sources {
  std::int64_t row[kColumns], column[kColumns];  // of the upper left neighbour, or of the nearest pixel
  double down[kColumns], right[kColumns];        // the weights of the lower and of the right neighbours
  bool any[kColumns];                            // false: the fill alone
};

struct Locate {
  /// The comparisons also turn away NaN and what no integer holds.
  VG_INLINE static void run(Sources* s, const double* m, const Warp* w, std::int64_t i, std::int64_t first,
                            std::int64_t count) {
    const double row = static_cast<double>(i);
    const double x0 = m[1] * row + m[2], y0 = m[4] * row + m[5];
    const double width = static_cast<double>(w->in_w), height = static_cast<double>(w->in_h);
    for (std::int64_t j = 0; j < count; ++j) {
      const double column = static_cast<double>(first + j);
      double x = m[0] * column + x0, y = m[3] * column + y0;
      if (w->bilinear) {
        s->any[j] = x > -1 && x < width && y > -1 && y < height;
        if (!s->any[j]) x = y = 0;
        const double left = std::floor(x), top = std::floor(y);
        s->right[j] = x - left;
        s->down[j] = y - top;
        s->column[j] = static_cast<std::int64_t>(left);
        s->row[j] = static_cast<std::int64_t>(top);
      } else {
        x = std::nearbyint(x);
        y = std::nearbyint(y);
        s->any[j] = x >= 0 && x < width && y >= 0 && y < height;
        s->column[j] = s->any[j] ? static_cast<std::int64_t>(x) : 0;
        s->row[j] = s->any[j] ? static_cast<std::int64_t>(y) : 0;
      }
    }
  }
};

template <class T>
T rounded(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    return static_cast<T>(std::nearbyint(value));  // between the pixels and the fill, so it fits
  }
}

template <class T>
void nearest(T* out, const T* plane, const Sources& s, const Warp& w, std::int64_t count) {
  const T fill = static_cast<T>(w.fill);
  for (std::int64_t j = 0; j < count; ++j) out[j] = s.any[j] ? plane[s.row[j] * w.in_w + s.column[j]] : fill;
}

template <class T>
void bilinear(T* out, const T* plane, const Sources& s, const Warp& w, std::int64_t count) {
  const T fill = static_cast<T>(w.fill);
  for (std::int64_t j = 0; j < count; ++j) {
    if (!s.any[j]) {
      out[j] = fill;
      continue;
    }
    const double weights[2][2] = {{(1 - s.down[j]) * (1 - s.right[j]), (1 - s.down[j]) * s.right[j]},
                                  {s.down[j] * (1 - s.right[j]), s.down[j] * s.right[j]}};
    double sum = 0;
    for (int b = 0; b < 2; ++b) {
      for (int a = 0; a < 2; ++a) {
        if (weights[b][a] == 0) continue;
        const std::int64_t row = s.row[j] + b, column = s.column[j] + a;
        const bool inside = row >= 0 && row < w.in_h && column >= 0 && column < w.in_w;
        sum += weights[b][a] * static_cast<double>(inside ? plane[row * w.in_w + column] : fill);
      }
    }
    out[j] = rounded<T>(sum);
  }
}

template <class T>
void run(const Warp& w) {
  const std::int64_t rows = w.batch * w.out_h;
  const std::int64_t in_plane = w.in_h * w.in_w, out_plane = w.out_h * w.out_w;
  const std::int64_t work = std::max<std::int64_t>(1, boundary::warp_cost * w.channels * w.out_w);
  const std::int64_t grain = rows * work < kSerialElements ? rows : std::max<std::int64_t>(1, kGrainElements / work);
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    Sources sources;
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t n = r / w.out_h, i = r % w.out_h;
      for (std::int64_t first = 0; first < w.out_w; first += kColumns) {
        const std::int64_t count = std::min(w.out_w - first, kColumns);
        simd_run<Locate>(&sources, w.matrix + 6 * n, &w, i, first, count);
        for (std::int64_t c = 0; c < w.channels; ++c) {
          const T* plane = static_cast<const T*>(w.in) + (n * w.channels + c) * in_plane;
          T* out = static_cast<T*>(w.out) + (n * w.channels + c) * out_plane + i * w.out_w + first;
          if (w.bilinear) {
            bilinear(out, plane, sources, w, count);
          } else {
            nearest(out, plane, sources, w, count);
          }
        }
      }
    }
  });
}

}  // namespace

void warp(DType dtype, const Warp& w) {
  switch (dtype) {
    case DType::UInt8: return run<std::uint8_t>(w);
    case DType::Float32: return run<float>(w);
    case DType::Float64: return run<double>(w);
    default: VG_THROW(RuntimeError, "warp: expected uint8, float32 or float64, got ", dtype);
  }
}

}  // namespace verigrad::kernels::cpu

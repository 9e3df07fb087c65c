// Warping of images: each row of an output image on its own, so that any number of threads gives the same bits.
#include <algorithm>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/warp_sources.h"
#include "verigrad/error.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using warp_sources::Line;
using warp_sources::Source;

constexpr std::int64_t kColumns = boundary::warp_columns;

/// Where `count` neighbouring pixels of an output row come from.
struct Sources {
  std::int64_t row[kColumns], column[kColumns];
  double down[kColumns], right[kColumns];  // of bilinear ones
  bool any[kColumns];

  Source at(std::int64_t j) const { return {row[j], column[j], down[j], right[j], any[j]}; }
};

struct Locate {
  VG_INLINE static void run(Sources* s, const Warp* w, Line line, std::int64_t first, std::int64_t count) {
    const double width = static_cast<double>(w->in_w), height = static_cast<double>(w->in_h);
    const bool bilinear = w->bilinear;
    for (std::int64_t j = 0; j < count; ++j) {
      const Source from = warp_sources::locate(line, first + j, bilinear, width, height);
      s->row[j] = from.row;
      s->column[j] = from.column;
      s->any[j] = from.any;
      if (!bilinear) continue;
      s->down[j] = from.down;
      s->right[j] = from.right;
    }
  }
};

template <class T>
void nearest(T* out, const T* plane, const Sources& s, const Warp& w, std::int64_t count) {
  const T fill = static_cast<T>(w.fill);
  for (std::int64_t j = 0; j < count; ++j) {
    out[j] = warp_sources::nearest(plane, s.row[j], s.column[j], s.any[j], w.in_w, fill);
  }
}

template <class T>
void bilinear(T* out, const T* plane, const Sources& s, const Warp& w, std::int64_t count) {
  const T fill = static_cast<T>(w.fill);
  for (std::int64_t j = 0; j < count; ++j) out[j] = warp_sources::bilinear(plane, s.at(j), w.in_h, w.in_w, fill);
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
        simd_run<Locate>(&sources, &w, Line(w.matrix + 6 * n, i), first, count);
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

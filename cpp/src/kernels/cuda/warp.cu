// Warping of images on a CUDA device, from the formulas that the CPU uses. A thread takes one pixel of all channels:
// they come from the same place.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/warp_sources.h"

namespace verigrad::kernels::cuda {
namespace {

using warp_sources::Line;
using warp_sources::Source;

template <class T>
__global__ void warp_kernel(Warp w) {
  const double width = static_cast<double>(w.in_w), height = static_cast<double>(w.in_h);
  const std::int64_t in_plane = w.in_h * w.in_w, out_plane = w.out_h * w.out_w;
  const T fill = static_cast<T>(w.fill);
  for_each_element(w.batch * out_plane, [&](std::int64_t pixel) {
    const std::int64_t row = pixel / w.out_w, j = pixel % w.out_w;
    const std::int64_t n = row / w.out_h, i = row % w.out_h;
    const Source source = warp_sources::locate(Line(w.matrix + 6 * n, i), j, w.bilinear, width, height);
    const T* plane = static_cast<const T*>(w.in) + n * w.channels * in_plane;
    T* out = static_cast<T*>(w.out) + n * w.channels * out_plane + i * w.out_w + j;
    for (std::int64_t c = 0; c < w.channels; ++c, plane += in_plane, out += out_plane) {
      *out = w.bilinear ? warp_sources::bilinear(plane, source, w.in_h, w.in_w, fill)
                        : warp_sources::nearest(plane, source.row, source.column, source.any, w.in_w, fill);
    }
  });
}

template <class T>
void run(const Warp& w) {
  launch_over(w.batch * w.out_h * w.out_w, &warp_kernel<T>, w);
}

}  // namespace

void warp(DType dtype, const Warp& w) {
  if (w.batch * w.out_h * w.out_w == 0) return;
  switch (dtype) {
    case DType::UInt8: return run<std::uint8_t>(w);
    case DType::Float32: return run<float>(w);
    case DType::Float64: return run<double>(w);
    default: refuse_dtype(dtype);
  }
}

}  // namespace verigrad::kernels::cuda

// Where the pixels of a warped image come from, and what they are, once for all devices.
//
// Coordinates and interpolation are in double for every dtype. A neighbour of weight 0 is not read: where the matrix
// meets the pixels exactly the result is the image's element, whatever stands beside it.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::warp_sources {

/// Row i of an output image in its image: column j comes from (x0 + j dx, y0 + j dy).
struct Line {
  double x0, y0, dx, dy;

  VG_HD Line(const double* m, std::int64_t i)
      : x0(m[1] * static_cast<double>(i) + m[2]), y0(m[4] * static_cast<double>(i) + m[5]), dx(m[0]), dy(m[3]) {}
};

/// Where one pixel comes from.
struct Source {
  std::int64_t row, column;  // of the upper left neighbour, or of the nearest pixel
  double down, right;        // the weights of the lower and of the right neighbours
  bool any;                  // false: the fill alone
};

/// The comparisons also turn away NaN and what no integer holds.
VG_HD inline Source locate(const Line& line, std::int64_t j, bool bilinear, double width, double height) {
  const double column = static_cast<double>(j);
  double x = line.dx * column + line.x0, y = line.dy * column + line.y0;
  Source s;
  if (bilinear) {
    s.any = x > -1 && x < width && y > -1 && y < height;
    if (!s.any) x = y = 0;
    const double left = std::floor(x), top = std::floor(y);
    s.right = x - left;
    s.down = y - top;
    s.column = static_cast<std::int64_t>(left);
    s.row = static_cast<std::int64_t>(top);
  } else {
    x = std::nearbyint(x);
    y = std::nearbyint(y);
    s.any = x >= 0 && x < width && y >= 0 && y < height;
    s.right = s.down = 0;
    s.column = s.any ? static_cast<std::int64_t>(x) : 0;
    s.row = s.any ? static_cast<std::int64_t>(y) : 0;
  }
  return s;
}

template <class T>
VG_HD inline T rounded(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    return static_cast<T>(std::nearbyint(value));  // between the pixels and the fill, so it fits
  }
}

template <class T>
VG_HD inline T nearest(const T* plane, std::int64_t row, std::int64_t column, bool any, std::int64_t in_w, T fill) {
  return any ? plane[row * in_w + column] : fill;
}

template <class T>
VG_HD inline T bilinear(const T* plane, const Source& s, std::int64_t in_h, std::int64_t in_w, T fill) {
  if (!s.any) return fill;
  const double weights[2][2] = {{(1 - s.down) * (1 - s.right), (1 - s.down) * s.right},
                                {s.down * (1 - s.right), s.down * s.right}};
  double sum = 0;
  for (int b = 0; b < 2; ++b) {
    for (int a = 0; a < 2; ++a) {
      if (weights[b][a] == 0) continue;
      const std::int64_t row = s.row + b, column = s.column + a;
      const bool inside = row >= 0 && row < in_h && column >= 0 && column < in_w;
      sum += weights[b][a] * static_cast<double>(inside ? plane[row * in_w + column] : fill);
    }
  }
  return rounded<T>(sum);
}

}  // namespace verigrad::kernels::warp_sources

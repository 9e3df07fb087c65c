// Warping of images.
#pragma once

#include <string>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// out[n][c][i][j] = the image [n][c] at row m3 j + m4 i + m5 and column m0 j + m1 i + m2, with m = matrix[n].
/// input [N, C, H, W] uint8, float32 or float64; matrix [N, 6] float64, on the CPU or the input's device; size
/// (height, width) of the output; mode "bilinear" or "nearest" (half to even); `fill` stands for every pixel outside of
/// the image. Not differentiable.
Tensor affine_image(const Tensor& input, const Tensor& matrix, const DimList& size, const std::string& mode,
                    double fill);

}  // namespace verigrad::ops

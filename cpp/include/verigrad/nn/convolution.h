// Convolutions. Semantics are those of the PyTorch function of the same name.
#pragma once

#include <string>
#include <variant>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// How the kernel moves; each list has one entry, which then holds for every spatial dimension, or one for each.
struct ConvolutionOptions {
  DimList stride{1};
  /// Zeros on both sides; or "valid" for none and "same" for an output of the input's size.
  std::variant<DimList, std::string> padding = DimList{0};
  DimList dilation{1};
  std::int64_t groups = 1;
  /// Of a transposed convolution: what is added to one side of the result.
  DimList output_padding{0};
};

/// input [N, C, L] or [C, L], weight [K, C / groups, R], bias [K] or undefined.
Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options);
/// input [N, C, H, W] or [C, H, W], weight [K, C / groups, R, S], bias [K] or undefined.
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options);
/// input [N, K, L] or [K, L], weight [K, C / groups, R], bias [C] or undefined.
Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options);
/// input [N, K, H, W] or [K, H, W], weight [K, C / groups, R, S], bias [C] or undefined.
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options);
/// input [N, C, D, H, W] or [C, D, H, W], weight [K, C / groups, Q, R, S], bias [K] or undefined.
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, const ConvolutionOptions& options);
/// input [N, K, D, H, W] or [K, D, H, W], weight [K, C / groups, Q, R, S], bias [C] or undefined.
Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                        const ConvolutionOptions& options);

}  // namespace verigrad::ops

// Padding, unfold and fold. Semantics are those of the PyTorch function of the same name.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// `padding`: elements before and after, of the last dimension first; negative ones crop. Modes: constant, reflect,
/// replicate, circular.
Tensor pad(const Tensor& self, const DimList& padding, const std::string& mode = "constant",
           const std::optional<Scalar>& value = {});

/// [N, C, H, W] or [C, H, W] to [N, C * kernel elements, windows], or without N. Lists of two numbers each.
Tensor unfold(const Tensor& self, const DimList& kernel_size, const DimList& dilation, const DimList& padding,
              const DimList& stride);
/// The transpose of unfold, which adds what windows share.
Tensor fold(const Tensor& self, const DimList& output_size, const DimList& kernel_size, const DimList& dilation,
            const DimList& padding, const DimList& stride);

}  // namespace verigrad::ops

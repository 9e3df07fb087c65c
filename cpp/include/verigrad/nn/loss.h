// Losses of two classes. Semantics are those of the PyTorch function of the same name.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// `weight` and `pos_weight` may be undefined; both are broadcast.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction reduction);
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, Reduction reduction);

}  // namespace verigrad::ops

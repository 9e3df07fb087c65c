// Dropout. Semantics are those of the PyTorch function of the same name.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// What shares one random decision: an element, or a channel (the first two dimensions tell them apart).
enum class DropoutUnit { Element, Channel };

/// While training each unit is 0 with probability p, else multiplied by 1 / (1 - p) (N. Srivastava et al., "Dropout: a
/// simple way to prevent neural networks from overfitting", JMLR 15, 2014, section 10). Otherwise the input itself.
Tensor dropout(const char* op, const Tensor& self, double p, bool training, bool inplace, DropoutUnit unit,
               const OptGenerator& generator = {});
/// As dropout, but units become the negative saturation of SELU, and a linear map restores mean 0 and variance 1
/// (G. Klambauer et al., "Self-normalizing neural networks", arXiv 1706.02515, section 2).
Tensor alpha_dropout(const char* op, const Tensor& self, double p, bool training, bool inplace, DropoutUnit unit,
                     const OptGenerator& generator = {});

}  // namespace verigrad::ops

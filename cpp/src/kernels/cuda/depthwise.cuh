// Convolutions whose groups have a single input channel.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

/// Convolution with in_channels == groups.
template <class T>
void depthwise(ConvolutionOp op, const Convolution& c);

}  // namespace verigrad::kernels::cuda

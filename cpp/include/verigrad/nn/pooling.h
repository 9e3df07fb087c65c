// Pooling. Semantics are those of the PyTorch function of the same name.
//
// Inputs are [N, C, H, W] or [C, H, W], in the 1-d forms [N, C, L] or [C, L], in the 3-d forms [N, C, D, H, W] or [C,
// D, H, W]. Arguments per dimension are lists of one number, for all dimensions, or of one for each. An empty `stride`
// is the kernel's size.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

struct PoolWindows {
  DimList kernel_size, stride, padding = {0}, dilation = {1};
  bool ceil_mode = false;
};

/// `dims` is 1, 2 or 3. The places are counted in the signal, plane or volume, int64; the second result is undefined if
/// not wanted.
std::pair<Tensor, Tensor> max_pool(int dims, const Tensor& self, const PoolWindows& windows, bool indices);
Tensor avg_pool(int dims, const Tensor& self, const PoolWindows& windows, bool count_include_pad = true,
                std::optional<std::int64_t> divisor_override = {});
std::pair<Tensor, Tensor> adaptive_max_pool(int dims, const Tensor& self, const DimList& output_size, bool indices);
Tensor adaptive_avg_pool(int dims, const Tensor& self, const DimList& output_size);
/// The values of a maximum at its places, zeros elsewhere; of several for one place the last one stays.
Tensor max_unpool(int dims, const Tensor& self, const Tensor& indices, const DimList& output_size);

}  // namespace verigrad::ops

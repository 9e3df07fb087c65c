// Normalisation. Semantics are those of the PyTorch function of the same name. Undefined tensors stand for None.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// [N, C, ...] normalised per channel C. In training the statistics are the batch's, and the running ones, where given,
/// move towards them by `momentum` (the variance with the n - 1 correction); else the running statistics are used.
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps);
/// [N, C, ...] normalised per sample and channel; the running statistics take the average over the samples.
Tensor instance_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                     const Tensor& bias, bool use_input_stats, double momentum, double eps);
/// Normalised over the last dimensions, which must be `normalized_shape`; weight and bias have that shape.
Tensor layer_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps);
/// As layer_norm, divided by the root of the mean square; eps is the dtype's machine epsilon where not given.
Tensor rms_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight, std::optional<double> eps);
/// [N, C, ...] normalised per sample over groups of C / num_groups channels; weight and bias are per channel.
Tensor group_norm(const Tensor& input, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps);

}  // namespace verigrad::ops

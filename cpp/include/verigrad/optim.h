// Optimizer steps over all tensors of a parameter group in one call. Parameters and state change in place; nothing is
// recorded. All tensors of one index have the same shape, dtype and device.
#pragma once

#include "verigrad/autograd.h"

namespace verigrad::optim {

struct SgdOptions {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
/// `momentum_buffers` has one entry per parameter, undefined before its first step; new buffers are stored there.
void sgd(const TensorList& params, const TensorList& grads, TensorList& momentum_buffers, const SgdOptions& options);

struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, amsgrad = false, maximize = false;
};
/// `steps` are 0-d float32 tensors that count the steps; each is increased first.
void adam(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs, const TensorList& exp_avg_sqs,
          const TensorList& max_exp_avg_sqs, const TensorList& steps, const AdamOptions& options);

}  // namespace verigrad::optim

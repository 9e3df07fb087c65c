// Stochastic gradient descent with momentum, in PyTorch's form (torch.optim.SGD):
//
//   g <- grad + weight_decay p;  v <- momentum v + (1 - dampening) g   (v <- g on the first step)
//   p <- p - lr v,  or with Nesterov  p <- p - lr (g + momentum v)
//
// I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, eq. 1-4, with
// the learning rate applied outside of v.
#include "autograd/record.h"
#include "optim/update.h"

namespace verigrad::optim {

void check_group(const char* op, const TensorList& params, const TensorList& others, const char* what) {
  VG_CHECK(params.size() == others.size(), ValueError, op, ": expected one of ", what, " for each of ", params.size(),
           " parameters, got ", others.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (!others[i].defined()) continue;
    VG_CHECK(others[i].shape() == params[i].shape() && others[i].dtype() == params[i].dtype() &&
                 others[i].device() == params[i].device(),
             RuntimeError, op, ": expected ", what, " of shape ", params[i].shape(), " and dtype ", params[i].dtype(),
             " for parameter ", i, ", got ", others[i].shape(), " and ", others[i].dtype());
  }
}

void sgd(const TensorList& params, const TensorList& grads, TensorList& momentum_buffers, const SgdOptions& options) {
  const NoGradGuard guard;
  check_group("sgd", params, grads, "grads");
  check_group("sgd", params, momentum_buffers, "momentum_buffers");
  for (const Tensor& p : params) {
    VG_CHECK(is_floating_point(p.dtype()), RuntimeError, "sgd: expected floating-point parameters, got ", p.dtype());
    check_inplace(p, false);
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& param = params[i];
    kernels::Sgd step;
    step.numel = param.numel();
    step.lr = options.lr;
    step.momentum = options.momentum;
    step.dampening = options.dampening;
    step.weight_decay = options.weight_decay;
    step.nesterov = options.nesterov;
    step.maximize = options.maximize;
    if (options.momentum != 0 && !momentum_buffers[i].defined()) {
      momentum_buffers[i] = ops::empty(param.shape(), param.dtype(), param.device());
      step.first_step = true;
    }
    if (step.numel == 0) continue;
    const Tensor grad = ops::contiguous(grads[i]);
    const Target target(param);
    step.param = target.data();
    step.grad = grad.data();
    if (options.momentum != 0) {
      const Target buffer(momentum_buffers[i]);
      step.momentum_buffer = buffer.data();
      VG_KERNEL(sgd, "sgd", param.device())(param.dtype(), step);
      buffer.finish();
    } else {
      VG_KERNEL(sgd, "sgd", param.device())(param.dtype(), step);
    }
    target.finish();
  }
}

}  // namespace verigrad::optim

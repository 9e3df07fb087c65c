// Adam (D. P. Kingma, J. Ba, arXiv 1412.6980, algorithm 1), AMSGrad (S. J. Reddi et al., ICLR 2018, algorithm 2) and
// AdamW (I. Loshchilov, F. Hutter, arXiv 1711.05101, algorithm 2):
//
//   m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
//   p <- p - lr m / (1 - b1^t) / (sqrt(v) / sqrt(1 - b2^t) + eps)
#include <cmath>

#include "autograd/record.h"
#include "optim/update.h"

namespace verigrad::optim {

void adam(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs, const TensorList& exp_avg_sqs,
          const TensorList& max_exp_avg_sqs, const TensorList& steps, const AdamOptions& options) {
  const NoGradGuard guard;
  check_group("adam", params, grads, "grads");
  check_group("adam", params, exp_avgs, "exp_avgs");
  check_group("adam", params, exp_avg_sqs, "exp_avg_sqs");
  if (options.amsgrad) check_group("adam", params, max_exp_avg_sqs, "max_exp_avg_sqs");
  VG_CHECK(steps.size() == params.size(), ValueError, "adam: expected one of steps for each of ", params.size(),
           " parameters, got ", steps.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    VG_CHECK(is_floating_point(params[i].dtype()), RuntimeError, "adam: expected floating-point parameters, got ",
             params[i].dtype());
    VG_CHECK(steps[i].defined() && steps[i].numel() == 1 && steps[i].dtype() == DType::Float32, RuntimeError,
             "adam: expected steps of one float32 element");
    check_inplace(params[i], false);
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Tensor& param = params[i];
    ops::add_(steps[i], Scalar(1.0));
    const double t = ops::item(steps[i]).to_double();
    kernels::Adam step;
    step.numel = param.numel();
    if (step.numel == 0) continue;
    step.lr = options.lr;
    step.beta1 = options.beta1;
    step.beta2 = options.beta2;
    step.eps = options.eps;
    step.weight_decay = options.weight_decay;
    step.bias_correction1 = 1 - std::pow(options.beta1, t);
    step.bias_correction2 = 1 - std::pow(options.beta2, t);
    step.decoupled_weight_decay = options.decoupled_weight_decay;
    step.maximize = options.maximize;
    const Tensor grad = ops::contiguous(grads[i]);
    const Target target(param), m(exp_avgs[i]), v(exp_avg_sqs[i]);
    const Target v_max(options.amsgrad ? max_exp_avg_sqs[i] : exp_avg_sqs[i]);
    step.param = target.data();
    step.grad = grad.data();
    step.exp_avg = m.data();
    step.exp_avg_sq = v.data();
    step.max_exp_avg_sq = options.amsgrad ? v_max.data() : nullptr;
    VG_KERNEL(adam, "adam", param.device())(param.dtype(), step);
    m.finish();
    v.finish();
    if (options.amsgrad) v_max.finish();
    target.finish();
  }
}

}  // namespace verigrad::optim

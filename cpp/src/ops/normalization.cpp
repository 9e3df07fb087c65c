// Normalisation: batch, instance, layer, group and root mean square, one kernel and one VJP.
//
// Every one of them sees its input as [outer, channels, inner], see kernels/table.h. The gradients are those of
// kernels/cpu/normalize_backward.cpp; while recording, the same formula is written with public ops, with the statistics
// taken again from the input, so that gradients flow through them in any order.
#include "verigrad/nn/normalization.h"

#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

/// The sizes of a call and its options; see kernels::Normalize.
struct Plan {
  const char* op = "";
  std::int64_t outer = 1, channels = 0, inner = 0, period = 1, span = 1;
  bool centered = true, given = false;
  double eps = 0;
};

struct Statistics {
  Tensor mean, rstd, variance;  // [channels]; mean is undefined if not centered, variance if not wanted
};

kernels::Normalize arguments(const Plan& plan, const Tensor& x, const Tensor& weight, const Statistics& s) {
  kernels::Normalize n;
  n.outer = plan.outer;
  n.channels = plan.channels;
  n.inner = plan.inner;
  n.period = plan.period;
  n.span = plan.span;
  n.centered = plan.centered;
  n.given = plan.given;
  n.eps = plan.eps;
  n.x = x.data();
  n.weight = weight.defined() ? weight.data() : nullptr;
  n.mean = s.mean.defined() ? s.mean.data() : nullptr;
  n.rstd = s.rstd.data();
  n.variance = s.variance.defined() ? s.variance.data() : nullptr;
  return n;
}

Tensor dense(const Tensor& t) { return t.defined() ? contiguous(detach(t)) : Tensor(); }

/// The gradients by x, weight and bias through the kernel.
TensorList fused_backward(const Plan& plan, const Tensor& g, const Tensor& x, const Tensor& weight, const Statistics& s,
                          const Dims& pair_shape, bool need_x, bool need_weight, bool need_bias) {
  const Tensor in = dense(x), grad = dense(g), factor = dense(weight);
  kernels::Normalize n = arguments(plan, in, factor, s);
  TensorList grads(3);
  if (need_x) grads[0] = empty_tensor(x.shape(), x.dtype(), x.device());
  if (need_weight) grads[1] = empty_tensor(pair_shape, x.dtype(), x.device());
  if (need_bias) grads[2] = empty_tensor(pair_shape, x.dtype(), x.device());
  n.g = grad.data();
  n.grad_x = need_x ? grads[0].data() : nullptr;
  n.grad_weight = need_weight ? grads[1].data() : nullptr;
  n.grad_bias = need_bias ? grads[2].data() : nullptr;
  VG_KERNEL(normalize, plan.op, x.device())(kernels::NormalizeOp::backward, x.dtype(), n);
  return grads;
}

/// The same with public ops. All tensors are seen as [outer, repeats, period, span, run].
TensorList composed_backward(const Plan& plan, const Tensor& g, const Tensor& x, const Tensor& weight,
                             const Statistics& s, const Dims& pair_shape, bool need_x, bool need_weight,
                             bool need_bias) {
  const std::int64_t run = plan.inner / plan.span;
  const Dims full{plan.outer, plan.channels / plan.period, plan.period, plan.span, run};
  const Dims of_channel{1, full[1], plan.period, 1, 1}, of_pair{1, 1, plan.period, plan.span, 1};
  const DimList channel{0, 3, 4}, pair{0, 1, 4};
  const Tensor grad = reshape(g, full), in = reshape(x, full);
  const Tensor h = weight.defined() ? mul(grad, reshape(weight, of_pair)) : grad;
  TensorList grads(3);
  if (need_bias) grads[2] = reshape(sum(grad, pair), pair_shape);
  if (!need_x && !need_weight) return grads;
  Tensor centered = in, rstd;
  if (plan.given) {
    centered = sub(in, reshape(s.mean, of_channel));
    rstd = reshape(s.rstd, of_channel);
  } else {
    if (plan.centered) centered = sub(in, mean(in, channel, true));
    rstd = reciprocal(sqrt(add(mean(mul(centered, centered), channel, true), plan.eps)));
  }
  const Tensor standard = mul(centered, rstd);
  if (need_weight) grads[1] = reshape(sum(mul(grad, standard), pair), pair_shape);
  if (need_x) {
    Tensor d = h;
    if (!plan.given) {
      if (plan.centered) d = sub(d, mean(h, channel, true));
      d = sub(d, mul(standard, mean(mul(h, standard), channel, true)));
    }
    grads[0] = reshape(mul(d, rstd), x.shape());
  }
  return grads;
}

/// Normalises and records. `s` holds the statistics where the plan says that they are given; else they are filled in.
Tensor normalized(const char* node, Plan plan, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  Statistics& s) {
  if (!weight.defined() && !bias.defined() && plan.outer == 1) plan.period = plan.span = 1;
  const Tensor out = empty_tensor(x.shape(), x.dtype(), x.device());
  if (out.numel() == 0) {
    return record(node, out, {x, weight, bias}, {}, [](Node& n, const Tensor& g) -> TensorList {
      TensorList grads(3);
      for (int i = 0; i < 3; ++i) {
        if (n.needs(i)) grads[static_cast<std::size_t>(i)] = zeros(input_meta(n, i).shape, g.dtype(), g.device());
      }
      return grads;
    });
  }
  const Tensor in = dense(x), factor = dense(weight), term = dense(bias);
  if (!plan.given) {
    if (plan.centered) s.mean = empty_tensor({plan.channels}, x.dtype(), x.device());
    s.rstd = empty_tensor({plan.channels}, x.dtype(), x.device());
  }
  kernels::Normalize n = arguments(plan, in, factor, s);
  n.bias = term.defined() ? term.data() : nullptr;
  n.y = out.data();
  VG_KERNEL(normalize, plan.op, x.device())(kernels::NormalizeOp::forward, x.dtype(), n);
  return record(node, out, {x, weight, bias},
                {Save::input(x), Save::input(weight), Save::input(s.mean), Save::input(s.rstd)},
                [plan](Node& n, const Tensor& g) -> TensorList {
                  const Statistics saved{n.saved(2), n.saved(3), {}};
                  const Dims pair = n.needs(1) ? input_meta(n, 1).shape : n.needs(2) ? input_meta(n, 2).shape : Dims();
                  const auto backward = GradMode::enabled() ? composed_backward : fused_backward;
                  return backward(plan, g, n.saved(0), n.saved(1), saved, pair, n.needs(0), n.needs(1), n.needs(2));
                });
}

void check_floating(const char* op, const Tensor& input) {
  VG_CHECK(is_floating_point(input.dtype()), NotImplementedError, op, ": expected a floating-point input, got \"", op,
           "\" not implemented for ", input.dtype());
}

void check_partner(const char* op, const char* name, const Tensor& t, const Tensor& input) {
  check_same_device(op, t, input);
  VG_CHECK(t.dtype() == input.dtype(), RuntimeError, op, ": mixed dtype: expected ", name, " of dtype ", input.dtype(),
           " as the input, got ", t.dtype());
}

/// A weight, bias or running statistic of a channel each.
void check_per_channel(const char* op, const char* name, const Tensor& t, const Tensor& input, std::int64_t channels) {
  if (!t.defined()) return;
  VG_CHECK(t.numel() == channels && t.ndim() == 1, RuntimeError, op, ": ", name, " should contain ", channels,
           " elements not ", t.numel(), ": expected shape ", Dims{channels}, " for input ", input.shape(), ", got ",
           t.shape());
  check_partner(op, name, t, input);
}

void check_running(const char* op, const Tensor& mean, const Tensor& var, const Tensor& input, std::int64_t channels,
                   bool updated) {
  check_per_channel(op, "running_mean", mean, input, channels);
  check_per_channel(op, "running_var", var, input, channels);
  for (const Tensor* t : {&mean, &var}) {
    if (!t->defined()) continue;
    VG_CHECK(!GradMode::enabled() || !t->requires_grad(), RuntimeError, op, ": not differentiable with respect to ",
             t == &mean ? "running_mean" : "running_var", ", which cannot have requires_grad True");
    if (updated) check_inplace(*t, false);
  }
}

/// running += momentum (value - running), as (1 - momentum) running + momentum value.
void move_towards(const Tensor& running, const Tensor& value, double momentum) {
  copy_(running, add(mul(running, 1 - momentum), mul(value, momentum)));
}

/// Takes the statistics of a batch into the running ones. `count`: elements of a channel.
void update_running(const Tensor& running_mean, const Tensor& running_var, const Statistics& s, std::int64_t samples,
                    std::int64_t count, double momentum) {
  const NoGradGuard guard;
  const double correction = static_cast<double>(count) / static_cast<double>(count - 1);
  Tensor average = s.mean, variance = mul(s.variance, correction);
  if (samples > 1) {
    const Dims shape{samples, running_mean.numel()};
    average = mean(reshape(average, shape), {0});
    variance = mean(reshape(variance, shape), {0});
  }
  move_towards(running_mean, average, momentum);
  move_towards(running_var, variance, momentum);
}

/// The running statistics, copied: they may move on before the backward pass.
Statistics running_statistics(const Tensor& mean, const Tensor& var, double eps) {
  const NoGradGuard guard;
  return {clone(mean), contiguous(reciprocal(sqrt(add(var, eps)))), {}};
}

std::int64_t elements_from(const Dims& shape, int first) {
  std::int64_t count = 1;
  for (int d = first; d < shape.size(); ++d) count *= shape[d];
  return count;
}

void check_eps(const char* op, double eps, bool training) {
  VG_CHECK(!training || eps > 0, ValueError, op, " eps must be positive during training, but got ", eps);
  VG_CHECK(eps >= 0, ValueError, op, " eps must be non-negative, but got ", eps);
}

/// The shape of layer_norm and rms_norm as a plan.
Plan row_plan(const char* op, const Tensor& input, const Dims& shape) {
  VG_CHECK(shape.size() >= 1, RuntimeError, op,
           ": Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
           "normalized_shape = ",
           shape);
  bool fits = input.ndim() >= shape.size();
  const int lead = input.ndim() - shape.size();
  for (int d = 0; fits && d < shape.size(); ++d) fits = input.shape()[lead + d] == shape[d];
  VG_CHECK(fits, RuntimeError, op, ": Given normalized_shape=", shape,
           ", expected input whose last dimensions are that shape, but got input of size ", input.shape());
  Plan plan;
  plan.op = op;
  plan.inner = plan.span = elements_from(input.shape(), lead);
  plan.channels = plan.inner > 0 ? input.numel() / plan.inner : 0;
  return plan;
}

void check_affine_shape(const char* op, const char* name, const Tensor& t, const Dims& shape) {
  VG_CHECK(!t.defined() || t.shape() == shape, RuntimeError, op, ": Expected ", name,
           " to be of same shape as normalized_shape, but got ", name, " of shape ", t.shape(),
           " and normalized_shape = ", shape);
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                  const Tensor& bias, bool training, double momentum, double eps) {
  constexpr const char* op = "batch_norm";
  check_floating(op, input);
  VG_CHECK(input.ndim() >= 2, RuntimeError, op, ": expected an input of at least 2 dimensions [N, C, ...], got ",
           input.shape());
  const std::int64_t batch = input.shape()[0], channels = input.shape()[1], inner = elements_from(input.shape(), 2);
  VG_CHECK(!training || batch * inner != 1, ValueError, op,
           ": Expected more than 1 value per channel when training, got input size ", input.shape());
  check_eps(op, eps, training);
  if (training) {
    VG_CHECK(running_mean.defined() == running_var.defined(), ValueError, op,
             ": running_mean and running_var must either both be None or neither be None");
  } else {
    VG_CHECK(running_mean.defined(), RuntimeError, op, ": running_mean must be defined in evaluation mode, got None");
    VG_CHECK(running_var.defined(), RuntimeError, op, ": running_var must be defined in evaluation mode, got None");
  }
  check_running(op, running_mean, running_var, input, channels, training);
  check_per_channel(op, "weight", weight, input, channels);
  check_per_channel(op, "bias", bias, input, channels);
  Plan plan{op, batch, channels, inner, channels, 1, true, !training, eps};
  const bool update = training && running_mean.defined() && input.numel() > 0;
  Statistics s;
  if (!training) s = running_statistics(running_mean, running_var, eps);
  if (update) s.variance = empty_tensor({channels}, input.dtype(), input.device());
  const Tensor out = normalized("NativeBatchNormBackward0", plan, input, weight, bias, s);
  if (update) update_running(running_mean, running_var, s, 1, batch * inner, momentum);
  return out;
}

Tensor instance_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                     const Tensor& bias, bool use_input_stats, double momentum, double eps) {
  constexpr const char* op = "instance_norm";
  check_floating(op, input);
  const std::int64_t inner = elements_from(input.shape(), 2);
  VG_CHECK(!use_input_stats || inner != 1, ValueError, op,
           ": Expected more than 1 spatial element when training, got input size ", input.shape());
  VG_CHECK(input.ndim() >= 2, IndexError, op, ": expected an input of at least 2 dimensions [N, C, ...], got ",
           input.shape());
  VG_CHECK(running_mean.defined() == running_var.defined(), ValueError, op,
           ": running_mean and running_var must either both be None or neither be None");
  VG_CHECK(use_input_stats || running_mean.defined(), RuntimeError, op,
           ": Expected running_mean and running_var to be defined when use_input_stats is false");
  const std::int64_t batch = input.shape()[0], channels = input.shape()[1];
  check_running(op, running_mean, running_var, input, channels, use_input_stats);
  check_per_channel(op, "weight", weight, input, channels);
  check_per_channel(op, "bias", bias, input, channels);
  Statistics s;
  if (!use_input_stats) {
    s = running_statistics(running_mean, running_var, eps);
    Plan plan{op, batch, channels, inner, channels, 1, true, true, eps};
    return normalized("NativeBatchNormBackward0", plan, input, weight, bias, s);
  }
  Plan plan{op, 1, batch * channels, inner, channels, 1, true, false, eps};
  const bool update = running_mean.defined() && input.numel() > 0;
  if (update) s.variance = empty_tensor({batch * channels}, input.dtype(), input.device());
  const Tensor out = normalized("NativeBatchNormBackward0", plan, input, weight, bias, s);
  if (update) update_running(running_mean, running_var, s, batch, inner, momentum);
  return out;
}

Tensor layer_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  constexpr const char* op = "layer_norm";
  check_floating(op, input);
  Plan plan = row_plan(op, input, normalized_shape);
  check_affine_shape(op, "weight", weight, normalized_shape);
  check_affine_shape(op, "bias", bias, normalized_shape);
  if (weight.defined()) check_partner(op, "weight", weight, input);
  if (bias.defined()) check_partner(op, "bias", bias, input);
  plan.eps = eps;
  Statistics s;
  return normalized("NativeLayerNormBackward0", plan, input, weight, bias, s);
}

Tensor rms_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight, std::optional<double> eps) {
  constexpr const char* op = "rms_norm";
  check_floating(op, input);
  Plan plan = row_plan(op, input, normalized_shape);
  check_affine_shape(op, "weight", weight, normalized_shape);
  if (weight.defined()) {
    check_same_device(op, weight, input);
    VG_CHECK(is_floating_point(weight.dtype()), RuntimeError, op, ": expected weight of a floating-point dtype, got ",
             weight.dtype());
  }
  plan.centered = false;
  plan.eps = eps.value_or(input.dtype() == DType::Float32 ? std::numeric_limits<float>::epsilon()
                                                          : std::numeric_limits<double>::epsilon());
  Statistics s;
  return normalized("FusedRmsNormBackward0", plan, input, weight.defined() ? to(weight, input.dtype()) : weight,
                    Tensor(), s);
}

Tensor group_norm(const Tensor& input, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  constexpr const char* op = "group_norm";
  check_floating(op, input);
  VG_CHECK(input.ndim() >= 2, RuntimeError, op, ": Expected at least 2 dimensions for input tensor but received ",
           input.ndim(), ", shape ", input.shape());
  VG_CHECK(num_groups > 0, RuntimeError, op, ": Expected num groups to be greater than 0, got ", num_groups);
  const std::int64_t batch = input.shape()[0], channels = input.shape()[1], inner = elements_from(input.shape(), 2);
  VG_CHECK(batch * (channels / num_groups) * inner != 1 || channels % num_groups != 0, ValueError, op,
           ": Expected more than 1 value per channel when training, got input size ", input.shape(),
           " and num_groups=", num_groups);
  VG_CHECK(channels % num_groups == 0, RuntimeError, op,
           ": Expected number of channels in input to be divisible by num_groups, but got input of shape ",
           input.shape(), " and num_groups=", num_groups);
  const auto check = [&](const char* name, const Tensor& t) {
    if (!t.defined()) return;
    VG_CHECK(t.ndim() == 1 && t.numel() == channels, RuntimeError, op, ": Expected ", name,
             " to be a vector of size equal to the number of channels in input, but got ", name, " of shape ",
             t.shape(), " and input of shape ", input.shape());
    check_partner(op, name, t, input);
  };
  check("weight", weight);
  check("bias", bias);
  const std::int64_t span = channels / num_groups;
  Plan plan{op, 1, batch * num_groups, span * inner, num_groups, span, true, false, eps};
  Statistics s;
  return normalized("NativeGroupNormBackward0", plan, input, weight, bias, s);
}

}  // namespace verigrad::ops

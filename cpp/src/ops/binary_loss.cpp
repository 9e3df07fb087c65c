// Cross entropy of two classes, from probabilities and from logits.
#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/nn/loss.h"

namespace verigrad::ops {
namespace {

constexpr double kLeastLog = -100;         // as in PyTorch: keeps the loss finite at probabilities 0 and 1
constexpr double kLeastVariance = 1e-12f;  // likewise the gradient

void check_pair(const char* op, const Tensor& input, const Tensor& target) {
  check_same_device(op, input, target);
  VG_CHECK(input.shape() == target.shape(), ValueError, op, ": Target size (", target.shape(),
           ") must be the same as input size (", input.shape(), ")");
  VG_CHECK(is_floating_point(input.dtype()), NotImplementedError, op, ": expected a floating-point input, got ",
           input.dtype());
  VG_CHECK(is_floating_point(target.dtype()), RuntimeError, op, ": expected a floating-point target, got ",
           target.dtype());
}

/// Raises unless all elements are in [0, 1]; NaN is not. On a device, at its next synchronisation.
void check_probabilities(const char* op, const char* name, kernels::Mistake mistake, const Tensor& x) {
  if (x.numel() == 0) return;
  if (x.device() != kHost) {
    const Tensor beyond = where(logical_and(ge(x, 0.0), le(x, 1.0)), 0, 1);
    positions_out(op, mistake, beyond, 0, beyond, {1});
    return;
  }
  const double least = item(amin(x)).to_double(), greatest = item(amax(x)).to_double();
  VG_CHECK(least >= 0 && greatest <= 1, RuntimeError, op, ": all elements of ", name,
           " should be between 0 and 1, got elements from ", least, " to ", greatest);
}

Tensor finish(const char* node, const Tensor& losses, const Tensor& weight, Reduction reduction) {
  const Tensor weighted = weight.defined() ? mul(losses, expand(to(weight, losses.dtype()), losses.shape())) : losses;
  const Tensor out = reduction == Reduction::None   ? weighted
                     : reduction == Reduction::Mean ? mean(weighted)
                                                    : sum(weighted);
  return record(node, alias(out), {out}, {}, [](Node&, const Tensor& g) -> TensorList { return {g}; });
}

Tensor clamped_log(const Tensor& x) { return maximum(log(x), kLeastLog); }
Tensor clamped_log_rest(const Tensor& x) { return maximum(log1p(neg(x)), kLeastLog); }

/// log(1 + exp(-|x|)), without a graph.
Tensor rest_of_softplus(const Tensor& x) { return log1p(exp(neg(abs(x)))); }

/// log(1 + exp(x)). Composed, its gradient at 0 would be that of relu and abs, 0 instead of 1/2.
Tensor softplus_of(const Tensor& x) {
  Tensor out;
  {
    const NoGradGuard guard;
    out = add(relu(x), rest_of_softplus(x));
  }
  return record("SoftplusBackward0", out, {x}, {Save::input(x)},
                [](Node& n, const Tensor& g) -> TensorList { return {mul(g, sigmoid(n.saved(0)))}; });
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, Reduction reduction) {
  const char* op = "binary_cross_entropy";
  check_pair(op, input, target);
  VG_CHECK(input.dtype() == target.dtype(), RuntimeError, op, ": expected target of the input's dtype ", input.dtype(),
           ", got ", target.dtype());
  check_probabilities(op, "input", kernels::Mistake::input_range, input);
  check_probabilities(op, "target", kernels::Mistake::target_range, target);
  Tensor losses;
  {
    const NoGradGuard guard;
    losses = sub(mul(sub(target, 1.0), clamped_log_rest(input)), mul(target, clamped_log(input)));
  }
  record("BinaryCrossEntropyBackward0", losses, {input, target}, {Save::input(input), Save::input(target)},
         [](Node& n, const Tensor& g) -> TensorList {
           const Tensor x = n.saved(0);
           Tensor by_input, by_target;
           if (n.needs(0)) {
             by_input = div(mul(g, sub(x, n.saved(1))), maximum(mul(sub(1.0, x), x), kLeastVariance));
           }
           if (n.needs(1)) by_target = mul(g, sub(clamped_log_rest(x), clamped_log(x)));
           return {by_input, by_target};
         });
  return finish("BinaryCrossEntropyBackward0", losses, weight, reduction);
}

// With s = softplus, the loss is (1 - t) s(x) + p t s(-x): no term is a difference of large numbers, and none
// overflows.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, Reduction reduction) {
  const char* op = "binary_cross_entropy_with_logits";
  check_pair(op, input, target);
  const DType dtype = result_type(input, target);
  const Tensor x = to(input, dtype), t = to(target, dtype);
  Tensor losses;
  if (pos_weight.defined()) {
    losses = add(mul(sub(1.0, t), softplus_of(x)), mul(mul(to(pos_weight, dtype), t), softplus_of(neg(x))));
  } else {
    {
      const NoGradGuard guard;
      const Tensor rest = rest_of_softplus(x);
      losses = add(mul(sub(1.0, t), add(relu(x), rest)), mul(t, add(relu(neg(x)), rest)));
    }
    record("BinaryCrossEntropyWithLogitsBackward0", losses, {x, t}, {Save::input(x), Save::input(t)},
           [](Node& n, const Tensor& g) -> TensorList {
             const Tensor x = n.saved(0);
             return {n.needs(0) ? mul(g, sub(sigmoid(x), n.saved(1))) : Tensor(),
                     n.needs(1) ? neg(mul(g, x)) : Tensor()};
           });
  }
  return finish("BinaryCrossEntropyWithLogitsBackward0", losses, weight, reduction);
}

}  // namespace verigrad::ops

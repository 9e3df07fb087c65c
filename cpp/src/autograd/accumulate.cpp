#include "autograd/accumulate.h"

#include <mutex>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/ops.h"
#include "verigrad/parallel.h"

namespace verigrad {

void check_gradient(const Node& producer, int input, const GradMeta& meta, const Tensor& grad) {
  VG_CHECK(grad.shape() == meta.shape, RuntimeError, "Function ", producer.name(),
           " returned an invalid gradient at index ", input, " - got ", grad.shape(), " but expected shape ",
           meta.shape);
  VG_CHECK(grad.dtype() == meta.dtype, RuntimeError, "Function ", producer.name(),
           " returned an invalid gradient at index ", input, " - expected type ", meta.dtype, " but got ",
           grad.dtype());
  VG_CHECK(grad.device() == meta.device, RuntimeError, "Function ", producer.name(),
           " returned an invalid gradient at index ", input, " - expected device ", meta.device, " but got ",
           grad.device());
}

void add_gradient(Tensor& into, Tensor grad) {
  if (!into.defined()) {
    into = std::move(grad);
  } else if (!GradMode::enabled() && into.is_contiguous() && into.ref()->use_count() == 1 &&
             into.storage()->use_count() == 1) {
    ops::binary_out(kernels::BinaryOp::add, into, into, grad);
  } else {
    into = ops::add(into, grad);
  }
}

TensorList AccumulateGrad::apply(TensorList&& grads) {
  Tensor grad = std::move(grads[0]);
  grads.clear();
  const auto hooks = variable_.impl()->meta->load_hooks();
  if (hooks) grad = hooks->run(std::move(grad));
  accumulate(grad);
  if (hooks) {
    if (const auto after = hooks->after.snapshot()) {
      for (const auto& [id, hook] : after->hooks) hook(variable_);
    }
  }
  return {};
}

void AccumulateGrad::accumulate(const Tensor& grad) {
  // From a graph that is older than the leaf's present .data, as below.
  if (grad.dtype() != variable_.dtype()) return accumulate(ops::to(grad, variable_.dtype()));
  AutogradMeta& meta = *variable_.impl()->meta;
  // Passes of several threads may meet in a shared parameter, and Python may replace its gradient meanwhile.
  const std::lock_guard adding(meta.accumulating);
  if (!meta.requires_grad) return;  // switched off since the graph was recorded
  const Uninterrupted whole;
  for (;;) {
    const Tensor held = meta.load_grad();
    Tensor sum;
    if (held.defined()) {
      // .grad may have the shape or dtype that the leaf had before its .data was replaced.
      VG_CHECK(held.shape() == grad.shape(), RuntimeError, "backward: expected a gradient of the shape of .grad, ",
               held.shape(), ", got ", grad.shape());
      const bool in_place = !GradMode::enabled() && held.dtype() == grad.dtype() && held.storage() != grad.storage() &&
                            (held.is_contiguous() || !may_overlap(held.shape(), held.strides()));
      if (in_place) {
        ops::binary_out(kernels::BinaryOp::add, held, held, grad);
        held.bump_version();
        return;
      }
      sum = ops::add(ops::to(held, grad.dtype()), grad);
    } else {
      // Someone else may hold the incoming tensor (a saved value, the caller's gradient): .grad is a tensor of its own.
      // The engine holds one reference and its buffer was moved from, so an unshared result can be taken as it is.
      const bool own = !GradMode::enabled() && grad.ref()->use_count() == 1 && grad.storage()->use_count() == 1 &&
                       grad.is_contiguous();
      sum = own ? grad : ops::clone(GradMode::enabled() ? grad : ops::detach(grad));
    }
    if (meta.replace_grad(held, std::move(sum))) return;
  }
}

Tensor sum_to_shape(const Tensor& grad, const Dims& shape) {
  if (grad.shape() == shape) return grad;
  const int lead = grad.ndim() - shape.size();
  std::vector<std::int64_t> dims;
  for (int i = 0; i < grad.ndim(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && grad.shape()[i] != 1)) dims.push_back(i);
  }
  const Tensor out = ops::sum(grad, dims, /*keepdim=*/true, std::nullopt);
  return lead > 0 ? ops::reshape(out, shape) : out;
}

}  // namespace verigrad

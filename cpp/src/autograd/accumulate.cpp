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
  if (const auto hooks = variable_.impl()->meta->load_hooks()) grad = hooks->run(std::move(grad));
  accumulate(grad);
  return {};
}

void AccumulateGrad::accumulate(const Tensor& grad) {
  AutogradMeta& meta = *variable_.impl()->meta;
  // Passes of several threads may meet in a shared parameter, and Python may replace its gradient meanwhile.
  const std::lock_guard adding(meta.accumulating);
  const Uninterrupted whole;
  for (;;) {
    const Tensor before = meta.load_grad();
    Tensor sum;
    if (before.defined() && !GradMode::enabled()) {
      ops::binary_out(kernels::BinaryOp::add, before, before, grad);
      before.bump_version();
      return;
    }
    if (before.defined()) {
      sum = ops::add(before, grad);
    } else {
      // Someone else may hold the incoming tensor (a saved value, the caller's gradient): .grad is a tensor of its own.
      // The engine holds one reference and its buffer was moved from, so an unshared result can be taken as it is.
      const bool own = !GradMode::enabled() && grad.ref()->use_count() == 1 && grad.storage()->use_count() == 1 &&
                       grad.is_contiguous();
      sum = own ? grad : ops::clone(GradMode::enabled() ? grad : ops::detach(grad));
    }
    if (meta.replace_grad(before, std::move(sum))) return;
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

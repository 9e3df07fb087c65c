#include "autograd/accumulate.h"

#include <atomic>
#include <map>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/ops.h"

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
  const AutogradMeta& meta = *variable_.impl()->meta;
  if (meta.hooks && !meta.hooks->empty()) grad = meta.hooks->run(std::move(grad));
  accumulate(grad);
  return {};
}

namespace {
// One lock for all leaves: backward passes of several threads may meet in a shared parameter.
std::mutex grad_mutex;
}  // namespace

void AccumulateGrad::accumulate(const Tensor& grad) {
  // From a graph that is older than the leaf's present .data, as below.
  if (grad.dtype() != variable_.dtype()) return accumulate(ops::to(grad, variable_.dtype()));
  const std::lock_guard lock(grad_mutex);
  AutogradMeta& meta = *variable_.impl()->meta;
  if (!meta.requires_grad) return;  // switched off since the graph was recorded
  if (!meta.grad.defined()) {
    // Someone else may hold the incoming tensor (a saved value, the caller's gradient): .grad is a tensor of its own.
    // The engine holds one reference and its buffer was moved from, so an unshared result can be taken as it is.
    const bool own = !GradMode::enabled() && grad.ref()->use_count() == 1 && grad.storage()->use_count() == 1 &&
                     grad.is_contiguous();
    if (own) {
      meta.grad = grad;
    } else {
      meta.grad = ops::clone(GradMode::enabled() ? grad : ops::detach(grad));
    }
    return;
  }
  // .grad may have the shape or dtype that the leaf had before its .data was replaced.
  const Tensor held = meta.grad;
  VG_CHECK(held.shape() == grad.shape(), RuntimeError, "backward: expected a gradient of the shape of .grad, ",
           held.shape(), ", got ", grad.shape());
  const bool in_place = !GradMode::enabled() && held.dtype() == grad.dtype() && held.storage() != grad.storage() &&
                        (held.is_contiguous() || !may_overlap(held.shape(), held.strides()));
  if (in_place) {
    ops::binary_out(kernels::BinaryOp::add, held, held, grad);
    held.bump_version();
  } else {
    meta.grad = ops::add(ops::to(held, grad.dtype()), grad);
  }
}

Tensor sum_to_shape(const Tensor& grad, const Dims& shape) {
  if (grad.shape() == shape) return grad;
  const int lead = grad.ndim() - shape.size();
  std::vector<std::int64_t> dims;
  for (int i = 0; i < grad.ndim(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && grad.shape()[i] != 1)) dims.push_back(i);
  }
  Tensor out = grad;
  if (skip_broadcast_sum) [[unlikely]] {
    for (std::int64_t d : dims) {
      if (out.size(d) > 0) out = ops::narrow(out, d, 0, 1);
    }
    if (out.numel() == checked_numel("sum_to_shape", shape)) return ops::reshape(out, shape);
  }
  out = ops::sum(grad, dims, /*keepdim=*/true, std::nullopt);
  return lead > 0 ? ops::reshape(out, shape) : out;
}

// Planted faults. The flag keeps the cost of the feature to one relaxed load per node.

thread_local bool skip_broadcast_sum = false;

namespace {
std::atomic<bool> any_fault{false};
std::mutex fault_mutex;
std::map<std::string, std::string> faults;  // node name -> kind

std::string planted_fault(const Node& node) {
  if (!any_fault.load(std::memory_order_relaxed)) return {};
  const std::lock_guard lock(fault_mutex);
  const auto found = faults.find(node.name());
  return found == faults.end() ? std::string() : found->second;
}
}  // namespace

bool broadcast_fault_planted(const Node& node) { return planted_fault(node) == "broadcast"; }

void apply_planted_fault(const Node& node, TensorList& grads) {
  const std::string kind = planted_fault(node);
  if (kind.empty() || kind == "broadcast") return;
  for (Tensor& grad : grads) {
    if (!grad.defined()) continue;
    if (kind == "scale") grad = ops::mul(grad, Scalar(1.001));
    if (kind == "zero") grad = ops::zeros_like(grad);
    if (kind == "sign") grad = ops::neg(grad);
  }
}

namespace testing {

void plant_vjp_fault(const std::string& kind, const std::string& node_name) {
  VG_CHECK(kind == "scale" || kind == "zero" || kind == "sign" || kind == "broadcast", ValueError,
           "plant_vjp_fault: expected kind scale, zero, sign or broadcast, got ", kind);
  const std::lock_guard lock(fault_mutex);
  faults[node_name] = kind;
  any_fault = true;
}

void clear_vjp_faults() {
  const std::lock_guard lock(fault_mutex);
  faults.clear();
  any_fault = false;
}

}  // namespace testing

}  // namespace verigrad

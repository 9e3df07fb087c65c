// Autograd state of a tensor, and the modes of the thread.
#include <mutex>

#include "verigrad/autograd.h"

namespace verigrad {

namespace {
thread_local bool grad_enabled = true;
thread_local bool inference_enabled = false;
}  // namespace

bool GradMode::enabled() { return grad_enabled; }
void GradMode::set_enabled(bool value) { grad_enabled = value; }
bool InferenceMode::enabled() { return inference_enabled; }
void InferenceMode::set_enabled(bool value) { inference_enabled = value; }

AutogradMeta::~AutogradMeta() {
  if (weak) weak->expire();
}

// What is replaced is freed after the lock: freeing may run Python.

Tensor AutogradMeta::load_grad() const {
  const std::lock_guard guard(lock);
  return grad;
}

void AutogradMeta::store_grad(Tensor next) {
  const std::lock_guard guard(lock);
  std::swap(grad, next);
}

bool AutogradMeta::replace_grad(const Tensor& expected, Tensor next) {
  const std::lock_guard guard(lock);
  if (!grad.is_same(expected)) return false;
  std::swap(grad, next);
  return true;
}

std::shared_ptr<HookList> AutogradMeta::load_hooks() const {
  const std::lock_guard guard(lock);
  return hooks;
}

std::shared_ptr<HookList> AutogradMeta::leaf_hooks() {
  const std::lock_guard guard(lock);
  if (!hooks) hooks = std::make_shared<HookList>();
  return hooks;
}

AutogradMeta& autograd_meta(const Tensor& tensor) {
  auto& meta = tensor.impl()->meta;
  if (!meta) meta = std::make_unique<AutogradMeta>();
  return *meta;
}

void set_history(const Tensor& tensor, Ref<Node> node, int output_nr) {
  AutogradMeta& meta = autograd_meta(tensor);
  meta.grad_fn = std::move(node);
  meta.output_nr = output_nr;
}

namespace {
/// Another history for a tensor that may have one; retain_grad goes with it.
void change_history(const Tensor& tensor, Ref<Node> node, int output_nr) {
  AutogradMeta& meta = autograd_meta(tensor);
  if (meta.retains_grad && meta.grad_fn) meta.grad_fn->drop_retained(meta.weak.get());
  set_history(tensor, std::move(node), output_nr);
  if (meta.retains_grad && meta.grad_fn) meta.grad_fn->retain_grad(meta.output_nr, meta.weak);
}
}  // namespace

void move_history(const Tensor& tensor, const Tensor& from) {
  const AutogradMeta* source = from.impl()->meta.get();
  change_history(tensor, source ? source->grad_fn : Ref<Node>(), source ? source->output_nr : 0);
}

Tensor base_of(const Tensor& view) {
  const AutogradMeta* meta = view.impl()->meta.get();
  if (!meta || !meta->base.defined()) return {};
  const AutogradMeta* base = meta->base.impl()->meta.get();
  return (base ? base->swaps : 0) == meta->base_swaps ? meta->base : Tensor();
}

Ref<Node> Tensor::grad_fn() const {
  AutogradMeta* meta = impl_->meta.get();
  if (!meta) return {};
  if (meta->base.defined()) {
    const AutogradMeta* base = meta->base.impl()->meta.get();
    const std::uint64_t epoch = base ? base->history_epoch : 0;
    if (epoch != meta->epoch && base_of(*this).defined()) {
      // The base was changed in place by way of another view, so this view is one of its new value.
      VG_CHECK(!impl_->untracked_view, RuntimeError,
               "A view was created in no_grad mode and its base or another view of its base has been modified inplace "
               "with grad mode enabled. This use case is ambiguous and forbidden: move both the view and the inplace "
               "inside the no_grad block, or both outside.");
      const GradModeGuard guard(true);
      move_history(*this, view_again(meta->base, *this));
      meta->epoch = epoch;
    }
  }
  return meta->grad_fn;
}

bool Tensor::requires_grad() const {
  const AutogradMeta* meta = impl_->meta.get();
  return meta && (meta->requires_grad || meta->grad_fn || (meta->base.defined() && meta->base.requires_grad()));
}

bool Tensor::is_leaf() const { return !grad_fn(); }

void Tensor::set_requires_grad(bool value) const {
  VG_CHECK(is_leaf(), RuntimeError, "you can only change requires_grad flags of leaf variables.",
           value ? ""
                 : " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
                   "var_no_grad = var.detach().");
  if (!value && !impl_->meta) return;
  VG_CHECK(!value || is_floating_point(dtype()), RuntimeError,
           "only Tensors of floating point dtype can require gradients, got ", dtype());
  VG_CHECK(!value || !impl_->inference || InferenceMode::enabled(), RuntimeError,
           "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  autograd_meta(*this).requires_grad = value;
}

Tensor Tensor::grad() const { return impl_->meta ? impl_->meta->load_grad() : Tensor(); }

void Tensor::set_grad(const Tensor& grad) const {
  if (!grad.defined()) {
    if (impl_->meta) impl_->meta->store_grad({});
    return;
  }
  VG_CHECK(!grad.is_same(*this), RuntimeError, "grad: can't assign Variable as its own grad");
  VG_CHECK(grad.dtype() == dtype(), RuntimeError, "grad: expected a gradient of dtype ", dtype(), ", got ",
           grad.dtype());
  VG_CHECK(grad.device() == device(), RuntimeError, "grad: expected a gradient on device ", device(), ", got ",
           grad.device());
  VG_CHECK(grad.shape() == shape(), RuntimeError, "grad: expected a gradient of shape ", shape(), ", got ",
           grad.shape());
  autograd_meta(*this).store_grad(grad);
}

namespace {

bool fits(const GradMeta& meta, const Tensor& tensor) {
  return meta.shape == tensor.shape() && meta.dtype == tensor.dtype() && meta.device == tensor.device();
}

/// Stands between a tensor whose .data was replaced by one of another shape, dtype or device, and its history, which
/// takes gradients like the old one: what follows is recorded with the new shape, and its gradient has nowhere to go.
class ReplacedData final : public Node {
 public:
  ReplacedData(const Tensor& tensor, Edge history) : Node(history.node->name()) {
    edges.push_back(std::move(history));
    outputs.emplace_back(tensor);
  }
  TensorList apply(TensorList&&) override {
    const GradMeta &old = edges[0].node->outputs[static_cast<std::size_t>(edges[0].output_nr)], &now = outputs[0];
    VG_THROW(RuntimeError, name(), ": expected a gradient of shape ", old.shape, " and dtype ", old.dtype, " on ",
             old.device, ", got ", now.shape, " and ", now.dtype, " on ", now.device,
             ": the .data of its result was replaced");
  }
};

/// Fits the history of a computed tensor to its new data.
void fit_history(const Tensor& tensor) {
  AutogradMeta& meta = *tensor.impl()->meta;
  if (!meta.grad_fn) return;
  Edge history{meta.grad_fn, meta.output_nr};
  if (const auto* replaced = dynamic_cast<const ReplacedData*>(history.node.get())) history = replaced->edges[0];
  if (!fits(history.node->outputs[static_cast<std::size_t>(history.output_nr)], tensor)) {
    history = {make_ref<ReplacedData>(tensor, history), 0};
  }
  if (!(history.node == meta.grad_fn)) change_history(tensor, history.node, history.output_nr);
}

}  // namespace

void Tensor::set_data(const Tensor& other) const {
  VG_CHECK(!requires_grad() || is_floating_point(other.dtype()), RuntimeError,
           "data set to a tensor that requires gradients must be floating point dtype, got ", other.dtype());
  TensorImpl& to = *impl_;
  const TensorImpl& from = *other.impl();
  AutogradMeta& meta = autograd_meta(*this);
  grad_fn();  // a view keeps the history that it has now, but its base is not that of the new memory
  meta.base = {};
  to.untracked_view = false;
  ++meta.swaps;
  if (to.shape != from.shape || to.dtype != from.dtype || to.storage->device() != from.storage->device()) {
    // An accumulator expects gradients of the old shape and dtype: older graphs keep it, newer ones get another.
    const std::lock_guard guard(meta.lock);
    meta.accumulator = nullptr;
  }
  if (!to.own_version) to.own_version = make_ref<Version>(version());
  to.storage = from.storage;
  to.dtype = from.dtype;
  to.shape = from.shape;
  to.strides = from.strides;
  to.offset = from.offset;
  to.numel = from.numel;
  to.contiguous = from.contiguous;
  fit_history(*this);
}

Edge gradient_edge(const Tensor& tensor) {
  if (Ref<Node> node = tensor.grad_fn()) return {std::move(node), tensor.impl()->meta->output_nr};
  // A view made while recording was off may require a gradient by its base alone, and gets none.
  if (!tensor.impl()->meta || !tensor.impl()->meta->requires_grad) return {};
  AutogradMeta& meta = *tensor.impl()->meta;
  const std::lock_guard guard(meta.lock);
  if (meta.accumulator && meta.accumulator->try_retain()) return {Ref<Node>::adopt(meta.accumulator), 0};
  Ref<AccumulateGrad> node = make_ref<AccumulateGrad>(tensor);
  meta.accumulator = node.get();
  return {node, 0};
}

AccumulateGrad::AccumulateGrad(const Tensor& variable) : Node("AccumulateGrad"), variable_(variable) {
  outputs.emplace_back(variable);
}

AccumulateGrad::~AccumulateGrad() {
  AutogradMeta& meta = *variable_.impl()->meta;
  const std::lock_guard guard(meta.lock);
  if (meta.accumulator == this) meta.accumulator = nullptr;
}

void retain_grad(const Tensor& tensor) {
  VG_CHECK(tensor.requires_grad(), RuntimeError, "can't retain_grad on Tensor that has requires_grad=False");
  const Ref<Node> node = tensor.grad_fn();
  AutogradMeta& meta = *tensor.impl()->meta;
  if (!node || meta.retains_grad) return;  // leaves keep theirs anyway
  meta.retains_grad = true;
  if (!meta.weak) meta.weak = std::make_shared<WeakTensor>(tensor.impl());
  node->retain_grad(meta.output_nr, meta.weak);
}

std::shared_ptr<HookList> tensor_hooks(const Tensor& tensor) {
  VG_CHECK(tensor.requires_grad(), RuntimeError, "cannot register a hook on a tensor that doesn't require gradient");
  const Edge edge = gradient_edge(tensor);
  AutogradMeta& meta = *tensor.impl()->meta;
  if (meta.grad_fn) return edge.node->shared_hooks(edge.output_nr);
  return meta.leaf_hooks();
}

}  // namespace verigrad

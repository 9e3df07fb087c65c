#include <atomic>

#include "verigrad/autograd.h"
#include "verigrad/ops.h"

namespace verigrad {

std::uint64_t HookList::add(GradHook hook) {
  hooks_.emplace_back(next_id_, std::move(hook));
  return next_id_++;
}

void HookList::remove(std::uint64_t id) {
  std::erase_if(hooks_, [id](const auto& entry) { return entry.first == id; });
}

Tensor HookList::run(Tensor grad) const {
  const auto hooks = hooks_;  // a hook may add or remove hooks
  for (const auto& [id, hook] : hooks) {
    Tensor replacement = hook(grad);
    if (!replacement.defined()) continue;
    VG_CHECK(replacement.shape() == grad.shape() && replacement.dtype() == grad.dtype(), RuntimeError,
             "hook: expected a gradient of shape ", grad.shape(), " and dtype ", grad.dtype(), ", got ",
             replacement.shape(), " and ", replacement.dtype());
    grad = std::move(replacement);
  }
  return grad;
}

Tensor WeakTensor::lock() {
  const std::lock_guard guard(mutex_);
  if (!impl_ || !impl_->try_retain()) return {};
  return Tensor(Ref<TensorImpl>::adopt(impl_));
}

void WeakTensor::expire() {
  const std::lock_guard guard(mutex_);
  impl_ = nullptr;
}

SavedTensor::SavedTensor(const Tensor& tensor, bool is_output) : version_(tensor.version()), is_output_(is_output) {
  VG_CHECK(!tensor.impl()->inference, RuntimeError,
           "Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor "
           "and use it in autograd.");
  // Kept apart from the tensor itself: its history may later lead through this very node (that of an output does now),
  // and its .data may be replaced. Nobody else holds a number that was wrapped.
  data_ = tensor.impl()->wrapped_number ? tensor : alias(tensor);
  if (is_output || !tensor.impl()->meta) return;
  grad_fn_ = tensor.grad_fn();
  output_nr_ = tensor.impl()->meta->output_nr;
  if (!grad_fn_ && tensor.impl()->meta->requires_grad) leaf_ = tensor.impl();
}

Tensor SavedTensor::unpack(Node& owner) const {
  if (!data_.defined()) return {};
  VG_CHECK(data_.version() == version_, RuntimeError,
           "one of the variables needed for gradient computation has been modified by an inplace operation: [",
           data_.dtype(), " ", data_.shape(), "], which is ", is_output_ ? "an output" : "an input", " of ",
           owner.name(), ", is at version ", data_.version(), "; expected version ", version_, " instead.");
  if (!GradMode::enabled() || !(is_output_ || grad_fn_ || leaf_)) return data_;
  Tensor out = alias(data_);
  if (is_output_) {
    set_history(out, Ref<Node>(&owner), output_nr_);
  } else if (grad_fn_) {
    set_history(out, grad_fn_, output_nr_);
  } else {
    for (const Edge& edge : owner.edges) {
      const auto* accumulator = dynamic_cast<const AccumulateGrad*>(edge.node.get());
      if (accumulator && accumulator->variable().impl() == leaf_) set_history(out, edge.node, 0);
    }
  }
  return out;
}

namespace {
std::atomic<std::uint64_t> next_sequence{0};
}

Node::Node(const char* name) : name_(name), sequence_(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}

Node::~Node() = default;

void Node::release_saved() {
  if (saved_tensors.empty()) return;
  saved_tensors.clear();
  released = true;
}

Tensor Node::saved(int i) {
  const auto at = static_cast<std::size_t>(i);
  if (!released && at >= saved_tensors.size()) return {};  // nothing was saved
  VG_CHECK(!released, RuntimeError, name_,
           ": Trying to backward through the graph a second time (or directly access saved tensors after they have "
           "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
           "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
           "you need to access saved tensors after calling backward.");
  return saved_tensors[at].unpack(*this);
}

std::shared_ptr<HookList> Node::shared_hooks(int output_nr) {
  if (!extras_) extras_ = std::make_unique<Extras>();
  for (auto& [nr, list] : extras_->hooks) {
    if (nr == output_nr) return list;
  }
  return extras_->hooks.emplace_back(output_nr, std::make_shared<HookList>()).second;
}

HookList& Node::hooks(int output_nr) { return *shared_hooks(output_nr); }

const HookList* Node::find_hooks(int output_nr) const {
  if (!extras_) return nullptr;
  for (const auto& [nr, list] : extras_->hooks) {
    if (nr == output_nr) return list.get();
  }
  return nullptr;
}

void Node::retain_grad(int output_nr, std::shared_ptr<WeakTensor> tensor) {
  if (!extras_) extras_ = std::make_unique<Extras>();
  extras_->retained.emplace_back(output_nr, std::move(tensor));
}

void Node::drop_retained(const WeakTensor* tensor) {
  if (extras_) std::erase_if(extras_->retained, [tensor](const auto& entry) { return entry.second.get() == tensor; });
}

void Node::store_retained(int output_nr, const Tensor& grad) const {
  if (!extras_) return;
  for (const auto& [nr, weak] : extras_->retained) {
    if (nr != output_nr) continue;
    if (const Tensor tensor = weak->lock(); tensor.defined()) {
      Tensor& kept = autograd_meta(tensor).grad;
      // Memory of its own: the gradient goes on through the graph, and may be the caller's.
      kept = kept.defined() ? ops::add(kept, grad) : ops::clone(grad);
    }
  }
}

}  // namespace verigrad

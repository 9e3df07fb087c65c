#include <atomic>

#include "verigrad/autograd.h"

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

SavedTensor::SavedTensor(const Tensor& tensor, bool is_output)
    : version_(tensor.version()), is_output_(is_output), requires_grad_(tensor.requires_grad()) {
  VG_CHECK(!tensor.impl()->inference, RuntimeError,
           "Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor "
           "and use it in autograd.");
  if (is_output) {
    data_ = alias(tensor);  // without history: the output's history is the node that saves it
  } else if (requires_grad_ && !tensor.is_leaf()) {
    // Kept apart from the tensor itself, whose history an in-place op may later lead through this very node.
    data_ = alias(tensor);
    grad_fn_ = tensor.grad_fn();
    output_nr_ = tensor.impl()->meta->output_nr;
  } else {
    data_ = tensor;
  }
}

Tensor SavedTensor::unpack(Node& owner) const {
  if (!data_.defined()) return {};
  VG_CHECK(data_.version() == version_, RuntimeError,
           "one of the variables needed for gradient computation has been modified by an inplace operation: [",
           data_.dtype(), " ", data_.shape(), "], which is ", is_output_ ? "an output" : "an input", " of ",
           owner.name(), ", is at version ", data_.version(), "; expected version ", version_, " instead.");
  if (!GradMode::enabled() || (!is_output_ && !grad_fn_)) return data_;
  Tensor out = alias(data_);
  if (is_output_) {
    set_history(out, Ref<Node>(&owner), output_nr_);
  } else {
    set_history(out, grad_fn_, output_nr_);
  }
  return out;
}

namespace {
std::atomic<std::uint64_t> next_sequence{0};
}

Node::Node(const char* name) : name_(name), sequence_(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}

Node::~Node() = default;

void Node::destroy() {
  // A long chain must not be freed by recursion: while one node is being deleted on this thread, the others queue up.
  thread_local std::vector<Node*>* pending = nullptr;
  if (pending) {
    pending->push_back(this);
    return;
  }
  std::vector<Node*> queue{this};
  pending = &queue;
  while (!queue.empty()) {
    Node* node = queue.back();
    queue.pop_back();
    delete node;
  }
  pending = nullptr;
}

void Node::release_saved() {
  if (saved_tensors.empty()) return;
  saved_tensors.clear();
  released = true;
}

Tensor Node::saved(int i) {
  VG_CHECK(!released, RuntimeError, name_,
           ": Trying to backward through the graph a second time (or directly access saved tensors after they have "
           "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
           "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
           "you need to access saved tensors after calling backward.");
  return saved_tensors[static_cast<std::size_t>(i)].unpack(*this);
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

void Node::store_retained(int output_nr, const Tensor& grad) const {
  if (!extras_) return;
  for (const auto& [nr, weak] : extras_->retained) {
    if (nr != output_nr) continue;
    if (const Tensor tensor = weak->lock(); tensor.defined()) autograd_meta(tensor).grad = grad;
  }
}

}  // namespace verigrad

#include <atomic>
#include <mutex>

#include "autograd/anomaly.h"
#include "verigrad/autograd.h"
#include "verigrad/ops.h"

namespace verigrad {

template <class Hook>
Ref<typename Hooks<Hook>::Snapshot> Hooks<Hook>::snapshot() const {
  const std::lock_guard guard(lock_);
  return hooks_;
}

template <class Hook>
template <class Change>
void Hooks<Hook>::change(Change change) {
  for (;;) {
    const Ref<Snapshot> before = snapshot();
    Ref<Snapshot> after = make_ref<Snapshot>();
    if (before) after->hooks = before->hooks;
    change(after->hooks);
    if (after->hooks.empty()) after = {};
    const std::lock_guard guard(lock_);
    // The old snapshot lives on in `before`: what a hook owns must not be freed under the lock.
    if (!(hooks_ == before)) continue;
    hooks_ = std::move(after);
    return;
  }
}

template <class Hook>
std::uint64_t Hooks<Hook>::add(Hook hook) {
  const std::uint64_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
  change([&](auto& hooks) { hooks.emplace_back(id, hook); });
  return id;
}

template <class Hook>
void Hooks<Hook>::remove(std::uint64_t id) {
  change([id](auto& hooks) { std::erase_if(hooks, [id](const auto& entry) { return entry.first == id; }); });
}

template <class Hook>
void Hooks<Hook>::clear() {
  change([](auto& hooks) { hooks.clear(); });
}

template class Hooks<GradHook>;
template class Hooks<NodeHook>;

Tensor HookList::run(Tensor grad) const {
  const Ref<Snapshot> now = snapshot();
  if (!now) return grad;
  for (const auto& [id, hook] : now->hooks) {
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
  const std::lock_guard guard(lock_);
  if (!impl_ || !impl_->try_retain()) return {};
  return Tensor(Ref<TensorImpl>::adopt(impl_));
}

void WeakTensor::expire() {
  const std::lock_guard guard(lock_);
  impl_ = nullptr;
}

namespace {

std::atomic<int> threads_with_pack_hooks{0};  // so that where there are none, no thread looks at its own
thread_local std::vector<PackHook> pack_hooks;
thread_local std::optional<std::string> pack_hooks_forbidden;

struct Packed final : RefCounted {
  explicit Packed(Unpack function) : unpack(std::move(function)) {}
  Unpack unpack;
};

Unpack pack(const Tensor& tensor) {
  const NoGradGuard guard;
  const std::uint32_t version = tensor.version();
  const PackHook hook = pack_hooks.back();  // it may set others itself
  Unpack unpack = hook(tensor);
  VG_CHECK(
      tensor.version() == version, RuntimeError,
      "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
      "modified by in-place operations as this can lead to unexpected side-effects.");
  return unpack;
}

void check_pack_hooks_allowed() {
  if (pack_hooks_forbidden) throw RuntimeError(*pack_hooks_forbidden);
}

}  // namespace

void push_pack_hook(PackHook hook) {
  check_pack_hooks_allowed();
  pack_hooks.push_back(std::move(hook));
  if (pack_hooks.size() == 1) ++threads_with_pack_hooks;
}

void pop_pack_hook() {
  if (pack_hooks.size() == 1) --threads_with_pack_hooks;
  pack_hooks.pop_back();
}

std::optional<std::string> forbid_pack_hooks(std::optional<std::string> message) {
  std::optional<std::string> before = std::exchange(pack_hooks_forbidden, std::move(message));
  if (!pack_hooks.empty() && pack_hooks_forbidden) {
    std::swap(before, pack_hooks_forbidden);
    throw RuntimeError(*before);
  }
  return before;
}

SavedTensor::SavedTensor(const Tensor& tensor, bool is_output) : version_(tensor.version()), is_output_(is_output) {
  VG_CHECK(!tensor.impl()->inference, RuntimeError,
           "Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor "
           "and use it in autograd.");
  // Kept apart from the tensor itself: its history may later lead through this very node (that of an output does now),
  // and its .data may be replaced.
  if (threads_with_pack_hooks.load(std::memory_order_relaxed) > 0 && !pack_hooks.empty()) [[unlikely]] {
    kept_ = make_ref<Packed>(pack(is_output ? alias(tensor) : tensor));
    packed_ = true;
  } else {
    kept_ = alias(tensor).ref();
  }
  if (!tensor.impl()->meta) return;
  output_nr_ = tensor.impl()->meta->output_nr;
  if (is_output) return;
  grad_fn_ = tensor.grad_fn();
  if (!grad_fn_ && tensor.impl()->meta->requires_grad) leaf_ = tensor.impl();
}

Tensor SavedTensor::unpack(Node& owner) const {
  if (!kept_) return {};
  const Tensor data = packed_ ? static_cast<const Packed&>(*kept_).unpack()
                              : Tensor(Ref<TensorImpl>(static_cast<TensorImpl*>(kept_.get())));
  VG_CHECK(packed_ || data.version() == version_, RuntimeError,
           "one of the variables needed for gradient computation has been modified by an inplace operation: [",
           data.dtype(), " ", data.shape(), "], which is ", is_output_ ? "an output" : "an input", " of ", owner.name(),
           ", is at version ", data.version(), "; expected version ", version_, " instead.");
  if (!GradMode::enabled() || (!packed_ && !(is_output_ || grad_fn_ || leaf_))) return data;
  Tensor out = alias(data);
  if (is_output_) {
    set_history(out, Ref<Node>(&owner), output_nr_);
  } else if (grad_fn_) {
    set_history(out, grad_fn_, output_nr_);
  } else if (leaf_) {
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

Node::Node(const char* name) : name_(name), sequence_(next_sequence.fetch_add(1, std::memory_order_relaxed)) {
  if (AnomalyMode::enabled()) [[unlikely]] {
    std::string stack = recorded_stack();
    extras().trace = std::move(stack);
  }
}

Node::~Node() { delete extras_.load(std::memory_order_acquire); }

void Node::release_saved() {
  if (saved_tensors.empty() && !saved_numbers) return;
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

Node::Extras& Node::extras() {
  Extras* found = extras_.load(std::memory_order_acquire);
  if (found) return *found;
  auto fresh = std::make_unique<Extras>();
  return extras_.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel) ? *fresh.release() : *found;
}

std::shared_ptr<Hooks<NodeHook>> Node::node_hooks(Phase phase) {
  Extras& own = extras();
  const std::lock_guard guard(own.lock);
  auto& list = own.around[static_cast<int>(phase)];
  if (!list) list = std::make_shared<Hooks<NodeHook>>();
  return list;
}

std::shared_ptr<Hooks<NodeHook>> Node::find_node_hooks(Phase phase) const {
  Extras* const own = extras_.load(std::memory_order_acquire);
  if (!own) return nullptr;
  const std::lock_guard guard(own->lock);
  return own->around[static_cast<int>(phase)];
}

std::string Node::trace() const {
  const Extras* const own = extras_.load(std::memory_order_acquire);
  return own ? own->trace : std::string();
}

std::shared_ptr<HookList> Node::shared_hooks(int output_nr) {
  Extras& own = extras();
  const std::lock_guard guard(own.lock);
  for (auto& [nr, list] : own.hooks) {
    if (nr == output_nr) return list;
  }
  return own.hooks.emplace_back(output_nr, std::make_shared<HookList>()).second;
}

HookList& Node::hooks(int output_nr) { return *shared_hooks(output_nr); }

std::shared_ptr<HookList> Node::find_hooks(int output_nr) const {
  Extras* const own = extras_.load(std::memory_order_acquire);
  if (!own) return nullptr;
  const std::lock_guard guard(own->lock);
  for (const auto& [nr, list] : own->hooks) {
    if (nr == output_nr) return list;
  }
  return nullptr;
}

void Node::retain_grad(int output_nr, std::shared_ptr<WeakTensor> tensor) {
  Extras& own = extras();
  const std::lock_guard guard(own.lock);
  own.retained.emplace_back(output_nr, std::move(tensor));
}

void Node::drop_retained(const WeakTensor* tensor) {
  Extras* const own = extras_.load(std::memory_order_acquire);
  if (!own) return;
  const std::lock_guard guard(own->lock);
  std::erase_if(own->retained, [tensor](const auto& entry) { return entry.second.get() == tensor; });
}

void Node::store_retained(int output_nr, const Tensor& grad) const {
  Extras* const own = extras_.load(std::memory_order_acquire);
  if (!own) return;
  std::vector<std::pair<int, std::shared_ptr<WeakTensor>>> retained;
  {
    const std::lock_guard guard(own->lock);
    retained = own->retained;
  }
  for (const auto& [nr, weak] : retained) {
    if (nr != output_nr) continue;
    if (const Tensor tensor = weak->lock(); tensor.defined()) {
      // Memory of its own: the gradient goes on through the graph, and may be the caller's.
      AutogradMeta& meta = autograd_meta(tensor);
      for (;;) {
        const Tensor kept = meta.load_grad();
        if (meta.replace_grad(kept, kept.defined() ? ops::add(kept, grad) : ops::clone(grad))) break;
      }
    }
  }
}

}  // namespace verigrad

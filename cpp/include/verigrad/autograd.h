// The computational graph: nodes, what they save, and the backward pass.
//
// Define by run. An op that is differentiable and has an input that requires a gradient makes one Node; the output's
// `grad_fn` points to it and its edges point to the nodes (or, for leaves, the accumulators) of the inputs. The engine
// knows nodes, not ops.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "verigrad/lock.h"
#include "verigrad/tensor.h"

namespace verigrad {

using TensorList = std::vector<Tensor>;
/// Receives a gradient, returns its replacement or an undefined tensor to leave it.
using GradHook = std::function<Tensor(const Tensor&)>;

/// Of a node: changes `grads` in place, which are those by its outputs before it runs, and by its inputs after.
/// `outputs` are those by its outputs as the node got them. Undefined gradients are zero or not wanted.
using NodeHook = std::function<void(TensorList& grads, const TensorList& outputs)>;
/// Makes of a tensor that is about to be saved what is kept in its place: a function that gives the tensor back.
using Unpack = std::function<Tensor()>;
using PackHook = std::function<Unpack(const Tensor&)>;

struct Edge {
  Ref<Node> node;
  int output_nr = 0;
  bool valid() const { return static_cast<bool>(node); }
};

/// Hooks with handles for removal. A change makes a new snapshot, so that threads may run, add and remove at once, and
/// a hook may do so itself: a run ends with the hooks that it began with.
template <class Hook>
class Hooks {
 public:
  struct Snapshot final : RefCounted {
    std::vector<std::pair<std::uint64_t, Hook>> hooks;
  };
  std::uint64_t add(Hook hook);
  void remove(std::uint64_t id);
  void clear();
  /// The hooks as they are now; null if there are none.
  Ref<Snapshot> snapshot() const;

 private:
  template <class Change>
  void change(Change change);

  mutable Lock lock_;
  std::atomic<std::uint64_t> next_id_{1};
  Ref<Snapshot> hooks_;
};

class HookList : public Hooks<GradHook> {
 public:
  Tensor run(Tensor grad) const;
  /// Of a leaf: these get the leaf itself, once its gradient has been added.
  Hooks<GradHook> after;
};

/// A pointer that does not keep its tensor alive.
class WeakTensor {
 public:
  explicit WeakTensor(TensorImpl* impl) : impl_(impl) {}
  Tensor lock();
  void expire();

 private:
  Lock lock_;
  TensorImpl* impl_;
};

/// A tensor kept for the backward pass as it is now: replacing its .data later does not reach it, and a change in place
/// is noticed by the version. Where a pack hook is set, what that made is kept instead, whose changes nobody notices.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(const Tensor& tensor, bool is_output);
  /// The tensor as it was; raises RuntimeError where it has been changed in place since. `owner` is the saving node.
  Tensor unpack(Node& owner) const;

 private:
  Ref<RefCounted> kept_;              // an alias without history, or what a hook made of it
  Ref<Node> grad_fn_;                 // the history of a saved input that is not a leaf
  const TensorImpl* leaf_ = nullptr;  // a saved leaf, which the accumulator behind an edge of the owner keeps alive
  int output_nr_ = 0;
  std::uint32_t version_ = 0;
  bool is_output_ = false;
  bool packed_ = false;  // by a hook
};

/// The pack hooks of the calling thread: the one that was set last packs what ops save.
void push_pack_hook(PackHook hook);
void pop_pack_hook();
/// Raises RuntimeError with that message where hooks are set, now or later; none: allows them again. Returns what was
/// set.
std::optional<std::string> forbid_pack_hooks(std::optional<std::string> message);

/// Nodes keep where they were recorded, and the engine raises where a VJP makes a NaN. Of the whole process.
struct AnomalyMode {
  static bool enabled();
  static bool check_nan();
  static void set(bool enabled, bool check_nan);
  /// How the caller's stack is written down, and where a report goes.
  struct Host {
    std::string (*stack)();
    void (*warn)(const std::string& text);
  };
  static void set_host(Host host);
};

/// What a gradient that arrives at a node must look like.
struct GradMeta {
  Dims shape;
  DType dtype = DType::Float32;
  Device device;
  std::uint64_t stream = 0;  // of a CUDA device: the one that the forward pass used
  explicit GradMeta(const Tensor& t) : shape(t.shape()), dtype(t.dtype()), device(t.device()) {
    if (device != kHost) [[unlikely]]
      stream = current_stream(device);
  }
};

/// What each output of a node is like. Nearly every node has one, which needs no memory of its own.
class OutputList {
 public:
  std::size_t size() const { return first_ ? 1 + rest_.size() : 0; }
  const GradMeta& operator[](std::size_t i) const { return i == 0 ? *first_ : rest_[i - 1]; }
  void emplace_back(const Tensor& output) {
    if (first_) {
      rest_.emplace_back(output);
    } else {
      first_.emplace(output);
    }
  }

 private:
  std::optional<GradMeta> first_;
  std::vector<GradMeta> rest_;
};

class Node : public RefCounted {
 public:
  explicit Node(const char* name);
  ~Node() override;

  const char* name() const { return name_; }
  std::uint64_t sequence() const { return sequence_; }
  /// Gradients by the inputs, given those by the outputs (see `materializes`). Undefined means zero or not wanted.
  virtual TensorList apply(TensorList&& grads) = 0;
  /// Frees what was saved once the graph is not needed any more.
  virtual void release_saved();

  /// Whether input i wants a gradient.
  bool needs(int i) const { return edges[static_cast<std::size_t>(i)].valid(); }
  Tensor saved(int i);

  std::vector<Edge> edges;
  OutputList outputs;
  std::vector<SavedTensor> saved_tensors;
  bool saved_numbers = false;  // the VJP holds numbers that go with the saved tensors
  bool released = false;
  bool materializes = true;  // gradients of outputs that nothing depends on come as zeros; else undefined

  // Of the output with that number; created on first use.
  HookList& hooks(int output_nr);
  std::shared_ptr<HookList> find_hooks(int output_nr) const;
  std::shared_ptr<HookList> shared_hooks(int output_nr);
  void retain_grad(int output_nr, std::shared_ptr<WeakTensor> tensor);
  /// Forgets a tensor whose history has moved to another node.
  void drop_retained(const WeakTensor* tensor);
  /// Adds the gradient to .grad of every tensor whose retain_grad() was called for this output.
  void store_retained(int output_nr, const Tensor& grad) const;

  /// Whether it has neither hooks nor tensors that keep their gradients.
  bool bare() const { return !extras_.load(std::memory_order_acquire); }
  enum class Phase { Before, After };
  // Of the node as a whole, before or after it runs; created on first use.
  std::shared_ptr<Hooks<NodeHook>> node_hooks(Phase phase);
  std::shared_ptr<Hooks<NodeHook>> find_node_hooks(Phase phase) const;
  /// The stack of the call that made the node; empty but in anomaly mode.
  std::string trace() const;

 protected:
  void destroy() override { destroy_in_turn(); }

 private:
  struct Extras {
    Lock lock;
    std::vector<std::pair<int, std::shared_ptr<HookList>>> hooks;
    std::vector<std::pair<int, std::shared_ptr<WeakTensor>>> retained;
    std::shared_ptr<Hooks<NodeHook>> around[2];  // by phase
    std::string trace;                           // never changes once the node is made
  };
  const char* name_;
  std::uint64_t sequence_;
  Extras& extras();
  std::atomic<Extras*> extras_{nullptr};  // made once, by the first that needs it
};

/// The sink of a leaf: adds the gradient to `variable.grad`.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(const Tensor& variable);
  ~AccumulateGrad() override;
  TensorList apply(TensorList&& grads) override;
  void accumulate(const Tensor& grad);
  const Tensor& variable() const { return variable_; }

 private:
  Tensor variable_;
};

struct AutogradMeta {
  bool requires_grad = false;  // of a leaf
  bool retains_grad = false;
  int output_nr = 0;
  Ref<Node> grad_fn;
  std::shared_ptr<WeakTensor> weak;

  // What passes on other threads use while Python reads and replaces it.
  Tensor load_grad() const;
  void store_grad(Tensor grad);
  /// Stores `grad` if the gradient still is `expected`.
  bool replace_grad(const Tensor& expected, Tensor grad);
  /// Hooks of a leaf; null if there never were any.
  std::shared_ptr<HookList> load_hooks() const;
  std::shared_ptr<HookList> leaf_hooks();
  /// Held by the one pass that is adding to `grad`; passes run without Python's lock. `lock` is for moments, within it.
  Lock accumulating;
  mutable Lock lock;
  Tensor grad;                            // guarded by `lock`
  AccumulateGrad* accumulator = nullptr;  // guarded by `lock`; not owned
  std::shared_ptr<HookList> hooks;        // guarded by `lock`

  // A differentiable view: it can be taken again from its base, by shape and strides, after a change in place.
  Tensor base;
  std::uint64_t epoch = 0;          // of the base's history, when this view's grad_fn was made
  std::uint64_t history_epoch = 0;  // of this tensor as a base
  std::uint32_t base_swaps = 0;     // the base's `swaps` when the view was taken
  std::uint32_t swaps = 0;          // how often the .data of this tensor was replaced

  ~AutogradMeta();
};

AutogradMeta& autograd_meta(const Tensor& tensor);
/// Where a gradient of this tensor goes: its grad_fn, or its accumulator, or nowhere.
Edge gradient_edge(const Tensor& tensor);
void set_history(const Tensor& tensor, Ref<Node> node, int output_nr);
/// The same for a tensor that may have a history already: what retain_grad() asked for moves along.
void move_history(const Tensor& tensor, const Tensor& from);
/// The base of a view; undefined for other tensors, and where the base's .data was replaced since.
Tensor base_of(const Tensor& view);
/// `view`, a view of `base`'s memory, as a recorded view of `base`, whose own history may have changed since.
Tensor view_again(const Tensor& base, const Tensor& view);
void retain_grad(const Tensor& tensor);
std::shared_ptr<HookList> tensor_hooks(const Tensor& tensor);

// Modes of the calling thread.
struct GradMode {
  static bool enabled();
  static void set_enabled(bool value);
};
struct InferenceMode {
  static bool enabled();
  static void set_enabled(bool value);
};
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled) : previous_(GradMode::enabled()) { GradMode::set_enabled(enabled); }
  ~GradModeGuard() { GradMode::set_enabled(previous_); }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool previous_;
};
struct NoGradGuard : GradModeGuard {
  NoGradGuard() : GradModeGuard(false) {}
};

/// torch.autograd.backward: adds the gradients of `roots` to the leaves (or only to `inputs`, if given).
void backward(const TensorList& roots, const TensorList& grad_roots, bool retain_graph, bool create_graph,
              const TensorList& inputs = {});
/// torch.autograd.grad: returns the gradients by `inputs` (undefined where unused and allowed).
TensorList grad(const TensorList& roots, const TensorList& inputs, const TensorList& grad_roots, bool retain_graph,
                bool create_graph, bool allow_unused);

}  // namespace verigrad

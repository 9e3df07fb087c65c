// The backward pass: nodes in reverse order of their creation, each once all of its gradients have arrived.
#include <algorithm>
#include <optional>
#include <queue>
#include <unordered_map>

#include "autograd/accumulate.h"
#include "autograd/anomaly.h"
#include "autograd/node_filter.h"
#include "autograd/node_map.h"
#include "core/backend.h"
#include "verigrad/ops.h"
#include "verigrad/parallel.h"

namespace verigrad {

std::atomic<NodeFilter*> node_filter{nullptr};

namespace {

struct Task {
  int dependencies = 0;                               // incoming edges that have not delivered yet
  bool needed = true;                                 // leads to one of the wanted inputs (or all are wanted)
  bool execute = true;                                // false: gradients are captured here and go no further
  TensorList buffer;                                  // one slot per output of the node
  std::vector<std::pair<int, std::size_t>> captures;  // (output_nr, index in inputs)
};

/// Between two looks at the clock, which cost as much as a few percent of a small node.
constexpr std::size_t kNodesPerPoll = 16;

struct LaterFirst {
  bool operator()(const Node* a, const Node* b) const { return a->sequence() < b->sequence(); }
};

class BackwardPass {
 public:
  BackwardPass(bool keep_graph, bool create_graph) : keep_graph_(keep_graph), grad_mode_(create_graph) {}

  void count_dependencies(const std::vector<Edge>& roots) {
    std::vector<Node*> stack;
    for (const Edge& root : roots) {
      if (tasks_.try_emplace(root.node.get()).second) stack.push_back(root.node.get());
    }
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      order_.push_back(node);
      if (order_.size() % kNodesPerPoll == 0) poll_interrupt();
      for (const Edge& edge : node->edges) {
        if (!edge.valid()) continue;
        auto [it, fresh] = tasks_.try_emplace(edge.node.get());
        ++it->second.dependencies;
        if (fresh) stack.push_back(edge.node.get());
      }
    }
  }

  /// Restricts the pass to nodes on a path to `inputs`. Gradients are captured there if `capture`.
  void restrict_to(const std::vector<Edge>& inputs, const std::vector<bool>& capture) {
    for (auto& [node, task] : tasks_) task.needed = task.execute = false;
    captured_.resize(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto it = tasks_.find(inputs[i].node.get());
      if (it == tasks_.end()) continue;
      it->second.needed = true;
      if (capture[i]) {
        it->second.captures.emplace_back(inputs[i].output_nr, i);
      } else {
        it->second.execute = true;
      }
    }
    // A consumer was made after what it consumes, so in creation order every node comes after its edges' targets.
    std::sort(order_.begin(), order_.end(), [](Node* a, Node* b) { return a->sequence() < b->sequence(); });
    // Accumulators may be younger than the nodes that point to them; they have no edges and were marked above.
    for (Node* node : order_) {
      Task& task = tasks_.at(node);
      for (const Edge& edge : node->edges) {
        if (edge.valid() && tasks_.at(edge.node.get()).needed) task.needed = task.execute = true;
      }
    }
  }

  void run(const std::vector<Edge>& roots, const TensorList& grads) {
    const GradModeGuard guard(grad_mode_);
    for (std::size_t i = 0; i < roots.size(); ++i) deliver(*roots[i].node, roots[i].output_nr, grads[i]);
    for (const Edge& root : roots) {
      if (tasks_.at(root.node.get()).dependencies == 0) push(root.node);
    }
    for (std::size_t done = 0; !ready_.empty(); ++done) {
      if (done % kNodesPerPoll == kNodesPerPoll - 1) poll_interrupt();
      const Ref<Node> node(ready_.top());
      ready_.pop();
      auto owned = held_.extract(node.get());  // the queue's own reference ends with this round
      process(*node);
    }
  }

  TensorList take_captured() { return std::move(captured_); }

 private:
  void push(const Ref<Node>& node) {
    if (held_.emplace(node.get(), node).second) ready_.push(node.get());
  }

  void deliver(Node& node, int output_nr, Tensor grad) {
    TensorList& buffer = tasks_.at(&node).buffer;
    if (buffer.empty()) buffer.resize(node.outputs.size());
    add_gradient(buffer[static_cast<std::size_t>(output_nr)], std::move(grad));
  }

  using NodeHooks = Ref<Hooks<NodeHook>::Snapshot>;
  static NodeHooks hooks_of(const Node& node, Node::Phase phase) {
    if (node.bare()) [[likely]]
      return {};
    const auto list = node.find_node_hooks(phase);
    return list ? list->snapshot() : NodeHooks();
  }
  static void run(const Hooks<NodeHook>::Snapshot& list, TensorList& grads, const TensorList& outputs) {
    for (const auto& [id, hook] : list.hooks) hook(grads, outputs);
  }

  void process(Node& node) {
    Task& task = tasks_.at(&node);
    std::optional<StreamGuard> on_stream;
    if (node.outputs.size() > 0 && node.outputs[0].device != kHost) {
      on_stream.emplace(node.outputs[0].device, node.outputs[0].stream);
    }
    TensorList grads = std::move(task.buffer);
    grads.resize(node.outputs.size());
    bool any = false;
    for (std::size_t i = 0; i < grads.size(); ++i) {
      const int nr = static_cast<int>(i);
      if (!grads[i].defined()) continue;
      if (const auto hooks = node.find_hooks(nr)) grads[i] = hooks->run(std::move(grads[i]));
      node.store_retained(nr, grads[i]);
      any = true;
    }
    for (const auto& [nr, index] : task.captures) {
      Tensor grad = grads[static_cast<std::size_t>(nr)];
      if (const auto* leaf = dynamic_cast<AccumulateGrad*>(&node); leaf && grad.defined()) {
        if (const auto hooks = leaf->variable().impl()->meta->load_hooks()) grad = hooks->run(grad);
      }
      captured_[index] = grad;
    }
    TensorList results;
    // Where no input has anywhere to send a gradient, there is nothing to compute; a leaf's accumulator has no inputs.
    const bool has_receiver = node.edges.empty() || std::any_of(node.edges.begin(), node.edges.end(),
                                                                [](const Edge& edge) { return edge.valid(); });
    if (task.execute && any && has_receiver) {
      const auto before = hooks_of(node, Node::Phase::Before), after = hooks_of(node, Node::Phase::After);
      if (before) run(*before, grads, TensorList(grads));
      const TensorList outputs = after ? grads : TensorList();
      for (std::size_t i = 0; i < grads.size(); ++i) {
        if (!grads[i].defined() && node.materializes)
          grads[i] = ops::zeros(node.outputs[i].shape, node.outputs[i].dtype, node.outputs[i].device);
      }
      const auto apply = [&] {
        return filter_ ? filter_->apply(node, std::move(grads)) : node.apply(std::move(grads));
      };
      if (AnomalyMode::enabled()) [[unlikely]] {
        results = watched(node, apply);
      } else {
        results = apply();
      }
      if (!keep_graph_) node.release_saved();
      if (after) {
        results.resize(node.edges.size());
        run(*after, results, outputs);
      }
    }
    for (std::size_t i = 0; i < node.edges.size(); ++i) {
      const Edge& edge = node.edges[i];
      if (!edge.valid()) continue;
      Task& next = tasks_.at(edge.node.get());
      if (i < results.size() && results[i].defined() && next.needed) {
        check_gradient(node, static_cast<int>(i), edge.node->outputs[static_cast<std::size_t>(edge.output_nr)],
                       results[i]);
        deliver(*edge.node, edge.output_nr, std::move(results[i]));
      }
      if (--next.dependencies == 0 && next.needed) push(edge.node);
    }
  }

  bool keep_graph_;
  bool grad_mode_;
  NodeFilter* filter_ = node_filter.load();
  NodeMap<Task> tasks_;
  std::vector<Node*> order_;
  std::priority_queue<Node*, std::vector<Node*>, LaterFirst> ready_;
  std::unordered_map<Node*, Ref<Node>> held_;
  TensorList captured_;
};

/// Gradients of the roots, with ones for scalars that have none given.
TensorList root_gradients(const TensorList& roots, const TensorList& grads) {
  VG_CHECK(grads.empty() || grads.size() == roots.size(), RuntimeError, "backward: got ", roots.size(), " tensors and ",
           grads.size(), " gradients");
  TensorList out;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const Tensor& root = roots[i];
    VG_CHECK(root.requires_grad(), RuntimeError, "element ", i,
             " of tensors does not require grad and does not have a grad_fn");
    if (!grads.empty() && grads[i].defined()) {
      const Tensor& grad = grads[i];
      VG_CHECK(grad.shape() == root.shape(), RuntimeError, "Mismatch in shape: grad_output[", i, "] has a shape of ",
               grad.shape(), " and output[", i, "] has a shape of ", root.shape(), ".");
      VG_CHECK(grad.dtype() == root.dtype(), RuntimeError, "backward: expected grad_output[", i, "] of dtype ",
               root.dtype(), ", got ", grad.dtype());
      out.push_back(grad);
    } else {
      VG_CHECK(root.numel() == 1, RuntimeError, "grad can be implicitly created only for scalar outputs, got shape ",
               root.shape());
      out.push_back(ops::ones(root.shape(), root.dtype(), root.device()));
    }
  }
  return out;
}

std::vector<Edge> edges_of(const TensorList& tensors) {
  std::vector<Edge> edges;
  for (const Tensor& t : tensors) edges.push_back(gradient_edge(t));
  return edges;
}

}  // namespace

void backward(const TensorList& roots, const TensorList& grad_roots, bool retain_graph, bool create_graph,
              const TensorList& inputs) {
  TensorList grads = root_gradients(roots, grad_roots);
  const std::vector<Edge> root_edges = edges_of(roots);
  BackwardPass pass(retain_graph, create_graph);
  pass.count_dependencies(root_edges);
  std::vector<Edge> input_edges;
  std::vector<bool> capture;
  if (!inputs.empty()) {
    for (const Tensor& input : inputs) {
      VG_CHECK(input.requires_grad(), RuntimeError, "One of the differentiated Tensors does not require grad");
      capture.push_back(!input.is_leaf());
      retain_grad(input);  // what is not a leaf keeps its gradient this way, as in PyTorch
    }
    input_edges = edges_of(inputs);
    pass.restrict_to(input_edges, capture);
  }
  pass.run(root_edges, grads);
}

TensorList grad(const TensorList& roots, const TensorList& inputs, const TensorList& grad_roots, bool retain_graph,
                bool create_graph, bool allow_unused) {
  for (const Tensor& input : inputs) {
    VG_CHECK(input.requires_grad(), RuntimeError, "One of the differentiated Tensors does not require grad");
  }
  TensorList grads = root_gradients(roots, grad_roots);
  const std::vector<Edge> root_edges = edges_of(roots);
  const std::vector<Edge> input_edges = edges_of(inputs);
  BackwardPass pass(retain_graph, create_graph);
  pass.count_dependencies(root_edges);
  pass.restrict_to(input_edges, std::vector<bool>(inputs.size(), true));
  pass.run(root_edges, grads);
  TensorList captured = pass.take_captured();
  for (std::size_t i = 0; i < captured.size(); ++i) {
    VG_CHECK(captured[i].defined() || allow_unused, RuntimeError,
             "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if "
             "this is the desired behavior.");
    // The caller's gradient itself may come back when an input is a root: never hand out an alias of it.
    if (captured[i].defined() && !create_graph) captured[i] = ops::detach(captured[i]);
  }
  return captured;
}

}  // namespace verigrad

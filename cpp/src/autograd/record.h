// How an op puts itself on the tape.
//
//   Tensor exp(const Tensor& x) {
//     Tensor y = ...;
//     return record("ExpBackward0", y, {x}, {Save::output(y)},
//                   [](Node& n, const Tensor& g) -> TensorList { return {mul(g, n.saved(0))}; });
//   }
//
// The VJP is written with public differentiable ops. The engine turns recording off while it runs, unless create_graph
// asks for a graph of the gradients. It must not capture tensors: what it needs it saves, so that the engine can free
// it and notice in-place changes.
#pragma once

#include <initializer_list>
#include <utility>

#include "verigrad/autograd.h"

namespace verigrad {

struct Save {
  const Tensor& tensor;
  bool is_output;
  bool is_number = false;
  static Save input(const Tensor& t) { return {t, false}; }
  static Save output(const Tensor& t) { return {t, true}; }
  /// A number that the VJP has captured: it is as gone after the pass as a saved tensor.
  static Save number(const Tensor& none) { return {none, false, true}; }
};

/// True when an op over these inputs has to be recorded.
inline bool recording(const Tensor& a) { return GradMode::enabled() && a.requires_grad(); }
template <class... Rest>
bool recording(const Tensor& a, const Rest&... rest) {
  return GradMode::enabled() && (a.requires_grad() || (rest.requires_grad() || ...));
}
inline bool recording(const TensorList& tensors) {
  if (!GradMode::enabled()) return false;
  for (const Tensor& t : tensors) {
    if (t.defined() && t.requires_grad()) return true;
  }
  return false;
}

namespace detail {

template <class F>
class OpNode final : public Node {
 public:
  OpNode(const char* name, F vjp) : Node(name), vjp_(std::move(vjp)) {}
  TensorList apply(TensorList&& grads) override {
    if constexpr (std::is_invocable_v<F&, Node&, const Tensor&>) {
      return vjp_(*this, grads[0]);
    } else {
      return vjp_(*this, grads);
    }
  }

 private:
  F vjp_;
};

template <class F>
Ref<Node> make_node(const char* name, F vjp) {
  return Ref<Node>(new OpNode<F>(name, std::move(vjp)));
}

/// The edges of a node that is yet to be made: asking a view for its history may make a node, and the engine relies on
/// consumers being younger.
template <class List>
std::vector<Edge> edges_to(const List& inputs) {
  std::vector<Edge> edges;
  edges.reserve(inputs.size());
  for (const Tensor& input : inputs) edges.push_back(input.defined() ? gradient_edge(input) : Edge{});
  return edges;
}
inline void attach(const Ref<Node>& node, const Tensor& output) {
  set_history(output, node, static_cast<int>(node->outputs.size()));
  node->outputs.emplace_back(output);
}

inline void save(Node& node, std::initializer_list<Save> saves) {
  // A node that saves nothing has no list either, and can be used again after the pass.
  bool any = false;
  for (const Save& save : saves) {
    any = any || save.tensor.defined();
    node.saved_numbers = node.saved_numbers || save.is_number;
  }
  if (!any) return;
  node.saved_tensors.reserve(saves.size());
  for (const Save& save : saves) {
    if (save.tensor.defined()) {
      node.saved_tensors.emplace_back(save.tensor, save.is_output);
    } else {
      node.saved_tensors.emplace_back();
    }
  }
}

}  // namespace detail

/// Records `out = op(inputs)` if an input requires a gradient. Undefined inputs are allowed and get none.
template <class F>
Tensor record(const char* name, const Tensor& out, std::initializer_list<std::reference_wrapper<const Tensor>> inputs,
              std::initializer_list<Save> saves, F vjp) {
  if (!GradMode::enabled()) return out;
  bool needed = false;
  for (const Tensor& input : inputs) needed = needed || (input.defined() && input.requires_grad());
  if (!needed) return out;
  std::vector<Edge> edges = detail::edges_to(inputs);
  Ref<Node> node = detail::make_node(name, std::move(vjp));
  node->edges = std::move(edges);
  detail::save(*node, saves);
  detail::attach(node, out);
  return out;
}

/// As `record` for any number of inputs and outputs; the VJP takes one gradient per output. Only floating-point outputs
/// belong in `outputs`.
template <class F>
void record_list(const char* name, const TensorList& outputs, const TensorList& inputs,
                 std::initializer_list<Save> saves, F vjp) {
  if (!recording(inputs)) return;
  std::vector<Edge> edges = detail::edges_to(inputs);
  Ref<Node> node = detail::make_node(name, std::move(vjp));
  node->edges = std::move(edges);
  detail::save(*node, saves);
  for (const Tensor& out : outputs) detail::attach(node, out);
}

/// Records a view of `self`'s memory.
template <class F>
Tensor record_view(const char* name, const Tensor& out, const Tensor& self, F vjp) {
  if (!is_floating_point(self.dtype())) return out;
  out.impl()->untracked_view = self.impl()->untracked_view || !GradMode::enabled();
  if (!GradMode::enabled() && !self.requires_grad()) return out;
  record(name, out, {self}, {}, std::move(vjp));
  AutogradMeta& meta = autograd_meta(out);
  const AutogradMeta* of = self.impl()->meta.get();
  meta.base = of && of->base.defined() && base_of(self).defined() ? of->base : self;
  const AutogradMeta* base = meta.base.impl()->meta.get();
  meta.epoch = base ? base->history_epoch : 0;
  meta.base_swaps = base ? base->swaps : 0;
  return out;
}

/// The gradient of a broadcast: sums `grad` down to `shape`.
Tensor sum_to_shape(const Tensor& grad, const Dims& shape);

/// Raises unless `self` may be changed in place now. `recorded`: the change goes on the tape.
void check_inplace(const Tensor& self, bool recorded);
/// Gives `self`, whose memory holds the elements of `result` already, the history of `result`, and counts the change.
void finish_inplace(const Tensor& self, const Tensor& result);
/// The same where the result depends on nothing: if that is recorded, the old value of self gets a zero gradient from a
/// node of that name.
void finish_overwrite(const char* node, const Tensor& self, bool recorded);

}  // namespace verigrad

// autograd.Function: an op whose forward and VJP are Python's.
#include <set>

#include "autograd/record.h"
#include "python.h"

namespace verigrad::bindings {
namespace {

/// The node of a context while it lives. The node owns the context, which must not own it back. Guarded by the GIL.
struct NodeRef {
  Node* node = nullptr;
};

/// Whether a tensor of shape `from` can be expanded to `to`.
bool expands(const Dims& from, const Dims& to) {
  if (from.size() > to.size()) return false;
  const int before = to.size() - from.size();
  for (int d = 0; d < from.size(); ++d) {
    if (from[d] != 1 && from[d] != to[before + d]) return false;
  }
  return true;
}

class PyNode final : public Node {
 public:
  PyNode(const char* name, py::object context, std::shared_ptr<NodeRef> self)
      : Node(name), context_(std::move(context)), self_(std::move(self)) {
    self_->node = this;
  }
  ~PyNode() override {
    const py::gil_scoped_acquire gil;
    self_->node = nullptr;
    context_ = py::object();
  }

  TensorList apply(TensorList&& grads) override {
    const py::gil_scoped_acquire gil;
    py::tuple given(grads.size());
    for (std::size_t i = 0; i < grads.size(); ++i) given[i] = wrap(grads[i]);
    grads.clear();
    const py::list found = context_.attr("_run_backward")(given);
    TensorList out;
    for (const py::handle grad : found) {
      out.push_back(grad.is_none() ? Tensor() : fitted(edges[out.size()], unwrap(grad.ptr())));
    }
    return out;
  }

 private:
  /// A gradient that was broadcast, or has another dtype, as its receiver expects it; the engine refuses others.
  static Tensor fitted(const Edge& edge, Tensor grad) {
    if (!edge.valid()) return {};
    const GradMeta& meta = edge.node->outputs[static_cast<std::size_t>(edge.output_nr)];
    if (grad.shape() != meta.shape && expands(meta.shape, grad.shape())) grad = sum_to_shape(grad, meta.shape);
    return grad.dtype() == meta.dtype ? grad : ops::to(grad, meta.dtype);
  }

  py::object context_;
  std::shared_ptr<NodeRef> self_;
};

const char* interned(const std::string& name) {
  static auto* names = new std::set<std::string>;  // guarded by the GIL
  return names->insert(name).first->c_str();
}

using OptTensors = std::vector<std::optional<Tensor>>;

/// Puts a node between inputs and outputs. What stands in for an output is None where that is the output itself.
py::list record_function(const std::string& name, const py::object& context, const std::shared_ptr<NodeRef>& self,
                         const OptTensors& inputs, const TensorList& outputs, const std::vector<bool>& differentiable,
                         const std::vector<bool>& is_input, const std::vector<bool>& dirty, const OptTensors& saved,
                         bool materializes) {
  TensorList list;
  for (const auto& input : inputs) list.push_back(input.value_or(Tensor()));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (dirty[i]) check_inplace(outputs[i], true);
  }
  std::vector<Edge> edges = detail::edges_to(list);
  const Ref<Node> node(new PyNode(interned(name), context, self));
  node->edges = std::move(edges);
  node->materializes = materializes;
  py::list out;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    Tensor other;
    if (!differentiable[i]) {
      node->outputs.emplace_back(output);
    } else if (dirty[i] || is_input[i] || output.requires_grad()) {
      other = alias(output);
      detail::attach(node, other);
      if (dirty[i]) {
        finish_inplace(output, other);
        other = {};
      }
    } else {
      detail::attach(node, output);
    }
    out.append(wrap(other));
  }
  node->saved_tensors.reserve(saved.size());
  for (const auto& tensor : saved) {
    if (tensor) {
      node->saved_tensors.emplace_back(*tensor, tensor->grad_fn() == node);
    } else {
      node->saved_tensors.emplace_back();
    }
  }
  return out;
}

}  // namespace

void bind_function(py::module_& m) {
  py::class_<NodeRef, std::shared_ptr<NodeRef>> ref(m, "_NodeRef", "The node of a context.",
                                                    py::custom_type_setup(bind_new));
  ref.def(py::init<>())
      .def(
          "saved",
          [](const NodeRef& self, int count) {
            VG_CHECK(self.node, RuntimeError, "saved_tensors: the graph of this context has been freed");
            py::tuple out(static_cast<std::size_t>(count));
            for (int i = 0; i < count; ++i) out[static_cast<std::size_t>(i)] = wrap(self.node->saved(i));
            return out;
          },
          py::arg("count"));
  refuse_pickle(ref);
  m.def("_record_function", &record_function, py::arg("name"), py::arg("context"), py::arg("node"), py::arg("inputs"),
        py::arg("outputs"), py::arg("differentiable"), py::arg("is_input"), py::arg("dirty"), py::arg("saved"),
        py::arg("materializes"));
}

}  // namespace verigrad::bindings

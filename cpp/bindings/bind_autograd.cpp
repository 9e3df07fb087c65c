// The graph as Python sees it: grad_fn, hooks, backward, modes.
#include "python.h"

namespace verigrad::bindings {
namespace {

struct HookHandle {
  std::weak_ptr<HookList> hooks;
  std::uint64_t id;
  void remove() {
    if (const auto list = hooks.lock()) list->remove(id);
  }
};

TensorList optional_tensors(const std::vector<std::optional<Tensor>>& list) {
  TensorList out;
  for (const auto& t : list) out.push_back(t.value_or(Tensor()));
  return out;
}

using OptTensors = std::vector<std::optional<Tensor>>;

void run_backward(const TensorList& tensors, const OptTensors& grads, bool retain_graph, bool create_graph,
                  const TensorList& inputs) {
  const TensorList grad_list = optional_tensors(grads);
  const PassScope pass;
  backward(tensors, grad_list, retain_graph, create_graph, inputs);
}

std::vector<std::optional<Tensor>> run_grad(const TensorList& outputs, const TensorList& inputs,
                                            const OptTensors& grads, bool retain_graph, bool create_graph,
                                            bool allow_unused) {
  const TensorList grad_list = optional_tensors(grads);
  TensorList found;
  {
    const PassScope pass;
    found = grad(outputs, inputs, grad_list, retain_graph, create_graph, allow_unused);
  }
  std::vector<std::optional<Tensor>> out;
  for (const Tensor& g : found) out.push_back(g.defined() ? std::optional<Tensor>(g) : std::nullopt);
  return out;
}

}  // namespace

void bind_autograd(py::module_& m, TensorClass& cls) {
  py::class_<Node, Ref<Node>> node(m, "Node", "An op of the computational graph.", py::custom_type_setup(bind_new));
  refuse_pickle(node);
  node.def("name", &Node::name)
      .def_property_readonly(
          "next_functions",
          [](const Node& node) {
            py::tuple out(node.edges.size());
            for (std::size_t i = 0; i < node.edges.size(); ++i) {
              const Edge& edge = node.edges[i];
              out[i] = py::make_tuple(edge.valid() ? py::cast(edge.node) : py::none(), edge.output_nr);
            }
            return out;
          },
          "(node, output number) for each input; (None, 0) where it needs no gradient.")
      .def_property_readonly(
          "variable",
          [](const Node& node) -> py::object {
            const auto* leaf = dynamic_cast<const AccumulateGrad*>(&node);
            if (!leaf)
              throw py::attribute_error(std::string("'") + node.name() + "' object has no attribute 'variable'");
            return wrap(leaf->variable());
          },
          "The leaf of an AccumulateGrad node.")
      .def("__repr__", [](const Node& node) {
        std::ostringstream text;
        text << '<' << node.name() << " object at " << static_cast<const void*>(&node) << '>';
        return text.str();
      });
  py::class_<HookHandle> handle(m, "_HookHandle", "Removes a hook.", py::custom_type_setup(bind_new));
  handle.def("remove", &HookHandle::remove);
  refuse_pickle(handle);

  cls.def_property("requires_grad", get<&Tensor::requires_grad>,
                   [](const Tensor& t, bool value) { t.set_requires_grad(value); })
      .def(
          "requires_grad_",
          [](const py::object& self, bool requires_grad) {
            const Tensor t = unwrap(self.ptr());
            // A result of recorded ops requires one already.
            if (!requires_grad || t.is_leaf()) t.set_requires_grad(requires_grad);
            return self;
          },
          py::arg("requires_grad") = true)
      .def_property("grad", get<&Tensor::grad>,
                    [](const Tensor& t, const std::optional<Tensor>& g) { t.set_grad(g.value_or(Tensor())); })
      .def_property_readonly("grad_fn",
                             [](const Tensor& t) -> py::object {
                               const Ref<Node> node = t.grad_fn();
                               return node ? py::cast(node) : py::none();
                             })
      .def_property_readonly("is_leaf", get<&Tensor::is_leaf>)
      .def_property_readonly("output_nr", [](const Tensor& t) { return t.grad_fn() ? t.impl()->meta->output_nr : 0; })
      .def_property_readonly("retains_grad",
                             [](const Tensor& t) { return t.impl()->meta && t.impl()->meta->retains_grad; })
      .def(
          "retain_grad", [](const Tensor& t) { retain_grad(t); }, "Keeps .grad of a tensor that is not a leaf.")
      .def(
          "register_hook",
          [](const Tensor& t, const py::object& hook) {
            const auto hooks = tensor_hooks(t);
            return HookHandle{hooks, hooks->add(make_hook(hook))};
          },
          py::arg("hook"),
          "Calls hook(grad) in the backward pass; what it returns, if not None, replaces the gradient.")
      .def("detach_",
           [](const py::object& self) {
             const Tensor t = unwrap(self.ptr());
             VG_CHECK(!(t.impl()->meta && t.impl()->meta->base.defined()), RuntimeError,
                      "Can't detach views in-place. Use detach() instead.");
             if (t.impl()->meta) {
               t.impl()->meta->grad_fn = {};
               t.impl()->meta->output_nr = 0;
               t.impl()->meta->requires_grad = false;
             }
             return self;
           })
      .def(
          "backward",
          [](const Tensor& t, const std::optional<Tensor>& gradient, std::optional<bool> retain_graph,
             bool create_graph, const std::optional<py::object>& inputs) {
            TensorList wanted;
            if (inputs && !inputs->is_none()) {
              if (is_tensor(inputs->ptr())) {
                wanted.push_back(unwrap(inputs->ptr()));
              } else {
                wanted = inputs->cast<TensorList>();
              }
              VG_CHECK(!wanted.empty(), RuntimeError, "'inputs' argument to backward() cannot be empty.");
            }
            run_backward({t}, {gradient}, retain_graph.value_or(create_graph), create_graph, wanted);
          },
          py::arg("gradient") = py::none(), py::arg("retain_graph") = py::none(), py::arg("create_graph") = false,
          py::arg("inputs") = py::none(),
          "Adds the gradients of this tensor to .grad of the leaves it was computed from.\n\n"
          "`gradient` is the gradient by this tensor, 1 for a single element. Raises RuntimeError without a graph, for "
          "more "
          "than one element without `gradient`, on a second pass without retain_graph=True, and where a saved tensor "
          "was "
          "changed in place.");

  m.def("_backward", &run_backward, py::arg("tensors"), py::arg("grad_tensors"), py::arg("retain_graph"),
        py::arg("create_graph"), py::arg("inputs"));
  m.def("_grad", &run_grad, py::arg("outputs"), py::arg("inputs"), py::arg("grad_outputs"), py::arg("retain_graph"),
        py::arg("create_graph"), py::arg("allow_unused"));
  m.def("is_grad_enabled", &GradMode::enabled, "Whether ops are being recorded on this thread.");
  m.def("_set_grad_enabled", &GradMode::set_enabled, py::arg("mode"));
  m.def("is_inference_mode_enabled", &InferenceMode::enabled);
  m.def(
      "_set_inference_mode",
      [](bool mode) {
        InferenceMode::set_enabled(mode);
        if (mode) GradMode::set_enabled(false);
      },
      py::arg("mode"));
}

}  // namespace verigrad::bindings

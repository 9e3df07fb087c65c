// The graph as Python sees it: grad_fn, hooks, backward, modes.
#include "python.h"

namespace verigrad::bindings {
namespace {

struct HookHandle {
  std::function<void()> remove;
};

template <class Hook>
HookHandle add_hook(const std::shared_ptr<Hooks<Hook>>& hooks, Hook hook) {
  const std::uint64_t id = hooks->add(std::move(hook));
  return {[list = std::weak_ptr<Hooks<Hook>>(hooks), id] {
    if (const auto now = list.lock()) now->remove(id);
  }};
}

HookHandle add_after_hook(const Tensor& t, const py::object& hook) {
  VG_CHECK(t.is_leaf(), RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors");
  const std::shared_ptr<HookList> hooks = tensor_hooks(t);
  return add_hook(std::shared_ptr<Hooks<GradHook>>(hooks, &hooks->after), make_hook(hook));
}

/// pack(tensor) at once, and unpack(what it returned) when the backward pass asks.
PackHook make_pack_hook(const py::object& pack, const py::object& unpack) {
  return [pack = shared_object(pack), unpack = shared_object(unpack)](const Tensor& tensor) -> Unpack {
    const py::gil_scoped_acquire gil;
    return [packed = shared_object((*pack)(tensor)), unpack] {
      const py::gil_scoped_acquire held;
      const py::object result = (*unpack)(*packed);
      VG_CHECK(is_tensor(result.ptr()), TypeError,
               "Output of saved tensor unpack_hook expected to be a Tensor but got result of type ",
               Py_TYPE(result.ptr())->tp_name);
      return unwrap(result.ptr());
    };
  };
}

std::string python_stack() {
  const py::gil_scoped_acquire gil;
  const py::list lines = py::module_::import("traceback").attr("format_stack")();
  return py::str("").attr("join")(lines).cast<std::string>();
}

void python_warning(const std::string& text) {
  const py::gil_scoped_acquire gil;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
}

TensorList optional_tensors(const std::vector<std::optional<Tensor>>& list) {
  TensorList out;
  for (const auto& t : list) out.push_back(t.value_or(Tensor()));
  return out;
}

using OptTensors = std::vector<std::optional<Tensor>>;

/// Whether the innermost pass of this thread sends gradients to all leaves, as a checkpoint that runs a pass of its own
/// needs it.
thread_local bool unrestricted = true;

class Restriction {
 public:
  explicit Restriction(bool restricted) : before_(unrestricted) { unrestricted = !restricted; }
  ~Restriction() { unrestricted = before_; }
  Restriction(const Restriction&) = delete;
  Restriction& operator=(const Restriction&) = delete;

 private:
  bool before_;
};

void run_backward(const TensorList& tensors, const OptTensors& grads, bool retain_graph, bool create_graph,
                  const TensorList& inputs) {
  const TensorList grad_list = optional_tensors(grads);
  const Restriction restriction(!inputs.empty());
  const PassScope pass;
  backward(tensors, grad_list, retain_graph, create_graph, inputs);
}

std::vector<std::optional<Tensor>> run_grad(const TensorList& outputs, const TensorList& inputs,
                                            const OptTensors& grads, bool retain_graph, bool create_graph,
                                            bool allow_unused) {
  const TensorList grad_list = optional_tensors(grads);
  TensorList found;
  {
    const Restriction restriction(true);
    const PassScope pass;
    found = grad(outputs, inputs, grad_list, retain_graph, create_graph, allow_unused);
  }
  std::vector<std::optional<Tensor>> out;
  for (const Tensor& g : found) out.push_back(g.defined() ? std::optional<Tensor>(g) : std::nullopt);
  return out;
}

/// A node as an object of a class that is called like it, as in PyTorch.
py::object node_object(const Ref<Node>& node) {
  static const py::detail::type_info* const info = py::detail::get_type_info(typeid(Node));
  if (const py::handle known = py::detail::find_registered_python_instance(node.get(), info)) {
    return py::reinterpret_steal<py::object>(known);
  }
  static auto* const classes = new py::dict;  // for the life of the process
  const py::str name(node->name());
  if (!classes->contains(name)) {
    const py::object base = py::type::of<Node>();
    (*classes)[name] = py::type::of(base)(
        name, py::make_tuple(base),
        py::dict(py::arg("__slots__") = py::tuple(), py::arg("__module__") = "verigrad.autograd.graph"));
  }
  const py::object type = (*classes)[name];
  auto* made = py::detail::make_new_instance(reinterpret_cast<PyTypeObject*>(type.ptr()));
  if (!made) throw py::error_already_set();
  auto* instance = reinterpret_cast<py::detail::instance*>(made);
  instance->get_value_and_holder(info).value_ptr() = node.get();
  info->init_instance(instance, &node);
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace

void bind_autograd(py::module_& m, TensorClass& cls) {
  py::class_<GradMeta> meta(m, "_GradMeta", "What a gradient that arrives at a node must look like.",
                            py::custom_type_setup(bind_new));
  refuse_pickle(meta);
  meta.def_property_readonly("shape", [](const GradMeta& self) { return self.shape; })
      .def_property_readonly("dtype", [](const GradMeta& self) { return self.dtype; })
      .def_property_readonly("device", [](const GradMeta& self) { return self.device; });
  py::class_<HookHandle> handle(m, "_HookHandle", "Removes a hook.", py::custom_type_setup(bind_new));
  handle.def("remove", [](const HookHandle& self) { self.remove(); })
      .def("__enter__", [](const py::object& self) { return self; })
      .def("__exit__", [](const HookHandle& self, const py::args&) { self.remove(); });
  refuse_pickle(handle);
  py::class_<Node, Ref<Node>> node(m, "Node", "An op of the computational graph.", py::custom_type_setup(bind_new));
  refuse_pickle(node);
  node.def("name", &Node::name)
      .def_property_readonly(
          "next_functions",
          [](const Node& node) {
            py::tuple out(node.edges.size());
            for (std::size_t i = 0; i < node.edges.size(); ++i) {
              const Edge& edge = node.edges[i];
              out[i] = py::make_tuple(edge.valid() ? node_object(edge.node) : py::none(), edge.output_nr);
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
      .def_property_readonly(
          "_input_metadata",
          [](const Node& node) {
            py::list out;
            for (std::size_t i = 0; i < node.outputs.size(); ++i) out.append(node.outputs[i]);
            return out;
          },
          "The shape, dtype and device of each of its outputs, and so of the gradients that come in.")
      .def(
          "register_hook",
          [](Node& self, const py::object& fn) {
            return add_hook(self.node_hooks(Node::Phase::After), make_node_hook(fn, Node::Phase::After));
          },
          py::arg("fn"),
          "Calls fn(grad_inputs, grad_outputs) after the node has run; a tuple that it returns replaces grad_inputs.")
      .def(
          "register_prehook",
          [](Node& self, const py::object& fn) {
            return add_hook(self.node_hooks(Node::Phase::Before), make_node_hook(fn, Node::Phase::Before));
          },
          py::arg("fn"), "Calls fn(grad_outputs) before the node runs; a tuple that it returns replaces grad_outputs.")
      .def("__repr__", [](const Node& node) {
        std::ostringstream text;
        text << '<' << node.name() << " object at " << static_cast<const void*>(&node) << '>';
        return text.str();
      });

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
                               return node ? node_object(node) : py::none();
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
            return add_hook(std::shared_ptr<Hooks<GradHook>>(tensor_hooks(t)), make_hook(hook));
          },
          py::arg("hook"),
          "Calls hook(grad) in the backward pass; what it returns, if not None, replaces the gradient.")
      .def("register_post_accumulate_grad_hook", &add_after_hook, py::arg("hook"),
           "Calls hook(tensor) when the gradient of this leaf has been added to its .grad.")
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
  m.def(
      "_push_saved_tensors_hooks",
      [](const py::object& pack, const py::object& unpack) { push_pack_hook(make_pack_hook(pack, unpack)); },
      py::arg("pack_hook"), py::arg("unpack_hook"));
  m.def("_is_checkpoint_valid", [] { return unrestricted; });
  m.def("_pop_saved_tensors_hooks", &pop_pack_hook);
  m.def("_forbid_saved_tensors_hooks", &forbid_pack_hooks, py::arg("message"));
  AnomalyMode::set_host({python_stack, python_warning});
  m.def("is_anomaly_enabled", &AnomalyMode::enabled, "Whether nodes keep where they were recorded.");
  m.def("is_anomaly_check_nan_enabled", &AnomalyMode::check_nan, "Whether a VJP that makes a NaN raises.");
  m.def("_set_anomaly_enabled", &AnomalyMode::set, py::arg("mode"), py::arg("check_nan"));
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

// How long the Python object of a tensor lives, its attributes, and what the garbage collector sees of it.
//
// An object owns its tensor. When the object dies while others still hold the tensor (it is some `.grad`, or a leaf of
// a graph), all that it carries would be lost: attributes, or the class that a program derived from Tensor. Then it
// turns the other way round: the tensor owns the object, as its `companion`, until somebody asks for the object again.
// Objects that carry nothing just die, so that nothing of this costs anything on the way of an op.
#include "python.h"

namespace verigrad::bindings {

PyTypeObject* tensor_type = nullptr;
int PassScope::running = 0;

PassScope::~PassScope() {
  release_.reset();
  --running;
}

namespace {

const py::detail::type_info* tensor_info = nullptr;

using py::detail::instance;
using py::detail::value_and_holder;

/// Where the object keeps pointer and holder of its tensor; null where it has none.
value_and_holder tensor_slot(PyObject* object) {
  auto* self = reinterpret_cast<instance*>(object);
  if (!self->simple_layout && !self->nonsimple.values_and_holders) return {};  // the collector met it in the making
  // A class of several bound bases has one slot for each.
  return self->simple_layout ? value_and_holder(self, tensor_info, 0, 0)
                             : self->get_value_and_holder(tensor_info, false);
}

PyObject*& dict_slot(PyObject* object) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + tensor_type->tp_dictoffset);
}

/// Whether the object is more than its tensor.
bool carries(PyObject* object) {
  return Py_TYPE(object) != tensor_type || (dict_slot(object) && PyDict_GET_SIZE(dict_slot(object)) > 0);
}

/// Owns the object of a tensor for as long as the tensor owns this.
class Preserved final : public RefCounted {
 public:
  explicit Preserved(PyObject* object) : object_(object) {}
  ~Preserved() override {
    if (!object_ || !Py_IsInitialized()) return;
    const py::gil_scoped_acquire gil;
    const value_and_holder slot = tensor_slot(object_);
    py::detail::deregister_instance(slot.inst, slot.value_ptr(), slot.type);
    slot.inst->simple_instance_registered = false;
    slot.value_ptr() = nullptr;  // whoever finds the object by a weak reference learns that its tensor is gone
    Py_DECREF(object_);
  }
  PyObject* object() const { return object_; }
  PyObject* take() { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_;
};

Preserved* preserved(const TensorImpl& impl) { return static_cast<Preserved*>(impl.companion.get()); }

/// Gives the object that nobody refers to any more to its tensor, if someone else holds that and the object carries
/// something. The reference that the tensor gets is the caller's to count.
bool preserve(PyObject* object) {
  if (!carries(object)) return false;
  const value_and_holder slot = tensor_slot(object);
  if (!slot.vh || !slot.inst->simple_layout || !slot.holder<Ref<TensorImpl>>()) return false;
  Ref<TensorImpl>& holder = slot.holder<Ref<TensorImpl>>();
  if (holder->use_count() == 1 || holder->companion) return false;
  Py_INCREF(object);
  holder->companion = make_ref<Preserved>(object);
  const Ref<TensorImpl> last = std::move(holder);  // if it is the last by now, the object goes with it
  return true;
}

/// The preserved object of a tensor, which owns its tensor again.
py::object restore(const Tensor& tensor) {
  Preserved& kept = *preserved(*tensor.impl());
  PyObject* object = kept.object();
  const value_and_holder slot = tensor_slot(object);
  slot.holder<Ref<TensorImpl>>() = tensor.ref();
  if (PyObject_GC_IsFinalized(object)) {
    // Python announces the death of an object of a derived class once only. This one has had its turn: from now on
    // tensor and object own each other, and the garbage collector sees when nobody else does.
    return py::reinterpret_borrow<py::object>(object);
  }
  py::object out = py::reinterpret_steal<py::object>(kept.take());
  tensor.impl()->companion = {};
  return out;
}

/// A Python callable without its type. Freed where the last pass that runs it may be: without the GIL.
struct PyHook {
  std::shared_ptr<py::object> function;
  Tensor operator()(const Tensor& grad) const {
    const py::gil_scoped_acquire gil;
    const py::object result = (*function)(grad);
    if (result.is_none()) return {};
    VG_CHECK(is_tensor(result.ptr()), TypeError, "hook: expected a Tensor or None, got ",
             Py_TYPE(result.ptr())->tp_name);
    return unwrap(result.ptr());
  }
};

py::tuple tuple_of(const TensorList& tensors) {
  py::tuple out(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) out[i] = wrap(tensors[i]);
  return out;
}

/// The same of a node.
struct PyNodeHook {
  std::shared_ptr<py::object> function;
  Node::Phase phase;

  void operator()(TensorList& grads, const TensorList& outputs) const {
    const py::gil_scoped_acquire gil;
    const py::object result =
        phase == Node::Phase::Before ? (*function)(tuple_of(grads)) : (*function)(tuple_of(grads), tuple_of(outputs));
    if (result.is_none()) return;
    VG_CHECK(PyTuple_Check(result.ptr()), TypeError, "expected tuple, but hook returned '",
             Py_TYPE(result.ptr())->tp_name, "'");
    const auto given = py::reinterpret_borrow<py::tuple>(result);
    VG_CHECK(given.size() == grads.size(), RuntimeError, "hook '", name(),
             "' has returned an incorrect number of values (got ", given.size(), ", but expected ", grads.size(), ")");
    TensorList next;
    for (std::size_t i = 0; i < grads.size(); ++i) next.push_back(checked(given[i], grads[i]));
    grads = std::move(next);
  }

 private:
  std::string name() const {
    return py::str(py::getattr(*function, "__name__", py::str("<unknown>"))).cast<std::string>();
  }
  Tensor checked(py::handle value, const Tensor& before) const {
    if (value.is_none()) return {};
    VG_CHECK(before.defined(), RuntimeError, "can't replace a None gradient with a non-None value");
    VG_CHECK(is_tensor(value.ptr()), TypeError, "expected Variable, but hook returned '", Py_TYPE(value.ptr())->tp_name,
             "'");
    Tensor after = unwrap(value.ptr());
    VG_CHECK(after.dtype() == before.dtype(), RuntimeError, "hook '", name(), "' has changed the type of value (was ",
             before.dtype(), " got ", after.dtype(), ")");
    VG_CHECK(after.device() == before.device(), RuntimeError, "hook '", name(), "' has changed the device of value");
    VG_CHECK(after.shape() == before.shape(), RuntimeError, "hook '", name(), "' has changed the size of value");
    return after;
  }
};

template <class PythonHook, class Hook>
int visit_list(const Hooks<Hook>& list, visitproc visit, void* arg) {
  const auto now = list.snapshot();
  if (!now) return 0;
  for (const auto& [id, hook] : now->hooks) {
    if (const auto* python = hook.template target<PythonHook>()) Py_VISIT(python->function->ptr());
  }
  return 0;
}

int visit_hooks(const std::shared_ptr<HookList>& list, visitproc visit, void* arg) {
  if (!list) return 0;
  if (const int stop = visit_list<PyHook>(*list, visit, arg)) return stop;
  return visit_list<PyHook>(list->after, visit, arg);
}

constexpr Node::Phase kPhases[] = {Node::Phase::Before, Node::Phase::After};

/// Hooks of the node that made the tensor, where the tensor alone owns it.
template <class Visit>
int each_node_hooks(const AutogradMeta& meta, const Visit& visit) {
  if (!meta.grad_fn || meta.grad_fn->use_count() > 1) return 0;
  for (const Node::Phase phase : kPhases) {
    const auto list = meta.grad_fn->find_node_hooks(phase);
    if (!list) continue;
    if (const int stop = visit(*list)) return stop;
  }
  return 0;
}

/// Hooks of the tensor, of a leaf or of the node that made it, as far as the tensor alone owns them.
std::shared_ptr<HookList> own_hooks(const AutogradMeta& meta) {
  if (!meta.grad_fn) return meta.load_hooks();
  return meta.grad_fn->use_count() == 1 ? meta.grad_fn->find_hooks(meta.output_nr) : nullptr;
}

/// Python objects that live by this tensor, which nothing but the caller's handle holds, and by its gradients.
int visit_tensor(const TensorImpl* impl, visitproc visit, void* arg) {
  while (impl) {
    if (impl->companion) Py_VISIT(preserved(*impl)->object());
    if (!impl->meta) return 0;
    if (const int stop = visit_hooks(own_hooks(*impl->meta), visit, arg)) return stop;
    const auto visit_node = [&](const Hooks<NodeHook>& list) { return visit_list<PyNodeHook>(list, visit, arg); };
    if (const int stop = each_node_hooks(*impl->meta, visit_node)) return stop;
    const TensorImpl* grad = impl->meta->grad.impl();
    impl = grad && grad->use_count() == 1 ? grad : nullptr;
  }
  return 0;
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const value_and_holder slot = tensor_slot(self);
  const TensorImpl* impl = slot.vh ? slot.holder<Ref<TensorImpl>>().get() : nullptr;
  if (impl) {
    // Held by C++ as well, the object would be preserved: what it carries is in use.
    if (impl->use_count() > 1 && carries(self)) return 0;
    if (impl->use_count() == 1 && PassScope::running == 0) {
      if (const int stop = visit_tensor(impl, visit, arg)) return stop;
    }
  }
  Py_VISIT(dict_slot(self));
  return 0;
}

int tensor_clear(PyObject* self) {
  const value_and_holder slot = tensor_slot(self);
  TensorImpl* impl = slot.vh ? slot.holder<Ref<TensorImpl>>().get() : nullptr;
  if (impl && impl->use_count() == 1 && PassScope::running == 0) {
    if (impl->meta) {
      if (const auto hooks = own_hooks(*impl->meta)) {
        hooks->clear();
        hooks->after.clear();
      }
      each_node_hooks(*impl->meta, [](Hooks<NodeHook>& list) {
        list.clear();
        return 0;
      });
      impl->meta->store_grad({});
    }
    if (impl->companion) {
      Py_DECREF(preserved(*impl)->take());
      impl->companion = {};
    }
  }
  Py_CLEAR(dict_slot(self));
  return 0;
}

/// The last chance of an object whose class derives from Tensor: Python takes it apart before `tensor_dealloc`.
void tensor_finalize(PyObject* self) {
  if (Py_TYPE(self) != tensor_type) preserve(self);
}

void tensor_dealloc(PyObject* self) {
  // Here the count is 0 already, and a preserved object has been counted once.
  if (Py_TYPE(self) == tensor_type && preserve(self)) return;
  tensor_type->tp_base->tp_dealloc(self);
}

PyGetSetDef getset[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                        {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace

void set_tensor_type(PyTypeObject* type) {
  tensor_type = type;
  tensor_info = py::detail::get_type_info(type);
}

Tensor unwrap(PyObject* object) {
  auto* self = reinterpret_cast<instance*>(object);
  void** slot = self->simple_layout ? self->simple_value_holder : tensor_slot(object).vh;
  VG_CHECK(slot && slot[0], TypeError, Py_TYPE(object)->tp_name, ": expected an initialised Tensor, but ",
           Py_TYPE(object)->tp_name, ".__init__ did not call Tensor.__init__");
  auto* impl = static_cast<TensorImpl*>(slot[0]);
  if (slot[1]) [[likely]]
    return Tensor(Ref<TensorImpl>(impl));
  // Preserved and found by a weak reference; its tensor may be dying on another thread, which waits for the GIL.
  VG_CHECK(impl->try_retain(), RuntimeError, "the tensor of this object has been freed");
  Tensor tensor(Ref<TensorImpl>::adopt(impl));
  restore(tensor);
  return tensor;
}

py::object wrap(const Tensor& tensor) {
  if (!tensor.defined()) return py::none();
  if (tensor.impl()->companion) [[unlikely]]
    return restore(tensor);
  // As py::cast, but for the search of the type.
  return py::reinterpret_steal<py::object>(py::detail::type_caster_generic::cast(
      tensor.impl(), py::return_value_policy::take_ownership, {}, tensor_info, nullptr, nullptr, &tensor.ref()));
}

PyObject* attributes(PyObject* object) {
  PyObject* dict = Py_TYPE(object)->tp_dictoffset == tensor_type->tp_dictoffset ? dict_slot(object) : nullptr;
  return dict && PyDict_GET_SIZE(dict) > 0 ? dict : nullptr;
}

std::shared_ptr<py::object> shared_object(py::object object) {
  return {new py::object(std::move(object)), [](py::object* last) {
            if (!Py_IsInitialized()) return;
            const py::gil_scoped_acquire gil;
            delete last;
          }};
}

GradHook make_hook(py::object function) { return PyHook{shared_object(std::move(function))}; }

NodeHook make_node_hook(py::object function, Node::Phase phase) {
  return PyNodeHook{shared_object(std::move(function)), phase};
}

void bind_lifetime(PyHeapTypeObject* heap_type) {
  bind_new(heap_type);
  PyTypeObject& type = heap_type->ht_type;
  type.tp_flags |= Py_TPFLAGS_HAVE_GC;
  type.tp_dictoffset = type.tp_basicsize;
  type.tp_basicsize += static_cast<Py_ssize_t>(sizeof(PyObject*));
  type.tp_getset = getset;
  type.tp_traverse = tensor_traverse;
  type.tp_clear = tensor_clear;
  type.tp_finalize = tensor_finalize;
  type.tp_dealloc = tensor_dealloc;
}

}  // namespace verigrad::bindings

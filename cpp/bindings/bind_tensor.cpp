// The class Tensor: attributes, conversion, subscripts. Ops are bound in the files of their families.
#include "core/backend.h"
#include "python.h"
#include "verigrad/rearrange.h"

namespace verigrad::bindings {

namespace {

using ops::Index;

Index parse_index(py::handle item) {
  Index index;
  PyObject* object = item.ptr();
  const auto optional_int = [](PyObject* value) -> std::optional<std::int64_t> {
    if (value == Py_None) return std::nullopt;
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(value));
    if (!number) throw py::error_already_set();
    const Py_ssize_t clipped = PyNumber_AsSsize_t(number.ptr(), nullptr);  // clips instead of overflowing
    return static_cast<std::int64_t>(clipped);
  };
  if (object == Py_None) {
    index.kind = Index::Kind::None;
  } else if (object == Py_Ellipsis) {
    index.kind = Index::Kind::Ellipsis;
  } else if (PySlice_Check(object)) {
    index.kind = Index::Kind::Slice;
    const auto* slice = reinterpret_cast<PySliceObject*>(object);
    index.start = optional_int(slice->start);
    index.stop = optional_int(slice->stop);
    index.step = optional_int(slice->step);
  } else if (is_tensor(object)) {
    index.kind = Index::Kind::Tensor;
    index.tensor = unwrap(object);
    if (index.tensor.ndim() == 0 && is_integral(index.tensor.dtype())) {
      index.kind = Index::Kind::Integer;
      index.integer = ops::item(index.tensor).to<std::int64_t>();
    }
  } else if (PyBool_Check(object)) {
    index.kind = Index::Kind::Tensor;
    index.tensor = ops::full({}, object == Py_True, DType::Bool, kHost);
  } else if (PyIndex_Check(object) && !is_ndarray(object)) {
    index.kind = Index::Kind::Integer;
    const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!number) throw py::error_already_set();
    index.integer = PyLong_AsLongLong(number.ptr());
    if (index.integer == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      VG_THROW(IndexError, "index ", py::str(item).cast<std::string>(), " is out of bounds");
    }
  } else if (is_ndarray(object) || PyList_Check(object) || PyTuple_Check(object) || PyRange_Check(object)) {
    index.kind = Index::Kind::Tensor;
    const bool empty = !is_ndarray(object) && PySequence_Size(object) == 0;
    index.tensor = tensor_from_data(item, empty ? ops::OptDType(DType::Int64) : ops::OptDType(), {});
  } else {
    VG_THROW(TypeError,
             "only integers, slices (`:`), ellipsis (`...`), None and long or bool tensors are valid indices (got ",
             Py_TYPE(object)->tp_name, ")");
  }
  return index;
}

std::vector<Index> parse_indices(py::handle subscript) {
  std::vector<Index> indices;
  if (PyTuple_Check(subscript.ptr())) {
    for (py::handle item : py::reinterpret_borrow<py::tuple>(subscript)) indices.push_back(parse_index(item));
  } else {
    indices.push_back(parse_index(subscript));
  }
  return indices;
}

Tensor get_item(const Tensor& self, py::handle subscript) {
  if (PyLong_CheckExact(subscript.ptr())) {
    const std::int64_t i = PyLong_AsLongLong(subscript.ptr());
    if (!(i == -1 && PyErr_Occurred())) return ops::select(self, 0, i);
    PyErr_Clear();
  }
  return ops::get_item(self, parse_indices(subscript));
}

void set_item(const Tensor& self, py::handle subscript, py::handle value) {
  Operand source;
  if (is_tensor(value.ptr())) {
    source.tensor = unwrap(value.ptr());
  } else if (!load_scalar(value.ptr(), source.scalar)) {
    source.tensor = tensor_from_data(value, self.dtype(), self.device());
  }
  ops::set_item(self, parse_indices(subscript), source);
}

void check_has_dims(const Tensor& t, std::int64_t dim) {
  VG_CHECK(t.ndim() > 0, IndexError, "Dimension specified as ", dim, " but tensor has no dimensions");
}

Tensor construct(const py::args& args) {
  if (args.empty()) return ops::empty({0}, default_dtype(), default_device());
  const py::handle first = args[0];
  if (args.size() == 1 && is_tensor(first.ptr())) return ops::detach(unwrap(first.ptr()));
  if (PyLong_Check(first.ptr())) return ops::empty(parse_dims("Tensor", args), default_dtype(), default_device());
  VG_CHECK(args.size() == 1, TypeError, "Tensor: expected data, sizes or a tensor, got ", args.size(), " arguments");
  return tensor_from_data(first, default_dtype(), default_device());
}

template <class T>
T checked_item(const Tensor& self, const char* what) {
  VG_CHECK(self.numel() == 1, RuntimeError, "a Tensor with ", self.numel(), " elements cannot be converted to ", what);
  return ops::item(self).to<T>();
}

py::object to_int(const Tensor& self) {
  VG_CHECK(self.numel() == 1, RuntimeError, "a Tensor with ", self.numel(), " elements cannot be converted to int");
  const py::object value = py::cast(ops::item(self));
  PyObject* number = PyNumber_Long(value.ptr());
  if (!number) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(number);
}

/// to(dtype), to(device), to(device, dtype), to(other), with keywords.
Tensor to(const Tensor& self, const py::args& args, const py::kwargs& kwargs) {
  DType dtype = self.dtype();
  Device device = self.device();
  bool non_blocking = false, copy = false;
  const auto set_flag = [](bool& flag, const char* name, py::handle value) {
    VG_CHECK(PyBool_Check(value.ptr()), TypeError, "to: expected ", name, " to be a bool, got ",
             Py_TYPE(value.ptr())->tp_name);
    flag = value.ptr() == Py_True;
  };
  const auto set_device = [&](py::handle value) {
    device = PyUnicode_Check(value.ptr()) ? Device::parse(value.cast<std::string>()) : value.cast<Device>();
  };
  std::size_t flags = 0;
  for (py::handle arg : args) {
    if (is_tensor(arg.ptr())) {
      dtype = unwrap(arg.ptr()).dtype();
      device = unwrap(arg.ptr()).device();
    } else if (load_dtype(arg, dtype) || arg.is_none()) {
    } else if (PyUnicode_Check(arg.ptr()) || py::isinstance<Device>(arg)) {
      set_device(arg);
    } else if (PyBool_Check(arg.ptr())) {
      (flags++ == 0 ? non_blocking : copy) = arg.ptr() == Py_True;
    } else {
      VG_THROW(TypeError, "to: expected a dtype, a device or a tensor, got ", Py_TYPE(arg.ptr())->tp_name);
    }
  }
  for (const auto& [key, value] : kwargs) {
    const std::string name = key.cast<std::string>();
    if (name == "dtype") {
      VG_CHECK(value.is_none() || load_dtype(value, dtype), TypeError, "to: expected a dtype, got ",
               Py_TYPE(value.ptr())->tp_name);
    } else if (name == "device") {
      if (!value.is_none()) set_device(value);
    } else if (name == "copy") {
      set_flag(copy, "copy", value);
    } else if (name == "non_blocking") {
      set_flag(non_blocking, "non_blocking", value);
    } else {
      VG_THROW(TypeError, "to: got an unexpected keyword argument '", name, "'");
    }
  }
  const Tensor out = ops::to(self, dtype, device, non_blocking);
  return copy && out.is_same(self) ? ops::clone(self) : out;
}

template <DType dtype>
Tensor cast_to(const Tensor& self) {
  return ops::to(self, dtype);
}

Tensor to_cuda(const Tensor& self, const py::object& device, bool non_blocking) {
  Device target{DeviceType::CUDA, static_cast<std::int8_t>(current_index())};
  if (PyLong_Check(device.ptr())) {
    target = Device::parse("cuda:" + py::str(device).cast<std::string>());
  } else if (!device.is_none()) {
    target = device.cast<Device>();
  }
  VG_CHECK(target.type == DeviceType::CUDA, RuntimeError, "Invalid device, must be cuda device, got ", target);
  return ops::to(self, self.dtype(), target, non_blocking);
}

/// The deprecated argument of pin_memory and is_pinned: which kind of device the memory is pinned for.
bool pinned_for_cuda(const char* op, const py::object& device) {
  if (device.is_none()) return true;
  const std::string text =
      "The argument 'device' of Tensor." + std::string(op) + "() is deprecated. Please do not pass this argument.";
  if (PyErr_WarnEx(PyExc_DeprecationWarning, text.c_str(), 1) != 0) throw py::error_already_set();
  if (PyLong_Check(device.ptr())) return true;
  const Device target =
      PyUnicode_Check(device.ptr()) ? Device::parse(device.cast<std::string>()) : device.cast<Device>();
  return target.type == DeviceType::CUDA;
}

/// The same memory without history and with a version of its own: changes through it go unnoticed.
Tensor get_data(const Tensor& self) {
  Tensor out = ops::detach(self);
  out.impl()->own_version = make_ref<Version>();
  return out;
}

/// copy.deepcopy: a leaf with memory of its own; `memo` as the protocol asks.
py::object deep_copy(const py::object& self, py::dict memo) {
  const py::object id = py::cast(reinterpret_cast<std::uintptr_t>(self.ptr()));
  if (memo.contains(id)) return memo[id];
  const Tensor t = unwrap(self.ptr());
  VG_CHECK(t.is_leaf(), RuntimeError,
           "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment");
  Tensor out;
  {
    const NoGradGuard guard;
    out = ops::clone(t);
  }
  if (t.requires_grad()) out.set_requires_grad(true);
  if (t.grad().defined()) out.set_grad(ops::clone(ops::detach(t.grad())));
  const py::object copy = wrap(out);
  memo[id] = copy;
  if (PyObject* dict = attributes(self.ptr())) {
    copy.attr("__dict__") = py::module_::import("copy").attr("deepcopy")(py::handle(dict), memo);
  }
  return copy;
}

Tensor reverse_dims(const Tensor& self) {
  ops::DimList dims;
  for (int d = self.ndim() - 1; d >= 0; --d) dims.push_back(d);
  return ops::permute(self, dims);
}

}  // namespace

TensorClass bind_tensor(py::module_& m) {
  TensorClass cls(m, "Tensor",
                  "A multi-dimensional array of one dtype on one device: a strided view of a storage.\n\n"
                  "`Tensor(data)` copies nested sequences as the default dtype, `Tensor(2, 3)` has uninitialised\n"
                  "elements, `Tensor(tensor)` shares its storage. Use verigrad.tensor to keep the data's dtype.",
                  py::custom_type_setup([](PyHeapTypeObject* type) {
                    bind_operators(type);
                    bind_lifetime(type);
                    bind_buffer(type);
                  }));
  set_tensor_type(reinterpret_cast<PyTypeObject*>(cls.ptr()));
  cls.attr("__module__") = "verigrad";
  refuse_pickle(cls);
  cls.attr("__array_priority__") = 1000;  // numpy leaves binary ops with tensors to us

  cls.def(py::init([](const py::args& args) { return construct(args).ref(); }));
  // What as_subclass calls for an object of another class: the same memory, and the graph goes on.
  cls.def(py::init([](const Tensor& view_of) { return ops::view(view_of, view_of.shape()).ref(); }), py::kw_only(),
          py::arg("_view_of"));

  cls.def_property_readonly(
         "shape", [](const Tensor& t) { return t.shape(); }, "The sizes of the dimensions.")
      .def(
          "size",
          [](const Tensor& t, std::optional<std::int64_t> dim) -> py::object {
            if (dim) check_has_dims(t, *dim);
            return dim ? py::cast(t.size(*dim)) : py::object(size_object(t.shape()));
          },
          py::arg("dim") = py::none())
      .def(
          "stride",
          [](const Tensor& t, std::optional<std::int64_t> dim) -> py::object {
            if (dim) check_has_dims(t, *dim);
            if (dim) return py::cast(t.strides()[wrap_dim("stride", *dim, t.ndim())]);
            return py::tuple(py::cast(std::vector<std::int64_t>(t.strides().begin(), t.strides().end())));
          },
          py::arg("dim") = py::none(), "Steps between neighbours along each dimension, in elements.")
      .def_property_readonly("ndim", get<&Tensor::ndim>)
      .def("dim", get<&Tensor::ndim>)
      .def("numel", get<&Tensor::numel>)
      .def("nelement", get<&Tensor::numel>)
      .def_property_readonly("dtype", get<&Tensor::dtype>)
      .def_property_readonly("device", get<&Tensor::device>)
      .def_property_readonly("is_cpu", [](const Tensor& t) { return t.device() == kHost; })
      .def_property_readonly("is_cuda", [](const Tensor& t) { return t.device().type == DeviceType::CUDA; })
      .def_property_readonly("itemsize", [](const Tensor& t) { return itemsize(t.dtype()); })
      .def_property_readonly("nbytes", [](const Tensor& t) { return t.numel() * itemsize(t.dtype()); })
      .def("element_size", [](const Tensor& t) { return itemsize(t.dtype()); })
      .def("storage_offset", get<&Tensor::offset>)
      .def(
          "_memory",
          [](const Tensor& t) {
            const Ref<Storage>& storage = t.storage();
            const std::int64_t numel = storage->nbytes() / itemsize(t.dtype());
            return Tensor(make_ref<TensorImpl>(storage, t.dtype(), Dims{numel}, Dims{1}, 0, numel));
          },
          "All elements of its memory, of which the tensor may be a part.")
      .def("is_contiguous", get<&Tensor::is_contiguous>)
      .def("is_floating_point", [](const Tensor& t) { return is_floating_point(t.dtype()); })
      .def("data_ptr", [](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.data()); })
      .def_property_readonly("_version", get<&Tensor::version>)
      .def("is_inference", [](const Tensor& t) { return t.impl()->inference; })
      .def_property("data", &get_data, [](const Tensor& t, const Tensor& other) { t.set_data(other); })
      .def_property_readonly("T", &reverse_dims);

  cls.def("tolist", &tensor_to_list, "The elements as nested lists of Python numbers.")
      .def(
          "numpy",
          [](const Tensor& t, bool force) {
            return tensor_to_numpy(force ? ops::to(ops::detach(t), t.dtype(), kHost) : t);
          },
          py::kw_only(), py::arg("force") = false,
          "A numpy array over the same memory. `force` drops the history, and copies from another device.")
      .def(
          "__array__",
          [](const Tensor& t, const py::object& dtype, const py::object& copy) {
            py::object array = tensor_to_numpy(t);
            if (!dtype.is_none()) {
              const py::object target = py::module_::import("numpy").attr("dtype")(dtype);
              if (!target.equal(array.attr("dtype"))) {
                VG_CHECK(copy.is_none() || copy.cast<bool>(), ValueError, "__array__: expected dtype ", t.dtype(),
                         " with copy=False, got ", py::str(target).cast<std::string>());
                return py::object(array.attr("astype")(target));
              }
            }
            return copy.is_none() || !copy.cast<bool>() ? array : py::object(array.attr("copy")());
          },
          py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  def_method(cls, "item", false, [](const Tensor& t) { return ops::item(t); });

  cls.def("__len__",
          [](const Tensor& t) {
            VG_CHECK(t.ndim() > 0, TypeError, "len() of a 0-d tensor");
            return t.shape()[0];
          })
      .def("__iter__",
           [](const Tensor& t) {
             VG_CHECK(t.ndim() > 0, TypeError, "iteration over a 0-d tensor");
             return py::iter(py::cast(ops::unbind(t, 0)));
           })
      .def("__bool__",
           [](const Tensor& t) {
             VG_CHECK(t.numel() == 1, RuntimeError, "Boolean value of Tensor with ",
                      t.numel() == 0 ? "no values" : "more than one value", " is ambiguous");
             return ops::item(t).to<bool>();
           })
      .def("__float__", [](const Tensor& t) { return checked_item<double>(t, "float"); })
      .def("__int__", &to_int)
      .def("__index__",
           [](const Tensor& t) {
             VG_CHECK(t.numel() == 1 && !is_floating_point(t.dtype()), TypeError,
                      "only integer tensors of a single element can be converted to an index");
             return ops::item(t).to<std::int64_t>();
           })
      .def("__reversed__",
           [](const py::object& self) {
             const Tensor t = unwrap(self.ptr());
             return t.ndim() == 0 ? self : py::object(wrap(ops::flip(t, {0})));
           })
      .def("__contains__", [](const Tensor& t, const py::object& value) {
        py::detail::make_caster<Operand> operand;
        VG_CHECK(operand.load(value, true), RuntimeError,
                 "Tensor.__contains__ only supports Tensor or scalar, but you passed in a ",
                 py::str(py::type::of(value)).cast<std::string>(), ".");
        const auto& found = py::detail::cast_op<const Operand&>(operand);
        const Tensor hit = found.is_tensor() ? ops::eq(t, found.tensor) : ops::eq(t, found.scalar);
        return ops::item(ops::any(hit)).to<bool>();
      });
  cls.def("__deepcopy__", &deep_copy, py::arg("memo")).def("__copy__", [](const py::object& self) {
    const Tensor t = unwrap(self.ptr());
    VG_CHECK(t.is_leaf(), RuntimeError, "Only Tensors created explicitly by the user (graph leaves) can be copied");
    const Tensor out = ops::detach(t);
    if (t.requires_grad()) out.set_requires_grad(true);
    const py::object copy = wrap(out);
    if (PyObject* dict = attributes(self.ptr())) copy.attr("__dict__").attr("update")(py::handle(dict));
    return copy;
  });
  def_method(cls, "__getitem__", true, &get_item);
  def_inplace(cls, "__setitem__", true, &set_item);

  def_method(cls, "to", true, &to);
  def_method(cls, "float", true, &cast_to<DType::Float32>);
  def_method(cls, "double", true, &cast_to<DType::Float64>);
  def_method(cls, "long", false, &cast_to<DType::Int64>);
  def_method(cls, "int", false, &cast_to<DType::Int32>);
  def_method(cls, "byte", false, &cast_to<DType::UInt8>);
  def_method(cls, "bool", false, &cast_to<DType::Bool>);
  def_method(
      cls, "type_as", true,
      [](const Tensor& t, const Tensor& other) { return ops::to(t, other.dtype(), other.device()); }, py::arg("other"));
  def_method(cls, "cpu", true, [](const Tensor& t) { return ops::to(t, t.dtype(), kHost); });
  // No record: the checks of a machine without CUDA could not call it. `to` has one, and is the same.
  cls.def("cuda", &to_cuda, py::arg("device") = py::none(), py::arg("non_blocking").noconvert() = false,
          "The tensor on a CUDA device, the current one for None.");
  cls.def(
         "pin_memory",
         [](const Tensor& t, const py::object& device) {
           VG_CHECK(pinned_for_cuda("pin_memory", device), RuntimeError,
                    "pin_memory: expected device to be a CUDA device, got cpu");
           return ops::pin_memory(t);
         },
         py::arg("device") = py::none(),
         "The tensor in page-locked memory, from which copies with `non_blocking=True` run beside the program.\n\n"
         "Itself where it is pinned. Raises RuntimeError for a CUDA tensor, and where there is no CUDA device.")
      .def(
          "is_pinned",
          [](const Tensor& t, const py::object& device) {
            return pinned_for_cuda("is_pinned", device) && ops::is_pinned(t);
          },
          py::arg("device") = py::none(), "Whether its memory is page-locked. Views are as their base is.");
  return cls;
}

}  // namespace verigrad::bindings

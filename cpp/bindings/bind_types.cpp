// dtype, device, Size, Generator and the numbers of Python.
#include <cstring>

#include "core/backend.h"
#include "python.h"
#include "verigrad/parallel.h"

namespace verigrad::bindings {

namespace {

struct PyDType {
  DType value;
};

PyObject* dtype_objects[kDTypeCount] = {};
PyTypeObject* dtype_type = nullptr;
PyTypeObject* size_type = nullptr;

PyObject* size_repr(PyObject* self) {
  const Py_ssize_t n = PyTuple_GET_SIZE(self);
  std::string text = "verigrad.Size([";
  for (Py_ssize_t i = 0; i < n; ++i) {
    text += (i ? ", " : "") + py::repr(PyTuple_GET_ITEM(self, i)).cast<std::string>();
  }
  return PyUnicode_FromString((text + "])").c_str());
}

PyObject* size_numel(PyObject* self, PyObject*) {
  PyObject* total = PyLong_FromLong(1);
  for (Py_ssize_t i = 0; total && i < PyTuple_GET_SIZE(self); ++i) {
    PyObject* next = PyNumber_Multiply(total, PyTuple_GET_ITEM(self, i));
    Py_DECREF(total);
    total = next;
  }
  return total;
}

PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* self = PyTuple_Type.tp_new(type, args, kwargs);
  for (Py_ssize_t i = 0; self && i < PyTuple_GET_SIZE(self); ++i) {
    PyObject* item = PyTuple_GET_ITEM(self, i);
    if (PyLong_Check(item)) continue;
    PyObject* number = PyIndex_Check(item) && !is_tensor(item) ? PyNumber_Index(item) : nullptr;
    if (number) {
      PyTuple_SET_ITEM(self, i, number);
      Py_DECREF(item);
      continue;
    }
    PyErr_Format(PyExc_TypeError, "verigrad.Size() takes an iterable of 'int' (item %zd is '%.200s')", i,
                 Py_TYPE(item)->tp_name);
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "The number of elements of a tensor of this size."},
    {nullptr, nullptr, 0, nullptr},
};

void bind_size(py::module_& m) {
  PyType_Slot slots[] = {
      {Py_tp_repr, reinterpret_cast<void*>(size_repr)},
      {Py_tp_new, reinterpret_cast<void*>(size_new)},
      {Py_tp_methods, size_methods},
      {Py_tp_doc, const_cast<char*>("The sizes of a tensor: a tuple of ints.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"verigrad._C.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  py::object bases = py::make_tuple(py::handle(reinterpret_cast<PyObject*>(&PyTuple_Type)));
  PyObject* type = PyType_FromSpecWithBases(&spec, bases.ptr());
  if (!type) throw py::error_already_set();
  size_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("Size") = py::reinterpret_steal<py::object>(type);
}

Device make_device(const std::string& text, std::optional<int> index) {
  return Device::parse(index ? text + ":" + std::to_string(*index) : text);
}

/// device("cuda") shows no index, though it is a certain device: an attribute of the object says so.
constexpr const char* kUnnumbered = "_unnumbered";
bool is_unnumbered(py::handle device) { return py::hasattr(device, kUnnumbered); }

void init_device(py::detail::value_and_holder& self, Device device, bool unnumbered) {
  self.value_ptr() = new Device(device);
  if (unnumbered) py::handle(reinterpret_cast<PyObject*>(self.inst)).attr(kUnnumbered) = true;
}

std::string device_str(const py::object& self) { return is_unnumbered(self) ? "cuda" : self.cast<Device>().str(); }

}  // namespace

py::object dtype_object(DType dtype) {
  return py::reinterpret_borrow<py::object>(dtype_objects[static_cast<int>(dtype)]);
}

bool load_dtype(py::handle object, DType& dtype) {
  if (Py_TYPE(object.ptr()) == dtype_type) {
    dtype = object.cast<const PyDType&>().value;
    return true;
  }
  if (object.ptr() == reinterpret_cast<PyObject*>(&PyFloat_Type)) return dtype = DType::Float64, true;
  if (object.ptr() == reinterpret_cast<PyObject*>(&PyLong_Type)) return dtype = DType::Int64, true;
  if (object.ptr() == reinterpret_cast<PyObject*>(&PyBool_Type)) return dtype = DType::Bool, true;
  return false;
}

bool load_scalar(PyObject* object, Scalar& scalar) {
  if (PyFloat_Check(object)) {
    scalar = Scalar(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (PyBool_Check(object)) {
    scalar = Scalar(object == Py_True);
    return true;
  }
  if (is_tensor(object) || PySequence_Check(object)) return false;
  const PyNumberMethods* number = Py_TYPE(object)->tp_as_number;
  if (!number) return false;
  if (number->nb_index) {
    const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (!index) throw py::error_already_set();
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    if (overflow) VG_THROW(RuntimeError, "value cannot be converted to type int64_t without overflow");
    scalar = Scalar(static_cast<std::int64_t>(value));
    return true;
  }
  if (!number->nb_float) return false;
  const py::object real = py::reinterpret_steal<py::object>(PyNumber_Float(object));
  if (!real) {
    PyErr_Clear();
    return false;
  }
  // numpy.bool_ has a float but no index.
  if (std::string_view(Py_TYPE(object)->tp_name).substr(0, 10) == "numpy.bool") {
    scalar = Scalar(PyFloat_AS_DOUBLE(real.ptr()) != 0);
  } else {
    scalar = Scalar(PyFloat_AS_DOUBLE(real.ptr()));
  }
  return true;
}

Dims parse_dims(const char* op, py::handle sequence) {
  Dims dims;
  for (py::handle item : sequence) {
    if (!PyIndex_Check(item.ptr())) {
      VG_THROW(TypeError, op, ": expected sizes as ints, got ", Py_TYPE(item.ptr())->tp_name);
    }
    const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!index) throw py::error_already_set();
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    if (overflow)
      VG_THROW(RuntimeError, op, ": expected sizes that fit int64, got ", py::str(item).cast<std::string>());
    dims.push_back(value);
  }
  return dims;
}

Dims parse_size(const char* op, const py::args& args) {
  if (args.size() == 1 && (PyTuple_Check(args[0].ptr()) || PyList_Check(args[0].ptr()))) return parse_dims(op, args[0]);
  return parse_dims(op, args);
}

py::tuple size_object(const Dims& dims) {
  py::tuple values(dims.size());
  for (int i = 0; i < dims.size(); ++i) PyTuple_SET_ITEM(values.ptr(), i, PyLong_FromLongLong(dims[i]));
  const py::object args = py::make_tuple(std::move(values));
  PyObject* size = PyTuple_Type.tp_new(size_type, args.ptr(), nullptr);
  if (!size) throw py::error_already_set();
  return py::reinterpret_steal<py::tuple>(size);
}

void bind_types(py::module_& m) {
  bind_size(m);

  py::class_<PyDType> dtype(m, "dtype", "The type of a tensor's elements.");
  dtype.def("__repr__", [](const PyDType& self) { return "verigrad." + std::string(name(self.value)); })
      .def("__reduce__", [](const PyDType& self) { return std::string(name(self.value)); })
      .def("__hash__", [](const PyDType& self) { return static_cast<int>(self.value); })
      .def("__eq__",
           [](const PyDType& self, py::handle other) {
             return Py_TYPE(other.ptr()) == dtype_type && other.cast<const PyDType&>().value == self.value;
           })
      .def_property_readonly("is_floating_point", [](const PyDType& self) { return is_floating_point(self.value); })
      .def_property_readonly(
          "itemsize", [](const PyDType& self) { return itemsize(self.value); }, "Bytes of an element.");
  dtype.attr("__module__") = "verigrad";
  dtype_type = reinterpret_cast<PyTypeObject*>(dtype.ptr());
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType value = static_cast<DType>(i);
    py::object object = py::cast(PyDType{value});
    m.attr(std::string(name(value)).c_str()) = object;
    dtype_objects[i] = object.release().ptr();  // kept for the life of the process
  }

  const py::detail::is_new_style_constructor constructor;
  py::class_<Device>(m, "device", py::dynamic_attr(), "Where a tensor's memory is: 'cpu' or 'cuda:<index>'.")
      .def(
          "__init__",
          [](py::detail::value_and_holder& self, const std::string& type, std::optional<int> index) {
            init_device(self, make_device(type, index), !index && type == "cuda");
          },
          constructor, py::arg("type"), py::arg("index") = py::none())
      .def(
          "__init__",
          [](py::detail::value_and_holder& self, const py::object& device) {
            VG_CHECK(py::isinstance<Device>(device), TypeError, "device(): argument 'type' must be str or device, not ",
                     Py_TYPE(device.ptr())->tp_name);
            init_device(self, device.cast<Device>(), is_unnumbered(device));
          },
          constructor, py::arg("device"))
      .def_property_readonly("type", [](const Device& d) { return d.type == DeviceType::CPU ? "cpu" : "cuda"; })
      .def_property_readonly("index",
                             [](const py::object& self) -> std::optional<int> {
                               const Device d = self.cast<Device>();
                               if (d.type == DeviceType::CPU || is_unnumbered(self)) return std::nullopt;
                               return d.index;
                             })
      .def("__str__", &device_str)
      .def("__repr__",
           [](const py::object& self) {
             const Device d = self.cast<Device>();
             if (d.type == DeviceType::CPU) return std::string("device(type='cpu')");
             if (is_unnumbered(self)) return std::string("device(type='cuda')");
             return "device(type='cuda', index=" + std::to_string(int{d.index}) + ")";
           })
      .def("__hash__", [](const Device& d) { return static_cast<int>(d.type) * 256 + d.index; })
      .def("__eq__",
           [](const Device& a, const py::object& b) { return py::isinstance<Device>(b) && a == b.cast<Device>(); })
      .def("__reduce__", [](const py::object& self) {
        return py::make_tuple(py::type::of<Device>(), py::make_tuple(device_str(self)));
      });
  py::implicitly_convertible<py::str, Device>();
  m.attr("device").attr("__module__") = "verigrad";

  py::class_<Generator, Ref<Generator>> generator(
      m, "Generator",
      "A stream of random numbers (Philox4x32-10): a seed and a position. The numbers do not depend on the number of "
      "threads.",
      py::custom_type_setup(bind_new));
  refuse_pickle(generator);
  generator
      .def(py::init([](const Device& device) { return make_ref<Generator>(device); }), py::arg("device") = Device{})
      .def_property_readonly("device", &Generator::device)
      .def(
          "manual_seed",
          [](const Ref<Generator>& self, const py::int_& seed) {
            // Negative seeds count from 2^64, as in PyTorch.
            int overflow = 0;
            const long long value = PyLong_AsLongLongAndOverflow(seed.ptr(), &overflow);
            std::uint64_t bits = static_cast<std::uint64_t>(value);
            if (overflow > 0) bits = PyLong_AsUnsignedLongLong(seed.ptr());
            if (overflow < 0 || PyErr_Occurred()) {
              PyErr_Clear();
              VG_THROW(ValueError, "manual_seed: expected a seed of 64 bits, got ", py::str(seed).cast<std::string>());
            }
            self->manual_seed(bits);
            return self;
          },
          py::arg("seed"), "Starts the stream of `seed` from its beginning.")
      .def("seed", &Generator::seed, "Seeds from the operating system and returns the seed.")
      .def("initial_seed", &Generator::initial_seed)
      .def(
          "get_state",
          [](const Generator& self) {
            const Generator::State state = self.state();
            const Tensor out = ops::empty({static_cast<std::int64_t>(sizeof(state))}, DType::UInt8, kHost);
            std::memcpy(out.data(), &state, sizeof(state));
            return out;
          },
          "The position as a uint8 tensor of 16 elements.")
      .def(
          "set_state",
          [](Generator& self, const Tensor& tensor) {
            Generator::State state;
            VG_CHECK(tensor.dtype() == DType::UInt8 && tensor.numel() == static_cast<std::int64_t>(sizeof(state)),
                     RuntimeError, "set_state: expected a uint8 tensor of ", sizeof(state), " elements, got ",
                     tensor.dtype(), " of shape ", tensor.shape());
            std::memcpy(&state, ops::contiguous(ops::to(tensor, tensor.dtype(), kHost)).data(), sizeof(state));
            self.set_state(state);
          },
          py::arg("new_state"));
  m.attr("default_generator") = py::cast(default_generator(kHost));

  m.def("get_default_dtype", &default_dtype, "The dtype of Python floats and of creation functions.");
  m.def("set_default_dtype", &set_default_dtype, py::arg("d"));
  m.def("get_default_device", &default_device, "Where tensors are made that no device is said for.");
  m.def(
      "set_default_device", [](const DeviceArg& device) { set_default_device(device.device.value_or(kHost)); },
      py::arg("device"),
      "Where tensors are made from now on that no device is said for; None for the CPU. Raises RuntimeError for a "
      "device "
      "that is not there.");
  m.def("get_float32_matmul_precision", &float32_matmul_precision);
  m.def(
      "set_float32_matmul_precision", &set_float32_matmul_precision, py::arg("precision"),
      "How exactly devices multiply float32, in convolutions too: \"highest\" (the default), or \"high\" or "
      "\"medium\", "
      "with which CUDA may round operands to TF32. The CPU multiplies in float32 always. Raises ValueError for another "
      "name.");
  m.def("promote_types", &promote_types, py::arg("type1"), py::arg("type2"));
  m.def("set_num_threads", &set_num_threads, py::arg("num_threads"),
        "Threads that kernels may use. The results have the same bits for any number.");
  m.def("get_num_threads", &get_num_threads);
}

}  // namespace verigrad::bindings

// Tensors from and to Python data and numpy arrays.
#include <pybind11/numpy.h>

#include "python.h"

namespace verigrad::bindings {
namespace {

constexpr const char* kNumpyNames[kDTypeCount] = {"bool", "uint8", "int32", "int64", "float32", "float64"};

bool dtype_of_numpy(const py::dtype& dtype, DType& out) {
  if (dtype.byteorder() == '>') return false;
  const char kind = dtype.kind();
  const py::ssize_t size = dtype.itemsize();
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType d = static_cast<DType>(i);
    const char expected = d == DType::Bool ? 'b' : (d == DType::UInt8 ? 'u' : (is_floating_point(d) ? 'f' : 'i'));
    if (kind == expected && size == itemsize(d)) {
      out = d;
      return true;
    }
  }
  return false;
}

/// The memory of an array as a plain view; numpy's C functions read it, so that no method of a subclass is called.
py::array as_array(py::handle object) { return py::reinterpret_borrow<py::array>(object); }

/// A contiguous copy with memory of its own.
py::array copy_array(const py::array& array) {
  constexpr int kRowMajor = 0;  // NPY_CORDER
  PyObject* copy = py::detail::npy_api::get().PyArray_NewCopy_(array.ptr(), kRowMajor);
  if (!copy) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(copy);
}

/// A list or tuple by what it holds, whatever a subclass says that it holds; another sequence by what it says.
/// Converting an element may run code that changes a list, so the size is asked for again each time.
class Sequence {
 public:
  explicit Sequence(PyObject* object) : object_(object) {}
  static bool is_plain(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }
  /// Also ranges, deques, arrays of the module `array`, memory; no text, and what is no number either.
  static bool is(PyObject* object) {
    if (is_plain(object)) return true;
    return PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object) && !is_tensor(object);
  }

  Py_ssize_t size() const {
    if (PyList_Check(object_)) return PyList_GET_SIZE(object_);
    if (PyTuple_Check(object_)) return PyTuple_GET_SIZE(object_);
    const Py_ssize_t size = PySequence_Size(object_);
    if (size < 0) throw py::error_already_set();
    return size;
  }
  py::object operator[](Py_ssize_t i) const {
    if (PyList_Check(object_)) {
      VG_CHECK(i < PyList_GET_SIZE(object_), ValueError, "tensor: expected a list that does not change, got one of ",
               PyList_GET_SIZE(object_), " elements that had more before");
      return py::reinterpret_borrow<py::object>(PyList_GET_ITEM(object_, i));
    }
    if (PyTuple_Check(object_)) return py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(object_, i));
    PyObject* item = PySequence_GetItem(object_, i);
    if (!item) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(item);
  }

 private:
  PyObject* object_;
};

/// Whether load_scalar may take it, without running code of its class, which may change the list that holds it.
bool may_be_number(PyObject* object) {
  if (PyFloat_Check(object) || PyLong_Check(object)) return true;
  if (is_tensor(object) || PySequence_Check(object)) return false;
  const PyNumberMethods* number = Py_TYPE(object)->tp_as_number;
  return number && (number->nb_index || number->nb_float);
}

/// Tables of pandas and their like say that they are arrays. Undefined for what does not.
Tensor tensor_from_arraylike(py::handle object) {
  if (PyType_Check(object.ptr()) || !py::hasattr(object, "__array__")) return {};
  return tensor_from_data(py::module_::import("numpy").attr("asarray")(object), {}, {});
}

/// Nested sequences flattened: the shape, the numbers, and the dtype they promote to.
struct Nested {
  Dims shape;
  std::vector<Scalar> numbers;
  std::optional<DType> dtype;

  void promote(DType d) { dtype = dtype ? promote_types(*dtype, d) : d; }

  /// The tensor that an element is, or that it says to be; undefined for another.
  static Tensor as_tensor(py::handle data) {
    if (is_tensor(data.ptr())) return ops::detach(unwrap(data.ptr()));
    if (is_ndarray(data.ptr())) return tensor_from_data(data, {}, {});
    return tensor_from_arraylike(data);
  }

  /// The shape along the first elements.
  void measure(py::handle data) {
    PyObject* object = data.ptr();
    if (!Sequence::is_plain(object)) {
      if (may_be_number(object)) return;
      if (const Tensor inner = as_tensor(data); inner.defined()) {
        for (std::int64_t size : inner.shape()) shape.push_back(size);
        return;
      }
    }
    if (Sequence::is(object)) {
      const Sequence sequence(object);
      const Py_ssize_t size = sequence.size();
      shape.push_back(size);
      if (size > 0) measure(sequence[0]);
    }
  }

  void collect(py::handle data, int depth) {
    PyObject* object = data.ptr();
    if (Sequence::is_plain(object)) return collect_all(Sequence(object), depth);
    Scalar number = 0;
    if (!load_scalar(object, number)) {
      if (const Tensor inner = as_tensor(data); inner.defined()) return collect_tensor(inner, depth);
      if (Sequence::is(object)) return collect_all(Sequence(object), depth);
      const char* type = Py_TYPE(object)->tp_name;
      if (PyUnicode_Check(object) || PyBytes_Check(object)) {
        VG_CHECK(depth > 0, TypeError, "tensor: invalid data type '", type, "'");
        VG_THROW(ValueError, "tensor: invalid data type '", type, "'");
      }
      VG_THROW(RuntimeError, "tensor: Could not infer dtype of ", type);
    }
    VG_CHECK(depth == shape.size(), ValueError, "tensor: expected sequence of length ", shape[depth], " at dim ", depth,
             ", got a number");
    // numpy's own number types keep their width; Python's are bool, int64 and the default dtype.
    DType d = number.dtype(default_dtype());
    if (!PyFloat_CheckExact(object) && !PyLong_CheckExact(object) && !PyBool_Check(object) &&
        py::hasattr(data, "dtype")) {
      DType exact = d;
      if (dtype_of_numpy(py::dtype::from_args(data.attr("dtype")), exact)) d = exact;
    }
    promote(d);
    numbers.push_back(number);
  }

 private:
  void collect_all(const Sequence& sequence, int depth) {
    const Py_ssize_t size = sequence.size();
    VG_CHECK(depth < shape.size(), TypeError, "tensor: expected a number at dim ", depth, ", got a sequence of length ",
             size);
    VG_CHECK(size == shape[depth], ValueError, "tensor: expected sequence of length ", shape[depth], " at dim ", depth,
             " (got ", size, ")");
    for (Py_ssize_t i = 0; i < size; ++i) collect(sequence[i], depth + 1);
  }

  void collect_tensor(const Tensor& inner, int depth) {
    Dims rest;
    for (int d = depth; d < shape.size(); ++d) rest.push_back(shape[d]);
    VG_CHECK(inner.shape() == rest, ValueError, "tensor: expected an element of shape ", rest, " at dim ", depth,
             ", got one of shape ", inner.shape());
    promote(inner.dtype());
    const Tensor flat = ops::reshape(inner, {-1});
    for (std::int64_t i = 0; i < flat.numel(); ++i) numbers.push_back(ops::item(ops::select(flat, 0, i)));
  }
};

py::object buffer_owner(const Tensor& tensor) { return wrap(ops::detach(tensor)); }

}  // namespace

bool is_ndarray(PyObject* object) {
  // By name first, since asking numpy would import it; a class that only bears the name is told apart by numpy.
  for (const PyTypeObject* type = Py_TYPE(object); type; type = type->tp_base) {
    if (std::string_view(type->tp_name) != "numpy.ndarray") continue;
    try {
      return py::isinstance<py::array>(object);
    } catch (const py::error_already_set&) {
      return false;  // without numpy there are no arrays
    }
  }
  return false;
}

Tensor tensor_from_numpy(const py::object& object) {
  VG_CHECK(is_ndarray(object.ptr()), TypeError, "from_numpy: expected np.ndarray (got ", Py_TYPE(object.ptr())->tp_name,
           ")");
  const py::array array = as_array(object);
  DType dtype = DType::Float32;
  VG_CHECK(dtype_of_numpy(array.dtype(), dtype), TypeError, "from_numpy: can't convert np.ndarray of type ",
           py::str(array.dtype()).cast<std::string>(),
           ". The only supported types are: float64, float32, int64, int32, uint8, and bool, in native byte order.");
  if (!array.writeable()) {
    constexpr const char* text =
        "The given NumPy array is not writable, and tensors always are: the tensor is a copy of it. You may want to "
        "copy the array to protect its data or make it writable before converting it to a tensor.";
    if (PyErr_WarnEx(PyExc_UserWarning, text, 1) != 0) throw py::error_already_set();
    return tensor_from_numpy(copy_array(array));
  }
  Dims shape, strides;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    const py::ssize_t stride = array.strides(d);
    VG_CHECK(
        stride >= 0 || array.shape(d) <= 1 || array.size() == 0, ValueError,
        "from_numpy: At least one stride in the given numpy array is negative, and tensors with negative strides are "
        "not currently supported. (You can probably work around this by making a copy of your array with "
        "array.copy().)");
    VG_CHECK(stride % array.itemsize() == 0, ValueError, "from_numpy: given numpy array strides (", stride,
             " bytes) not a multiple of the element byte size (", array.itemsize(), "). Copy the numpy array first.");
    shape.push_back(array.shape(d));
    strides.push_back(std::max<std::int64_t>(stride / array.itemsize(), 0));
  }
  void* data = const_cast<void*>(array.data());
  VG_CHECK(reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(itemsize(dtype)) == 0, ValueError,
           "from_numpy: expected memory aligned to the element size; copy the numpy array first");
  PyObject* keep = array.ptr();
  Py_INCREF(keep);
  auto storage = make_ref<Storage>(data, array.nbytes(), kHost, [keep] {
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire gil;
    Py_DECREF(keep);
  });
  const std::int64_t numel = checked_numel("from_numpy", shape);
  if (numel == 0) strides = contiguous_strides(shape);
  return Tensor(make_ref<TensorImpl>(std::move(storage), dtype, shape, strides, 0, numel));
}

py::object tensor_to_numpy(const Tensor& tensor) {
  VG_CHECK(!tensor.requires_grad(), RuntimeError,
           "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  VG_CHECK(tensor.device().type == DeviceType::CPU, TypeError, "can't convert ", tensor.device(),
           " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  std::vector<py::ssize_t> shape, strides;
  for (int d = 0; d < tensor.ndim(); ++d) {
    shape.push_back(tensor.shape()[d]);
    strides.push_back(tensor.strides()[d] * itemsize(tensor.dtype()));
  }
  return py::array(py::dtype(kNumpyNames[static_cast<int>(tensor.dtype())]), shape, strides, tensor.data(),
                   buffer_owner(tensor));
}

Tensor tensor_from_data(py::handle data, ops::OptDType dtype, Device device) {
  const auto finish = [&](const Tensor& source) {
    const Tensor out = ops::to(ops::detach(source), dtype.value_or(source.dtype()), device);
    return out.storage() == source.storage() ? ops::clone(out) : out;
  };
  if (is_tensor(data.ptr())) return finish(unwrap(data.ptr()));
  if (is_ndarray(data.ptr())) {
    const py::array array = as_array(data);
    DType exact = DType::Float32;
    VG_CHECK(dtype_of_numpy(array.dtype(), exact), TypeError, "tensor: can't convert np.ndarray of type ",
             py::str(array.dtype()).cast<std::string>(),
             ". The only supported types are: float64, float32, int64, int32, uint8, and bool, in native byte order.");
    // Read-only, reversed or misaligned memory cannot be shared, but can be copied.
    return finish(tensor_from_numpy(copy_array(array)));
  }
  if (!Sequence::is_plain(data.ptr()) && !may_be_number(data.ptr())) {
    if (const Tensor made = tensor_from_arraylike(data); made.defined()) return finish(made);
  }
  Nested nested;
  nested.measure(data);
  nested.collect(data, 0);
  const DType result = dtype.value_or(nested.dtype.value_or(default_dtype()));
  const Tensor out = ops::empty(nested.shape, result, kHost);
  dispatch(result, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* p = out.data_as<T>();
    for (const Scalar& number : nested.numbers) {
      // Only integers raise: a float beyond float32 becomes infinite here, as in PyTorch.
      if constexpr (std::is_integral_v<T>) check_fits("tensor", number, result);
      *p++ = number.to<T>();
    }
  });
  return ops::to(out, result, device);
}

namespace {
py::object list_of(const Tensor& t, int dim, std::int64_t offset) {
  if (dim == t.ndim()) {
    return dispatch(t.dtype(), [&](auto tag) -> py::object {
      using T = typename decltype(tag)::type;
      return py::cast(static_cast<T>(t.data_as<Stored<T>>()[offset]));
    });
  }
  const auto out = py::reinterpret_steal<py::list>(PyList_New(t.shape()[dim]));
  if (!out) throw py::error_already_set();  // MemoryError
  for (std::int64_t i = 0; i < t.shape()[dim]; ++i) {
    PyList_SET_ITEM(out.ptr(), i, list_of(t, dim + 1, offset + i * t.strides()[dim]).release().ptr());
  }
  return out;
}
}  // namespace

py::object tensor_to_list(const Tensor& tensor) {
  return list_of(ops::to(ops::detach(tensor), tensor.dtype(), kHost), 0, 0);
}

}  // namespace verigrad::bindings

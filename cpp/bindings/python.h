// How the library's types cross into Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "verigrad/autograd.h"
#include "verigrad/generator.h"
#include "verigrad/ops.h"
#include "verigrad/parallel.h"

namespace py = pybind11;

PYBIND11_DECLARE_HOLDER_TYPE(T, verigrad::Ref<T>, true)

namespace verigrad::bindings {

/// The Python type of tensors, and a check that is cheaper than isinstance.
extern PyTypeObject* tensor_type;
inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
/// The tensor in a Python object of tensor type; raises TypeError where a subclass has not called Tensor.__init__.
Tensor unwrap(PyObject* object);
py::object wrap(const Tensor& tensor);
void set_tensor_type(PyTypeObject* type);
/// Attributes, the garbage collector and the end of Tensor objects, as slots of the type.
void bind_lifetime(PyHeapTypeObject* type);
/// The attributes that were set on a Tensor object: a dict, or null if there are none.
PyObject* attributes(PyObject* object);
/// A Python callable as a hook: freed and called from code that runs without the GIL, seen by the garbage collector.
GradHook make_hook(py::object function);
/// The same of a node: called with the gradients by its outputs before it runs, by its inputs and outputs after.
NodeHook make_node_hook(py::object function, Node::Phase phase);
/// A Python object that is let go without the GIL, or on any thread.
std::shared_ptr<py::object> shared_object(py::object object);
/// The buffer protocol, as slots of the type.
void bind_buffer(PyHeapTypeObject* type);

/// Releases the GIL for a backward pass. While one runs, the garbage collector takes all that tensors own for in use.
class PassScope {
 public:
  PassScope() {
    ++running;
    release_.emplace();
  }
  ~PassScope();
  PassScope(const PassScope&) = delete;
  PassScope& operator=(const PassScope&) = delete;
  static int running;  // guarded by the GIL

 private:
  std::optional<py::gil_scoped_release> release_;
};

/// A constructor of its own: copyreg takes the first class that has one for a class whose instances it can make.
inline void bind_new(PyHeapTypeObject* type) { type->ht_type.tp_new = py::detail::pybind11_object_new; }
/// Pickling raises TypeError, whatever the protocol.
template <class Class>
void refuse_pickle(Class& cls) {
  cls.def("__reduce__", [](py::handle self) -> py::object {
    VG_THROW(TypeError, "cannot pickle '", Py_TYPE(self.ptr())->tp_name, "' object");
  });
}

py::object dtype_object(DType dtype);
/// Also takes Python's bool, int and float, as PyTorch does.
bool load_dtype(py::handle object, DType& dtype);

/// Python and numpy numbers.
bool load_scalar(PyObject* object, Scalar& scalar);
/// numpy arrays and their subclasses.
bool is_ndarray(PyObject* object);

using ops::Operand;

using TensorTensor = Tensor (*)(const Tensor&, const Tensor&);
using TensorScalar = Tensor (*)(const Tensor&, Scalar);
using ScalarTensor = Tensor (*)(Scalar, const Tensor&);
/// TEMPLATE of all overloads of an op of two operands.
#define VG_OVERLOADS(TEMPLATE, NAME)                                                     \
  TEMPLATE<static_cast<TensorTensor>(&ops::NAME), static_cast<TensorScalar>(&ops::NAME), \
           static_cast<ScalarTensor>(&ops::NAME)>
using InPlaceTensor = const Tensor& (*)(const Tensor&, const Tensor&);
using InPlaceScalar = const Tensor& (*)(const Tensor&, Scalar);
/// TEMPLATE of both overloads of an in-place op.
#define VG_INPLACE(TEMPLATE, NAME) \
  TEMPLATE<static_cast<InPlaceTensor>(&ops::NAME), static_cast<InPlaceScalar>(&ops::NAME)>

template <InPlaceTensor tt, InPlaceScalar ts>
void change_in_place(const Tensor& x, const Operand& other) {
  other.is_tensor() ? tt(x, other.tensor) : ts(x, other.scalar);
}

/// One dimension, several, or none.
struct DimArg {
  std::optional<ops::DimList> dims;
  ops::DimList list() const { return dims.value_or(ops::DimList{}); }
};

/// A device, its name, or none for the default.
struct DeviceArg {
  std::optional<Device> device;
  Device or_default() const { return device ? *device : default_device(); }
};

/// Sizes given as f(2, 3) or f((2, 3)).
Dims parse_size(const char* op, const py::args& args);
Dims parse_dims(const char* op, py::handle sequence);
py::tuple size_object(const Dims& dims);

/// verigrad.tensor: a copy of nested sequences, arrays, numbers or tensors.
Tensor tensor_from_data(py::handle data, ops::OptDType dtype, Device device);
Tensor tensor_from_numpy(const py::object& array);
py::object tensor_to_numpy(const Tensor& tensor);
py::object tensor_to_list(const Tensor& tensor);

/// A sequence of tensors. A tensor, which is a sequence of its rows, is refused as in PyTorch.
struct SeveralTensors {
  TensorList list;
};

/// Sets the Python error for the C++ exception in flight.
void set_python_error();

// The ops, so that a test can ask for a record of each.
struct OpInfo {
  std::string name;
  bool differentiable;
  bool inplace;
};
/// All that have been bound so far.
const std::vector<OpInfo>& registry();
void register_op(const char* name, bool differentiable, bool inplace = false);

/// A const member function of Tensor as a function, since Python's class is that of the implementation.
template <auto f>
constexpr auto get = [](const Tensor& t) { return (t.*f)(); };

using TensorClass = py::class_<TensorImpl, Ref<TensorImpl>>;

/// Binds a function of the module and a method of the same name, whose first argument is `input` or self.
template <class F, class... Extra>
void def_op(py::module_& m, TensorClass& cls, const char* name, bool differentiable, F f, const Extra&... extra) {
  m.def(name, f, py::arg("input"), extra...);
  cls.def(name, f, extra...);
  register_op(name, differentiable);
}
template <class F, class... Extra>
void def_function(py::module_& m, const char* name, bool differentiable, F f, const Extra&... extra) {
  m.def(name, f, extra...);
  register_op(name, differentiable);
}
template <class F, class... Extra>
void def_method(TensorClass& cls, const char* name, bool differentiable, F f, const Extra&... extra) {
  cls.def(name, f, extra...);
  register_op(name, differentiable);
}
template <class F, class... Extra>
void def_inplace(TensorClass& cls, const char* name, bool differentiable, F f, const Extra&... extra) {
  cls.def(name, f, py::call_guard<Uninterrupted>(), extra...);
  register_op(name, differentiable, true);
}

/// PyTorch has no unary plus of bool tensors.
inline void check_positive(const Tensor& x) {
  VG_CHECK(x.dtype() != DType::Bool, RuntimeError, "positive: expected a numeric dtype, got bool");
}

void bind_errors(py::module_& m);
/// Gives all functions bound so far PyTorch's messages about arguments, and `out=` to those that take it.
void explain_messages(py::module_& m);
void bind_types(py::module_& m);
TensorClass bind_tensor(py::module_& m);
void bind_operators(PyHeapTypeObject* type);
void bind_create(py::module_& m);
void bind_elementwise(py::module_& m, TensorClass& cls);
void bind_reduce(py::module_& m, TensorClass& cls);
void bind_statistics(py::module_& m, TensorClass& cls);
void bind_contraction(py::module_& m, TensorClass& cls);
void bind_sort(py::module_& m, TensorClass& cls);
void bind_shape(py::module_& m, TensorClass& cls);
void bind_functional(py::module_& m, TensorClass& cls);
void bind_activation(py::module_& m, TensorClass& cls);
void bind_convolution(py::module_& m, TensorClass& cls);
void bind_pooling(py::module_& m, TensorClass& cls);
void bind_attention(py::module_& m, TensorClass& cls);
void bind_normalization(py::module_& m, TensorClass& cls);
void bind_recurrent(py::module_& m);
void bind_resampling(py::module_& m, TensorClass& cls);
void bind_warp(py::module_& m, TensorClass& cls);
void bind_autograd(py::module_& m, TensorClass& cls);
void bind_function(py::module_& m);
void bind_exchange(py::module_& m, TensorClass& cls);
void bind_optim(py::module_& m);
void bind_cuda(py::module_& m);
void bind_testing(py::module_& m);

}  // namespace verigrad::bindings

namespace pybind11::detail {

template <>
struct type_caster<verigrad::Tensor> {
  PYBIND11_TYPE_CASTER(verigrad::Tensor, const_name("Tensor"));
  bool load(handle src, bool) {
    if (!src || !verigrad::bindings::is_tensor(src.ptr())) return false;
    value = verigrad::bindings::unwrap(src.ptr());
    return true;
  }
  static handle cast(const verigrad::Tensor& tensor, return_value_policy, handle) {
    return verigrad::bindings::wrap(tensor).release();
  }
};

template <>
struct type_caster<verigrad::DType> {
  PYBIND11_TYPE_CASTER(verigrad::DType, const_name("dtype"));
  bool load(handle src, bool) { return verigrad::bindings::load_dtype(src, value); }
  static handle cast(verigrad::DType dtype, return_value_policy, handle) {
    return verigrad::bindings::dtype_object(dtype).release();
  }
};

template <>
struct type_caster<verigrad::Scalar> {
  type_caster() : value(0) {}
  bool load(handle src, bool) { return verigrad::bindings::load_scalar(src.ptr(), value); }
  static handle cast(const verigrad::Scalar& s, return_value_policy, handle) {
    if (s.is_bool()) return PyBool_FromLong(s.to<bool>());
    if (s.is_integral()) return PyLong_FromLongLong(s.to<std::int64_t>());
    return PyFloat_FromDouble(s.to_double());
  }
  static constexpr auto name = const_name("float | int | bool");
  template <class T>
  using cast_op_type = verigrad::Scalar;
  operator verigrad::Scalar() { return value; }

 private:
  verigrad::Scalar value;
};

template <>
struct type_caster<verigrad::bindings::Operand> {
  PYBIND11_TYPE_CASTER(verigrad::bindings::Operand, const_name("Tensor | float | int | bool"));
  bool load(handle src, bool) {
    if (verigrad::bindings::is_tensor(src.ptr())) {
      value.tensor = verigrad::bindings::unwrap(src.ptr());
      return true;
    }
    if (verigrad::bindings::load_scalar(src.ptr(), value.scalar)) return true;
    if (!verigrad::bindings::is_ndarray(src.ptr())) return false;
    value.tensor = verigrad::bindings::tensor_from_data(src, {}, {});
    return true;
  }
};

template <>
struct type_caster<verigrad::bindings::DimArg> {
  PYBIND11_TYPE_CASTER(verigrad::bindings::DimArg, const_name("int | collections.abc.Sequence[int] | None"));
  bool load(handle src, bool) {
    if (src.is_none()) return true;
    if (PyLong_Check(src.ptr()) || PyIndex_Check(src.ptr())) {
      if (PyBool_Check(src.ptr())) return false;
      value.dims = verigrad::ops::DimList{src.cast<std::int64_t>()};
      return true;
    }
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
    make_caster<std::vector<std::int64_t>> list;
    if (!list.load(src, true)) return false;
    value.dims = cast_op<std::vector<std::int64_t>>(std::move(list));
    return true;
  }
};

template <>
struct type_caster<verigrad::bindings::SeveralTensors> {
  using List = make_caster<verigrad::TensorList>;
  PYBIND11_TYPE_CASTER(verigrad::bindings::SeveralTensors, List::name);
  bool load(handle source, bool convert) {
    List inner;
    if (verigrad::bindings::is_tensor(source.ptr()) || !inner.load(source, convert)) return false;
    value.list = cast_op<verigrad::TensorList&&>(std::move(inner));
    return true;
  }
};

template <>
struct type_caster<verigrad::bindings::DeviceArg> {
  PYBIND11_TYPE_CASTER(verigrad::bindings::DeviceArg, const_name("device | str | None"));
  bool load(handle src, bool) {
    if (src.is_none()) return true;
    if (PyUnicode_Check(src.ptr())) {
      value.device = verigrad::Device::parse(src.cast<std::string>());  // raises with the names that there are
      return true;
    }
    if (!isinstance<verigrad::Device>(src)) return false;
    value.device = src.cast<verigrad::Device>();
    return true;
  }
};

/// Sizes come back as verigrad.Size.
template <>
struct type_caster<verigrad::Dims> {
  PYBIND11_TYPE_CASTER(verigrad::Dims, const_name("collections.abc.Sequence[int]"));
  bool load(handle src, bool) {
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
    value = verigrad::bindings::parse_dims("size", src);
    return true;
  }
  static handle cast(const verigrad::Dims& dims, return_value_policy, handle) {
    return verigrad::bindings::size_object(dims).release();
  }
};

}  // namespace pybind11::detail

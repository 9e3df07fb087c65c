// C++ exceptions to Python's, in one place.
#include <new>

#include "core/backend.h"
#include "python.h"

namespace verigrad::bindings {
namespace {
PyObject* out_of_memory = nullptr;  // Python's class
}

void set_python_error() {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const OutOfMemoryError& e) {
    PyErr_SetString(out_of_memory, e.what());
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

namespace {

using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
FastFunction call_function = nullptr;

/// pybind11 quotes every argument of a call that it cannot match, whatever the length.
void shorten_type_error() {
  py::error_already_set error;
  try {
    if (error.type().ptr() == PyExc_TypeError) {
      const std::string text = py::str(error.value()).cast<std::string>();
      const std::size_t quoted = text.find("\nInvoked with: ");
      const std::size_t most = (quoted == std::string::npos ? 0 : quoted) + 2000;
      if (text.size() > most) {
        PyErr_SetString(PyExc_TypeError, detail::shortened(text, most).c_str());
        return;
      }
    }
  } catch (const std::exception&) {  // a message that cannot be read stays as it is
  }
  error.restore();
}

PyObject* bounded_call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  PyObject* result = call_function(self, args, count, names);
  if (!result) [[unlikely]]
    shorten_type_error();
  return result;
}

/// The definition of a built-in function or method; null for another object.
PyMethodDef* definition_of(py::handle function) {
  PyObject* object = function.ptr();
  if (PyInstanceMethod_Check(object)) object = PyInstanceMethod_GET_FUNCTION(object);
  return PyCFunction_Check(object) ? reinterpret_cast<PyCFunctionObject*>(object)->m_ml : nullptr;
}

FastFunction entry_of(py::handle function) {
  return reinterpret_cast<FastFunction>(reinterpret_cast<void (*)()>(definition_of(function)->ml_meth));
}

void bound_function(py::handle function) {
  PyMethodDef* method = definition_of(function);
  if (!method || entry_of(function) != call_function) return;
  method->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&bounded_call));
}

}  // namespace

void bound_messages(py::module_& m) {
  if (!call_function) {  // one entry point serves all of pybind11's functions
    const py::cpp_function function([] {});
    call_function = entry_of(function);
  }
  for (const auto& [name, value] : m.attr("__dict__").cast<py::dict>()) {
    if (PyModule_Check(value.ptr())) {
      auto inner = value.cast<py::module_>();
      bound_messages(inner);
    }
    bound_function(value);
    if (!PyType_Check(value.ptr())) continue;
    const py::dict members = py::dict(value.attr("__dict__"));
    for (const auto& [member, function] : members) bound_function(function);
  }
}

void bind_errors(py::module_& m) {
  if (!out_of_memory) {
    out_of_memory = PyErr_NewExceptionWithDoc(
        "verigrad.OutOfMemoryError", "A device has no memory left for a tensor; what was there before is as it was.",
        PyExc_RuntimeError, nullptr);
    if (!out_of_memory) throw py::error_already_set();
  }
  m.attr("OutOfMemoryError") = py::handle(out_of_memory);
  py::register_local_exception_translator([](std::exception_ptr p) {
    if (!p) return;
    try {
      std::rethrow_exception(p);
    } catch (const Error&) {
      set_python_error();
    }
  });
}

}  // namespace verigrad::bindings

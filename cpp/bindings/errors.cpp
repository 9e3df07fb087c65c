// C++ exceptions to Python's, in one place.
#include <new>

#include "core/backend.h"
#include "out.h"
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

FastFunction call_function = nullptr;

/// pybind11 quotes every argument of a call that it cannot match; PyTorch's words say what is wrong with them.
void explain_type_error(PyObject* const* args, Py_ssize_t count, PyObject* names) {
  py::error_already_set error;
  try {
    if (error.type().ptr() == PyExc_TypeError) {
      const std::string text = py::str(error.value()).cast<std::string>();
      if (text.find("(): incompatible ") < 100 && text.find("\nInvoked with: ") != std::string::npos) {
        py::list values;
        py::dict named;
        for (Py_ssize_t i = 0; i < count; ++i) values.append(py::handle(args[i]));
        for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) {
          named[PyTuple_GET_ITEM(names, i)] = py::handle(args[count + i]);
        }
        const py::object message =
            py::module_::import("verigrad._call_errors").attr("explain")(text, py::tuple(values), named);
        PyErr_SetObject(PyExc_TypeError, message.ptr());
        return;
      }
    }
  } catch (const std::exception&) {  // a message that cannot be read stays as it is
  }
  error.restore();
}

PyObject* explained_call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  PyObject* result = call_function(self, args, count, names);
  if (!result) [[unlikely]]
    explain_type_error(args, count, names);
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

void explain_function(py::handle function) {
  PyMethodDef* method = definition_of(function);
  if (!method || entry_of(function) != call_function) return;
  method->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&explained_call));
}

void explain_module(py::module_& m) {
  for (const auto& [name, value] : m.attr("__dict__").cast<py::dict>()) {
    if (PyModule_Check(value.ptr())) {
      auto inner = value.cast<py::module_>();
      explain_module(inner);
    }
    explain_function(value);
    if (!PyType_Check(value.ptr())) continue;
    const py::dict members = py::dict(value.attr("__dict__"));
    for (const auto& [member, function] : members) explain_function(function);
  }
}

}  // namespace

void explain_messages(py::module_& m) {
  if (!call_function) {  // one entry point serves all of pybind11's functions
    const py::cpp_function function([] {});
    call_function = entry_of(function);
  }
  bind_out(m, &explained_call);
  explain_module(m);
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

// What bindings of reductions share.
#pragma once

#include "python.h"

#include <structseq.h>

#include <initializer_list>

namespace verigrad::bindings {

/// PyTorch's named results, such as verigrad.return_types.max(values=..., indices=...). The names must live as long.
inline PyTypeObject* make_result_type(py::module_& m, const char* name, std::initializer_list<const char*> names) {
  std::vector<PyStructSequence_Field> fields;
  for (const char* field : names) fields.push_back({field, nullptr});
  fields.push_back({nullptr, nullptr});
  PyStructSequence_Desc desc = {name, nullptr, fields.data(), static_cast<int>(names.size())};
  PyTypeObject* type = PyStructSequence_NewType(&desc);
  if (!type) throw py::error_already_set();
  const std::string short_name = std::string(name).substr(std::string(name).rfind('.') + 1);
  m.attr(short_name.c_str()) = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(type));
  return type;
}

inline py::object named_pair(PyTypeObject* type, const std::pair<Tensor, Tensor>& pair) {
  PyObject* result = PyStructSequence_New(type);
  if (!result) throw py::error_already_set();
  PyStructSequence_SetItem(result, 0, wrap(pair.first).release().ptr());
  PyStructSequence_SetItem(result, 1, wrap(pair.second).release().ptr());
  return py::reinterpret_steal<py::object>(result);
}

/// Another overload of an op that is bound already, as function and method.
template <class F, class... Extra>
void def_overload(py::module_& m, TensorClass& cls, const char* name, F f, const Extra&... extra) {
  m.def(name, f, py::arg("input"), extra...);
  cls.def(name, f, extra...);
}

/// Under PyTorch's names and under numpy's.
template <class F, class... Extra>
void def_reduction(py::module_& m, TensorClass& cls, const char* name, bool differentiable, F f,
                   const Extra&... extra) {
  def_op(m, cls, name, differentiable, f, py::arg("dim") = py::none(), py::arg("keepdim") = false, extra...);
  def_overload(m, cls, name, f, py::arg("axis"), py::arg("keepdims") = false, extra...);
}

}  // namespace verigrad::bindings

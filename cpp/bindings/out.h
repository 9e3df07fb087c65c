// `out=`: the result of a function goes to a tensor, or to several tensors, of the caller.
#pragma once

#include "python.h"

namespace verigrad::bindings {

/// Which dtypes `out` may have; out.cpp has the names of each.
enum class OutRule {
  Cast,        // those to which the result's can be cast
  Same,        // the result's
  Joined,      // as Cast, but TypeError for another, as PyTorch's cat has it
  Accumulate,  // any: it is the function's `dtype`
  Any,         // any: the result is rounded
  Create,      // any: it is the function's `dtype`, and its device the function's `device`
};

/// Notes that a function of the module takes `out=` by the rule Cast.
void takes_out(const char* name);
/// Gives `out=` to all functions of the module that take it. `entry` is what calls of pybind11's functions go through.
using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
void bind_out(py::module_& m, FastFunction entry);

/// def_op of a function that has `out=`, too.
template <class F, class... Extra>
void def_op_out(py::module_& m, TensorClass& cls, const char* name, bool differentiable, F f, const Extra&... extra) {
  def_op(m, cls, name, differentiable, f, extra...);
  takes_out(name);
}

}  // namespace verigrad::bindings

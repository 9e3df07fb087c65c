// `out=`: a second overload of a function, whose result goes to a tensor of the caller.
#pragma once

#include <type_traits>

#include "python.h"

namespace verigrad::bindings {

/// Raises RuntimeError for an input of a call with `out=` that requires a gradient while graphs are recorded.
void check_no_gradient(const char* op, const Tensor& input);
inline void check_no_gradient(const char* op, const Operand& input) { check_no_gradient(op, input.tensor); }
inline void check_no_gradient(const char* op, const std::optional<Operand>& input) {
  if (input) check_no_gradient(op, *input);
}
template <class T>
void check_no_gradient(const char*, const T&) {}

/// The tensor of an argument `out=`, undefined for None. Raises TypeError for anything else.
Tensor out_tensor(const char* op, const py::object& out);
/// Copies a result to `out`, which takes over its shape, with a warning where that overwrites another one. Raises
/// RuntimeError where `out` does not hold the dtype, is on another device, or has elements that share memory.
void write_out(const char* op, const Tensor& out, const Tensor& result);

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class C, class R, class... Args>
struct Signature<R (C::*)(Args...) const> : Signature<R (*)(Args...)> {};
template <class R, class... Args>
struct Signature<R (*)(Args...)> {
  template <class F>
  static auto with_out(const char* op, F f, bool differentiable) {
    return [op, f, differentiable](Args... args, const py::object& out) -> py::object {
      const Tensor into = out_tensor(op, out);
      if (!into.defined()) return wrap(f(args...));
      if (differentiable) (check_no_gradient(op, args), ...);
      check_no_gradient(op, into);
      const NoGradGuard guard;
      write_out(op, into, f(args...));
      return out;
    };
  }
};

/// The overload of a function of the module that has `out=`. `extra` as for the function itself.
template <class F, class... Extra>
void def_out(py::module_& m, const char* name, bool differentiable, F f, const Extra&... extra) {
  const auto into = Signature<F>::with_out(name, f, differentiable);
  if constexpr ((std::is_same_v<Extra, py::kw_only> || ...)) {
    m.def(name, into, py::arg("input"), extra..., py::arg("out"));
  } else {
    m.def(name, into, py::arg("input"), extra..., py::kw_only(), py::arg("out"));
  }
}
/// def_op of a function that has `out=`, too.
template <class F, class... Extra>
void def_op_out(py::module_& m, TensorClass& cls, const char* name, bool differentiable, F f, const Extra&... extra) {
  def_op(m, cls, name, differentiable, f, extra...);
  def_out(m, name, differentiable, f, extra...);
}

}  // namespace verigrad::bindings

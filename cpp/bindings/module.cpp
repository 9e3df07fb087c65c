// verigrad._C: everything that Python sees of the core.
#include <atomic>

#include "python.h"

namespace {

std::atomic<unsigned long> main_thread{0};  // 0: not asked yet

/// Runs the handlers of signals that came in; Ctrl-C throws KeyboardInterrupt. Only the main thread runs handlers.
void poll_signals() {
  const unsigned long known = main_thread.load(std::memory_order_relaxed);
  if (known != 0 && known != PyThread_get_thread_ident()) return;
  const py::gil_scoped_acquire gil;
  if (known == 0) {
    main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
  }
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  using namespace verigrad::bindings;
  m.doc() = "The native core of verigrad: tensors, the graph, ops, optimizers.";
  py::module_::import("os").attr("register_at_fork")(
      py::arg("after_in_child") = py::cpp_function([] { main_thread = PyThread_get_thread_ident(); }));
  // Long kernels run without the GIL; small ones are done before another thread could take it.
  verigrad::set_blocking_hooks({
      [] { return PyGILState_Check() ? static_cast<void*>(PyEval_SaveThread()) : nullptr; },
      [](void* state) {
        if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
      },
      &poll_signals,
  });
  bind_errors(m);
  bind_types(m);
  TensorClass tensor = bind_tensor(m);
  bind_create(m);
  bind_elementwise(m, tensor);
  bind_reduce(m, tensor);
  bind_statistics(m, tensor);
  bind_contraction(m, tensor);
  bind_sort(m, tensor);
  bind_shape(m, tensor);
  bind_functional(m, tensor);
  bind_activation(m, tensor);
  bind_convolution(m, tensor);
  bind_pooling(m, tensor);
  bind_attention(m, tensor);
  bind_normalization(m, tensor);
  bind_recurrent(m);
  bind_resampling(m, tensor);
  bind_warp(m, tensor);
  bind_autograd(m, tensor);
  bind_function(m);
  bind_exchange(m, tensor);
  bind_optim(m);
  bind_cuda(m);
  bind_testing(m);
  explain_messages(m);
}

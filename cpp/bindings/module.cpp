// verigrad._C: everything that Python sees of the core.
#include "python.h"
#include "verigrad/parallel.h"

PYBIND11_MODULE(_C, m) {
  using namespace verigrad::bindings;
  m.doc() = "The native core of verigrad: tensors, the graph, ops, optimizers.";
  // Long kernels run without the GIL; small ones are done before another thread could take it.
  verigrad::set_blocking_hooks({
      [] { return PyGILState_Check() ? static_cast<void*>(PyEval_SaveThread()) : nullptr; },
      [](void* state) {
        if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
      },
  });
  bind_errors(m);
  bind_types(m);
  TensorClass tensor = bind_tensor(m);
  bind_create(m);
  bind_elementwise(m, tensor);
  bind_reduce(m, tensor);
  bind_shape(m, tensor);
  bind_functional(m, tensor);
  bind_activation(m, tensor);
  bind_convolution(m, tensor);
  bind_pooling(m, tensor);
  bind_normalization(m, tensor);
  bind_resampling(m, tensor);
  bind_warp(m, tensor);
  bind_autograd(m, tensor);
  bind_optim(m);
  bind_testing(m);
  bound_messages(m);
}

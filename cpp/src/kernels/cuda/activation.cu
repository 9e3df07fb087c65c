// Activations and their gradients on a CUDA device, from the rows and formulas that the CPU uses.
#include "kernels/activations.h"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"

namespace verigrad::kernels::cuda {
namespace {

using activations::Numbers;

template <class Op, class T>
__global__ void value_kernel(Layout<2> layout, T* out, const T* x, Numbers<T> k) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[2];
    layout.offsets(i, at);
    out[at[0]] = Op::value(x[at[1]], k);
  });
}

template <class Op, class T>
__global__ void gradient_kernel(Layout<3> layout, T* out, const T* g, const T* x, Numbers<T> k) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[3];
    layout.offsets(i, at);
    out[at[0]] = activations::gradient<Op>(g[at[1]], x[at[2]], k);
  });
}

template <class Op, class T>
void run(const Activation& a) {
  const Numbers<T> k{static_cast<T>(a.a), static_cast<T>(a.b), static_cast<T>(a.c)};
  const Loop& loop = a.loop;
  T* out = static_cast<T*>(loop.data[0]);
  const T* first = static_cast<const T*>(loop.data[1]);
  if (a.backward) {
    launch_over(loop.numel, &gradient_kernel<Op, T>, Layout<3>(loop), out, first, static_cast<const T*>(loop.data[2]),
                k);
  } else {
    launch_over(loop.numel, &value_kernel<Op, T>, Layout<2>(loop), out, first, k);
  }
}

template <class Op>
void dispatch_activation(DType dtype, const Activation& a) {
  switch (dtype) {
    case DType::Float32: return run<Op, float>(a);
    case DType::Float64: return run<Op, double>(a);
    default: refuse_dtype(dtype);
  }
}

}  // namespace

void activation(ActivationOp op, DType dtype, const Activation& a) {
  switch (op) {
#define VG_ACTIVATION(NAME, ...) \
  case ActivationOp::NAME: return dispatch_activation<activations::NAME>(dtype, a);
#include "verigrad/activation.def"
  }
}

}  // namespace verigrad::kernels::cuda

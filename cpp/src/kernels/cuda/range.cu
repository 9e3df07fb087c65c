// Ranges on a CUDA device, from the formula that the CPU uses.
#include "kernels/range_steps.h"

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"

namespace verigrad::kernels::cuda {
namespace {

template <class T>
__global__ void range_kernel(std::int64_t n, std::int64_t first, RangeSteps<T> steps, T* out) {
  for_each_element(n, [&](std::int64_t i) { out[i] = steps.value(first + i); });
}

}  // namespace

void range(DType dtype, const Range& r) {
  if (r.numel == 0) return;
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(r.numel, &range_kernel<T>, r.numel, r.first, RangeSteps<T>(r), static_cast<T*>(r.out));
  });
}

}  // namespace verigrad::kernels::cuda

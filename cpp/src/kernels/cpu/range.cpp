#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/range_steps.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {

void range(DType dtype, const Range& r) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    T* out = static_cast<T*>(r.out);
    parallel_for(r.numel, elementwise_grain(r.numel), [&](std::int64_t begin, std::int64_t end) {
      const RangeSteps<T> steps(r);
      const std::int64_t first = r.first;  // which the elements could alias
      for (std::int64_t i = begin; i < end; ++i) out[i] = steps.value(first + i);
    });
  });
}

}  // namespace verigrad::kernels::cpu

#include <type_traits>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {

void range(DType dtype, const Range& r) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    T* out = static_cast<T*>(r.out);
    parallel_for(r.numel, elementwise_grain(r.numel), [&](std::int64_t begin, std::int64_t end) {
      if constexpr (std::is_floating_point_v<T>) {
        const double start = r.start.to_double(), step = r.step.to_double();
        for (std::int64_t i = begin; i < end; ++i) {
          out[i] = static_cast<T>(start + static_cast<double>(r.first + i) * step);
        }
      } else {
        // Unsigned, so that steps past the range of the dtype wrap.
        const auto start = static_cast<std::uint64_t>(r.start.to<std::int64_t>());
        const auto step = static_cast<std::uint64_t>(r.step.to<std::int64_t>());
        for (std::int64_t i = begin; i < end; ++i) {
          out[i] = static_cast<T>(static_cast<std::int64_t>(start + static_cast<std::uint64_t>(r.first + i) * step));
        }
      }
    });
  });
}

}  // namespace verigrad::kernels::cpu

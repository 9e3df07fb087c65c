// Parameter updates.
#include <algorithm>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/update_rules.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

/// `n` elements; arrays that the rule does not have are null.
template <class T, class Rule>
struct UpdateLoop {
  VG_INLINE static void run(T* p, const T* grad, T* a, T* b, T* c, Rule rule, std::int64_t n) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      if constexpr (Rule::kStates == 0) rule(p[i], grad[i]);
      if constexpr (Rule::kStates == 1) rule(p[i], grad[i], a[i]);
      if constexpr (Rule::kStates == 2) rule(p[i], grad[i], a[i], b[i]);
      if constexpr (Rule::kStates == 3) rule(p[i], grad[i], a[i], b[i], c[i]);
    }
  }
};

/// All parameters as one run of elements, so that many small ones keep several threads busy.
template <class T, class Rule>
void run_update(const Update& u, const Rule& rule) {
  std::int64_t numel = 0;
  for (std::int64_t k = 0; k < u.count; ++k) numel += u.items[k].numel;
  parallel_for(numel, elementwise_grain(numel), [&](std::int64_t begin, std::int64_t end) {
    for (const Updated* item = u.items; end > 0; begin -= item->numel, end -= item->numel, ++item) {
      const std::int64_t first = std::max<std::int64_t>(begin, 0), stop = std::min(end, item->numel);
      if (first >= stop) continue;
      const auto state = [&](int k) { return k < Rule::kStates ? static_cast<T*>(item->states[k]) + first : nullptr; };
      simd_run<UpdateLoop<T, Rule>>(static_cast<T*>(item->param) + first, static_cast<const T*>(item->grad) + first,
                                    state(0), state(1), state(2), rule, stop - first);
    }
  });
}

}  // namespace

void update(UpdateRule rule, DType dtype, const Update& u) {
  dispatch_floating("update", dtype, [&]<class T>(TypeTag<T>) {
    update_rules::with_rule<T>(rule, u.numbers, [&](const auto& formula) { run_update<T>(u, formula); });
  });
}

}  // namespace verigrad::kernels::cpu

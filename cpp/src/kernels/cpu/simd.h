// Instruction sets: one wheel, hot loops compiled for three levels, chosen when the library loads.
//
// A hot loop is a struct with an always-inlined `static run(arguments...)`. `simd_run<Loop>(arguments...)` calls the
// copy that was inlined into a function compiled for the current level. All levels give the same bits: contraction into
// fused multiply-add is off (the build says -ffp-contract=off, and no level names "fma"), and reductions have a fixed
// number of logical lanes. Only matrix products (BLAS, micro_kernel.h) and convolutions depend on the level.
//
// The environment variable VERIGRAD_SIMD (baseline, avx2, avx512) forces a level; `set_simd_level` does at run time.
#pragma once

#include <cstdint>
#include <string_view>

#define VG_INLINE [[gnu::always_inline]] inline

#if defined(__x86_64__) && defined(__GNUC__)
#define VG_X86_LEVELS 1
#else
#define VG_X86_LEVELS 0
#endif

namespace verigrad::kernels::cpu {

enum class SimdLevel : std::int8_t { baseline, avx2, avx512 };

std::string_view name(SimdLevel level);
/// Raises ValueError for a name that is none of the three.
SimdLevel parse_simd_level(std::string_view text);
/// The best level of this processor.
SimdLevel max_simd_level();
SimdLevel simd_level();
/// Raises ValueError for a level that the processor lacks. Results keep their bits outside of products and
/// convolutions.
void set_simd_level(SimdLevel level);

template <class Loop, class... Args>
void run_baseline(Args... args) {
  Loop::run(args...);
}

#if VG_X86_LEVELS
template <class Loop, class... Args>
[[gnu::target("avx2")]] void run_avx2(Args... args) {
  Loop::run(args...);
}
template <class Loop, class... Args>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]] void run_avx512(Args... args) {
  Loop::run(args...);
}
#endif

/// The compiled copy of Loop::run for the current level.
template <class Loop, class... Args>
auto simd_select() -> void (*)(Args...) {
#if VG_X86_LEVELS
  switch (simd_level()) {
    case SimdLevel::avx512: return &run_avx512<Loop, Args...>;
    case SimdLevel::avx2: return &run_avx2<Loop, Args...>;
    case SimdLevel::baseline: break;
  }
#endif
  return &run_baseline<Loop, Args...>;
}

template <class Loop, class... Args>
void simd_run(Args... args) {
  simd_select<Loop, Args...>()(args...);
}

}  // namespace verigrad::kernels::cpu

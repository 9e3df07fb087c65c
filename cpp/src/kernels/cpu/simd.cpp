#include "kernels/cpu/simd.h"

#include <atomic>
#include <cstdlib>

#include "verigrad/error.h"

namespace verigrad::kernels::cpu {
namespace {

SimdLevel detect() {
#if VG_X86_LEVELS
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return SimdLevel::baseline;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? SimdLevel::avx512 : SimdLevel::avx2;
#else
  return SimdLevel::baseline;
#endif
}

/// The environment's level where it names one that the processor has. Loading must not fail, so others are ignored.
SimdLevel initial() {
  const SimdLevel best = detect();
  const char* text = std::getenv("VERIGRAD_SIMD");
  if (!text) return best;
  for (const SimdLevel level : {SimdLevel::baseline, SimdLevel::avx2, SimdLevel::avx512}) {
    if (name(level) == text && level <= best) return level;
  }
  return best;
}

const SimdLevel g_max = detect();
std::atomic<SimdLevel> g_level{initial()};

}  // namespace

std::string_view name(SimdLevel level) {
  constexpr std::string_view names[] = {"baseline", "avx2", "avx512"};
  return names[static_cast<int>(level)];
}

SimdLevel parse_simd_level(std::string_view text) {
  for (const SimdLevel level : {SimdLevel::baseline, SimdLevel::avx2, SimdLevel::avx512}) {
    if (name(level) == text) return level;
  }
  VG_THROW(ValueError, "set_simd_level: expected 'baseline', 'avx2' or 'avx512', got '", text, "'");
}

SimdLevel max_simd_level() { return g_max; }
SimdLevel simd_level() { return g_level.load(std::memory_order_relaxed); }

void set_simd_level(SimdLevel level) {
  VG_CHECK(level >= SimdLevel::baseline && level <= g_max, ValueError, "set_simd_level: expected at most '",
           name(g_max), "' on this processor, got '", name(level), "'");
  g_level.store(level, std::memory_order_relaxed);
}

}  // namespace verigrad::kernels::cpu

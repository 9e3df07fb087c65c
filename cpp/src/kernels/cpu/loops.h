// Driving elementwise loops: any rank, any strides, threads for large ones.
//
// A kernel supplies an inner loop over one dimension; `run_loop` walks the others. The output may be the same memory as
// an input, element by element; other overlaps are excluded by the ops layer.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/boundaries.h"
#include "kernels/cpu/simd.h"
#include "kernels/float_math.h"
#include "kernels/table.h"

namespace verigrad::kernels::cpu {

/// Elements below which a loop stays on the caller, and the chunk of a parallel one: handing work to another core moves
/// its data between caches, which pays off late.
inline constexpr std::int64_t kSerialElements = boundary::serial_elements;
inline constexpr std::int64_t kGrainElements = boundary::grain_elements;
/// The same where an element costs more than a plain loop's.
inline constexpr std::int64_t kDearSerialElements = boundary::dear_serial_elements;
inline constexpr std::int64_t kDearGrainElements = boundary::dear_grain_elements;

/// `grain` for parallel_for over `count` elements.
inline std::int64_t elementwise_grain(std::int64_t count) { return count < kSerialElements ? count : kGrainElements; }

/// Processes n elements; `data` and `strides` (in bytes) of the operands, the output first.
using InnerLoop = void (*)(char* const* data, const std::int64_t* strides, std::int64_t n);

/// `sizes`: bytes per element of each operand.
void run_loop(const Loop& loop, const std::int64_t* sizes, InnerLoop inner);

/// The inner loop of a struct with `static void run(char* const*, const std::int64_t*, std::int64_t)` for this
/// processor.
template <class Body>
InnerLoop inner_loop() {
  return simd_select<Body, char* const*, const std::int64_t*, std::int64_t>();
}

/// out[i] = Op()(arguments of i), which `call(i, f)` gives to f. Blocks with an argument that is not usual are computed
/// again, one by one. The block is buffered because the output may be an input.
template <class Op, class Out, class Call>
VG_INLINE void run_blocks(Out* out, std::int64_t n, const Call& call) {
  constexpr std::int64_t kBlock = boundary::rare_block;
  Out buffer[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = n - i < kBlock ? n - i : kBlock;
    std::int32_t rare = 0;
    for (std::int64_t j = 0; j < count; ++j) {
      buffer[j] = call(i + j, [](auto... x) { return Op::fast(x...); });
      rare |= call(i + j, [](auto... x) { return Op::usual(x...); }) ? 0 : 1;
    }
    if (rare != 0) [[unlikely]] {
      for (std::int64_t j = 0; j < count; ++j) buffer[j] = call(i + j, Op());
    }
    for (std::int64_t j = 0; j < count; ++j) out[i + j] = buffer[j];
  }
}

/// out[i] = Op()(in[i]).
template <class Op, class In, class Out>
struct UnaryLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    if (strides[0] == sizeof(Out) && strides[1] == sizeof(In)) {
      Out* out = reinterpret_cast<Out*>(data[0]);
      const auto* in = reinterpret_cast<const Stored<In>*>(data[1]);
      contiguous(out, in, n);
      return;
    }
    char* out = data[0];
    const char* in = data[1];
    const std::int64_t step_out = strides[0], step_in = strides[1];
    for (std::int64_t i = 0; i < n; ++i) {
      *reinterpret_cast<Out*>(out + i * step_out) = Op()(load(in + i * step_in));
    }
  }

 private:
  VG_INLINE static In load(const char* in) { return *reinterpret_cast<const Stored<In>*>(in); }
  VG_INLINE static void contiguous(Out* out, const Stored<In>* in, std::int64_t n) {
    if constexpr (std::is_same_v<In, float> && requires { Op::usual(In()); }) {
      run_blocks<Op>(out, n, [in](std::int64_t i, const auto& f) { return f(in[i]); });
    } else {
      // No element depends on another: `out` is `in` or apart from it.
#pragma GCC ivdep
      for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(static_cast<In>(in[i]));
    }
  }
};

/// out[i] = Op()(a[i], b[i]).
template <class Op, class In, class Out>
struct BinaryLoop {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    if (strides[0] == sizeof(Out)) {
      Out* out = reinterpret_cast<Out*>(data[0]);
      const auto* a = reinterpret_cast<const Stored<In>*>(data[1]);
      const auto* b = reinterpret_cast<const Stored<In>*>(data[2]);
      constexpr std::int64_t kUnit = sizeof(In);
      if constexpr (std::is_same_v<In, float> && requires { Op::usual(In(), In()); }) {
        if (strides[1] == kUnit && strides[2] == kUnit) {
          return run_blocks<Op>(out, n, [a, b](std::int64_t i, const auto& f) { return f(a[i], b[i]); });
        }
        if (strides[1] == kUnit && strides[2] == 0) {
          return run_blocks<Op>(out, n, [a, y = *b](std::int64_t i, const auto& f) { return f(a[i], y); });
        }
        if (strides[1] == 0 && strides[2] == kUnit) {
          return run_blocks<Op>(out, n, [x = *a, b](std::int64_t i, const auto& f) { return f(x, b[i]); });
        }
      }
      if (strides[1] == kUnit && strides[2] == kUnit) {
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(static_cast<In>(a[i]), static_cast<In>(b[i]));
        return;
      }
      if (strides[1] == kUnit && strides[2] == 0) {
        const In scalar = *b;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(static_cast<In>(a[i]), scalar);
        return;
      }
      if (strides[1] == 0 && strides[2] == kUnit) {
        const In scalar = *a;
#pragma GCC ivdep
        for (std::int64_t i = 0; i < n; ++i) out[i] = Op()(scalar, static_cast<In>(b[i]));
        return;
      }
    }
    char* out = data[0];
    const char* a = data[1];
    const char* b = data[2];
    const std::int64_t step_out = strides[0], step_a = strides[1], step_b = strides[2];
    for (std::int64_t i = 0; i < n; ++i) {
      *reinterpret_cast<Out*>(out + i * step_out) = Op()(load(a + i * step_a), load(b + i * step_b));
    }
  }

 private:
  VG_INLINE static In load(const char* in) { return *reinterpret_cast<const Stored<In>*>(in); }
};

}  // namespace verigrad::kernels::cpu

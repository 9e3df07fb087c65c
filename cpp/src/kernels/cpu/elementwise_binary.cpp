#include <type_traits>

#include "kernels/cpu/binary_loops.h"
#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {
namespace {

[[noreturn]] void no_kernel(const char* op, DType dtype) {
  VG_THROW(RuntimeError, op, ": no cpu implementation for dtype ", name(dtype));
}

/// Powers with one exponent for all elements, the common ones by multiplication.
template <int kExponent>
struct PowerOf {
  template <class T>
  VG_INLINE T operator()(T x) const {
    if constexpr (kExponent == 2) {
      return x * x;
    } else if constexpr (kExponent == 3) {
      return x * x * x;
    } else if constexpr (kExponent == -1) {
      return T(1) / x;
    } else {
      return T(1) / (x * x);
    }
  }
};

template <int kExponent, class T>
void launch_power(const Loop& loop) {
  const std::int64_t sizes[] = {sizeof(T), sizeof(T), sizeof(T)};  // the loop still has the exponent as an operand
  run_loop(loop, sizes, inner_loop<UnaryLoop<PowerOf<kExponent>, T, T>>());
}

bool is_scalar(const Loop& loop, int operand) {
  const Dims& strides = loop.strides[operand];
  return std::all_of(strides.begin(), strides.end(), [](std::int64_t s) { return s == 0; });
}

template <class T>
bool pow_by_scalar(const Loop& loop) {
  if constexpr (std::is_floating_point_v<T>) {
    // The exponent may be the output's own memory only if there is a single element, read before it is written.
    if (!is_scalar(loop, 2)) return false;
    const T exponent = *static_cast<const T*>(loop.data[2]);
    if (exponent == T(2)) return launch_power<2, T>(loop), true;
    if (exponent == T(3)) return launch_power<3, T>(loop), true;
    if (exponent == T(-1)) return launch_power<-1, T>(loop), true;
    if (exponent == T(-2)) return launch_power<-2, T>(loop), true;
  }
  return false;
}

/// Looks for a zero among the divisors.
template <class T>
struct FindZero {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    bool found = false;
    for (std::int64_t i = 0; i < n; ++i) found |= *reinterpret_cast<const T*>(data[0] + i * strides[0]) == T(0);
    if (found) VG_THROW(RuntimeError, "expected a non-zero divisor, got 0");
  }
};

template <class T>
void check_divisors(const char* op, const Loop& loop) {
  Loop divisors;
  divisors.operands = 1;
  divisors.data[0] = loop.data[2];
  divisors.numel = 1;
  // Each divisor once, however often it is broadcast.
  for (int d = 0; d < loop.shape.size(); ++d) {
    if (loop.strides[2][d] == 0) continue;
    divisors.shape.push_back(loop.shape[d]);
    divisors.strides[0].push_back(loop.strides[2][d]);
    divisors.numel *= loop.shape[d];
  }
  const std::int64_t size = sizeof(T);
  try {
    run_loop(divisors, &size, &FindZero<T>::run);
  } catch (const RuntimeError& error) {
    VG_THROW(RuntimeError, op, ": ", error.what());
  }
}

template <class Op, class T>
void launch(const char* op, const Loop& loop) {
  if constexpr (std::is_same_v<Op, functors::pow>) {
    if (pow_by_scalar<T>(loop)) return;
  }
  constexpr bool kDivides = std::is_same_v<Op, functors::floor_divide> || std::is_same_v<Op, functors::remainder>;
  if constexpr (kDivides && std::is_integral_v<T>) check_divisors<T>(op, loop);
  launch_binary<Op, T, T>(loop);
}

template <class Op>
void Any(const char* op, DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { launch<Op, T>(op, loop); });
}

template <class Op>
void Numeric(const char* op, DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, bool>) {
      no_kernel(op, dtype);
    } else {
      launch<Op, T>(op, loop);
    }
  });
}

template <class Op>
void Float(const char* op, DType dtype, const Loop& loop) {
  dispatch_floating(op, dtype, [&]<class T>(TypeTag<T>) { launch<Op, T>(op, loop); });
}

}  // namespace

void binary(BinaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_BINARY(NAME, NODE, KIND, ...) \
  case BinaryOp::NAME: return KIND<functors::NAME>(#NAME, dtype, loop);
#define VG_DISCRETE(NAME, ...) \
  case BinaryOp::NAME: return Numeric<functors::NAME>(#NAME, dtype, loop);
#include "verigrad/binary.def"
    default: compare(op, dtype, loop);
  }
}

}  // namespace verigrad::kernels::cpu

#include <type_traits>

#include "kernels/cpu/binary_loops.h"
#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {
namespace {

/// Looks for a zero among the divisors.
template <class T>
struct FindZero {
  VG_INLINE static void run(char* const* data, const std::int64_t* strides, std::int64_t n) {
    bool found = false;
    for (std::int64_t i = 0; i < n; ++i) found |= *reinterpret_cast<const T*>(data[0] + i * strides[0]) == T(0);
    if (found) raise_mistake(Mistake::zero_divisor, "binary", 0, 0);
  }
};

template <class T>
void check_divisors(const char* op, const Loop& loop) {
  Loop divisors;
  divisors.operands = 1;
  divisors.data[0] = const_cast<void*>(loop.input(2));  // read only
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
  } catch (const RuntimeError&) {
    raise_mistake(Mistake::zero_divisor, op, 0, 0);
  }
}

template <class Op, class T>
void launch(const char* op, const Loop& loop) {
  if constexpr (std::is_same_v<Op, functors::pow>) {
    const auto power = [&]<class Power>(Power) {
      const std::int64_t sizes[] = {sizeof(T), sizeof(T), 0};
      run_loop(loop, sizes, inner_loop<UnaryLoop<Power, T, T>>());
    };
    if (loop.is_number(2) && functors::common_power(loop.number_as<T>(2), power)) return;
  }
  if constexpr (functors::kDivides<Op> && std::is_integral_v<T>) check_divisors<T>(op, loop);
  launch_binary<Op, T, T>(loop);
}

template <class Op, Kind kKind>
void same(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&]<class T>(TypeTag<T>) { launch<Op, T>(op, loop); });
}

}  // namespace

void binary(BinaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_BINARY(NAME, NODE, KIND, ...) \
  case BinaryOp::NAME: return same<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_DISCRETE(NAME, NODE, KIND) VG_BINARY(NAME, NODE, KIND)
#include "verigrad/binary.def"
    default: compare(op, dtype, loop);
  }
}

}  // namespace verigrad::kernels::cpu

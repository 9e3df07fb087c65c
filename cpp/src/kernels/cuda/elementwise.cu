// Unary, binary and ternary ops on a CUDA device, from the rows and formulas that the CPU uses.
#include <type_traits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operands.cuh"
#include "kernels/functors.h"

namespace verigrad::kernels::cuda {
namespace {

template <class Op, class In, class Out>
__global__ void unary_kernel(Layout<2> layout, Out* out, const Stored<In>* in) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[2];
    layout.offsets(i, at);
    out[at[0]] = Op()(static_cast<In>(in[at[1]]));
  });
}

template <class Op, class In, class Out>
__global__ void binary_kernel(Layout<3> layout, Out* out, Input<In> a, Input<In> b) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[3];
    layout.offsets(i, at);
    out[at[0]] = Op()(a[at[1]], b[at[2]]);
  });
}

/// Integer division: an element whose divisor is 0 is reported and left as it is.
template <class Op, class T>
__global__ void division_kernel(Layout<3> layout, T* out, Input<T> a, Input<T> b, Reporter report) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[3];
    layout.offsets(i, at);
    const T divisor = b[at[2]];
    if (divisor == T(0)) return report(Mistake::zero_divisor);
    out[at[0]] = Op()(a[at[1]], divisor);
  });
}

template <class Op, class T>
__global__ void ternary_kernel(Layout<4> layout, T* out, Input<T> a, Input<T> b, Input<T> c, T v) {
  for_each_element(layout.numel, [&](std::int64_t i) {
    std::int64_t at[4];
    layout.offsets(i, at);
    out[at[0]] = Op()(a[at[1]], b[at[2]], c[at[3]], v);
  });
}

template <class Op, class In, class Out>
void launch_unary(const Loop& loop) {
  launch_over(loop.numel, &unary_kernel<Op, In, Out>, Layout<2>(loop), static_cast<Out*>(loop.data[0]),
              static_cast<const Stored<In>*>(loop.data[1]));
}

template <class Op, class In, class Out>
void launch_binary(const Loop& loop) {
  Out* out = static_cast<Out*>(loop.data[0]);
  const Input<In> a(loop, 1), b(loop, 2);
  if constexpr (functors::kDivides<Op> && std::is_integral_v<In>) {
    launch_over(loop.numel, &division_kernel<Op, In>, Layout<3>(loop), out, a, b, reporter());
  } else {
    if constexpr (std::is_same_v<Op, functors::pow>) {
      const auto power = [&](auto kernel) { launch_unary<decltype(kernel), In, Out>(loop); };
      if (loop.is_number(2) && functors::common_power(loop.number_as<In>(2), power)) return;
    }
    launch_over(loop.numel, &binary_kernel<Op, In, Out>, Layout<3>(loop), out, a, b);
  }
}

template <class Op, Kind kKind>
void run_unary(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_unary<Op, T, T>(loop);
  });
}

template <class Op>
void run_predicate(DType dtype, const Loop& loop) {
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_unary<Op, T, bool>(loop);
  });
}

template <class Op, Kind kKind>
void run_binary(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_binary<Op, T, T>(loop);
  });
}

template <class Op, Kind kKind>
void run_ternary(const char* op, DType dtype, const Loop& loop, Scalar value) {
  dispatch_kind<kKind>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_over(loop.numel, &ternary_kernel<Op, T>, Layout<4>(loop), static_cast<T*>(loop.data[0]), Input<T>(loop, 1),
                Input<T>(loop, 2), Input<T>(loop, 3), value.to<T>());
  });
}

template <class Op>
void run_compare(DType dtype, const Loop& loop) {
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_binary<Op, T, bool>(loop);
  });
}

}  // namespace

void unary(UnaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_UNARY(NAME, NODE, KIND, ...) \
  case UnaryOp::NAME: return run_unary<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_PREDICATE(NAME, ...) \
  case UnaryOp::NAME: return run_predicate<functors::NAME>(dtype, loop);
#include "verigrad/unary.def"
  }
}

void binary(BinaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_BINARY(NAME, NODE, KIND, ...) \
  case BinaryOp::NAME: return run_binary<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_DISCRETE(NAME, NODE, KIND) VG_BINARY(NAME, NODE, KIND)
#define VG_COMPARE(NAME, ...) \
  case BinaryOp::NAME: return run_compare<functors::NAME>(dtype, loop);
#include "verigrad/binary.def"
  }
}

void ternary(TernaryOp op, DType dtype, const Loop& loop, Scalar value) {
  switch (op) {
#define VG_TERNARY(NAME, NODE, KIND, ...) \
  case TernaryOp::NAME: return run_ternary<functors::NAME, Kind::KIND>(#NAME, dtype, loop, value);
#include "verigrad/ternary.def"
  }
}

}  // namespace verigrad::kernels::cuda

// Unary and binary ops on a CUDA device, from the rows and formulas that the CPU uses.
#include <type_traits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/functors.h"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

namespace cuda {
namespace {

template <class Op, class In, class Out>
__global__ void unary_kernel(Layout<2> layout, Out* out, const In* in) {
  const std::int64_t step = static_cast<std::int64_t>(blockDim.x) * gridDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < layout.numel; i += step) {
    std::int64_t at[2];
    layout.offsets(i, at);
    out[at[0]] = Op()(in[at[1]]);
  }
}

/// An operand: elements in memory, or the loop's number.
template <class T>
struct Input {
  const T* data;
  T number;

  Input(const Loop& loop, int operand) : data(static_cast<const T*>(loop.data[operand])), number() {
    if (loop.number_at == operand) number = loop.number_as<T>();
  }
  __device__ T operator[](std::int64_t offset) const { return data ? data[offset] : number; }
};

template <class Op, class In, class Out>
__global__ void binary_kernel(Layout<3> layout, Out* out, Input<In> a, Input<In> b) {
  const std::int64_t step = static_cast<std::int64_t>(blockDim.x) * gridDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < layout.numel; i += step) {
    std::int64_t at[3];
    layout.offsets(i, at);
    out[at[0]] = Op()(a[at[1]], b[at[2]]);
  }
}

template <class T>
__global__ void count_zeros_kernel(Layout<3> layout, Input<T> divisors, int* zeros) {
  const std::int64_t step = static_cast<std::int64_t>(blockDim.x) * gridDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < layout.numel; i += step) {
    std::int64_t at[3];
    layout.offsets(i, at);
    if (divisors[at[2]] == T(0)) atomicOr(zeros, 1);
  }
}

template <class Op, class In, class Out>
void launch_unary(const char* op, const Loop& loop) {
  launch(op, &unary_kernel<Op, In, Out>, Layout<2>(loop), static_cast<Out*>(loop.data[0]),
         static_cast<const In*>(loop.data[1]));
}

/// Integer division by zero is refused before anything is written.
template <class T>
void check_divisors(const char* op, const Loop& loop) {
  int* zeros = nullptr;
  check(op, cudaMalloc(&zeros, sizeof(int)));
  int found = 0;
  cudaError_t status = cudaMemset(zeros, 0, sizeof(int));
  if (status == cudaSuccess) {
    launch(op, &count_zeros_kernel<T>, Layout<3>(loop), Input<T>(loop, 2), zeros);
    status = cudaMemcpy(&found, zeros, sizeof(int), cudaMemcpyDeviceToHost);
  }
  cudaFree(zeros);
  check(op, status);
  VG_CHECK(found == 0, RuntimeError, op, ": expected a non-zero divisor, got 0");
}

template <class Op, class In, class Out>
void launch_binary(const char* op, const Loop& loop) {
  constexpr bool kDivides = std::is_same_v<Op, functors::floor_divide> || std::is_same_v<Op, functors::remainder>;
  if constexpr (kDivides && std::is_integral_v<In>) check_divisors<In>(op, loop);
  if constexpr (std::is_same_v<Op, functors::pow>) {
    const auto power = [&](auto kernel) { launch_unary<decltype(kernel), In, Out>(op, loop); };
    if (loop.number_at == 2 && functors::common_power(loop.number_as<In>(), power)) return;
  }
  launch(op, &binary_kernel<Op, In, Out>, Layout<3>(loop), static_cast<Out*>(loop.data[0]), Input<In>(loop, 1),
         Input<In>(loop, 2));
}

/// Which dtypes a row has, and the launch for one of them.
enum class Kind { Any, Numeric, Float };

template <Kind kKind, class F>
void dispatch_kind(const char* op, DType dtype, F&& f) {
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr bool kHas =
        kKind == Kind::Any || (kKind == Kind::Numeric && !std::is_same_v<T, bool>) || std::is_floating_point_v<T>;
    if constexpr (kHas) {
      f(tag);
    } else {
      VG_THROW(RuntimeError, op, ": no cuda implementation for dtype ", name(dtype));
    }
  });
}

template <class Op, Kind kKind>
void run_unary(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_unary<Op, T, T>(op, loop);
  });
}

template <class Op>
void run_predicate(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<Kind::Any>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_unary<Op, T, bool>(op, loop);
  });
}

template <class Op, Kind kKind>
void run_binary(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<kKind>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_binary<Op, T, T>(op, loop);
  });
}

template <class Op>
void run_compare(const char* op, DType dtype, const Loop& loop) {
  dispatch_kind<Kind::Any>(op, dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch_binary<Op, T, bool>(op, loop);
  });
}

}  // namespace

void unary(UnaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_UNARY(NAME, NODE, KIND, ...) \
  case UnaryOp::NAME: return run_unary<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_PREDICATE(NAME) \
  case UnaryOp::NAME: return run_predicate<functors::NAME>(#NAME, dtype, loop);
#include "verigrad/unary.def"
  }
}

void binary(BinaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_BINARY(NAME, NODE, KIND, ...) \
  case BinaryOp::NAME: return run_binary<functors::NAME, Kind::KIND>(#NAME, dtype, loop);
#define VG_DISCRETE(NAME, ...) \
  case BinaryOp::NAME: return run_binary<functors::NAME, Kind::Numeric>(#NAME, dtype, loop);
#define VG_COMPARE(NAME) \
  case BinaryOp::NAME: return run_compare<functors::NAME>(#NAME, dtype, loop);
#include "verigrad/binary.def"
  }
}

}  // namespace cuda

/// Fills the slots that CUDA implements.
void register_cuda_kernels(KernelTable& table) {
  table.unary = &cuda::unary;
  table.binary = &cuda::binary;
  table.activation = &cuda::activation;
}

}  // namespace verigrad::kernels

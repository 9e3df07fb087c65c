// softmax and log_softmax on a CUDA device, with the maximum subtracted first; a NaN makes its whole row one.
//
// Short contiguous rows stay in the registers of a warp or a part of one. Others are read three times by the threads of
// one block; where few of them are very long, by many blocks in launches of their own.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/reduce_engine.cuh"
#include "kernels/functors.h"
#include "kernels/reduce_ops.h"

namespace verigrad::kernels::cuda {
namespace {

/// Elements up to which a row fits into the registers of a warp.
constexpr std::int64_t kShortRow = boundary::cuda_softmax_row;
/// Elements above which rows that do not fill the device are split.
constexpr std::int64_t kSplitRow = boundary::cuda_softmax_split;
/// Elements of a row that a thread of the smaller kernels holds.
constexpr int kFew = boundary::cuda_softmax_few, kSome = boundary::cuda_softmax_some;
constexpr std::int64_t kFewTiles = boundary::cuda_softmax_tiles;

template <bool kLog, class T>
__device__ T result(T shifted, T power, T divisor) {
  return kLog ? shifted - divisor : power / divisor;
}
/// What `result` wants of the sum of powers.
template <bool kLog, class T>
__device__ T divisor_of(T sum) {
  if constexpr (kLog) {
    return functors::log()(sum);
  } else {
    return sum;
  }
}

/// Contiguous rows of at most kHeld elements for each of `groups.lanes` threads.
template <class T, bool kLog, int kHeld>
__global__ void short_rows_kernel(T* out, const T* in, std::int64_t rows, int size, Groups groups) {
  const int lane = groups.lane();
  const std::int64_t tiles = (rows - 1) / groups.count() + 1;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t row = tile * groups.count() + groups.group();
    const bool mine = row < rows;
    const T* x = in + row * size;
    T held[kHeld], powers[kHeld];
    T top = MaxOf::identity<T>;
    for (int i = 0; i < kHeld; ++i) {
      const int at = lane + i * groups.lanes;
      held[i] = mine && at < size ? x[at] : MaxOf::identity<T>;
      top = MaxOf()(top, held[i]);
    }
    top = reduce_groups(groups, MaxOf(), top);
    T sum = 0;
    for (int i = 0; i < kHeld; ++i) {
      const bool inside = mine && lane + i * groups.lanes < size;
      held[i] = held[i] - top;
      powers[i] = inside ? functors::exp()(held[i]) : T(0);
      sum = sum + powers[i];
    }
    const T divisor = divisor_of<kLog>(reduce_groups(groups, SumOf(), sum));
    for (int i = 0; i < kHeld; ++i) {
      const int at = lane + i * groups.lanes;
      if (mine && at < size) out[row * size + at] = result<kLog>(held[i], powers[i], divisor);
    }
  }
}

/// A tile of rows or columns for each block.
template <class T, bool kLog>
__global__ void tiles_kernel(T* out, const T* in, Spread s) {
  const functors::exp exp;
  for (std::int64_t tile = blockIdx.x; tile < s.tiles; tile += gridDim.x) {
    const std::int64_t k = tile * s.groups.count() + s.groups.group();
    Elements elements{&s.reduced, 0, 0, 1, 0};
    if (k < s.kept.numel) {
      std::int64_t at[2];
      s.kept.offsets(k, at);
      elements = s.elements(at[0], 0);
    }
    const auto x = [&](std::int64_t i) { return in[elements.offset(i)]; };
    const T top = reduce_groups(s.groups, MaxOf(), fold(MaxOf(), MaxOf::identity<T>, elements.count, x));
    const auto power = [&](std::int64_t i) { return exp(x(i) - top); };
    const T sum = reduce_groups(s.groups, SumOf(), fold_tree(SumOf(), T(0), elements.count, power));
    const T divisor = divisor_of<kLog>(sum);
    for (std::int64_t i = 0; i < elements.count; ++i) {
      const std::int64_t at = elements.offset(i);
      const T shifted = in[at] - top;
      out[at] = result<kLog>(shifted, kLog ? T(0) : exp(shifted), divisor);
    }
  }
}

/// The maximum of each row.
template <class T>
struct Tops {
  using Value = T;
  const T* in;
  T* tops;

  __device__ T identity() const { return MaxOf::identity<T>; }
  __device__ T operator()(T a, T b) const { return MaxOf()(a, b); }
  __device__ T gather(std::int64_t, const Elements& elements) const {
    return fold(*this, identity(), elements.count, [&](std::int64_t i) { return in[elements.offset(i)]; });
  }
  __device__ void store(std::int64_t k, std::int64_t, T value) const { tops[k] = value; }
};

/// What each row's powers are divided by.
template <class T, bool kLog>
struct Divisors {
  using Value = T;
  const T* in;
  const T* tops;
  T* divisors;

  __device__ T identity() const { return 0; }
  __device__ T operator()(T a, T b) const { return a + b; }
  __device__ T gather(std::int64_t k, const Elements& elements) const {
    const T top = tops[k];
    return fold_tree(*this, identity(), elements.count,
                     [&](std::int64_t i) { return functors::exp()(in[elements.offset(i)] - top); });
  }
  __device__ void store(std::int64_t k, std::int64_t, T value) const { divisors[k] = divisor_of<kLog>(value); }
};

template <class T, bool kLog>
__global__ void write_kernel(T* out, const T* in, const T* tops, const T* divisors, std::int64_t numel,
                             std::int64_t size, std::int64_t inner) {
  for_each_element(numel, [&](std::int64_t i) {
    const std::int64_t k = inner == 1 ? i / size : i / (size * inner) * inner + i % inner;
    const T shifted = in[i] - tops[k];
    out[i] = result<kLog>(shifted, kLog ? T(0) : functors::exp()(shifted), divisors[k]);
  });
}

template <class T, bool kLog, int kHeld>
void short_rows(const Softmax& s) {
  int lanes = 1;
  while (lanes < kWarpLanes && lanes < s.size) lanes *= 2;
  const Groups groups{lanes, false};
  const std::int64_t tiles = (s.outer - 1) / groups.count() + 1;
  launch(dim3(static_cast<unsigned>(std::min(kMostBlocks, tiles))), dim3(kThreads), &short_rows_kernel<T, kLog, kHeld>,
         static_cast<T*>(s.out), static_cast<const T*>(s.in), s.outer, static_cast<int>(s.size), groups);
}

template <class T, bool kLog>
void run(const Softmax& s) {
  if (s.inner == 1 && s.size <= kShortRow) {
    if (s.size <= kWarpLanes) return short_rows<T, kLog, 1>(s);
    if (s.size <= kFew * kWarpLanes) return short_rows<T, kLog, kFew>(s);
    if (s.size <= kSome * kWarpLanes) return short_rows<T, kLog, kSome>(s);
    return short_rows<T, kLog, kShortRow / kWarpLanes>(s);
  }
  Reduction r;
  r.kept = {s.outer, s.inner};
  r.in_kept_strides = {s.size * s.inner, 1};
  r.out_strides = {s.inner, 1};
  r.reduced = {s.size};
  r.in_reduced_strides = {s.inner};
  Spread spread(make_plan(r, false));
  const T* in = static_cast<const T*>(s.in);
  T* out = static_cast<T*>(s.out);
  if (spread.tiles >= kFewTiles || s.size <= kSplitRow) {
    spread.join();
    launch(spread.blocks(), dim3(kThreads), &tiles_kernel<T, kLog>, out, in, spread);
    return;
  }
  const std::int64_t rows = s.outer * s.inner, numel = rows * s.size;
  const Scratch<T> tops(rows), divisors(rows);
  run_reduction(Tops<T>{in, tops.get()}, spread);
  run_reduction(Divisors<T, kLog>{in, tops.get(), divisors.get()}, spread);
  launch_over(numel, &write_kernel<T, kLog>, out, in, static_cast<const T*>(tops.get()),
              static_cast<const T*>(divisors.get()), numel, s.size, s.inner);
}

}  // namespace

void softmax(SoftmaxOp op, DType dtype, const Softmax& s) {
  dispatch_floating(current_op(), dtype, [&]<class T>(TypeTag<T>) {
    if (op == SoftmaxOp::log_softmax) {
      run<T, true>(s);
    } else {
      run<T, false>(s);
    }
  });
}

}  // namespace verigrad::kernels::cuda

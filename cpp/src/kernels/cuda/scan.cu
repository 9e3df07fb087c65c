// Running sums, products and extremes on a CUDA device: a block for each line, or a thread where lines are short or
// many.
#include "kernels/cuda/scan.cuh"

#include "kernels/cuda/kernels.cuh"
#include "kernels/scans.h"

namespace verigrad::kernels::cuda {
namespace {

/// Where the elements of the lines are.
struct ScanLines {
  std::int64_t outer, size, inner;
  bool reverse;

  explicit ScanLines(const Scan& s) : outer(s.outer), size(s.size), inner(s.inner), reverse(s.reverse) {}
  __device__ std::int64_t at(std::int64_t line, std::int64_t i) const {
    return (line / inner * size + (reverse ? size - 1 - i : i)) * inner + line % inner;
  }
};

/// out[t] of a block: `in` of all threads before t, combined in order; `all`: of all threads.
template <class Formula>
__device__ typename Formula::Value block_combine(const Formula& formula, typename Formula::Value in,
                                                 typename Formula::Value& all) {
  using Value = typename Formula::Value;
  VG_SHARED(Value, partial, 2 * kThreads);
  const int t = static_cast<int>(threadIdx.x);
  int now = 0;
  partial[t] = in;
  __syncthreads();
  for (int d = 1; d < kThreads; d *= 2) {
    const Value own = partial[now + t];
    partial[kThreads - now + t] = t >= d ? formula(partial[now + t - d], own) : own;
    now = kThreads - now;
    __syncthreads();
  }
  all = partial[now + kThreads - 1];
  const Value before = t > 0 ? partial[now + t - 1] : formula.identity();
  __syncthreads();  // the next call writes again
  return before;
}

template <class Formula>
__global__ void scan_each_kernel(ScanLines lines, Formula formula) {
  for_each_element(lines.outer * lines.inner, [&](std::int64_t line) {
    typename Formula::Value carried = formula.identity();
    for (std::int64_t i = 0; i < lines.size; ++i) {
      const std::int64_t at = lines.at(line, i);
      carried = formula(carried, formula.load(at, i));
      formula.store(at, carried);
    }
  });
}

template <class Formula>
__global__ void scan_lines_kernel(ScanLines lines, Formula formula) {
  using Value = typename Formula::Value;
  for (std::int64_t line = blockIdx.x; line < lines.outer * lines.inner; line += gridDim.x) {
    Value carried = formula.identity();
    for (std::int64_t chunk = 0; chunk < lines.size; chunk += kScanChunk) {
      const std::int64_t first = chunk + static_cast<std::int64_t>(threadIdx.x) * kScanRun;
      Value own[kScanRun], sum = formula.identity();
      for (int k = 0; k < kScanRun; ++k) {
        if (first + k < lines.size) sum = formula(sum, formula.load(lines.at(line, first + k), first + k));
        own[k] = sum;
      }
      Value all;
      const Value before = formula(carried, block_combine(formula, sum, all));
      for (int k = 0; k < kScanRun; ++k) {
        if (first + k < lines.size) formula.store(lines.at(line, first + k), formula(before, own[k]));
      }
      carried = formula(carried, all);
    }
  }
}

template <class Operation, class T>
struct Running {
  using Value = typename Operation::template State<T>;
  const T *in, *factor;
  T* out;

  __device__ Value identity() const { return Operation::template nothing<T>(); }
  __device__ Value operator()(const Value& a, const Value& b) const { return Operation::join(a, b); }
  __device__ Value load(std::int64_t at, std::int64_t) const { return Operation::load(in, factor, at); }
  __device__ void store(std::int64_t at, const Value& value) const {
    out[at] = static_cast<T>(Operation::result(value));
  }
};

template <class T>
struct Place {
  T value;
  std::int64_t index;  // -1: of no element
};

template <bool kGreatest, class T>
struct RunningExtreme {
  using Value = Place<T>;
  const Stored<T>* in;
  T* out;
  std::int64_t* index;

  __device__ Value identity() const { return {T(0), -1}; }
  __device__ Value operator()(const Value& a, const Value& b) const {
    if (a.index < 0) return b;
    return b.index >= 0 && supersedes<kGreatest, T>(b.value, a.value) ? b : a;
  }
  __device__ Value load(std::int64_t at, std::int64_t i) const { return {static_cast<T>(in[at]), i}; }
  __device__ void store(std::int64_t at, const Value& value) const {
    out[at] = value.value;
    index[at] = value.index;
  }
};

template <class Formula>
void run(const Scan& s, const Formula& formula) {
  const std::int64_t lines = s.outer * s.inner;
  if (s.size <= kShortLine || lines >= kManyLines) {
    return launch_over(lines, &scan_each_kernel<Formula>, ScanLines(s), formula);
  }
  launch(dim3(static_cast<unsigned>(std::min(lines, kMaxBlocks))), dim3(kThreads), &scan_lines_kernel<Formula>,
         ScanLines(s), formula);
}

}  // namespace

void scan(ScanOp op, DType dtype, const Scan& s) {
  if (op == ScanOp::max || op == ScanOp::min) {
    return dispatch(dtype, [&]<class T>(TypeTag<T>) {
      const auto* in = static_cast<const Stored<T>*>(s.in);
      T* out = static_cast<T*>(s.out);
      op == ScanOp::max ? run(s, RunningExtreme<true, T>{in, out, s.index})
                        : run(s, RunningExtreme<false, T>{in, out, s.index});
    });
  }
  const auto running = [&]<class Operation, class T>(Operation, TypeTag<T>) {
    run(s, Running<Operation, T>{static_cast<const T*>(s.in), static_cast<const T*>(s.factor), static_cast<T*>(s.out)});
  };
  if (op == ScanOp::log_sum || op == ScanOp::recurrence) {
    return dispatch_floating("scan", dtype, [&]<class T>(TypeTag<T> tag) {
      op == ScanOp::log_sum ? running(RunningLogSum(), tag) : running(RunningRecurrence(), tag);
    });
  }
  const auto all = [&]<class T>(TypeTag<T> tag) {
    op == ScanOp::sum ? running(RunningSum(), tag) : running(RunningProduct(), tag);
  };
  dtype == DType::Int64 ? all(TypeTag<std::int64_t>{}) : dispatch_floating("scan", dtype, all);
}

}  // namespace verigrad::kernels::cuda

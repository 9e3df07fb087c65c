// Pooling on a CUDA device. Each result is computed by one thread or, of large windows that lie apart, by one warp. The
// gradients are gathered: an element of the input looks at the windows that have it, in their order, so that the sums
// are the CPU's and do not depend on who comes first.
//
// Where windows begin and end takes divisions. They are done once for each row and column, by a small kernel before,
// and read by all planes.
#include <limits>
#include <type_traits>

#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/pool_windows.h"

namespace verigrad::kernels::cuda {
namespace {

using pool_windows::Sum;

/// Elements of a window from which a warp may take it, and how far apart neighbouring windows are then at least, in
/// elements: nearer ones are read by neighbouring threads in few transactions as well.
constexpr std::int64_t kWarpElements = boundary::cuda_pool_window, kWarpDistance = boundary::cuda_pool_distance;
/// Of such kernels: enough to fill any device.
constexpr std::int64_t kMaxWarpBlocks = boundary::cuda_pool_blocks;

/// Of a window its elements, or of an element its windows: [begin, end).
struct Span {
  std::int64_t begin, end;
};

/// What the rows and columns of all planes have in common.
struct Tables {
  Span* rows;
  Span* columns;
  double* row_divisors;  // of the windows; null where no average is wanted
  double* column_divisors;
};

__device__ inline Span span_of(const PoolAxis& a, bool backward, std::int64_t i) {
  return backward ? Span{a.first_window(i), a.end_window(i)} : Span{a.start(i), a.stop(i)};
}

__global__ void tables_kernel(Pool p, bool backward, std::int64_t rows, std::int64_t columns, Tables t) {
  for_each_element(rows + columns, [&](std::int64_t i) {
    if (i < rows) {
      t.rows[i] = span_of(p.h, backward, i);
    } else {
      t.columns[i - rows] = span_of(p.w, backward, i - rows);
    }
  });
  if (!t.row_divisors) return;
  for_each_element(p.h.out + p.w.out, [&](std::int64_t i) {
    if (i < p.h.out) {
      t.row_divisors[i] = pool_windows::row_divisor(p, i);
    } else {
      t.column_divisors[i - p.h.out] = pool_windows::column_divisor(p, i - p.h.out);
    }
  });
}

/// The tables in memory, filled.
class TablesOf {
 public:
  TablesOf(const Pool& p, bool backward, bool average)
      : rows_(backward ? p.h.in : p.h.out),
        columns_(backward ? p.w.in : p.w.out),
        spans_(rows_ + columns_),
        divisors_(average ? p.h.out + p.w.out : 1) {
    tables_.rows = spans_.get();
    tables_.columns = spans_.get() + rows_;
    tables_.row_divisors = average ? divisors_.get() : nullptr;
    tables_.column_divisors = average ? divisors_.get() + p.h.out : nullptr;
    const std::int64_t entries = std::max(rows_ + columns_, average ? p.h.out + p.w.out : 0);
    launch_over(entries, &tables_kernel, p, backward, rows_, columns_, tables_);
  }
  const Tables& get() const { return tables_; }

 private:
  std::int64_t rows_, columns_;
  Scratch<Span> spans_;
  Scratch<double> divisors_;
  Tables tables_;
};

/// A position in contiguous planes.
struct Place {
  std::int64_t plane, row, column;

  __device__ Place(std::int64_t position, std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kNarrow = boundary::cuda_unsigned_positions;  // division of 64 bits is slow
    if (position <= kNarrow && rows <= kNarrow && columns <= kNarrow) {
      split(static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(rows),
            static_cast<std::uint32_t>(columns));
    } else {
      split(position, rows, columns);
    }
  }

 private:
  template <class I>
  __device__ void split(I position, I rows, I columns) {
    const I at = position / columns;
    column = static_cast<std::int64_t>(position % columns);
    row = static_cast<std::int64_t>(at % rows);
    plane = static_cast<std::int64_t>(at / rows);
  }
};

template <class T>
__device__ const T* plane_of(const Pool& p, std::int64_t plane) {
  return static_cast<const T*>(p.in) + plane * p.h.in * p.w.in;
}

template <class T>
__global__ void max_kernel(Pool p, Tables t) {
  for_each_element(p.planes * p.h.out * p.w.out, [&](std::int64_t position) {
    const Place to(position, p.h.out, p.w.out);
    const T* in = plane_of<T>(p, to.plane);
    const Span rows = t.rows[to.row], columns = t.columns[to.column];
    std::int64_t at = rows.begin * p.w.in + columns.begin;
    T best = in[at];
    for (std::int64_t r = rows.begin; r < rows.end; r += p.h.dilation) {
      for (std::int64_t c = columns.begin; c < columns.end; c += p.w.dilation) {
        const std::int64_t place = r * p.w.in + c;
        pool_windows::take_later(best, at, in[place], place);
      }
    }
    static_cast<T*>(p.out)[position] = best;
    if (p.index) p.index[position] = at;
  });
}

/// Column by column, as the CPU adds them.
template <class T>
__global__ void average_kernel(Pool p, Tables t, bool pairs) {
  using S = Sum<T>;
  for_each_element(p.planes * p.h.out * p.w.out, [&](std::int64_t position) {
    const Place to(position, p.h.out, p.w.out);
    const T* in = plane_of<T>(p, to.plane);
    const Span rows = t.rows[to.row], columns = t.columns[to.column];
    T* out = static_cast<T*>(p.out) + position;
    if (pairs) {
      const T* upper = in + rows.begin * p.w.in + columns.begin;
      T sum;
      pool_windows::sum_of_pairs(sum, upper[0], upper[1], upper[p.w.in], upper[p.w.in + 1]);
      *out = sum / pool_windows::pair_divisor<T>(p);
      return;
    }
    S sum = 0;
    for (std::int64_t c = columns.begin; c < columns.end; c += p.w.dilation) {
      S column = 0;
      for (std::int64_t r = rows.begin; r < rows.end; r += p.h.dilation) column += static_cast<S>(in[r * p.w.in + c]);
      sum += column;
    }
    *out = static_cast<T>(sum / static_cast<S>(t.row_divisors[to.row] * t.column_divisors[to.column]));
  });
}

/// f(window) for the windows that fall to the calling warp.
template <class F>
__device__ void for_each_of_warp(std::int64_t n, const F& f) {
  const std::int64_t warps = blockDim.x / kWarpLanes;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / kWarpLanes; i < n;
       i += warps * gridDim.x) {
    f(i);
  }
}

/// f(place) for the elements of a window that fall to the calling lane: every 32nd, counted by rows.
template <class F>
__device__ void for_each_of_lane(const Pool& p, const Span& rows, const Span& columns, const F& f) {
  const std::int64_t height = pool_windows::taps(rows.begin, rows.end, p.h.dilation),
                     width = pool_windows::taps(columns.begin, columns.end, p.w.dilation);
  if (width == 0) return;
  const std::int64_t down = kWarpLanes / width, right = kWarpLanes % width;
  const std::int64_t lane = threadIdx.x % kWarpLanes;
  std::int64_t r = lane / width, c = lane % width;
  while (r < height) {
    f((rows.begin + r * p.h.dilation) * p.w.in + columns.begin + c * p.w.dilation);
    r += down;
    c += right;
    if (c >= width) {
      c -= width;
      ++r;
    }
  }
}

template <class T>
__global__ void max_warp_kernel(Pool p, Tables t) {
  for_each_of_warp(p.planes * p.h.out * p.w.out, [&](std::int64_t position) {
    const Place to(position, p.h.out, p.w.out);
    const T* in = plane_of<T>(p, to.plane);
    const Span rows = t.rows[to.row], columns = t.columns[to.column];
    std::int64_t at = rows.begin * p.w.in + columns.begin;  // for lanes that have none
    T best = in[at];
    for_each_of_lane(p, rows, columns,
                     [&](std::int64_t place) { pool_windows::take_better(best, at, in[place], place); });
    for (int step = kWarpLanes / 2; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(kAllLanes, best, step);
      const std::int64_t place = __shfl_xor_sync(kAllLanes, at, step);
      pool_windows::take_better(best, at, other, place);
    }
    if (threadIdx.x % kWarpLanes == 0) {
      static_cast<T*>(p.out)[position] = best;
      if (p.index) p.index[position] = at;
    }
  });
}

template <class T>
__global__ void average_warp_kernel(Pool p, Tables t) {
  using S = Sum<T>;
  for_each_of_warp(p.planes * p.h.out * p.w.out, [&](std::int64_t position) {
    const Place to(position, p.h.out, p.w.out);
    const T* in = plane_of<T>(p, to.plane);
    S sum = 0;
    for_each_of_lane(p, t.rows[to.row], t.columns[to.column],
                     [&](std::int64_t place) { sum += static_cast<S>(in[place]); });
    for (int step = kWarpLanes / 2; step > 0; step /= 2) sum += __shfl_down_sync(kAllLanes, sum, step);
    if (threadIdx.x % kWarpLanes == 0) {
      static_cast<T*>(p.out)[position] =
          static_cast<T>(sum / static_cast<S>(t.row_divisors[to.row] * t.column_divisors[to.column]));
    }
  });
}

template <class T>
__global__ void max_gather_kernel(Pool p) {
  const std::int64_t small = p.h.out * p.w.out;
  for_each_element(p.planes * small, [&](std::int64_t position) {
    const std::int64_t plane = Place(position, 1, small).plane;
    static_cast<T*>(p.out)[position] = plane_of<T>(p, plane)[p.index[position]];
  });
}

/// `pairs`: as the CPU, which then has one gradient for an element and adds nothing to it.
template <class T>
__global__ void max_backward_kernel(Pool p, Tables t, bool pairs) {
  for_each_element(p.planes * p.h.in * p.w.in, [&](std::int64_t position) {
    const Place to(position, p.h.in, p.w.in);
    const std::int64_t place = to.row * p.w.in + to.column;
    const Span rows = t.rows[to.row], columns = t.columns[to.column];
    T sum = 0;
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      for (std::int64_t j = columns.begin; j < columns.end; ++j) {
        const std::int64_t window = (to.plane * p.h.out + i) * p.w.out + j;
        if (p.index[window] != place) continue;
        const T g = static_cast<const T*>(p.in)[window];
        sum = pairs ? g : sum + g;
      }
    }
    static_cast<T*>(p.out)[position] = sum;
  });
}

/// Row by row of windows, as the CPU adds them.
template <class T>
__global__ void average_backward_kernel(Pool p, Tables t, bool pairs) {
  using S = Sum<T>;
  for_each_element(p.planes * p.h.in * p.w.in, [&](std::int64_t position) {
    const Place to(position, p.h.in, p.w.in);
    const Span rows = t.rows[to.row], columns = t.columns[to.column];
    T* out = static_cast<T*>(p.out) + position;
    const T* g = static_cast<const T*>(p.in) + to.plane * p.h.out * p.w.out;
    if (pairs) {
      const bool any = rows.begin < rows.end && columns.begin < columns.end;
      *out = any ? g[rows.begin * p.w.out + columns.begin] / pool_windows::pair_divisor<T>(p) : T(0);
      return;
    }
    S sum = 0;
    for (std::int64_t i = rows.begin; i < rows.end; ++i) {
      if (!p.h.contains(i, to.row)) continue;
      S row = 0;
      for (std::int64_t j = columns.begin; j < columns.end; ++j) {
        if (!p.w.contains(j, to.column)) continue;
        row += static_cast<S>(g[i * p.w.out + j]) / static_cast<S>(t.row_divisors[i] * t.column_divisors[j]);
      }
      sum += row;
    }
    *out = static_cast<T>(sum);
  });
}

/// Whether a warp takes each window.
bool by_warps(const Pool& p) {
  const auto size = [](const PoolAxis& a) { return a.adaptive ? a.in / a.out : a.kernel; };
  const std::int64_t distance = p.w.out == 1 ? p.w.in : (p.w.adaptive ? p.w.in / p.w.out : p.w.stride);
  return size(p.h) * size(p.w) >= kWarpElements && distance >= kWarpDistance;
}

template <class... Args>
void launch_warps(std::int64_t windows, void (*kernel)(Args...), const Args&... args) {
  launch(dim3(static_cast<unsigned>(std::min(kMaxWarpBlocks, (windows + kWarps - 1) / kWarps))), dim3(kThreads), kernel,
         args...);
}

template <class T>
void run_max(const Pool& p) {
  const std::int64_t windows = p.planes * p.h.out * p.w.out;
  const TablesOf tables(p, false, false);
  if (by_warps(p)) {
    launch_warps(windows, &max_warp_kernel<T>, p, tables.get());
  } else {
    launch_over(windows, &max_kernel<T>, p, tables.get());
  }
}

template <class T>
void run_average(const Pool& p) {
  const std::int64_t windows = p.planes * p.h.out * p.w.out;
  const TablesOf tables(p, false, true);
  if (by_warps(p)) {
    launch_warps(windows, &average_warp_kernel<T>, p, tables.get());
  } else {
    launch_over(windows, &average_kernel<T>, p, tables.get(), std::is_floating_point_v<T> && pool_windows::is_pairs(p));
  }
}

template <class T>
void run(PoolOp op, const Pool& p) {
  const std::int64_t elements = p.planes * p.h.in * p.w.in;
  switch (op) {
    case PoolOp::max: return run_max<T>(p);
    case PoolOp::average: return run_average<T>(p);
    case PoolOp::max_gather: return launch_over(p.planes * p.h.out * p.w.out, &max_gather_kernel<T>, p);
    case PoolOp::max_backward: {
      const TablesOf tables(p, true, false);
      return launch_over(elements, &max_backward_kernel<T>, p, tables.get(), pool_windows::is_pairs(p));
    }
    case PoolOp::average_backward: {
      const TablesOf tables(p, true, true);
      return launch_over(elements, &average_backward_kernel<T>, p, tables.get(), pool_windows::is_pairs(p));
    }
  }
}

}  // namespace

void pool(PoolOp op, DType dtype, const Pool& p) {
  if (p.planes == 0) return;
  const auto of_integers = [&]<class T>(TypeTag<T>) {  // only int64 has averages
    if (op == PoolOp::max) return run_max<T>(p);
    if constexpr (std::is_same_v<T, std::int64_t>) {
      if (op == PoolOp::average) return run_average<T>(p);
    }
    refuse_dtype(dtype);
  };
  switch (dtype) {
    case DType::UInt8: return of_integers(TypeTag<std::uint8_t>());
    case DType::Int32: return of_integers(TypeTag<std::int32_t>());
    case DType::Int64: return of_integers(TypeTag<std::int64_t>());
    case DType::Float32: return run<float>(op, p);
    case DType::Float64: return run<double>(op, p);
    default: refuse_dtype(dtype);
  }
}

}  // namespace verigrad::kernels::cuda

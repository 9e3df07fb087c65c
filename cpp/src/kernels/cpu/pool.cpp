// Pooling. A row of outputs is made in two steps, both of them vector code: over the rows of its windows, for all
// columns, and then over the columns of each window. Rows (backward: planes) are shared between threads.
#include <limits>
#include <memory>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/cpu/pool_pairs.h"
#include "kernels/pool_windows.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using pool_windows::column_divisor;
using pool_windows::row_divisor;
using pool_windows::Sum;
using pool_windows::take_better;
using pool_windows::taps;

/// Neighbouring windows of one size at equal distances, along one axis.
struct Run {
  std::int64_t first = 0, count = 0;             // windows
  std::int64_t start = 0, stride = 1, taps = 0;  // start of the first one, elements from one to the next, their size
};

std::vector<Run> runs_of(const PoolAxis& a) {
  std::vector<Run> runs;
  for (std::int64_t j = 0, before = 0; j < a.out; ++j) {
    const std::int64_t start = a.start(j), size = taps(start, a.stop(j), a.dilation), distance = start - before;
    before = start;
    if (!runs.empty()) {
      Run& last = runs.back();
      if (last.taps == size && (last.count == 1 || last.stride == distance)) {
        last.stride = distance;
        ++last.count;
        continue;
      }
    }
    runs.push_back({j, 1, start, 1, size});
  }
  return runs;
}

std::vector<double> column_divisors(const Pool& p) {
  std::vector<double> divisors(static_cast<std::size_t>(p.w.out));
  std::int64_t j = 0;
  for (double& divisor : divisors) divisor = column_divisor(p, j++);
  return divisors;
}

/// Rows [begin, end) of outputs, counted through all planes.
template <class T, int Bytes>
struct PairRows {
  VG_INLINE static void run(PoolOp op, const Pool* p, std::int64_t begin, std::int64_t end) {
    const bool forward = op == PoolOp::max || op == PoolOp::average;
    const std::int64_t in_w = p->w.in, out_w = p->w.out;
    const T divisor = pool_windows::pair_divisor<T>(*p);
    std::int64_t plane = begin / p->h.out, i = begin % p->h.out;
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t small = row * out_w, base = 2 * i * in_w;
      const std::int64_t large = plane * p->h.in * in_w + base;
      if (forward) {
        const T* upper = static_cast<const T*>(p->in) + large;
        T* out = static_cast<T*>(p->out) + small;
        if (op == PoolOp::max) {
          PairMax<T> loop{out, p->index ? p->index + small : nullptr, upper, upper + in_w, base, in_w};
          for_lanes<T, Bytes>(out_w, loop);
        } else {
          PairAverage<T> loop{out, upper, upper + in_w, divisor};
          for_lanes<T, Bytes>(out_w, loop);
        }
      } else {
        T* upper = static_cast<T*>(p->out) + large;
        const T* g = static_cast<const T*>(p->in) + small;
        if (op == PoolOp::max_backward) {
          PairMaxBackward<T> loop{upper, upper + in_w, g, p->index + small, base, in_w};
          for_lanes<T, Bytes>(out_w, loop);
        } else {
          PairAverageBackward<T> loop{upper, upper + in_w, g, divisor};
          for_lanes<T, Bytes>(out_w, loop);
        }
        for (std::int64_t c = 2 * out_w; c < in_w; ++c) upper[c] = upper[in_w + c] = T(0);
        if (i == p->h.out - 1) {  // what no window reaches
          for (std::int64_t k = 2 * in_w; k < (p->h.in - 2 * i) * in_w; ++k) upper[k] = T(0);
        }
      }
      if (++i == p->h.out) {
        i = 0;
        ++plane;
      }
    }
  }
};

/// Calls f(begin, end) for rows of outputs of all planes, in chunks.
template <class F>
void for_rows(const Pool& p, const F& f) {
  const std::int64_t rows = p.planes * p.h.out;
  const std::int64_t work = std::max<std::int64_t>(1, p.h.in * p.w.in / p.h.out + p.w.out);  // elements of a row
  const bool serial = rows * work < kSerialElements;
  parallel_for(rows, serial ? rows : std::max<std::int64_t>(1, kGrainElements / work), f);
}
template <class F>
void for_planes(const Pool& p, const F& f) {
  const std::int64_t work = p.h.in * p.w.in + p.h.out * p.w.out;
  const bool serial = p.planes * work < kSerialElements;
  parallel_for(p.planes, serial ? p.planes : std::max<std::int64_t>(1, kGrainElements / work), f);
}

template <class T>
void run_pairs(PoolOp op, const Pool& p) {
  for_rows(p, [&](std::int64_t begin, std::int64_t end) {
    if (simd_level() == SimdLevel::baseline) {
      simd_run<PairRows<T, boundary::vector_bytes_baseline>>(op, &p, begin, end);
    } else {
      simd_run<PairRows<T, boundary::vector_bytes_avx2>>(op, &p, begin, end);
    }
  });
}

/// Maxima over the rows [first, stop) of a plane for each column, and their places.
template <class T, class I>
struct MaxDown {
  VG_INLINE static void run(T* best, I* at, const T* plane, std::int64_t width, std::int64_t first, std::int64_t stop,
                            std::int64_t step) {
    const T* row = plane + first * width;
    I place = static_cast<I>(first * width);
#pragma GCC ivdep
    for (std::int64_t c = 0; c < width; ++c) {
      best[c] = row[c];
      at[c] = place + static_cast<I>(c);
    }
    for (std::int64_t r = first + step; r < stop; r += step) {
      row = plane + r * width;
      place = static_cast<I>(r * width);
#pragma GCC ivdep
      for (std::int64_t c = 0; c < width; ++c) {
        const T x = row[c], old = best[c];
        const bool take = (x > old) | (x != x);
        best[c] = take ? x : old;
        at[c] = take ? place + static_cast<I>(c) : at[c];
      }
    }
  }
};

/// One tap of `count` windows that are `stride` apart.
template <class T, class I, int Stride>
struct MaxTap {
  VG_INLINE static void run(T* out, I* out_at, const T* best, const I* at, std::int64_t stride_, std::int64_t count,
                            bool first) {
    const std::int64_t stride = Stride > 0 ? Stride : stride_;
    if (first) {
#pragma GCC ivdep
      for (std::int64_t j = 0; j < count; ++j) {
        out[j] = best[j * stride];
        out_at[j] = at[j * stride];
      }
      return;
    }
#pragma GCC ivdep
    for (std::int64_t j = 0; j < count; ++j) {
      T x = out[j];
      I place = out_at[j];
      take_better(x, place, best[j * stride], at[j * stride]);
      out[j] = x;
      out_at[j] = place;
    }
  }
};

template <class T, class I>
struct MaxRows {
  VG_INLINE static void run(const Pool* p, const std::vector<Run>* runs, T* best, I* at, I* out_at, std::int64_t begin,
                            std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t i = row % p->h.out;
      const T* plane = static_cast<const T*>(p->in) + row / p->h.out * p->h.in * p->w.in;
      MaxDown<T, I>::run(best, at, plane, p->w.in, p->h.start(i), p->h.stop(i), p->h.dilation);
      T* out = static_cast<T*>(p->out) + row * p->w.out;
      for (const Run& r : *runs) {
        for (std::int64_t t = 0; t < r.taps; ++t) {
          const std::int64_t from = r.start + t * p->w.dilation;
          if (r.stride == 1) {
            MaxTap<T, I, 1>::run(out + r.first, out_at + r.first, best + from, at + from, 1, r.count, t == 0);
          } else if (r.stride == 2) {
            MaxTap<T, I, 2>::run(out + r.first, out_at + r.first, best + from, at + from, 2, r.count, t == 0);
          } else {
            MaxTap<T, I, 0>::run(out + r.first, out_at + r.first, best + from, at + from, r.stride, r.count, t == 0);
          }
        }
      }
      if (p->index) {
        std::int64_t* index = p->index + row * p->w.out;
#pragma GCC ivdep
        for (std::int64_t j = 0; j < p->w.out; ++j) index[j] = out_at[j];
      }
    }
  }
};

template <class T, class I>
void max_rows(const Pool& p) {
  const std::vector<Run> runs = runs_of(p.w);
  for_rows(p, [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<T[]> best(new T[static_cast<std::size_t>(p.w.in)]);
    const std::unique_ptr<I[]> at(new I[static_cast<std::size_t>(p.w.in + p.w.out)]);
    simd_run<MaxRows<T, I>>(&p, &runs, best.get(), at.get(), at.get() + p.w.in, begin, end);
  });
}

template <class T>
void max_backward(const Pool& p) {
  for_planes(p, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t large = p.h.in * p.w.in, small = p.h.out * p.w.out;
    T* out = static_cast<T*>(p.out) + begin * large;
    const T* g = static_cast<const T*>(p.in) + begin * small;
    const std::int64_t* index = p.index + begin * small;
    for (std::int64_t k = begin; k < end; ++k, out += large, g += small, index += small) {
      std::fill_n(out, large, T(0));
      for (std::int64_t j = 0; j < small; ++j) out[index[j]] += g[j];
    }
  });
}

template <class T>
void max_gather(const Pool& p) {
  for_planes(p, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t large = p.h.in * p.w.in, small = p.h.out * p.w.out;
    for (std::int64_t k = begin; k < end; ++k) {
      const T* in = static_cast<const T*>(p.in) + k * large;
      T* out = static_cast<T*>(p.out) + k * small;
      const std::int64_t* index = p.index + k * small;
      for (std::int64_t j = 0; j < small; ++j) out[j] = in[index[j]];
    }
  });
}

template <class T, int Stride>
struct SumTap {
  using S = Sum<T>;
  VG_INLINE static void run(S* sums, const S* columns, std::int64_t stride_, std::int64_t count) {
    const std::int64_t stride = Stride > 0 ? Stride : stride_;
#pragma GCC ivdep
    for (std::int64_t j = 0; j < count; ++j) sums[j] += columns[j * stride];
  }
};

template <class T>
struct AverageRows {
  using S = Sum<T>;
  VG_INLINE static void run(const Pool* p, const std::vector<Run>* runs, const double* divisor, S* columns, S* sums,
                            std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t i = row % p->h.out;
      const T* plane = static_cast<const T*>(p->in) + row / p->h.out * p->h.in * p->w.in;
      for (std::int64_t c = 0; c < p->w.in; ++c) columns[c] = 0;
      for (std::int64_t r = p->h.start(i), stop = p->h.stop(i); r < stop; r += p->h.dilation) {
        const T* from = plane + r * p->w.in;
#pragma GCC ivdep
        for (std::int64_t c = 0; c < p->w.in; ++c) columns[c] += static_cast<S>(from[c]);
      }
      for (std::int64_t j = 0; j < p->w.out; ++j) sums[j] = 0;
      for (const Run& r : *runs) {
        if (r.count == 1) {  // a wide window on its own: one sum
          S sum = 0;
          for (std::int64_t t = 0; t < r.taps; ++t) sum += columns[r.start + t * p->w.dilation];
          sums[r.first] = sum;
          continue;
        }
        for (std::int64_t t = 0; t < r.taps; ++t) {
          const S* from = columns + r.start + t * p->w.dilation;
          if (r.stride == 1) {
            SumTap<T, 1>::run(sums + r.first, from, 1, r.count);
          } else if (r.stride == 2) {
            SumTap<T, 2>::run(sums + r.first, from, 2, r.count);
          } else {
            SumTap<T, 0>::run(sums + r.first, from, r.stride, r.count);
          }
        }
      }
      T* out = static_cast<T*>(p->out) + row * p->w.out;
      const double high = row_divisor(*p, i);
#pragma GCC ivdep
      for (std::int64_t j = 0; j < p->w.out; ++j) out[j] = static_cast<T>(sums[j] / static_cast<S>(high * divisor[j]));
    }
  }
};

/// A row of gradients is spread over the columns of its windows, and that row added to the rows of the windows.
template <class T>
struct AverageBackwardPlanes {
  using S = Sum<T>;
  VG_INLINE static void run(const Pool* p, const std::vector<Run>* runs, const double* divisor, S* plane, S* columns,
                            std::int64_t begin, std::int64_t end) {
    const std::int64_t large = p->h.in * p->w.in, small = p->h.out * p->w.out;
    for (std::int64_t k = begin; k < end; ++k) {
      const T* g = static_cast<const T*>(p->in) + k * small;
      for (std::int64_t c = 0; c < large; ++c) plane[c] = 0;
      for (std::int64_t i = 0; i < p->h.out; ++i, g += p->w.out) {
        const double high = row_divisor(*p, i);
        for (std::int64_t c = 0; c < p->w.in; ++c) columns[c] = 0;
        for (const Run& r : *runs) {
          for (std::int64_t j = r.first; j < r.first + r.count; ++j) {
            const S share = static_cast<S>(g[j]) / static_cast<S>(high * divisor[j]);
            S* to = columns + r.start + (j - r.first) * r.stride;
            for (std::int64_t t = 0; t < r.taps; ++t) to[t * p->w.dilation] += share;
          }
        }
        for (std::int64_t h = p->h.start(i), stop = p->h.stop(i); h < stop; h += p->h.dilation) {
          S* to = plane + h * p->w.in;
#pragma GCC ivdep
          for (std::int64_t c = 0; c < p->w.in; ++c) to[c] += columns[c];
        }
      }
      T* out = static_cast<T*>(p->out) + k * large;
#pragma GCC ivdep
      for (std::int64_t c = 0; c < large; ++c) out[c] = static_cast<T>(plane[c]);
    }
  }
};

template <class T>
void average(const Pool& p) {
  const std::vector<Run> runs = runs_of(p.w);
  const std::vector<double> divisors = column_divisors(p);
  for_rows(p, [&](std::int64_t begin, std::int64_t end) {
    using S = Sum<T>;
    const std::unique_ptr<S[]> sums(new S[static_cast<std::size_t>(p.w.in + p.w.out)]);
    simd_run<AverageRows<T>>(&p, &runs, divisors.data(), sums.get(), sums.get() + p.w.in, begin, end);
  });
}

template <class T>
void average_backward(const Pool& p) {
  const std::vector<Run> runs = runs_of(p.w);
  const std::vector<double> divisors = column_divisors(p);
  for_planes(p, [&](std::int64_t begin, std::int64_t end) {
    using S = Sum<T>;
    const std::unique_ptr<S[]> sums(new S[static_cast<std::size_t>(p.h.in * p.w.in + p.w.in)]);
    simd_run<AverageBackwardPlanes<T>>(&p, &runs, divisors.data(), sums.get(), sums.get() + p.h.in * p.w.in, begin,
                                       end);
  });
}

template <class T>
void max_forward(const Pool& p) {
  if (p.h.in * p.w.in <= std::numeric_limits<std::int32_t>::max() && sizeof(T) < 8) {
    max_rows<T, std::int32_t>(p);
  } else {
    max_rows<T, std::int64_t>(p);
  }
}

template <class T>
void run(PoolOp op, const Pool& p) {
  if constexpr (std::is_floating_point_v<T>) {
    if (op != PoolOp::max_gather && pool_windows::is_pairs(p)) return run_pairs<T>(op, p);
  }
  switch (op) {
    case PoolOp::max: return max_forward<T>(p);
    case PoolOp::max_backward: return max_backward<T>(p);
    case PoolOp::max_gather: return max_gather<T>(p);
    case PoolOp::average: return average<T>(p);
    case PoolOp::average_backward: return average_backward<T>(p);
  }
}

}  // namespace

void pool(PoolOp op, DType dtype, const Pool& p) {
  switch (dtype) {
    case DType::UInt8: return max_forward<std::uint8_t>(p);  // of the integers, only int64 has averages
    case DType::Int32: return max_forward<std::int32_t>(p);
    case DType::Int64: return op == PoolOp::average ? average<std::int64_t>(p) : max_forward<std::int64_t>(p);
    default: break;
  }
  dispatch_floating("pool", dtype, [&]<class T>(TypeTag<T>) { run<T>(op, p); });
}

}  // namespace verigrad::kernels::cpu

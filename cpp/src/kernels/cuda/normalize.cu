// Normalisation on a CUDA device, forward; normalize_backward.cu has the gradients. The statistics are summed in
// float64 about a point near the mean, as the CPU's are.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/normalize_sums.cuh"

namespace verigrad::kernels::cuda {

void normalize_backward(DType dtype, const Normalize& n);

namespace {

using normalization::finite_or_zero;
using normalization::Forward;
using normalization::ForwardEach;
using normalization::given_statistics;
using normalization::Moments;
using normalization::Statistics;
using normalization::store_statistics;

/// The point about which the moments of a channel are taken first: its first element.
template <class T, bool kCentered>
__device__ double first_shift(const Normalize& n, std::int64_t c) {
  return kCentered ? finite_or_zero(static_cast<double>(static_cast<const T*>(n.x)[c * n.inner])) : 0.0;
}
/// float64 has no digits to spare and takes a second point, the mean by way of the first.
template <class T, bool kCentered>
inline constexpr bool kTwoPoints = kCentered && sizeof(T) == sizeof(double);

__device__ inline double second_shift(const Normalize& n, double shift, double sum) {
  return shift + finite_or_zero(sum / static_cast<double>(n.outer * n.inner));
}

template <class T>
__device__ Totals<1> sum_about(const Normalize& n, const Elements& elements, double shift) {
  const T* x = static_cast<const T*>(n.x);
  return sum_terms<1>(elements.count, [&](std::int64_t i, double (&out)[1]) {
    out[0] = static_cast<double>(x[elements.offset(i)]) - shift;
  });
}
template <class T>
__device__ Totals<2> moments_about(const Normalize& n, const Elements& elements, double shift) {
  const T* x = static_cast<const T*>(n.x);
  return sum_terms<2>(elements.count, [&](std::int64_t i, double (&out)[2]) {
    out[0] = static_cast<double>(x[elements.offset(i)]) - shift;
    out[1] = out[0] * out[0];
  });
}
template <bool kCentered>
__device__ Moments moments_of(const Normalize& n, double shift, const Totals<2>& totals) {
  return {shift, kCentered ? totals.value(0) : 0.0, totals.value(1), static_cast<double>(n.outer * n.inner)};
}

/// The second point of each channel.
template <class T>
struct Shifts : TotalsPolicy<1> {
  Normalize n;
  double* shifts;

  __device__ Value gather(std::int64_t c, const Elements& elements) const {
    return sum_about<T>(n, elements, first_shift<T, true>(n, c));
  }
  __device__ void store(std::int64_t c, std::int64_t, const Value& value) const {
    shifts[c] = second_shift(n, first_shift<T, true>(n, c), value.value(0));
  }
};

/// The statistics of each channel, for the caller and for `write_kernel`.
template <class T, bool kCentered>
struct ChannelStatistics : TotalsPolicy<2> {
  Normalize n;
  const double* shifts;  // null: the first elements
  Statistics<T>* statistics;

  __device__ double shift(std::int64_t c) const { return shifts ? shifts[c] : first_shift<T, kCentered>(n, c); }
  __device__ Value gather(std::int64_t c, const Elements& elements) const {
    return moments_about<T>(n, elements, shift(c));
  }
  __device__ void store(std::int64_t c, std::int64_t, const Value& value) const {
    statistics[c] = store_statistics<T>(&n, c, moments_of<kCentered>(n, shift(c), value));
  }
};

/// An element of a channel that has more than one affine pair.
template <class T>
__device__ T element_with_pair(const Normalize& n, const Statistics<T>& s, std::int64_t c, std::int64_t at) {
  const T x = static_cast<const T*>(n.x)[at];
  const std::int64_t k = pair_at(n, c, at);
  if (!pair_for_each(n)) return s.element(&n, k)(x);
  T y = ForwardEach<T>{s.mean, s.rest, static_cast<T>(s.rstd)}.standard(x);
  if (n.weight) y = y * static_cast<const T*>(n.weight)[k];
  if (n.bias) y = y + static_cast<const T*>(n.bias)[k];
  return y;
}

/// Each element on its own, with statistics that are known.
template <class T>
__global__ void write_kernel(Normalize n, const Statistics<T>* statistics) {
  for_each_element(n.outer * n.channels * n.inner, [&](std::int64_t at) {
    const std::int64_t c = channel_at(n, at);
    const Statistics<T> s = statistics ? statistics[c] : given_statistics<T>(&n, c);
    static_cast<T*>(n.y)[at] = element_with_pair(n, s, c, at);
  });
}

/// Statistics and result by the same block, while the channel is in the cache.
template <class T, bool kCentered>
__global__ void tiles_kernel(Normalize n, Spread s) {
  for (std::int64_t tile = blockIdx.x; tile < s.tiles; tile += gridDim.x) {
    const std::int64_t c = tile * s.groups.count() + s.groups.group();
    const bool mine = c < n.channels;
    const Elements elements = mine ? s.elements(c * n.inner, 0) : Elements{&s.reduced, 0, 0, 1, 0};
    double shift = mine ? first_shift<T, kCentered>(n, c) : 0.0;
    if constexpr (kTwoPoints<T, kCentered>) {
      const Totals<1> sum = reduce_groups(s.groups, TotalsPolicy<1>(), sum_about<T>(n, elements, shift));
      shift = second_shift(n, shift, sum.value(0));
    }
    const Totals<2> totals = reduce_groups(s.groups, TotalsPolicy<2>(), moments_about<T>(n, elements, shift));
    if (!mine) continue;
    const Moments moments = moments_of<kCentered>(n, shift, totals);
    const Statistics<T> of_channel =
        s.groups.lane() == 0 ? store_statistics<T>(&n, c, moments) : normalization::statistics_of<T>(&n, moments);
    T* y = static_cast<T*>(n.y);
    if (n.span == 1) {
      const Forward<T> f = of_channel.element(&n, remainder(c, n.period));
      const T* x = static_cast<const T*>(n.x);
      for (std::int64_t i = 0; i < elements.count; ++i) {
        const std::int64_t at = elements.offset(i);
        y[at] = f(x[at]);
      }
    } else {
      for (std::int64_t i = 0; i < elements.count; ++i) {
        const std::int64_t at = elements.offset(i);
        y[at] = element_with_pair(n, of_channel, c, at);
      }
    }
  }
}

template <class T, bool kCentered>
void forward(const Normalize& n) {
  const std::int64_t numel = n.outer * n.channels * n.inner;
  const Statistics<T>* given = nullptr;
  if (n.given) return launch_over(numel, &write_kernel<T>, n, given);
  Spread spread = spread_over(n, n.inner);
  if (spread.whole() || spread.tiles >= kManyTiles) {
    spread.join();
    return launch(spread.blocks(), dim3(kThreads), &tiles_kernel<T, kCentered>, n, spread);
  }
  const Scratch<Statistics<T>> statistics(n.channels);
  const Scratch<double> shifts(n.channels);
  if constexpr (kTwoPoints<T, kCentered>) run_reduction(Shifts<T>{{}, n, shifts.get()}, spread);
  run_reduction(
      ChannelStatistics<T, kCentered>{{}, n, kTwoPoints<T, kCentered> ? shifts.get() : nullptr, statistics.get()},
      spread);
  launch_over(numel, &write_kernel<T>, n, static_cast<const Statistics<T>*>(statistics.get()));
}

}  // namespace

void normalize(NormalizeOp op, DType dtype, const Normalize& n) {
  if (op == NormalizeOp::backward) return normalize_backward(dtype, n);
  dispatch_floating(current_op(), dtype, [&]<class T>(TypeTag<T>) {
    if (n.centered) {
      forward<T, true>(n);
    } else {
      forward<T, false>(n);
    }
  });
}

}  // namespace verigrad::kernels::cuda

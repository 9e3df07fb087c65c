// Depthwise convolution: each channel has weights of its own, so there is too little to add up for a matrix product,
// and memory decides. A thread gathers for one element of the output or the input; of the weight, some warps for one.
#include "kernels/cuda/depthwise.cuh"

#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/window.h"

namespace verigrad::kernels::cuda {
namespace {

/// In the type that kernels count in. Channel k of the output belongs to channel k / results of the input.
template <class I>
struct Depthwise {
  WindowAxis<I> h, w;
  I channels, results;

  explicit Depthwise(const Convolution& c)
      : h(rows_of<I>(c.window)),
        w(columns_of<I>(c.window)),
        channels(static_cast<I>(c.in_channels)),
        results(static_cast<I>(c.out_channels / c.groups)) {}
  __device__ std::int64_t in_plane() const { return static_cast<std::int64_t>(h.in) * w.in; }
  __device__ std::int64_t out_plane() const { return static_cast<std::int64_t>(h.out) * w.out; }
  __device__ I taps() const { return h.kernel * w.kernel; }
};

/// f(Depthwise): 32 bits where all positions fit.
template <class F>
void with_depthwise(const Convolution& c, const F& f) {
  const Window& w = c.window;
  const std::int64_t most =
      std::max({c.batch * c.in_channels * w.in_h * w.in_w, c.batch * c.out_channels * w.out_h * w.out_w,
                c.out_channels * w.kernel_h * w.kernel_w, rows_of(w).span(), columns_of(w).span()});
  if (most <= boundary::cuda_signed_positions) {
    f(Depthwise<std::int32_t>(c));
  } else {
    f(Depthwise<std::int64_t>(c));
  }
}

template <class T, class I>
__global__ void output_kernel(Depthwise<I> d, std::int64_t numel, const T* x, const T* w, const T* bias, T* y) {
  for_each_element(numel, [&](std::int64_t e) {
    const I at = static_cast<I>(e), line = at / d.w.out, j = at % d.w.out, i = line % d.h.out;
    const I plane = line / d.h.out, k = plane % (d.channels * d.results);
    const T* from = x + static_cast<std::int64_t>(plane / d.results) * d.in_plane();
    const T* weight = w + static_cast<std::int64_t>(k) * d.taps();
    T sum = bias ? bias[k] : T(0);
    for (I r = 0; r < d.h.kernel; ++r) {
      const I row = d.h.element(i, r);
      for (I s = 0; s < d.w.kernel; ++s) {
        const I column = d.w.element(j, s);
        // Zeros around the image are multiplied, too: a weight that is not a number shows there.
        const T value = d.h.inside(row) && d.w.inside(column) ? from[row * d.w.in + column] : T(0);
        sum += value * weight[r * d.w.kernel + s];
      }
    }
    y[e] = sum;
  });
}

template <class T, class I>
__global__ void input_kernel(Depthwise<I> d, std::int64_t numel, const T* y, const T* w, const T* bias, T* x) {
  for_each_element(numel, [&](std::int64_t e) {
    const I at = static_cast<I>(e), line = at / d.w.in, column = at % d.w.in, row = line % d.h.in;
    const I plane = line / d.h.in, c = plane % d.channels;
    const T* from = y + static_cast<std::int64_t>(plane) * d.results * d.out_plane();
    const T* weight = w + static_cast<std::int64_t>(c) * d.results * d.taps();
    T sum = bias ? bias[c] : T(0);
    for (I r = 0; r < d.h.kernel; ++r) {
      const I i = d.h.window(row, r);
      if (i < 0) continue;
      for (I s = 0; s < d.w.kernel; ++s) {
        const I j = d.w.window(column, s);
        if (j < 0) continue;
        for (I m = 0; m < d.results; ++m) {
          sum += from[m * d.out_plane() + i * d.w.out + j] * weight[m * d.taps() + r * d.w.kernel + s];
        }
      }
    }
    x[e] = sum;
  });
}

/// sums[share][weight]: a warp has one share of the pixels of all images. Neighbouring warps have neighbouring weights,
/// which read almost the same elements.
template <class T, class I>
__global__ void weight_kernel(Depthwise<I> d, std::int64_t pixels, std::int64_t shares, std::int64_t weights,
                              const T* x, const T* y, T* sums) {
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * kWarps;
  const std::int64_t part = (pixels + shares - 1) / shares;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  for (std::int64_t task = (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarpLanes;
       task < weights * shares; task += warps) {
    const I weight = static_cast<I>(task % weights), tap = weight % d.taps(), k = weight / d.taps();
    const I r = tap / d.w.kernel, s = tap % d.w.kernel, plane = d.h.out * d.w.out;
    const std::int64_t begin = part * (task / weights), end = begin + part < pixels ? begin + part : pixels;
    T sum = 0;
    for (std::int64_t e = begin + lane; e < end; e += kWarpLanes) {
      const I at = static_cast<I>(e), n = at / plane, pixel = at % plane, i = pixel / d.w.out, j = pixel % d.w.out;
      const I row = d.h.element(i, r), column = d.w.element(j, s);
      const T value =
          d.h.inside(row) && d.w.inside(column)
              ? x[(static_cast<std::int64_t>(n) * d.channels + k / d.results) * d.in_plane() + row * d.w.in + column]
              : T(0);
      sum += y[(static_cast<std::int64_t>(n) * d.channels * d.results + k) * plane + pixel] * value;
    }
    for (int delta = kWarpLanes / 2; delta > 0; delta /= 2) {
      sum += __shfl_down_sync(kAllLanes, sum, static_cast<unsigned>(delta));
    }
    if (lane == 0) sums[task] = sum;
  }
}

template <class T>
__global__ void add_shares_kernel(std::int64_t weights, std::int64_t shares, const T* sums, T* w) {
  for_each_element(weights, [&](std::int64_t i) {
    T sum = sums[i];
    for (std::int64_t k = 1; k < shares; ++k) sum += sums[k * weights + i];
    w[i] = sum;
  });
}

/// Warps that are wanted to fill a device, and pixels that a share should have at least and may have at most: a lane
/// then adds up to 256 products before the tree begins. Grids are no larger than some blocks for each processor.
constexpr std::int64_t kWantedWarps = boundary::cuda_depthwise_warps, kLeastPixels = boundary::cuda_depthwise_least,
                       kMostPixels = boundary::cuda_depthwise_most, kWeightBlocks = boundary::cuda_depthwise_blocks;

template <class T>
void gradient_by_weight(const Convolution& c) {
  const std::int64_t pixels = c.batch * c.window.out_h * c.window.out_w;
  const std::int64_t weights = c.out_channels * c.window.kernel_h * c.window.kernel_w;
  const std::int64_t shares = std::max(
      {std::int64_t{1}, std::min(kWantedWarps / weights, pixels / kLeastPixels), (pixels - 1) / kMostPixels + 1});
  T* w = static_cast<T*>(c.w);
  const auto sum = [&](T* sums) {
    const std::int64_t blocks = std::min(kWeightBlocks, (weights * shares - 1) / kWarps + 1);
    with_depthwise(c, [&]<class I>(const Depthwise<I>& d) {
      launch(dim3(static_cast<unsigned>(blocks)), dim3(kThreads), &weight_kernel<T, I>, d, pixels, shares, weights,
             static_cast<const T*>(c.x), static_cast<const T*>(c.y), sums);
    });
  };
  if (shares == 1) return sum(w);
  const Scratch<T> sums(weights * shares);
  sum(sums.get());
  launch_over(weights, &add_shares_kernel<T>, weights, shares, static_cast<const T*>(sums.get()), w);
}

}  // namespace

template <class T>
void depthwise(ConvolutionOp op, const Convolution& c) {
  if (op == ConvolutionOp::weight) return gradient_by_weight<T>(c);
  const Window& window = c.window;
  T* x = static_cast<T*>(c.x);
  T* y = static_cast<T*>(c.y);
  const T* w = static_cast<const T*>(c.w);
  const T* bias = static_cast<const T*>(c.bias);
  with_depthwise(c, [&]<class I>(const Depthwise<I>& d) {
    if (op == ConvolutionOp::output) {
      const std::int64_t numel = c.batch * c.out_channels * window.out_h * window.out_w;
      launch_over(numel, &output_kernel<T, I>, d, numel, x, w, bias, y);
    } else {
      const std::int64_t numel = c.batch * c.in_channels * window.in_h * window.in_w;
      launch_over(numel, &input_kernel<T, I>, d, numel, y, w, bias, x);
    }
  });
}

template void depthwise<float>(ConvolutionOp, const Convolution&);
template void depthwise<double>(ConvolutionOp, const Convolution&);

}  // namespace verigrad::kernels::cuda

// Normalisation on a CUDA device, backward; kernels/cpu/normalize_backward.cpp has the formulas.
//
// First the sums over each channel, from which its elements' gradients follow; then the sums of g and g xhat for each
// affine pair. Where a pair has several elements of a channel, both come from sums over these.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/normalize_sums.cuh"

namespace verigrad::kernels::cuda {

void normalize_backward(DType dtype, const Normalize& n);

namespace {

using normalization::Backward;
using normalization::Channel;
using normalization::ChannelSums;
using normalization::rest_of;
using normalization::weight_of;

/// How the elements of a channel get their gradients, and what its stored mean lacks.
template <class T>
struct ChannelTerms {
  Backward<T> element;
  double rest;
};
template <class T>
__device__ ChannelTerms<T> terms_from(const Normalize& n, std::int64_t c, const ChannelSums& sums) {
  const double rest = rest_of(&n, sums);
  return {Channel<T>(&n, c).element(&n, sums, rest), rest};
}
/// Those that are known, or where the statistics are given those of no sums.
template <class T>
__device__ Backward<T> element_terms(const Normalize& n, const ChannelTerms<T>* terms, std::int64_t c) {
  return terms ? terms[c].element : Channel<T>(&n, c).element(&n, ChannelSums(), 0.0);
}
__device__ inline ChannelSums sums_from(const Totals<3>& totals) {
  return {totals.value(0), totals.value(1), totals.value(2)};
}

/// h, h (x - mean), x - mean of one element.
template <class T>
__device__ void add_terms(T h, T x, double mean, double (&out)[3]) {
  out[0] = static_cast<double>(h);
  out[2] = static_cast<double>(x) - mean;
  out[1] = out[0] * out[2];
}

/// The sums over each run of elements of a channel that share an affine pair, without its weight.
template <class T>
struct RunSums : TotalsPolicy<3> {
  Normalize n;
  ChannelSums* sums;  // [channels * span]

  __device__ Value gather(std::int64_t k, const Elements& elements) const {
    const T* g = static_cast<const T*>(n.g);
    const T* x = static_cast<const T*>(n.x);
    const double mean = static_cast<double>(Channel<T>(&n, quotient(k, n.span)).mean);
    return sum_terms<3>(elements.count, [&](std::int64_t i, double (&out)[3]) {
      const std::int64_t at = elements.offset(i);
      add_terms(g[at], x[at], mean, out);
    });
  }
  __device__ void store(std::int64_t k, std::int64_t, const Value& value) const { sums[k] = sums_from(value); }
};

/// The sums over each channel, from those over its runs.
template <class T>
struct SumsOfRuns : TotalsPolicy<3> {
  Normalize n;
  const ChannelSums* sums;
  ChannelTerms<T>* terms;

  __device__ Value gather(std::int64_t c, const Elements& elements) const {
    const std::int64_t first = remainder(c, n.period) * n.span;
    return sum_terms<3>(elements.count, [&](std::int64_t i, double (&out)[3]) {
      const ChannelSums& s = sums[elements.offset(i)];
      const double weight = weight_of<T>(&n, first + elements.position(i));
      out[0] = s.h * weight;
      out[1] = s.hx * weight;
      out[2] = s.x;
    });
  }
  __device__ void store(std::int64_t c, std::int64_t, const Value& value) const {
    terms[c] = terms_from<T>(n, c, sums_from(value));
  }
};

/// The part of a policy that writes the gradients of affine pairs.
template <class T>
struct PairGradients : TotalsPolicy<2> {
  Normalize n;

  __device__ void store(std::int64_t k, std::int64_t, const Totals<2>& value) const {
    if (n.grad_bias) static_cast<T*>(n.grad_bias)[k] = static_cast<T>(value.value(0));
    if (n.grad_weight) static_cast<T*>(n.grad_weight)[k] = static_cast<T>(value.value(1));
  }
};

/// From the sums over runs.
template <class T>
struct PairsOfRuns : PairGradients<T> {
  const ChannelSums* sums;
  const ChannelTerms<T>* terms;

  __device__ Totals<2> gather(std::int64_t, const Elements& elements) const {
    const Normalize& n = this->n;
    return sum_terms<2>(elements.count, [&](std::int64_t i, double (&out)[2]) {
      const std::int64_t at = elements.offset(i), c = quotient(at, n.span);
      const ChannelSums& s = sums[at];
      out[0] = s.h;
      out[1] = (s.hx - terms[c].rest * s.h) * Channel<T>(&n, c).rstd;
    });
  }
};

/// From the elements, where each of a channel has its own pair. As the CPU's, the products have the elements' type.
template <class T>
struct PairsOfElements : PairGradients<T> {
  const ChannelTerms<T>* terms;

  __device__ Totals<2> gather(std::int64_t, const Elements& elements) const {
    const Normalize& n = this->n;
    const T* g = static_cast<const T*>(n.g);
    const T* x = static_cast<const T*>(n.x);
    return sum_terms<2>(elements.count, [&](std::int64_t i, double (&out)[2]) {
      const std::int64_t at = elements.offset(i);
      const Backward<T> f = element_terms(n, terms, channel_at(n, at));
      out[0] = static_cast<double>(g[at]);
      out[1] = static_cast<double>(g[at] * f.standard(x[at]));
    });
  }
};

/// The sums over each channel from the elements, where each has its own weight.
template <class T>
__device__ Totals<3> weighted_sums(const Normalize& n, std::int64_t c, const Elements& elements) {
  const T* g = static_cast<const T*>(n.g);
  const T* x = static_cast<const T*>(n.x);
  const T* weight = static_cast<const T*>(n.weight);
  const double mean = static_cast<double>(Channel<T>(&n, c).mean);
  return sum_terms<3>(elements.count, [&](std::int64_t i, double (&out)[3]) {
    const std::int64_t at = elements.offset(i);
    add_terms(weight ? g[at] * weight[pair_at(n, c, at)] : g[at], x[at], mean, out);
  });
}
template <class T>
struct WeightedSums : TotalsPolicy<3> {
  Normalize n;
  ChannelTerms<T>* terms;

  __device__ Value gather(std::int64_t c, const Elements& elements) const { return weighted_sums<T>(n, c, elements); }
  __device__ void store(std::int64_t c, std::int64_t, const Value& value) const {
    terms[c] = terms_from<T>(n, c, sums_from(value));
  }
};

template <class T>
__device__ void write_element(const Normalize& n, const Backward<T>& f, std::int64_t c, std::int64_t at) {
  const T g = static_cast<const T*>(n.g)[at], x = static_cast<const T*>(n.x)[at];
  const T weight = n.weight ? static_cast<const T*>(n.weight)[pair_at(n, c, at)] : T(1);
  static_cast<T*>(n.grad_x)[at] = f(g * weight, x);
}

/// The same and the gradients of the elements, by one block.
template <class T>
__global__ void rows_kernel(Normalize n, Spread s, ChannelTerms<T>* terms) {
  for (std::int64_t tile = blockIdx.x; tile < s.tiles; tile += gridDim.x) {
    const std::int64_t c = tile * s.groups.count() + s.groups.group();
    const bool mine = c < n.channels;
    const Elements elements = mine ? s.elements(c * n.inner, 0) : Elements{&s.reduced, 0, 0, 1, 0};
    Totals<3> totals = {};
    if (mine) totals = weighted_sums<T>(n, c, elements);
    totals = reduce_groups(s.groups, TotalsPolicy<3>(), totals);
    if (!mine) continue;
    const ChannelTerms<T> of_channel = terms_from<T>(n, c, sums_from(totals));
    if (s.groups.lane() == 0) terms[c] = of_channel;
    for (std::int64_t i = 0; n.grad_x && i < elements.count; ++i) {
      write_element(n, of_channel.element, c, elements.offset(i));
    }
  }
}

template <class T>
__global__ void write_kernel(Normalize n, const ChannelTerms<T>* terms) {
  for_each_element(n.outer * n.channels * n.inner, [&](std::int64_t at) {
    const std::int64_t c = channel_at(n, at);
    write_element(n, element_terms(n, terms, c), c, at);
  });
}

/// `kept` results, `stride` apart, of `count` elements each that are `step` apart.
Spread spread_of(std::int64_t kept, std::int64_t stride, std::int64_t count, std::int64_t step) {
  Reduction r;
  r.kept = {kept};
  r.in_kept_strides = {stride};
  r.out_strides = {1};
  r.reduced = {count};
  r.in_reduced_strides = {step};
  return Spread(make_plan(r, false));
}

template <class T>
void write(const Normalize& n, const ChannelTerms<T>* terms) {
  if (n.grad_x) launch_over(n.outer * n.channels * n.inner, &write_kernel<T>, n, terms);
}

template <class T>
void backward(const Normalize& n) {
  const bool shared = n.grad_weight || n.grad_bias;
  const std::int64_t pairs = n.period * n.span, repeats = n.channels / n.period;
  if (n.given && !shared) return write<T>(n, nullptr);
  const Scratch<ChannelTerms<T>> scratch(n.channels);
  const ChannelTerms<T>* terms = scratch.get();
  if (pair_for_each(n)) {
    if (n.given) {
      terms = nullptr;
      write<T>(n, terms);
    } else if (Spread spread = spread_over(n, n.inner); spread.whole() || spread.tiles >= kManyTiles) {
      spread.join();
      launch(spread.blocks(), dim3(kThreads), &rows_kernel<T>, n, spread, scratch.get());
    } else {
      run_reduction(WeightedSums<T>{{}, n, scratch.get()}, spread);
      write<T>(n, terms);
    }
    if (shared) {
      run_reduction(PairsOfElements<T>{{{}, n}, terms}, spread_of(pairs, 1, n.outer * repeats, pairs));
    }
    return;
  }
  const Scratch<ChannelSums> sums(n.channels * n.span);
  run_reduction(RunSums<T>{{}, n, sums.get()}, spread_over(n, n.inner / n.span));
  run_reduction(SumsOfRuns<T>{{}, n, sums.get(), scratch.get()}, spread_of(n.channels, n.span, n.span, 1));
  if (shared) run_reduction(PairsOfRuns<T>{{{}, n}, sums.get(), terms}, spread_of(pairs, 1, repeats, pairs));
  write<T>(n, terms);
}

}  // namespace

void normalize_backward(DType dtype, const Normalize& n) {
  dispatch_floating(current_op(), dtype, [&]<class T>(TypeTag<T>) { backward<T>(n); });
}

}  // namespace verigrad::kernels::cuda

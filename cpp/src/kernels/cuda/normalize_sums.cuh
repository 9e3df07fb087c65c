// What the kernels of normalisation share: compensated float64 sums, and where the elements of a channel are.
#pragma once

#include <cstdint>

#include "kernels/cuda/reduce_engine.cuh"
#include "kernels/normalization.h"

namespace verigrad::kernels::cuda {

/// Tiles of channels from which one block for each is enough for the device.
inline constexpr std::int64_t kManyTiles = boundary::cuda_normalize_tiles;
/// Neighbouring elements of a channel up to which neighbouring threads read those of neighbouring channels.
inline constexpr std::int64_t kFewNeighbours = boundary::cuda_normalize_neighbours;

/// `kCount` sums with the rounding errors of their additions; see normalization::Total. A trivial type.
template <int kCount>
struct Totals {
  double sum[kCount], rest[kCount];

  __device__ void add(int k, double x) {
    normalization::Total total{sum[k], rest[k]};
    total.add(x);
    sum[k] = total.sum;
    rest[k] = total.rest;
  }
  __device__ double value(int k) const { return normalization::Total{sum[k], rest[k]}.value(); }
};

/// The part of a policy that combines them.
template <int kCount>
struct TotalsPolicy {
  using Value = Totals<kCount>;

  __device__ Value identity() const { return {}; }
  __device__ Value operator()(Value a, const Value& b) const {
    for (int k = 0; k < kCount; ++k) {
      a.add(k, b.sum[k]);
      a.rest[k] += b.rest[k];
    }
    return a;
  }
};

/// The sums of terms(i, out) for i = 0 .. n - 1. As on the CPU, 32 plain additions follow one another before a
/// compensated one.
template <int kCount, class Terms>
__device__ Totals<kCount> sum_terms(std::int64_t n, const Terms& terms) {
  constexpr std::int64_t kPlain = boundary::cuda_normalize_plain;
  Totals<kCount> totals = {};
  for (std::int64_t first = 0; first < n; first += kPlain) {
    const std::int64_t end = n - first < kPlain ? n : first + kPlain;
    double part[kCount] = {};
    for (std::int64_t i = first; i < end; ++i) {
      double out[kCount];
      terms(i, out);
      for (int k = 0; k < kCount; ++k) part[k] += out[k];
    }
    for (int k = 0; k < kCount; ++k) totals.add(k, part[k]);
  }
  return totals;
}

/// a / b for a >= 0, b > 0; 64 bits cost several times as much.
__device__ inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  if (b == 1) return a;
  return (a | b) <= boundary::cuda_unsigned_positions
             ? static_cast<std::int64_t>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b))
             : a / b;
}
__device__ inline std::int64_t remainder(std::int64_t a, std::int64_t b) { return a - quotient(a, b) * b; }

/// The channel of an element.
__device__ inline std::int64_t channel_at(const Normalize& n, std::int64_t at) {
  return remainder(quotient(at, n.inner), n.channels);
}
/// The number of the affine pair of an element of channel c.
__device__ inline std::int64_t pair_at(const Normalize& n, std::int64_t c, std::int64_t at) {
  const std::int64_t first = remainder(c, n.period) * n.span;
  return n.span == 1 ? first : first + quotient(remainder(at, n.inner), n.inner / n.span);
}
/// Whether each element of the inner dimension has an affine pair of its own.
__host__ __device__ inline bool pair_for_each(const Normalize& n) { return n.span > 1 && n.inner == n.span; }

/// A reduction over the outer dimension and runs of `run` neighbours, for all runs of a channel.
inline Spread spread_over(const Normalize& n, std::int64_t run) {
  Reduction r;
  r.kept = {n.channels * (n.inner / run)};
  r.in_kept_strides = {run};
  r.out_strides = {1};
  r.reduced = {n.outer, run};
  r.in_reduced_strides = {n.channels * n.inner, 1};
  return Spread(make_plan(r, false), r.kept[0] > 1 && n.outer > 1 && run <= kFewNeighbours);
}

}  // namespace verigrad::kernels::cuda

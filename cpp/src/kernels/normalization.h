// What normalisation does to a channel's statistics and to one element, forward and backward.
//
// The mean of a channel is two numbers of the elements' type: `mean`, its nearest value, and `rest`, what that leaves.
// Near the mean x - mean is exact, so a large mean costs the result no digits.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::normalization {

/// A sum with the rounding errors of its additions (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation
/// endlicher Summen", ZAMM 54, 1974).
struct Total {
  double sum = 0, rest = 0;

  VG_HD void add(double x) {
    const double next = sum + x;
    const double large = sum < 0 ? -sum : sum, other = x < 0 ? -x : x;
    rest += large >= other ? (sum - next) + x : (x - next) + sum;
    sum = next;
  }
  VG_HD double value() const {
    const double whole = sum + rest;
    return whole - whole == 0 ? whole : sum;  // where the sum is infinite, the errors are NaN
  }
};

/// The first two moments of a channel about a point near its mean.
struct Moments {
  double shift = 0, sum = 0, square = 0;
  double count = 1;

  VG_HD double offset() const { return sum / count; }  // mean - shift
  VG_HD double variance() const {
    const double v = square / count - offset() * offset();
    return v < 0 ? 0 : v;
  }
};

VG_HD inline double finite_or_zero(double x) { return x - x == 0 ? x : 0.0; }

/// (x - mean) scale + shift
template <class T>
struct Forward {
  T mean, rest, scale, shift;
  VG_HD T operator()(T x) const { return ((x - mean) - rest) * scale + shift; }
};

/// ((x - mean) rstd) weight + bias, with an affine pair for each element
template <class T>
struct ForwardEach {
  T mean, rest, rstd;
  VG_HD T standard(T x) const { return ((x - mean) - rest) * rstd; }
  VG_HD T operator()(T x, T weight, T bias) const { return standard(x) * weight + bias; }
};

/// What a channel is normalised with.
template <class T>
struct Statistics {
  T mean = 0, rest = 0;
  double rstd = 0;

  /// The affine pair of number k as one factor and one term.
  VG_HD Forward<T> element(const Normalize* n, std::int64_t k) const {
    const double weight = n->weight ? static_cast<double>(static_cast<const T*>(n->weight)[k]) : 1.0;
    return {mean, rest, static_cast<T>(rstd * weight), n->bias ? static_cast<const T*>(n->bias)[k] : T(0)};
  }
};

/// The statistics of a channel, from the caller or from its moments; the latter are written.
template <class T>
VG_HD inline Statistics<T> given_statistics(const Normalize* n, std::int64_t c) {
  Statistics<T> s;
  if (n->mean) s.mean = static_cast<const T*>(n->mean)[c];
  s.rstd = static_cast<double>(static_cast<const T*>(n->rstd)[c]);
  return s;
}
template <class T>
VG_HD inline Statistics<T> statistics_of(const Normalize* n, const Moments& m) {
  Statistics<T> s;
  s.mean = static_cast<T>(m.shift + m.offset());
  s.rest = static_cast<T>((m.shift - static_cast<double>(s.mean)) + m.offset());
  s.rstd = 1.0 / std::sqrt(m.variance() + n->eps);
  return s;
}
template <class T>
VG_HD inline Statistics<T> store_statistics(const Normalize* n, std::int64_t c, const Moments& m) {
  const Statistics<T> s = statistics_of<T>(n, m);
  if (n->mean) static_cast<T*>(n->mean)[c] = s.mean;
  if (n->variance) static_cast<T*>(n->variance)[c] = static_cast<T>(m.variance());
  static_cast<T*>(n->rstd)[c] = static_cast<T>(s.rstd);
  return s;
}

/// The gradient by x, of g = gradient by y times weight: (g - average(g) - (x - mean) average(g xhat) rstd) rstd.
/// `slope` is average(g xhat) rstd.
template <class T>
struct Backward {
  T mean, rest, average, slope, rstd;
  VG_HD T operator()(T g, T x) const { return ((g - average) - ((x - mean) - rest) * slope) * rstd; }
  VG_HD T standard(T x) const { return ((x - mean) - rest) * rstd; }
};

/// The sums over a channel: h = g weight, h (x - mean), x - mean.
struct ChannelSums {
  double h = 0, hx = 0, x = 0;
};

template <class T>
VG_HD inline double weight_of(const Normalize* n, std::int64_t k) {
  return n->weight ? static_cast<double>(static_cast<const T*>(n->weight)[k]) : 1.0;
}

/// What the stored mean lacks.
VG_HD inline double rest_of(const Normalize* n, const ChannelSums& s) {
  return n->centered && !n->given ? s.x / static_cast<double>(n->outer * n->inner) : 0.0;
}

/// The statistics of a channel, for its gradients.
template <class T>
struct Channel {
  T mean = 0;
  double rstd = 0;

  VG_HD Channel(const Normalize* n, std::int64_t c)
      : mean(n->mean ? static_cast<const T*>(n->mean)[c] : T(0)),
        rstd(static_cast<double>(static_cast<const T*>(n->rstd)[c])) {}

  VG_HD Backward<T> element(const Normalize* n, const ChannelSums& s, double rest) const {
    if (n->given) return {mean, T(0), T(0), T(0), static_cast<T>(rstd)};
    const double count = static_cast<double>(n->outer * n->inner);
    const double average = n->centered ? s.h / count : 0.0;
    return {mean, static_cast<T>(rest), static_cast<T>(average),
            static_cast<T>((s.hx - rest * s.h) / count * rstd * rstd), static_cast<T>(rstd)};
  }
};

}  // namespace verigrad::kernels::normalization

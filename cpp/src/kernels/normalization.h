// What normalisation does to one element, forward and backward.
//
// The mean of a channel is two numbers of the elements' type: `mean`, its nearest value, and `rest`, what that leaves.
// Near the mean x - mean is exact, so a large mean costs the result no digits.
#pragma once

#include "kernels/host_device.h"

namespace verigrad::kernels::normalization {

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

/// The gradient by x, of g = gradient by y times weight: (g - average(g) - (x - mean) average(g xhat) rstd) rstd.
/// `slope` is average(g xhat) rstd.
template <class T>
struct Backward {
  T mean, rest, average, slope, rstd;
  VG_HD T operator()(T g, T x) const { return ((g - average) - ((x - mean) - rest) * slope) * rstd; }
  VG_HD T standard(T x) const { return ((x - mean) - rest) * rstd; }
};

}  // namespace verigrad::kernels::normalization

// Trigonometric and hyperbolic functions of float32 and their inverses, for loops of vector code; see float_math.h.
//
// Those that go through float64 are rounded once, and within 0.51 units in the last place; sin, cos and cosh
// within 2, sinh within 2.5. The polynomials in float64 interpolate at Chebyshev's points.
#pragma once

#include "kernels/float_math.h"

namespace verigrad::kernels::float_math {

inline constexpr double kPi = 3.14159265358979324;
inline constexpr double kHalfPi = 1.57079632679489662;

/// The bound up to which sin, cos and tan reduce their argument exactly enough; NaN and infinity are beyond it.
VG_HD inline bool trig_in_range(float x) { return magnitude(x) <= 1.0e6f; }

/// x less the nearest multiple of pi/2, and the low bits of which multiple it is; |x| <= 1e6.
struct QuarterTurns {
  double rest;
  std::uint32_t count;
};
VG_HD inline QuarterTurns quarter_turns(float x) {
  // pi/2 as 33 bits, whose multiples are exact up to 2^20, and the next 53.
  const double d = static_cast<double>(x);
  const double shifted = d * 0.63661977236758134 + 6755399441055744.0;
  const double n = shifted - 6755399441055744.0;
  std::uint64_t u;
  std::memcpy(&u, &shifted, sizeof u);
  return {(d - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11, static_cast<std::uint32_t>(u)};
}

/// sin(x + quarter * pi/2) for |x| <= 1e6.
VG_HD inline float sin_shifted(float x, std::uint32_t quarter) {
  const QuarterTurns turns = quarter_turns(x);
  const std::uint32_t q = turns.count + quarter;
  const float r = static_cast<float>(turns.rest);
  const float z = r * r;
  const float s = ((-0.0001951495797f * z + 0.0083321584389f) * z - 0.1666665524243f) * z * r + r;
  const float c = ((2.4432785722e-05f * z - 0.0013887312962f) * z + 0.0416666455567f) * z * z - 0.5f * z + 1.0f;
  const float v = (q & 1u) != 0 ? c : s;
  return from_bits(bits(v) ^ ((q & 2u) << 30));
}

/// tan(x) for |x| <= 1e6.
VG_HD inline float tan_in_range(float x) {
  const QuarterTurns turns = quarter_turns(x);
  const double r = turns.rest, z = r * r;
  double p = 0.0017894726264464567;
  p = p * z - 4.4150102828779517e-7;
  p = p * z + 0.0044256592665646059;
  p = p * z + 0.0086091182224184004;
  p = p * z + 0.021910702780531431;
  p = p * z + 0.053965013466363991;
  p = p * z + 0.13333342948537799;
  p = p * z + 0.33333333286900959;
  const double t = p * z * r + r;
  const bool odd = (turns.count & 1u) != 0;
  return static_cast<float>((odd ? -1.0 : t) / (odd ? t : 1.0));
}

/// atan(t) for 0 <= t <= 1.
VG_HD inline double atan_unit(double t) {
  const double z = t * t;
  double p = -0.0009362994719496015;
  p = p * z + 0.0062072545337800504;
  p = p * z - 0.019261081322765883;
  p = p * z + 0.038327445983064844;
  p = p * z - 0.057607160831281173;
  p = p * z + 0.074174969643005105;
  p = p * z - 0.090367423420707812;
  p = p * z + 0.11104706788644219;
  p = p * z - 0.14285317963907303;
  p = p * z + 0.19999990275947272;
  p = p * z - 0.33333333293301174;
  return p * z * t + t;
}

VG_HD inline float atan(float x) {
  const double a = static_cast<double>(magnitude(x));
  const bool steep = a > 1.0;
  const double v = atan_unit((steep ? 1.0 : a) / (steep ? a : 1.0));
  return with_sign(static_cast<float>(steep ? kHalfPi - v : v), x);
}

/// The angle of the point (x, y), with the special cases of ISO C, annex F.10.1.4.
VG_HD inline float atan2(float y, float x) {
  const double a = static_cast<double>(magnitude(y)), b = static_cast<double>(magnitude(x));
  const double infinity = static_cast<double>(from_bits(0x7F800000u));
  const bool steep = a > b;
  const double low = steep ? b : a, high = steep ? a : b;
  // 0 / 0 counts as 0 here, and infinity / infinity as 1.
  const bool infinite = (a == infinity) & (b == infinity);
  const double v = atan_unit((infinite ? 1.0 : low) / (infinite | (high == 0.0) ? 1.0 : high));
  const double turned = steep ? kHalfPi - v : v;
  const bool left = (bits(x) >> 31) != 0;
  return with_sign(static_cast<float>(left ? kPi - turned : turned), y);
}

/// For a > 1/2 half of the angle whose cosine is a, else the one whose sine is a; a >= 0, NaN beyond 1.
VG_HD inline double arc(double a) {
  const bool far = a > 0.5;
  const double z = far ? 0.5 - 0.5 * a : a * a;
  const double root = std::sqrt(z);
  const double s = far ? root : a;
  double p = 0.030974540371355073;
  p = p * z + 0.010574415516912908;
  p = p * z + 0.023611817008891751;
  p = p * z + 0.030269138728589184;
  p = p * z + 0.044647663888134845;
  p = p * z + 0.074999924044018382;
  p = p * z + 0.16666666686085644;
  return p * z * s + s;
}
VG_HD inline float asin(float x) {
  const double a = static_cast<double>(magnitude(x)), v = arc(a);
  return with_sign(static_cast<float>(a > 0.5 ? kHalfPi - 2.0 * v : v), x);
}
VG_HD inline float acos(float x) {
  const double d = static_cast<double>(x), a = static_cast<double>(magnitude(x)), v = arc(a);
  const double near = kHalfPi - (d < 0.0 ? -v : v);
  const double far = d < 0.0 ? kPi - 2.0 * v : 2.0 * v;
  return static_cast<float>(a > 0.5 ? far : near);
}

/// e^a / 4 and e^a / 4 - 1/4 for a >= 0, without overflow where their double does not; beyond, infinity.
struct QuarterExp {
  float value, less_quarter;
};
VG_HD inline QuarterExp quarter_exp(float a) {
  const ExpParts e = exp_parts(a > 89.6f ? 89.6f : a);
  const float scale = power_of_two(e.exponent - 2);
  return {scale * e.q + scale, scale * e.q + (scale - 0.25f)};
}
/// From h = (e^a - 1) / 2 as h + h / (2 h + 1).
VG_HD inline float sinh(float x) {
  const float a = magnitude(x);
  const float h = 2.0f * quarter_exp(a).less_quarter;
  const float finite = h < 1.0e9f ? h : 1.0e9f;
  return with_sign(a < 1.0e-4f ? a : h + finite / (2.0f * finite + 1.0f), x);
}
VG_HD inline float cosh(float x) {
  const float h = 2.0f * quarter_exp(magnitude(x)).value;
  return h + 0.25f / h;
}

}  // namespace verigrad::kernels::float_math

// Elementary functions of float32, written so that a loop over them becomes vector code: no calls, no branches.
//
// Method: argument reduction of W. J. Cody and W. Waite, "Software Manual for the Elementary Functions" (1980), with
// constants split so that the products are exact, then a minimax polynomial. The coefficients are our own Remez fits,
// rounded to float32. Every function is within 2 units in the last place of the exact value, sigmoid within 2.5, erfc
// and normal within 5 (tests/cpp/test_kernels.cpp compares with float64), and keeps NaN, infinities, signed zeros
// and denormal results.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"

namespace verigrad::kernels::float_math {

VG_HD inline std::uint32_t bits(float x) {
  std::uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
VG_HD inline float from_bits(std::uint32_t u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}
VG_HD inline float magnitude(float x) { return from_bits(bits(x) & 0x7FFFFFFFu); }
/// `a` with the sign of `s`.
VG_HD inline float with_sign(float a, float s) { return from_bits((bits(a) & 0x7FFFFFFFu) | (bits(s) & 0x80000000u)); }
/// All ones where the condition holds.
VG_HD inline std::uint32_t mask(bool condition) { return condition ? 0xFFFFFFFFu : 0u; }
/// 2^n for -126 <= n <= 127; other n give some float.
VG_HD inline float power_of_two(std::int32_t n) { return from_bits(static_cast<std::uint32_t>(n + 127) << 23); }

inline constexpr float kLn2High = 0.693359375f;  // 9 bits: times an exponent it is exact
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits

/// e^(x - low), where low is small against x.
VG_HD inline float exp_difference(float x, float low) {
  // Beyond these bounds the result is infinity or zero; a NaN passes both comparisons unchanged.
  float t = x > 89.0f ? 89.0f : x;
  t = t < -104.0f ? -104.0f : t;
  const float shifted = t * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = ((t - n * kLn2High) - n * kLn2Low) - low;
  float p = 0.0013814542908f;
  p = p * r + 0.0083687454462f;
  p = p * r + 0.0416683889925f;
  p = p * r + 0.1666652113199f;
  p = p * r + 0.4999999403954f;
  p = p * (r * r) + r + 1.0f;
  // The exponent goes in by two factors, so that a denormal result is rounded once and the largest floats do not
  // overflow on the way.
  const std::int32_t e = static_cast<std::int32_t>(bits(shifted)) - static_cast<std::int32_t>(bits(kRound));
  const std::int32_t half = e >> 1;
  // A NaN gives a meaningless exponent here, and stays NaN.
  return p * power_of_two(half) * power_of_two(e - half);
}

VG_HD inline float exp(float x) { return exp_difference(x, 0.0f); }

/// e^t = 2^exponent (1 + q) for t from -87 to 88.
struct ExpParts {
  std::int32_t exponent;
  float q;
};
VG_HD inline ExpParts exp_parts(float t) {
  const float shifted = t * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (t - n * kLn2High) - n * kLn2Low;
  float p = 0.0013814542908f;
  p = p * r + 0.0083687454462f;
  p = p * r + 0.0416683889925f;
  p = p * r + 0.1666652113199f;
  p = p * r + 0.4999999403954f;
  return {static_cast<std::int32_t>(bits(shifted)) - static_cast<std::int32_t>(bits(kRound)), p * (r * r) + r};
}

VG_HD inline float expm1(float x) {
  float t = x > 89.0f ? 89.0f : x;
  t = t < -20.0f ? -20.0f : t;
  const ExpParts e = exp_parts(t);
  // 2^n q + (2^n - 1), from half of it so that the largest results do not overflow on the way.
  const float half = power_of_two(e.exponent - 1);
  const float scaled = (half * e.q + (half - 0.5f)) * 2.0f;
  return with_sign(e.exponent == 0 ? e.q : scaled, x);
}

VG_HD inline float log(float x) {
  const bool tiny = x < 1.17549435e-38f;  // denormal: brought into the normal range first
  const float scaled = tiny ? x * 8388608.0f : x;
  const std::uint32_t u = bits(scaled);
  // The mantissa in [sqrt(1/2), sqrt(2)): 0x3F3504F3 is sqrt(1/2).
  const std::uint32_t offset = u - 0x3F3504F3u;
  const std::int32_t e = static_cast<std::int32_t>(offset) >> 23;
  const float m = from_bits((offset & 0x007FFFFFu) + 0x3F3504F3u);
  const float n = static_cast<float>(e) - (tiny ? 23.0f : 0.0f);
  const float f = m - 1.0f;
  const float f2 = f * f;
  float p = 0.0674773231149f;
  p = p * f - 0.1167751625180f;
  p = p * f + 0.1188869625330f;
  p = p * f - 0.1240534037352f;
  p = p * f + 0.1421945244074f;
  p = p * f - 0.1666800528765f;
  p = p * f + 0.2000212371349f;
  p = p * f - 0.2500000894070f;
  p = p * f + 0.3333331346512f;
  const float y = (p * f * f2 + n * kLn2Low) - 0.5f * f2;
  float result = (f + y) + n * kLn2High;
  const float infinity = from_bits(0x7F800000u);
  result = x < infinity ? result : x;  // infinity and NaN
  result = x < 0.0f ? from_bits(0x7FC00000u) : result;
  return x == 0.0f ? -infinity : result;
}

/// ln(1 + x) = ln(u) + c / u, where u is 1 + x rounded and c what the rounding lost.
VG_HD inline float log1p(float x) {
  const float u = 1.0f + x;
  const float lost = x < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
  const float result = log(u) + lost / u;
  const bool edge = (x <= -1.0f) | (x == from_bits(0x7F800000u));
  return edge ? log(u) : with_sign(result, x);
}

/// ln(1 + e) for 0 <= e <= 1, without the branches that other arguments of log1p need.
VG_HD inline float log1p_unit(float e) {
  const float u = 1.0f + e;
  return log(u) + (e - (u - 1.0f)) / u;
}

/// Whether a / b lies below 2^28 and b is finite. Then no quotient that is not whole rounds to a whole number in
/// float64 (it is at least 2^-25 away from one), and its whole part times b is exact there.
VG_HD inline bool quotient_is_small(float a, float b) {
  const double q = static_cast<double>(a) / static_cast<double>(b);
  return (q < 0x1p28) & (q > -0x1p28) & (magnitude(b) < from_bits(0x7F800000u));
}
/// The remainder of such a quotient rounded to zero; exact.
VG_HD inline float remainder_of_small(float a, float b) {
  const double x = static_cast<double>(a), y = static_cast<double>(b), q = x / y;
  const std::int32_t whole = static_cast<std::int32_t>((q < 0x1p28) & (q > -0x1p28) ? q : 0.0);
  return with_sign(static_cast<float>(x - static_cast<double>(whole) * y), a);
}

VG_HD inline float tanh(float x) {
  const float a = magnitude(x);
  const float z = a * a;
  float p = -0.0056669772603f;
  p = p * z + 0.0206061769277f;
  p = p * z - 0.0537300072610f;
  p = p * z + 0.1333133131266f;
  p = p * z - 0.3333327770233f;
  const float small = p * z * a + a;
  // The result is 1 from 9.1 on, so that the exponential is bounded and has one factor.
  const ExpParts e = exp_parts(a > 10.0f ? 20.0f : a + a);
  const float large = 1.0f - 2.0f / (power_of_two(e.exponent) * (e.q + 1.0f) + 1.0f);
  return with_sign(a < 0.625f ? small : large, x);
}

/// a - tanh(a) for a >= 0, small ones without cancellation.
VG_HD inline float tanhshrink_positive(float a) {
  const float z = a * a;
  float p = -1.0341127306063e-04f;
  p = p * z + 7.7857287866994e-04f;
  p = p * z - 2.9972836549853e-03f;
  p = p * z + 8.5477577584193e-03f;
  p = p * z - 2.1774442367550e-02f;
  p = p * z + 5.3953804764155e-02f;
  p = p * z - 1.3333248044263e-01f;
  p = p * z + 3.3333332494026e-01f;
  return a < 1.125f ? p * z * a : a - tanh(a);
}

VG_HD inline float sigmoid(float x) {
  const float e = exp(-magnitude(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/// The part of the mantissa whose square is exact.
VG_HD inline float high_part(float x) { return from_bits(bits(x) & 0xFFFFF000u); }

/// t = 1 / (1 + z) for z >= 0, and t - 1/2 with the rounding errors of t, which polynomials in it would magnify. Of
/// the sum they are found as by D. E. Knuth, "The Art of Computer Programming", volume 2, section 4.2.2, theorem B; of
/// the quotient from products of halves of its mantissa, which are exact.
struct Reciprocal {
  float t, centred;
};
VG_HD inline Reciprocal reciprocal_of_sum(float z) {
  const float d = 1.0f + z, part = d - 1.0f;
  const float lost = (1.0f - (d - part)) + (z - part);
  const float t = 1.0f / d;
  const float high = high_part(t), high_d = high_part(d);
  const float rest = ((1.0f - high * high_d) - high * (d - high_d)) - (t - high) * d;
  return {t, (t - 0.5f) + t * (rest - t * lost)};
}

/// e^(y^2) erfc(y) for y from 0 to 10.6.
VG_HD inline float scaled_erfc(float y) {
  const Reciprocal r = reciprocal_of_sum(0.5f * y);
  const float s = r.centred;
  float p = 3.4263726323843e-02f;
  p = p * s - 1.7309982329607e-02f;
  p = p * s - 7.1717441082001e-02f;
  p = p * s + 5.4329294711351e-02f;
  p = p * s + 9.7027651965618e-02f;
  p = p * s - 1.0368458926678e-01f;
  p = p * s - 1.7197024822235e-01f;
  p = p * s + 1.4576914906502e-01f;
  p = p * s + 5.5894166231155e-01f;
  p = p * s + 6.8716067075729e-01f;
  p = p * s + 5.1079136133194e-01f;
  return p * r.t;
}
/// e^(a^2 / 2) erfc(a / sqrt(2)) / 2 for a from 0 to 15.
VG_HD inline float scaled_normal_tail(float a) {
  const Reciprocal r = reciprocal_of_sum(0.375f * a);
  const float s = r.centred;
  float p = 2.0952552556992e-02f;
  p = p * s - 4.0147934108973e-02f;
  p = p * s - 3.0460185371339e-03f;
  p = p * s + 6.4427524805069e-02f;
  p = p * s - 1.9512629136443e-02f;
  p = p * s - 1.0260018706322e-01f;
  p = p * s + 2.1936900913715e-02f;
  p = p * s + 2.4870733916759e-01f;
  p = p * s + 3.4610813856125e-01f;
  p = p * s + 2.6818227767944e-01f;
  return p * r.t;
}

/// erfc(a) for a >= 0.
VG_HD inline float erfc_positive(float a) {
  const float y = a > 10.5f ? 10.5f : a;
  const float high = high_part(y);
  const float e = exp_difference(-high * high, (y - high) * (y + high));
  return e * scaled_erfc(y);
}
/// erf(a) for 0 <= a < 0.9.
VG_HD inline float erf_small(float a) {
  const float z = a * a;
  float p = 8.5522044584001e-05f;
  p = p * z - 8.1859552678317e-04f;
  p = p * z + 5.2049055617634e-03f;
  p = p * z - 2.6861017359207e-02f;
  p = p * z + 1.1283727025970e-01f;
  p = p * z - 3.7612636180005e-01f;
  p = p * z + 1.2837916709551e-01f;
  return p * a + a;
}
VG_HD inline float erf(float x) {
  const float a = magnitude(x);
  // As a choice of GCC's this takes half as long again.
  const std::uint32_t small = mask(a < 0.9f);
  return with_sign(from_bits((bits(erf_small(a)) & small) | (bits(1.0f - erfc_positive(a)) & ~small)), x);
}
VG_HD inline float erfc(float x) {
  const float a = magnitude(x);
  const float tail = erfc_positive(a);
  return x < 0.5f ? 1.0f - (a < 0.9f ? with_sign(erf_small(a), x) : tail - 1.0f) : tail;
}

/// The standard normal distribution at x: its distribution function erfc(-x / sqrt(2)) / 2, without the rounding of
/// the quotient, which its tail would magnify, and its density e^(-x^2 / 2) / sqrt(2 pi).
struct Normal {
  float cdf, density;
};
VG_HD inline Normal normal(float x) {
  const float a = magnitude(x);
  const float y = a > 15.0f ? 15.0f : a;
  const float high = high_part(y);
  const float e = exp_difference(-0.5f * (high * high), 0.5f * ((y - high) * (y + high)));
  const float tail = e * scaled_normal_tail(y);
  return {x > 0.0f ? 1.0f - tail : tail, 0.39894228f * e};
}

/// log2 of a positive float to about 40 bits, in double: log2(m) = 2 / ln 2 * artanh(s) with s = (m - 1) / (m + 1), by
/// its power series. Zero, infinity and NaN give -infinity, infinity and NaN.
VG_HD inline double log2_extended(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  const std::uint32_t offset = bits(scaled) - 0x3F3504F3u;
  const std::int32_t e = (static_cast<std::int32_t>(offset) >> 23) - (tiny ? 23 : 0);
  const double m = static_cast<double>(from_bits((offset & 0x007FFFFFu) + 0x3F3504F3u));
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 2.0 / 15;
  p = p * z + 2.0 / 13;
  p = p * z + 2.0 / 11;
  p = p * z + 2.0 / 9;
  p = p * z + 2.0 / 7;
  p = p * z + 2.0 / 5;
  p = p * z + 2.0 / 3;
  p = p * z + 2.0;
  const double result = p * s * 1.4426950408889634 + static_cast<double>(e);
  const float infinity = from_bits(0x7F800000u);
  const double finite = x == 0.0f ? -static_cast<double>(infinity) : result;
  return x < infinity ? finite : static_cast<double>(x);
}

/// 2^t rounded to float32, by the exponential series on [-1/2, 1/2].
VG_HD inline float exp2_extended(double t) {
  double u = t > 200.0 ? 200.0 : t;
  u = u < -200.0 ? -200.0 : u;
  const double shifted = u + 6755399441055744.0;
  const double r = (u - (shifted - 6755399441055744.0)) * 0.69314718055994531;
  double p = 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  // 2^n goes in while the number is a double, so that the one rounding to float32 is the last step.
  std::uint64_t n;
  std::memcpy(&n, &shifted, sizeof n);
  const std::uint64_t scale_bits = (n + 1023u) << 52;
  double scale;
  std::memcpy(&scale, &scale_bits, sizeof scale);
  return static_cast<float>(p * scale);
}

VG_HD inline float exp2(float x) { return exp2_extended(static_cast<double>(x)); }
VG_HD inline float log2(float x) { return x < 0.0f ? from_bits(0x7FC00000u) : static_cast<float>(log2_extended(x)); }
VG_HD inline float log10(float x) {
  return x < 0.0f ? from_bits(0x7FC00000u) : static_cast<float>(0.30102999566398120 * log2_extended(x));
}

/// x^y with the special cases of IEEE 754, section 9.2.1.
VG_HD inline float pow(float x, float y) {
  const float a = magnitude(x);
  const float infinity = from_bits(0x7F800000u);
  const float result = exp2_extended(static_cast<double>(y) * log2_extended(a));
  // Whether y is an integer, and an odd one; floats from 2^24 on are even integers. Conditions are masks of bits here:
  // as booleans, GCC makes branches of them and the loop stays scalar.
  const float b = magnitude(y);
  const float small = b < 16777216.0f ? b : 0.0f;
  const std::int32_t n = static_cast<std::int32_t>(small);
  const std::uint32_t integer = mask(static_cast<float>(n) == small);
  const std::uint32_t odd = integer & (0u - (static_cast<std::uint32_t>(n) & 1u));
  const std::uint32_t negative = 0u - (bits(x) >> 31);
  const std::uint32_t invalid = negative & ~integer & mask(a > 0.0f) & mask(a < infinity);
  const std::uint32_t signed_bits = bits(result) ^ (negative & odd & 0x80000000u);
  const std::uint32_t value = (signed_bits & ~invalid) | (0x7FC00000u & invalid);
  // Where the product above is 0 * infinity, or a NaN does not matter.
  const std::uint32_t one = mask(y == 0.0f) | mask(x == 1.0f) | (mask(a == 1.0f) & mask(b == infinity));
  return from_bits((value & ~one) | (0x3F800000u & one));
}

}  // namespace verigrad::kernels::float_math

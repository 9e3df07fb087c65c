// The gamma function's relatives: its logarithm, the derivatives of that, and the zeta function of two arguments.
//
// All compute in double; a float32 result is rounded once. With x positive, lgamma and digamma are within 5 units in
// the last place, trigamma, polygamma(n, .) and zeta within 8 + n / 2 (tests/ops/test_gamma.py). At negative x their
// zeros lie between poles, and the bound is one of the terms: of |lgamma(|x|)| + 1, of |digamma(|x|)| + |pi cot(pi x)|,
// ... Formulas by their numbers in the NIST Digital Library of Mathematical Functions (DLMF); the coefficients are
// those of the series, rounded to double.
#pragma once

#include <cmath>

#include "kernels/host_device.h"

namespace verigrad::kernels::gamma_functions {

inline constexpr double kPi = 3.1415926535897932;

/// first + x (second + x (third + ...)).
VG_HD inline double polynomial(double, double last) { return last; }
template <class... Rest>
VG_HD inline double polynomial(double x, double first, Rest... rest) {
  return first + x * polynomial(x, rest...);
}

/// x less the nearest whole number, which is exact.
VG_HD inline double off_whole(double x) { return x - std::rint(x); }

/// ln Gamma(2 + e) for |e| <= 1/2: DLMF 5.7.3.
VG_HD inline double lgamma_near_2(double e) {
  return e * polynomial(e, 0.42278433509846714, 0.32246703342411322, -0.067352301053198095, 0.020580808427784548,
                        -0.0073855510286739853, 0.0028905103307415233, -0.001192753911703261, 0.00050966952474304242,
                        -0.00022315475845357938, 9.9457512781808534e-5, -4.4926236738133142e-5, 2.0507212775670692e-5,
                        -9.4394882752683959e-6, 4.3748667899074878e-6, -2.0392157538013662e-6, 9.5514121304074198e-7,
                        -4.492469198764566e-7, 2.1207184805554666e-7, -1.00432248239681e-7, 4.7698101693639806e-8,
                        -2.2711094608943165e-8, 1.0838659214896954e-8, -5.1834750419700467e-9, 2.4836745438024783e-9,
                        -1.1921401405860912e-9, 5.731367241678862e-10, -2.7595228851242331e-10, 1.3304764374244489e-10);
}

/// ln Gamma(x) for x >= 10: Stirling's series, DLMF 5.11.1.
VG_HD inline double lgamma_large(double x) {
  const double r = 1.0 / x;
  const double series =
      r * polynomial(r * r, 0.083333333333333333, -0.0027777777777777778, 7.9365079365079365e-4, -5.9523809523809524e-4,
                     8.4175084175084175e-4, -1.9175269175269175e-3, 6.4102564102564103e-3, -2.9550653594771242e-2);
  return (x - 0.5) * (std::log(x) - 1.0) + (0.41893853320467274 + series);  // (ln(2 pi) - 1) / 2
}

/// For x >= 1/2.
VG_HD inline double lgamma_positive(double x) {
  if (x < 1.5) return lgamma_near_2(x - 1.0) - std::log(x);
  if (!(x < 10.0)) return lgamma_large(x);
  double product = 1.0;
  while (x > 2.5) {  // DLMF 5.5.1, down
    x -= 1.0;
    product *= x;
  }
  return lgamma_near_2(x - 2.0) + std::log(product);
}

VG_HD inline double lgamma(double x) {
  if (x >= 0.5 || x != x) return lgamma_positive(x);
  if (x > -0.5) return lgamma_near_2(x) - std::log(std::fabs(x) * (1.0 + x));
  if (x == -HUGE_VAL) return HUGE_VAL;
  const double d = off_whole(x);
  if (d == 0.0) return HUGE_VAL;
  return std::log(kPi / std::fabs(x * std::sin(kPi * d))) - lgamma_positive(-x);  // DLMF 5.5.3
}

/// For |x - x0| <= 1/2 around the zero x0: its Taylor series, so that values near zero keep their digits.
VG_HD inline double digamma_near_zero(double x) {
  const double t = (x - 1.4616321449683622) - 9.549995429965697e-17;
  return t * polynomial(t, 0.96767224544762117, -0.44276316898359211, 0.25849976095565101, -0.16394270544240653,
                        0.10782405069126237, -0.072199561256454711, 0.048804288164143107, -0.033161126474847359,
                        0.022597648232218105, -0.015424765904948959, 0.010538791616612175, -0.0072045343863568682,
                        0.0049267813957298534, -0.0033698016554393281, 0.0023051263267349278, -0.0015769367714301973,
                        0.0010788252019162966, -0.00073807093899600513, 0.00050495326583460204, -0.0003454680251063077,
                        0.00023635601564027053, -0.00016170622091974803, 0.00011063372768747411, -7.5691795821950659e-5,
                        5.1785757952220809e-5, -3.5430070947659606e-5, 2.4240066118601318e-5, -1.6584242271854133e-5,
                        1.134638458466385e-5, -7.7628176684620944e-6, 5.3110609208898634e-6, -3.6336507898010457e-6,
                        2.4860227331295379e-6, -1.7008538854332607e-6, 1.1636675363548843e-6, -7.9614254312419704e-7,
                        5.4469419306694453e-7, -3.726616128343823e-7);
}

/// For x >= 10: DLMF 5.11.2.
VG_HD inline double digamma_large(double x) {
  const double r = 1.0 / x;
  const double series =
      r * polynomial(r * r, 0.083333333333333333, -0.0083333333333333333, 3.9682539682539683e-3, -4.1666666666666667e-3,
                     7.5757575757575758e-3, -2.1092796092796093e-2, 8.3333333333333333e-2, -4.4325980392156863e-1);
  return std::log(x) - r * (0.5 + series);
}

/// For x > -0.04.
VG_HD inline double digamma_positive(double x) {
  if (!(x < 10.0)) return digamma_large(x);
  if (x < 0.96) return digamma_near_zero(x + 1.0) - 1.0 / x;  // DLMF 5.5.2
  double sum = 0.0;
  while (x > 1.96) {
    x -= 1.0;
    sum += 1.0 / x;
  }
  return digamma_near_zero(x) + sum;
}

VG_HD inline double digamma(double x) {
  if (x == 0.0) return std::copysign(HUGE_VAL, -x);
  if (x > 0.0 || x != x) return digamma_positive(x);
  if (x > -0.04) return digamma_near_zero(x + 1.0) - 1.0 / x;
  if (x > -0.5) return (digamma_near_zero(x + 2.0) - 1.0 / (x + 1.0)) - 1.0 / x;
  const double d = off_whole(x);
  if (!(d != 0.0)) return d / d;
  return (digamma_positive(-x) - 1.0 / x) - kPi / std::tan(kPi * d);  // DLMF 5.5.4
}

/// x^s, by products where s is 2 or 3.
VG_HD inline double power(double x, double s) { return s == 2.0 ? x * x : (s == 3.0 ? x * x * x : std::pow(x, s)); }

/// q^s zeta(s, q) for s > 1 and q > 0, both finite: the sum of (q / (q + k))^s over k >= 0. Ten terms, and the rest by
/// Euler and Maclaurin's formula, DLMF 25.11.28.
VG_HD inline double scaled_zeta(double s, double q) {
  double sum = 0.0, a = q;
  if (q < s + 10.0) {
    for (int k = 0; k < 10; ++k) sum += power(q / (q + k), s);
    a = q + 10.0;
  }
  const double p = power(q / a, s);
  if (p < 1e-25) return sum;
  constexpr double series[] = {8.3333333333333333e-2,   -1.3888888888888889e-3,  3.3068783068783069e-5,
                               -8.2671957671957672e-7,  2.0876756987868099e-8,   -5.2841901386874932e-10,
                               1.3382536530684679e-11,  -3.3896802963225829e-13, 8.5860620562778446e-15,
                               -2.1748686985580619e-16, 5.5090028283602295e-18,  -1.3954464685812523e-19};
  double t = s / a, rest = 0.0;
  for (int j = 0; j < 12; ++j) {
    rest += series[j] * t;
    t *= ((s + (2 * j + 1)) / a) * ((s + (2 * j + 2)) / a);
  }
  return sum + p * (a / (s - 1.0) + (0.5 + rest));
}

/// zeta(s, q) for q > 0.
VG_HD inline double zeta_positive(double s, double q) {
  const double first = std::pow(q, -s);
  return first == 0.0 || first == HUGE_VAL || s == HUGE_VAL ? first : first * scaled_zeta(s, q);
}

/// zeta(s, q), the sum of (q + k)^-s over k >= 0; for q < 0 of whole s alone, where the terms of d = q - round(q) and
/// its neighbours lead: d^-s + zeta(s, 1 + d) + (-1)^s (zeta(s, 1 - d) - zeta(s, 1 - q)).
VG_HD inline double zeta(double s, double q) {
  if (!(s >= 1.0) || q != q) return HUGE_VAL - HUGE_VAL;
  if (s == 1.0) return HUGE_VAL;
  if (q > 0.0) return zeta_positive(s, q);
  if (q == std::floor(q)) return HUGE_VAL;
  if (s != std::floor(s)) return HUGE_VAL - HUGE_VAL;
  const double d = off_whole(q), first = std::pow(d, -s);
  if (!(std::fabs(first) < HUGE_VAL)) return first;
  const double below = zeta_positive(s, 1.0 - d) - zeta_positive(s, 1.0 - q);
  return first + (zeta_positive(s, 1.0 + d) + (std::fmod(s, 2.0) == 0.0 ? below : -below));
}

/// n! / x^(n + 1) for x > 0, whose parts alone may overflow.
VG_HD inline double factorial_over_power(double n, double x) {
  if (n > 170.0) return std::exp(lgamma_large(n + 1.0) - (n + 1.0) * std::log(x));
  double value = 1.0 / x;
  for (double k = 1.0; k <= n; k += 1.0) value *= k / x;
  return value;
}

/// n! zeta(n + 1, x) for x > 0.
VG_HD inline double polygamma_size(double n, double x) {
  const double first = factorial_over_power(n, x);
  return first == 0.0 || first == HUGE_VAL ? first : first * scaled_zeta(n + 1.0, x);
}

/// The n-th derivative of digamma, n >= 0: (-1)^(n + 1) n! zeta(n + 1, x), DLMF 5.15.1 and 25.11.12. Its limit, 0, at
/// infinity; infinities at the poles.
VG_HD inline double polygamma(double x, double n) {
  if (n == 0.0) return digamma(x);
  const double sign = std::fmod(n, 2.0) == 0.0 ? -1.0 : 1.0;
  if (x == HUGE_VAL) return sign * 0.0;
  if (x > 0.0 || x != x) return x != x ? x : sign * polygamma_size(n, x);
  const double d = off_whole(x);
  if (d == 0.0) return sign * HUGE_VAL;
  if (d != d) return d;
  // As in zeta; (-1)^(n + 1) = sign.
  const double first = factorial_over_power(n, std::fabs(d)) * (d < 0.0 ? sign : 1.0);
  if (!(std::fabs(first) < HUGE_VAL)) return sign * first;
  const double below = polygamma_size(n, 1.0 - d) - polygamma_size(n, 1.0 - x);
  return sign * (first + (polygamma_size(n, 1.0 + d) + sign * below));
}

}  // namespace verigrad::kernels::gamma_functions

// Elementwise kernels: the float32 formulas against float64, integer and NaN rules, layouts, in-place use, copies.

#include "kernels/functors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel_fixture.h"

using namespace kernel_test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int32_t kMin32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();

/// Distance in units in the last place of float32 at the exact value.
double ulps(float actual, double exact) {
  if (std::isnan(exact)) return std::isnan(actual) ? 0 : 1e9;
  const float rounded = static_cast<float>(exact);
  if (std::isinf(rounded) || std::isinf(actual)) return rounded == actual ? 0 : 1e9;
  const double magnitude = std::fabs(exact);
  const int exponent = magnitude < 0x1p-126 ? -126 : std::ilogb(magnitude);
  return std::fabs(static_cast<double>(actual) - exact) / std::ldexp(1.0, exponent - 23);
}

float from_bits(std::uint32_t u) { return float_math::from_bits(u); }

/// The largest error over floats of all exponents and signs, in steps of their bit patterns.
template <class Fast, class Exact>
double largest_error(Fast fast, Exact exact, double allowed = 2.5) {
  double worst = 0;
  float at = 0;
  for (std::uint64_t u = 0; u < (std::uint64_t{1} << 32); u += 1021) {
    const float x = from_bits(static_cast<std::uint32_t>(u));
    const double error = ulps(fast(x), exact(static_cast<double>(x)));
    if (error > worst) {
      worst = error;
      at = x;
    }
  }
  if (worst > allowed) verigrad_test::fail(__FILE__, __LINE__, "largest error at " + verigrad_test::show(at));
  return worst;
}

template <class T>
T unary_one(UnaryOp op, T x) {
  T y{};
  cpu_table().unary(op, DTypeOf<T>::value, flat_loop(1, {&y, &x}));
  return y;
}

template <class T>
T binary_one(BinaryOp op, T a, T b) {
  T y{};
  cpu_table().binary(op, DTypeOf<T>::value, flat_loop(1, {&y, &a, &b}));
  return y;
}

template <class T>
bool compare_one(BinaryOp op, T a, T b) {
  bool y = false;
  cpu_table().binary(op, DTypeOf<T>::value, flat_loop(1, {&y, &a, &b}));
  return y;
}

template <class To, class From>
To cast_one(From x) {
  To y{};
  cpu_table().copy(DTypeOf<To>::value, DTypeOf<From>::value, flat_loop(1, {&y, &x}));
  return y;
}

/// Copies between all orders of three dimensions, from memory with and without gaps.
template <class T>
void check_copies() {
  const Dims shape{3, 70, 45};
  const std::int64_t n = product(shape);
  const std::vector<std::vector<int>> orders = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (const auto& from : orders) {
    for (const auto& to : orders) {
      for (const std::int64_t gap : {1, 2}) {
        const Dims in_strides = layout(shape, from, gap), out_strides = layout(shape, to);
        const auto x = random_values<T>(extent(shape, in_strides), 0, 100);
        std::vector<T> y(static_cast<std::size_t>(n));
        cpu_table().copy(DTypeOf<T>::value, DTypeOf<T>::value,
                         make_loop(shape, {{y.data(), out_strides}, {x.data(), in_strides}}));
        bool right = true;
        for (std::int64_t i = 0; i < n; ++i) {
          right = right && y[static_cast<std::size_t>(offset_at(shape, out_strides, i))] ==
                               x[static_cast<std::size_t>(offset_at(shape, in_strides, i))];
        }
        CHECK(right);
      }
    }
  }
}

}  // namespace

TEST(float_functions_are_accurate) {
  CHECK(largest_error(functors::exp(), [](double x) { return std::exp(x); }) <= 2);
  CHECK(largest_error(functors::log(), [](double x) { return std::log(x); }) <= 2);
  CHECK(largest_error(functors::tanh(), [](double x) { return std::tanh(x); }) <= 2);
  CHECK(largest_error(functors::sigmoid(), [](double x) { return 1 / (1 + std::exp(-x)); }) <= 2.5);
  CHECK(largest_error(functors::sin(), [](double x) { return std::sin(x); }) <= 2);
  CHECK(largest_error(functors::cos(), [](double x) { return std::cos(x); }) <= 2);
  CHECK(largest_error(functors::expm1(), [](double x) { return std::expm1(x); }) <= 2);
  CHECK(largest_error(functors::exp2(), [](double x) { return std::exp2(x); }) <= 0.51);
  CHECK(largest_error(functors::log1p(), [](double x) { return std::log1p(x); }) <= 2);
  CHECK(largest_error(functors::log2(), [](double x) { return std::log2(x); }) <= 0.51);
  CHECK(largest_error(functors::log10(), [](double x) { return std::log10(x); }) <= 0.51);
  CHECK(largest_error(functors::rsqrt(), [](double x) { return 1 / std::sqrt(x); }) <= 2);
  CHECK(largest_error(functors::erf(), [](double x) { return std::erf(x); }) <= 2);
  CHECK(largest_error(functors::erfc(), [](double x) { return std::erfc(x); }, 4) <= 4);
  CHECK(largest_error([](float x) { return float_math::normal(x).cdf; },
                      [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }, 4) <= 4);
  CHECK(largest_error([](float x) { return float_math::normal(x).density; },
                      [](double x) { return 0.39894228040143268 * std::exp(-0.5 * x * x); }) <= 2);
}

TEST(trigonometric_float_functions_are_accurate) {
  CHECK(largest_error(functors::tan(), [](double x) { return std::tan(x); }) <= 0.51);
  CHECK(largest_error(functors::asin(), [](double x) { return std::asin(x); }) <= 0.51);
  CHECK(largest_error(functors::acos(), [](double x) { return std::acos(x); }) <= 0.51);
  CHECK(largest_error(functors::atan(), [](double x) { return std::atan(x); }) <= 0.51);
  CHECK(largest_error(functors::sinh(), [](double x) { return std::sinh(x); }) <= 2.5);
  CHECK(largest_error(functors::cosh(), [](double x) { return std::cosh(x); }) <= 2);
  for (const float x : {88.0f, 88.8f, 89.4f, 89.41f, 89.45f, 89.59f, 89.61f, 100.0f}) {  // they end at 89.416
    CHECK(ulps(functors::sinh()(x), std::sinh(static_cast<double>(x))) <= 2.5);
    CHECK(ulps(functors::cosh()(x), std::cosh(static_cast<double>(x))) <= 2);
  }
  const functors::atan2 atan2;
  const std::vector<float> special = {0.0f, 1.0f, 2.0f, 1e-40f, 1e-10f, 3e38f, kInf, kNan};
  for (const float a : special) {
    for (const float b : special) {
      for (const auto& [y, x] : {std::pair{a, b}, {-a, b}, {a, -b}, {-a, -b}}) {
        const double exact = std::atan2(static_cast<double>(y), static_cast<double>(x));
        CHECK(ulps(atan2(y, x), exact) <= 0.51);
        CHECK(std::isnan(exact) || std::signbit(atan2(y, x)) == std::signbit(exact));
      }
    }
  }
  double worst = 0;
  const auto x_values = random_values<float>(1000000, -2, 2), y_values = random_values<float>(1000000, -2, 2);
  for (std::size_t i = 0; i < x_values.size(); ++i) {
    const float x = x_values[i], y = y_values[i];
    worst = std::max(worst, ulps(atan2(y, x), std::atan2(static_cast<double>(y), static_cast<double>(x))));
  }
  CHECK(worst <= 0.51);
}

TEST(float_functions_at_the_edges) {
  CHECK_EQ(functors::exp()(0.0f), 1.0f);
  CHECK_EQ(functors::exp()(-kInf), 0.0f);
  CHECK_EQ(functors::exp()(kInf), kInf);
  CHECK_EQ(functors::exp()(88.72284f), std::exp(88.72284f));  // the last finite one
  CHECK_EQ(functors::exp()(88.7229f), kInf);
  CHECK_EQ(functors::exp()(-103.0f), from_bits(1));  // denormals are reached
  CHECK_EQ(functors::exp()(-104.0f), 0.0f);
  CHECK_EQ(functors::log()(0.0f), -kInf);
  CHECK_EQ(functors::log()(-0.0f), -kInf);
  CHECK(std::isnan(functors::log()(-1.0f)));
  CHECK_EQ(functors::log()(kInf), kInf);
  CHECK_EQ(functors::log()(1.0f), 0.0f);
  CHECK(ulps(functors::log()(from_bits(1)), std::log(0x1p-149)) <= 2);
  CHECK_EQ(functors::tanh()(kInf), 1.0f);
  CHECK_EQ(functors::tanh()(-kInf), -1.0f);
  CHECK(std::signbit(functors::tanh()(-0.0f)));
  CHECK_EQ(functors::tanh()(from_bits(3)), from_bits(3));
  CHECK_EQ(functors::sigmoid()(-kInf), 0.0f);
  CHECK_EQ(functors::sigmoid()(kInf), 1.0f);
  CHECK(functors::sigmoid()(-95.0f) > 0);  // a denormal where 1 / (1 + exp(95)) would be 0
  CHECK_EQ(functors::expm1()(kInf), kInf);
  CHECK_EQ(functors::expm1()(-kInf), -1.0f);
  CHECK_EQ(functors::expm1()(88.72284f), std::exp(88.72284f));
  CHECK_EQ(functors::log1p()(kInf), kInf);
  CHECK_EQ(functors::log1p()(-1.0f), -kInf);
  CHECK_EQ(functors::log2()(0.0f), -kInf);
  CHECK_EQ(functors::log2()(8.0f), 3.0f);
  CHECK_EQ(functors::log10()(1000.0f), 3.0f);
  CHECK_EQ(functors::exp2()(-149.0f), from_bits(1));
  CHECK_EQ(functors::erf()(kInf), 1.0f);
  CHECK_EQ(functors::erfc()(kInf), 0.0f);
  CHECK_EQ(functors::erfc()(-kInf), 2.0f);
  for (const float x : {-2.0f, kNan}) {
    CHECK(std::isnan(functors::log1p()(x)) && std::isnan(functors::log2()(x)) && std::isnan(functors::log10()(x)));
  }
  CHECK(std::isnan(functors::erf()(kNan)) && std::isnan(functors::erfc()(kNan)) && std::isnan(functors::expm1()(kNan)));
  CHECK(std::isnan(functors::exp2()(kNan)));
  for (const float x : {-0.0f, -from_bits(3)}) {
    CHECK_EQ(functors::expm1()(x), x);
    CHECK_EQ(functors::log1p()(x), x);
    CHECK(std::signbit(functors::expm1()(x)) && std::signbit(functors::log1p()(x)) && std::signbit(functors::erf()(x)));
  }
  CHECK(std::isnan(functors::sin()(kInf)) && std::isnan(functors::cos()(-kInf)));
  CHECK(ulps(functors::sin()(1e30f), std::sin(static_cast<double>(1e30f))) <= 1);
  for (const float x : {kNan, -kNan}) {
    CHECK(std::isnan(functors::exp()(x)) && std::isnan(functors::log()(x)) && std::isnan(functors::tanh()(x)));
    CHECK(std::isnan(functors::sigmoid()(x)) && std::isnan(functors::sin()(x)) && std::isnan(functors::cos()(x)));
  }
}

TEST(float_powers) {
  const std::vector<float> special = {0.0f,   -0.0f,  1.0f,    -1.0f,       2.0f,        -2.0f,     3.0f,
                                      -3.0f,  0.5f,   -0.5f,   1.5f,        -1.5f,       kInf,      -kInf,
                                      kNan,   1e-40f, -1e-40f, 3e38f,       -3e38,       0x1p24,    -0x1p25,
                                      0x1p23, 1e10f,  1e-10f,  16777215.0f, 0.99999994f, 1.0000001f};
  const functors::pow pow;
  for (const float x : special) {
    for (const float y : special) {
      const double exact = std::pow(static_cast<double>(x), static_cast<double>(y));
      const float result = pow(x, y);
      CHECK(ulps(result, exact) <= 1);
      CHECK(std::isnan(exact) || std::signbit(result) == std::signbit(exact));
    }
  }
  double worst = 0;
  for (int i = 0; i < 1000000; ++i) {
    // All exponents of the base and of the result, denormal ones too.
    const float x = from_bits(static_cast<std::uint32_t>(random_int(1, 0x7F7FFFFF)));
    const float y = static_cast<float>(static_cast<double>(random_int(-150, 128)) / std::log2(static_cast<double>(x)));
    worst = std::max(worst, ulps(pow(x, y), std::pow(static_cast<double>(x), static_cast<double>(y))));
  }
  CHECK(worst <= 0.51);
}

TEST(unary_rules) {
  CHECK_EQ(unary_one<std::int32_t>(UnaryOp::neg, kMin32), kMin32);
  CHECK_EQ(unary_one<std::int64_t>(UnaryOp::abs, kMin64), kMin64);
  CHECK_EQ(unary_one<std::uint8_t>(UnaryOp::neg, 1), 255);
  CHECK_EQ(unary_one<std::int64_t>(UnaryOp::sign, -7), -1);
  CHECK_EQ(unary_one<bool>(UnaryOp::sign, true), true);
  CHECK_EQ(unary_one(UnaryOp::sign, kNan), 0.0f);
  CHECK_EQ(unary_one(UnaryOp::sign, -0.0f), 0.0f);
  CHECK(std::isnan(unary_one(UnaryOp::relu, kNan)));
  CHECK_EQ(unary_one(UnaryOp::relu, -3.0), 0.0);
  CHECK_EQ(unary_one<std::int32_t>(UnaryOp::relu, -3), 0);
  CHECK_EQ(unary_one(UnaryOp::reciprocal, 0.0f), kInf);
  CHECK_EQ(unary_one(UnaryOp::sigmoid, -800.0), std::exp(-800.0));
  CHECK_THROWS_WITH(unary_one<bool>(UnaryOp::neg, true), RuntimeError, "neg");
  CHECK_THROWS_WITH(unary_one<std::int64_t>(UnaryOp::exp, 1), RuntimeError, "exp");
}

TEST(binary_rules) {
  CHECK_EQ(binary_one<std::int32_t>(BinaryOp::add, INT32_MAX, 1), kMin32);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::mul, kMin64, -1), kMin64);
  CHECK_EQ(binary_one<std::uint8_t>(BinaryOp::sub, 1, 2), 255);
  CHECK_EQ(binary_one(BinaryOp::add, true, true), true);
  CHECK_EQ(binary_one(BinaryOp::mul, true, false), false);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::floor_divide, -7, 2), -4);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::floor_divide, 7, -2), -4);
  CHECK_EQ(binary_one<std::int32_t>(BinaryOp::floor_divide, kMin32, -1), kMin32);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::floor_divide, kMin64, -1), kMin64);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::remainder, -7, 3), 2);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::remainder, 7, -3), -2);
  CHECK_EQ(binary_one<std::int32_t>(BinaryOp::remainder, kMin32, -1), 0);
  CHECK_EQ(binary_one<std::uint8_t>(BinaryOp::remainder, 250, 7), 5);
  CHECK_EQ(binary_one(BinaryOp::remainder, -1.0, 3.0), 2.0);
  CHECK_EQ(binary_one(BinaryOp::remainder, 5.0, -3.0), -1.0);
  CHECK_EQ(binary_one(BinaryOp::remainder, -5.0f, kInf), kInf);
  CHECK(std::isnan(binary_one(BinaryOp::remainder, 1.0f, 0.0f)));
  CHECK_EQ(binary_one(BinaryOp::floor_divide, -5.0f, 2.0f), -3.0f);
  CHECK_EQ(binary_one(BinaryOp::floor_divide, 5.0f, 0.0f), kInf);
  CHECK_EQ(binary_one(BinaryOp::floor_divide, 5.0f, -kInf), -1.0f);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::pow, 3, 13), 1594323);
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::pow, -2, 63), kMin64);
  CHECK_EQ(binary_one<std::uint8_t>(BinaryOp::pow, 3, 6), 217);  // 729 mod 256
  CHECK_EQ(binary_one<std::int64_t>(BinaryOp::pow, 0, 0), 1);
  CHECK_EQ(binary_one(BinaryOp::pow, -2.0, 3.0), -8.0);
  CHECK_EQ(binary_one(BinaryOp::pow, 4.0, -1.0), 0.25);
  CHECK_EQ(binary_one(BinaryOp::pow, 4.0, -2.0), 0.0625);
  for (const BinaryOp op : {BinaryOp::maximum, BinaryOp::minimum}) {
    CHECK(std::isnan(binary_one(op, kNan, 1.0f)) && std::isnan(binary_one(op, 1.0f, kNan)));
  }
  CHECK_EQ(binary_one(BinaryOp::maximum, false, true), true);
  CHECK_EQ(binary_one(BinaryOp::threshold_backward, 5.0f, 0.0f), 0.0f);
  CHECK_EQ(binary_one(BinaryOp::threshold_backward, 5.0f, 2.0f), 5.0f);
  CHECK_EQ(binary_one(BinaryOp::threshold_backward, 5.0f, kNan), 5.0f);
  CHECK_EQ(binary_one(BinaryOp::tanh_backward, 2.0, 0.5), 1.5);
  CHECK_EQ(binary_one(BinaryOp::sigmoid_backward, 2.0, 0.5), 0.5);
  CHECK(compare_one(BinaryOp::ne, kNan, kNan) && !compare_one(BinaryOp::eq, kNan, kNan));
  CHECK(compare_one<std::int64_t>(BinaryOp::lt, kMin64, 0) && !compare_one<std::uint8_t>(BinaryOp::gt, 1, 200));
  CHECK(compare_one(BinaryOp::logical_xor, 2.0, 0.0) && !compare_one(BinaryOp::logical_xor, 2.0, kNan + 0.0));
  CHECK(compare_one<std::int32_t>(BinaryOp::logical_and, 2, 4) &&
        compare_one<std::int32_t>(BinaryOp::logical_or, 0, 4));
}

TEST(integer_division_by_zero_writes_nothing) {
  for (const BinaryOp op : {BinaryOp::floor_divide, BinaryOp::remainder}) {
    std::vector<std::int32_t> a(1000, 6), b(1000, 2), y(1000, -1);
    b[999] = 0;
    CHECK_THROWS_WITH(cpu_table().binary(op, DType::Int32, flat_loop(1000, {y.data(), a.data(), b.data()})),
                      RuntimeError, "expected a non-zero divisor, got 0");
    CHECK(same_bits(y, std::vector<std::int32_t>(1000, -1)));
  }
}

TEST(unary_layouts_levels_and_threads) {
  for (const Dims& shape : {Dims{}, Dims{7}, Dims{1000}, Dims{3, 5}, Dims{4, 1, 33}, Dims{70, 80, 90}}) {
    std::vector<int> reversed;
    for (int d = shape.size() - 1; d >= 0; --d) reversed.push_back(d);
    for (const std::int64_t gap : {1, 2}) {
      const Dims in_strides = layout(shape, reversed, gap), out_strides = row_major(shape);
      const auto x = random_values<float>(extent(shape, in_strides));
      const std::int64_t n = product(shape);
      for (const UnaryOp op : {UnaryOp::exp, UnaryOp::relu, UnaryOp::sin, UnaryOp::tanh, UnaryOp::sqrt}) {
        std::vector<float> y;
        CHECK(settings_agree(y, [&] {
          std::vector<float> out(static_cast<std::size_t>(n));
          cpu_table().unary(op, DType::Float32, make_loop(shape, {{out.data(), out_strides}, {x.data(), in_strides}}));
          return out;
        }));
        for (std::int64_t i = 0; i < n; i += 1 + n / 50) {
          const float one = unary_one(op, x[static_cast<std::size_t>(offset_at(shape, in_strides, i))]);
          CHECK(std::memcmp(&one, &y[static_cast<std::size_t>(i)], 4) == 0);
        }
      }
    }
  }
}

TEST(sine_of_huge_numbers_inside_of_a_block) {
  auto x = random_values<float>(1000);
  x[3] = 1e9f;
  x[500] = kNan;
  x[999] = -3e38f;
  const auto original = x;
  cpu_table().unary(UnaryOp::sin, DType::Float32, flat_loop(1000, {x.data(), x.data()}));
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(ulps(x[i], std::sin(static_cast<double>(original[i]))) <= 2);
  }
}

TEST(binary_broadcasts_levels_and_threads) {
  const Dims shape{60, 50, 100};
  const Dims full = row_major(shape);
  const std::vector<Dims> layouts = {full, Dims{0, 0, 0}, Dims{0, 0, 1}, Dims{1, 60, 0}, layout(shape, {2, 0, 1})};
  const std::int64_t n = product(shape);
  for (const Dims& sa : layouts) {
    for (const Dims& sb : layouts) {
      const auto a = random_values<float>(extent(shape, sa)), b = random_values<float>(extent(shape, sb));
      std::vector<float> y;
      CHECK(settings_agree(y, [&] {
        std::vector<float> out(static_cast<std::size_t>(n));
        const Loop loop = make_loop(shape, {{out.data(), full}, {a.data(), sa}, {b.data(), sb}});
        cpu_table().binary(BinaryOp::sub, DType::Float32, loop);
        return out;
      }));
      bool right = true;
      for (std::int64_t i = 0; i < n; ++i) {
        right = right && y[static_cast<std::size_t>(i)] == a[static_cast<std::size_t>(offset_at(shape, sa, i))] -
                                                               b[static_cast<std::size_t>(offset_at(shape, sb, i))];
      }
      CHECK(right);
    }
  }
}

TEST(binary_in_place) {
  for (const std::int64_t n : {1, 31, 4099, 300001}) {
    const auto a = random_values<double>(n), b = random_values<double>(n);
    auto first = a, second = b, both = a;
    cpu_table().binary(BinaryOp::mul, DType::Float64, flat_loop(n, {first.data(), first.data(), b.data()}));
    cpu_table().binary(BinaryOp::mul, DType::Float64, flat_loop(n, {second.data(), a.data(), second.data()}));
    cpu_table().binary(BinaryOp::mul, DType::Float64, flat_loop(n, {both.data(), both.data(), both.data()}));
    CHECK(same_bits(first, second));
    bool right = true;
    for (std::size_t i = 0; i < a.size(); ++i) right = right && first[i] == a[i] * b[i] && both[i] == a[i] * a[i];
    CHECK(right);
  }
}

TEST(where_and_fill) {
  const Dims shape{9, 40};
  const auto a = random_values<float>(360), b = random_values<float>(360);
  std::vector<char> mask(360);
  for (auto& m : mask) m = static_cast<char>(random_int(0, 1));
  const Dims full = row_major(shape);
  for (const Dims& sa : {full, Dims{0, 0}, Dims{1, 9}}) {
    for (const Dims& sb : {full, Dims{0, 0}}) {
      std::vector<float> y(360);
      cpu_table().where(DType::Float32,
                        make_loop(shape, {{y.data(), full}, {mask.data(), full}, {a.data(), sa}, {b.data(), sb}}));
      bool right = true;
      for (std::int64_t i = 0; i < 360; ++i) {
        const float expected = mask[static_cast<std::size_t>(i)] ? a[static_cast<std::size_t>(offset_at(shape, sa, i))]
                                                                 : b[static_cast<std::size_t>(offset_at(shape, sb, i))];
        right = right && y[static_cast<std::size_t>(i)] == expected;
      }
      CHECK(right);
    }
  }
  // Numbers on either side and on both, also where the condition has gaps.
  for (const Dims& condition : {full, Dims{1, 9}}) {
    for (const int numbers : {1, 2, 3}) {
      std::vector<float> y(360);
      Loop loop = make_loop(shape, {{y.data(), full}, {mask.data(), condition}, {a.data(), full}, {b.data(), full}});
      if ((numbers & 1) != 0) loop = with_number(loop, 2, DType::Float32, Scalar(0.5));
      if ((numbers & 2) != 0) loop = with_number(loop, 3, DType::Float32, Scalar(-3));
      cpu_table().where(DType::Float32, loop);
      bool right = true;
      for (std::int64_t i = 0; i < 360; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const float first = (numbers & 1) != 0 ? 0.5f : a[at], second = (numbers & 2) != 0 ? -3.0f : b[at];
        const bool chosen = mask[static_cast<std::size_t>(offset_at(shape, condition, i))] != 0;
        right = right && y[at] == (chosen ? first : second);
      }
      CHECK(right);
    }
  }
  std::vector<std::int32_t> y(20, 1);
  cpu_table().fill(DType::Int32, with_number(make_loop({5, 2}, {{y.data(), {4, 1}}}), 1, DType::Int32, Scalar(-7)));
  for (int i = 0; i < 20; ++i) CHECK_EQ(y[static_cast<std::size_t>(i)], i % 4 < 2 ? -7 : 1);
}

TEST(casts) {
  CHECK_EQ((cast_one<std::int32_t, float>(-1.9f)), -1);
  CHECK_EQ((cast_one<std::int64_t, float>(3e9f)), 3000000000);
  CHECK_EQ((cast_one<std::uint8_t, double>(300.0)), 44);
  CHECK_EQ((cast_one<std::uint8_t, double>(-1.0)), 255);
  CHECK_EQ((cast_one<bool, float>(0.25f)), true);
  CHECK_EQ((cast_one<bool, double>(-0.0)), false);
  CHECK_EQ((cast_one<bool, float>(kNan)), true);
  CHECK_EQ((cast_one<float, bool>(true)), 1.0f);
  CHECK_EQ((cast_one<float, std::int64_t>(16777217)), 16777216.0f);
  CHECK_EQ((cast_one<std::int32_t, std::int64_t>(std::int64_t{1} << 32)), 0);
  CHECK_EQ((cast_one<float, double>(1e300)), kInf);
  for (const float x : {kNan, kInf, -kInf}) {  // defined, whatever it is
    CHECK_EQ((cast_one<std::int32_t, float>(x)), Scalar(static_cast<double>(x)).to<std::int32_t>());
    CHECK_EQ((cast_one<std::int64_t, float>(x)), Scalar(static_cast<double>(x)).to<std::int64_t>());
  }
}

TEST(copies_of_all_layouts) {
  check_copies<std::uint8_t>();
  check_copies<std::int32_t>();
  check_copies<double>();
}

TEST(large_transpose_with_threads) {
  const Dims shape{1000, 777};
  const auto x = random_values<float>(777000);
  std::vector<float> y;
  CHECK(settings_agree(y, [&] {
    std::vector<float> out(777000);
    cpu_table().copy(DType::Float32, DType::Float32, make_loop(shape, {{out.data(), {777, 1}}, {x.data(), {1, 1000}}}));
    return out;
  }));
  bool right = true;
  for (std::size_t i = 0; i < 1000; ++i) {
    for (std::size_t j = 0; j < 777; ++j) right = right && y[i * 777 + j] == x[j * 1000 + i];
  }
  CHECK(right);
}

TEST(simd_levels) {
  const Settings restore;
  CHECK_EQ(cpu::parse_simd_level("avx2") == SimdLevel::avx2, true);
  CHECK_THROWS_WITH(cpu::parse_simd_level("sse9"), ValueError, "'sse9'");
  cpu::set_simd_level(SimdLevel::baseline);
  CHECK(cpu::simd_level() == SimdLevel::baseline);
  if (cpu::max_simd_level() < SimdLevel::avx512) {
    CHECK_THROWS_WITH(cpu::set_simd_level(SimdLevel::avx512), ValueError, "avx512");
    CHECK(cpu::simd_level() == SimdLevel::baseline);
  }
}

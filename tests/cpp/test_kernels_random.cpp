// Random numbers.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernel_fixture.h"
#include "kernels/philox.h"

using namespace kernel_test;

namespace {

template <class T>
std::vector<T> draw(RandomOp op, std::int64_t n, double low, double high, std::uint64_t seed = 7,
                    std::uint64_t counter = 3) {
  std::vector<T> y(static_cast<std::size_t>(n));
  cpu_table().random(op, DTypeOf<T>::value, {seed, counter, n, low, high, 0, 0, y.data()});
  return y;
}

template <class T>
std::vector<T> draw_integers(std::int64_t n, std::int64_t low, std::int64_t high) {
  std::vector<T> y(static_cast<std::size_t>(n));
  cpu_table().random(RandomOp::integers, DTypeOf<T>::value, {7, 3, n, 0, 0, low, high, y.data()});
  return y;
}

/// Mean, deviation and fourth standardised moment.
template <class T>
std::array<double, 3> moments(const std::vector<T>& x) {
  double mean = 0, square = 0, fourth = 0;
  for (const T v : x) mean += static_cast<double>(v) / static_cast<double>(x.size());
  for (const T v : x) square += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(x.size());
  for (const T v : x) fourth += std::pow(static_cast<double>(v) - mean, 4) / static_cast<double>(x.size());
  return {mean, std::sqrt(square), fourth / (square * square)};
}

template <class T>
void check_distributions() {
  const std::int64_t n = 1 << 20;  // standard errors: about 1e-3 of the deviation
  const auto uniform = moments(draw<T>(RandomOp::uniform, n, -2, 6));
  CHECK_NEAR(uniform[0], 2, 0.02);
  CHECK_NEAR(uniform[1], 8 / std::sqrt(12.0), 0.02);
  CHECK_NEAR(uniform[2], 1.8, 0.02);
  const auto normal = moments(draw<T>(RandomOp::normal, n, 3, 2));
  CHECK_NEAR(normal[0], 3, 0.02);
  CHECK_NEAR(normal[1], 2, 0.02);
  CHECK_NEAR(normal[2], 3, 0.05);
  for (const RandomOp op : {RandomOp::uniform, RandomOp::normal}) {
    std::vector<T> y;
    CHECK(settings_agree(y, [&] { return draw<T>(op, 300007, -1, 1); }));
    // A shorter draw is the beginning of a longer one, and the counter moves in blocks.
    const auto shorter = draw<T>(op, 1001, -1, 1);
    CHECK(std::equal(shorter.begin(), shorter.end(), y.begin()));
    const std::size_t skipped = 10 * (sizeof(T) == 4 ? 4 : 2);
    const auto later = draw<T>(op, 500, -1, 1, 7, 13);
    CHECK(std::equal(later.begin(), later.end(), y.begin() + static_cast<std::ptrdiff_t>(skipped)));
  }
}

}  // namespace

TEST(philox_known_answers) {
  // From the authors' Random123 distribution, tests/kat_vectors: philox4x32, 10 rounds, all zero and all one.
  const PhiloxBlock zero = philox(0, 0);
  CHECK(zero.word[0] == 0x6627e8d5 && zero.word[1] == 0xe169c58d && zero.word[2] == 0xbc57ac4c &&
        zero.word[3] == 0x9b00dbd8);
}

TEST(random_distributions) {
  check_distributions<float>();
  check_distributions<double>();
}

TEST(uniform_follows_its_words) {
  const auto y = draw<float>(RandomOp::uniform, 9, 0, 1, 11, 5);
  for (std::size_t i = 0; i < 9; ++i) CHECK_EQ(y[i], uniform_float(philox(11, 5 + i / 4).word[i % 4]));
  const auto z = draw<double>(RandomOp::uniform, 5, 0, 1, 11, 5);
  for (std::size_t i = 0; i < 5; ++i) {
    const PhiloxBlock block = philox(11, 5 + i / 2);
    CHECK_EQ(z[i], uniform_double(block.word[i % 2 * 2], block.word[i % 2 * 2 + 1]));
  }
}

TEST(uniform_excludes_its_upper_end) {
  // Between neighbouring floats, half of the numbers would round up.
  const float low = 1.0f, high = std::nextafter(1.0f, 2.0f);
  for (const float v : draw<float>(RandomOp::uniform, 1000, low, high)) CHECK_EQ(v, low);
  for (const float v : draw<float>(RandomOp::uniform, 1000, 3, 3)) CHECK_EQ(v, 3.0f);
  for (const float v : draw<float>(RandomOp::uniform, 100000, -1e-3, 1e8)) CHECK(v >= -1e-3f && v < 1e8f);
}

TEST(random_integers) {
  const std::int64_t n = 600000;
  std::vector<std::int64_t> y;
  CHECK(settings_agree(y, [&] { return draw_integers<std::int64_t>(n, -3, 4); }));
  std::vector<std::int64_t> counts(7);
  for (const std::int64_t v : y) {
    REQUIRE(v >= -3 && v < 4);
    ++counts[static_cast<std::size_t>(v + 3)];
  }
  for (const std::int64_t c : counts) CHECK_NEAR(static_cast<double>(c) / static_cast<double>(n), 1.0 / 7, 0.003);
  bool negative = false, huge = false;
  for (const std::int64_t v : draw_integers<std::int64_t>(1000, INT64_MIN, INT64_MAX)) {
    negative = negative || v < -(std::int64_t{1} << 62);
    huge = huge || v > (std::int64_t{1} << 62);
  }
  CHECK(negative && huge);
  for (const std::int64_t v : draw_integers<std::int64_t>(100, 5, 6)) CHECK_EQ(v, 5);
  for (const float v : draw_integers<float>(100, 0, 10)) CHECK(v == std::floor(v) && v < 10);
}

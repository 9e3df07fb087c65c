// Normalisation of CUDA, emulated, against the CPU's: the statistics are float64 sums in either, so that what is left
// are a few roundings of the elements' type.

#include <algorithm>
#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

struct Shape {
  std::int64_t outer, channels, inner, period, span;
  std::int64_t numel() const { return outer * channels * inner; }
  std::int64_t pairs() const { return period * span; }
};

/// Batch, layer, group and instance normalisation, on both sides of each number at which the kernels change their way:
/// columns of neighbouring channels, parts of a warp, a warp, a block, and channels that are split among blocks.
const Shape kShapes[] = {
    {1, 1, 1, 1, 1},         {32, 3, 49, 3, 1},     {5, 70, 6, 70, 1},  {6, 40, 8, 40, 1},   {6, 40, 9, 40, 1},
    {100, 33, 1, 33, 1},     {300, 65, 1, 65, 1},   {4000, 2, 1, 2, 1}, {1, 1, 5000, 1, 1},  {7, 4, 3000, 4, 1},
    {2, 2, 20000, 2, 1},     {1, 5, 7, 1, 7},       {1, 40, 33, 1, 33}, {1, 257, 64, 1, 64}, {1, 3, 2047, 1, 2047},
    {1, 3, 2048, 1, 2048},   {1, 2, 9000, 1, 9000}, {1, 700, 3, 1, 3},  {1, 12, 35, 3, 35},  {1, 24, 245, 4, 5},
    {1, 6, 4 * 5000, 2, 4},  {1, 6, 300, 3, 150},   {1, 60, 49, 6, 1},  {1, 9, 9000, 3, 1},  {1, 3000, 1, 300, 1},
    {1, 2, 600 * 2, 2, 600},
};

template <class T>
constexpr bool kWide = std::is_same_v<T, double>;

template <class T>
struct Data {
  std::vector<T> x, g, weight, bias, mean, rstd;

  explicit Data(const Shape& s)
      : x(random_values<T>(s.numel())),
        g(random_values<T>(s.numel())),
        weight(random_values<T>(s.pairs(), 0.5, 2)),
        bias(random_values<T>(s.pairs())),
        mean(random_values<T>(s.channels, -1, 1)),
        rstd(random_values<T>(s.channels, 0.5, 1)) {
    // A channel with a large mean.
    for (std::int64_t i = 0; i < s.numel(); ++i) {
      if (i / s.inner % s.channels % 3 == 1) x[static_cast<std::size_t>(i)] += T(300);
    }
  }
  template <class U>
  explicit Data(const Data<U>& other)
      : x(other.x.begin(), other.x.end()),
        g(other.g.begin(), other.g.end()),
        weight(other.weight.begin(), other.weight.end()),
        bias(other.bias.begin(), other.bias.end()),
        mean(other.mean.begin(), other.mean.end()),
        rstd(other.rstd.begin(), other.rstd.end()) {}
};

struct Options {
  bool centered, given, weight, bias, variance;
};

template <class T>
Normalize arguments(const Shape& s, const Options& o, Data<T>& data) {
  Normalize n;
  n.outer = s.outer;
  n.channels = s.channels;
  n.inner = s.inner;
  n.period = s.period;
  n.span = s.span;
  n.centered = o.centered;
  n.given = o.given;
  n.eps = 1e-5;
  n.x = data.x.data();
  n.weight = o.weight ? data.weight.data() : nullptr;
  n.bias = o.bias ? data.bias.data() : nullptr;
  n.mean = o.centered ? data.mean.data() : nullptr;
  n.rstd = data.rstd.data();
  return n;
}

template <class T>
struct Result {
  std::vector<T> y, mean, rstd, variance;
  bool operator==(const Result& o) const {
    return same_bits(y, o.y) && same_bits(mean, o.mean) && same_bits(rstd, o.rstd) && same_bits(variance, o.variance);
  }
};

template <class T>
Result<T> forward(const KernelTable& table, const Shape& s, const Options& o, const Data<T>& from) {
  Data<T> data = from;
  Normalize n = arguments(s, o, data);
  Result<T> r;
  r.y.assign(data.x.size(), T(7));
  r.variance.assign(data.mean.size(), T(7));
  n.y = r.y.data();
  n.variance = o.variance ? r.variance.data() : nullptr;
  table.normalize(NormalizeOp::forward, DTypeOf<T>::value, n);
  r.mean = data.mean;
  r.rstd = data.rstd;
  return r;
}

template <class T>
bool near(const std::vector<T>& ours, const std::vector<T>& theirs, double relative, double absolute) {
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double a = static_cast<double>(ours[i]), b = static_cast<double>(theirs[i]);
    if (a == b || (a != a && b != b)) continue;
    if (!(std::fabs(a - b) <= relative * std::fabs(b) + absolute)) {
      verigrad_test::fail("element", static_cast<int>(i), std::to_string(a) + ", not " + std::to_string(b));
      return false;
    }
  }
  return true;
}

template <class T>
void check_forward(const Shape& s, const Options& o, bool special) {
  Data<T> data(s);
  if (special) {
    const std::vector<T> from = values<T>(s.numel());
    for (std::int64_t i = random_int(0, s.numel()); i < s.numel(); i += random_int(1, 2 * s.numel())) {
      data.x[static_cast<std::size_t>(i)] = from[static_cast<std::size_t>(i / 7 * 7)];
    }
  }
  const Result<T> ours = forward(cuda_table(), s, o, data), theirs = forward(cpu_table(), s, o, data);
  CHECK(ours == forward(cuda_table(), s, o, data));
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  // Where the mean rounds to its other neighbour, what is left of it does too; results have two more roundings.
  // The sums have digits to spare for float32 alone: for float64 the deviations from a first element are rounded, in
  // units of the largest element, which special values make as large as the mean times the elements.
  CHECK(near(ours.mean, theirs.mean, kWide<T> ? 8 * eps : eps, kWide<T> ? 8 * eps : 0));
  // A deviation from a huge element, its square and the parts of their sum are rounded: up to 2.5 units in either.
  CHECK(near(ours.rstd, theirs.rstd, kWide<T> ? 5 * eps : 2 * eps, 0));
  CHECK(near(ours.variance, theirs.variance, kWide<T> ? 5 * eps : 2 * eps, 0));
  CHECK(near(ours.y, theirs.y, 2 * eps, 24 * eps));
}

template <class T>
struct Gradients {
  std::vector<T> x, weight, bias;
  bool operator==(const Gradients& o) const {
    return same_bits(x, o.x) && same_bits(weight, o.weight) && same_bits(bias, o.bias);
  }
};

/// `wanted`: bits of x, weight and bias.
template <class T>
Gradients<T> backward(const KernelTable& table, const Shape& s, const Options& o, Data<T>& data, int wanted) {
  Normalize n = arguments(s, o, data);
  n.bias = nullptr;
  n.g = data.g.data();
  Gradients<T> r;
  r.x.assign(data.x.size(), T(7));
  r.weight.assign(data.weight.size(), T(7));
  r.bias = r.weight;
  n.grad_x = (wanted & 1) != 0 ? r.x.data() : nullptr;
  n.grad_weight = (wanted & 2) != 0 ? r.weight.data() : nullptr;
  n.grad_bias = (wanted & 4) != 0 ? r.bias.data() : nullptr;
  table.normalize(NormalizeOp::backward, DTypeOf<T>::value, n);
  return r;
}

/// Against the CPU's in float64, from the same statistics: what differs are the roundings of single elements, and of
/// the sums' results.
template <class T>
void check_backward(const Shape& s, const Options& o, int wanted) {
  Data<T> data(s);
  if (!o.given) {
    const Result<T> r = forward(cpu_table(), s, o, data);
    data.mean = r.mean;
    data.rstd = r.rstd;
  }
  Data<double> wide(data);
  const Gradients<T> ours = backward(cuda_table(), s, o, data, wanted);
  const Gradients<double> exact = backward(cpu_table(), s, o, wide, wanted);
  CHECK(ours == backward(cuda_table(), s, o, data, wanted));
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  double largest_rstd = 0, largest_standard = 1;
  for (std::int64_t i = 0; i < s.numel(); ++i) {
    const auto c = static_cast<std::size_t>(i / s.inner % s.channels);
    const double mean = o.centered ? wide.mean[c] : 0;
    largest_rstd = std::max(largest_rstd, wide.rstd[c]);
    largest_standard = std::max(largest_standard, std::fabs(wide.x[static_cast<std::size_t>(i)] - mean) * wide.rstd[c]);
  }
  const double squared = largest_standard * largest_standard;
  const std::vector<double> x(ours.x.begin(), ours.x.end()), weight(ours.weight.begin(), ours.weight.end()),
      bias(ours.bias.begin(), ours.bias.end());
  CHECK(near(x, exact.x, 4 * eps, 8 * (6 + squared) * largest_rstd * eps));
  // A sum of `count` products of at most 4 by largest_standard; their roundings are as good as independent.
  const double count = static_cast<double>(s.numel() / s.pairs());
  CHECK(near(weight, exact.weight, 2 * eps, 16 * largest_standard * std::sqrt(count) * eps));
  CHECK(near(bias, exact.bias, 2 * eps, kWide<T> ? 16 * std::sqrt(count) * eps : 0));
}

std::string name_of(const Shape& s) {
  return std::to_string(s.outer) + " by " + std::to_string(s.channels) + " by " + std::to_string(s.inner);
}

const Options kOptions[] = {
    {true, false, true, true, true},    {true, false, true, false, false}, {true, false, false, true, true},
    {true, false, false, false, false}, {false, false, true, true, true},  {false, false, false, false, false},
    {true, true, true, true, false},    {true, true, false, false, false}, {false, true, true, true, false}};

TEST(normalisation_forward) {
  int turn = 0;
  for (const Shape& s : kShapes) {
    for (const Options& o : kOptions) {
      ++turn;
      if (turn % 2 == 0) {
        check_forward<float>(s, o, turn % 3 == 0);
      } else {
        check_forward<double>(s, o, turn % 3 == 0);
      }
      if (!verigrad_test::failures().empty()) return verigrad_test::fail("options", turn % 9, name_of(s));
    }
  }
}

TEST(normalisation_backward) {
  int turn = 0;
  for (const Shape& s : kShapes) {
    for (const Options& o : kOptions) {
      const int wanted = ++turn % 4 == 0 ? static_cast<int>(random_int(1, 6)) : 7;
      if (turn % 2 == 0) {
        check_backward<float>(s, o, wanted);
      } else {
        check_backward<double>(s, o, wanted);
      }
      if (!verigrad_test::failures().empty()) return verigrad_test::fail("options", turn % 9, name_of(s));
    }
  }
}

TEST(many_long_channels_have_a_block_each) {
  check_forward<float>({1, 515, 8200, 5, 1}, kOptions[0], false);
  check_backward<float>({1, 515, 8200, 1, 8200}, kOptions[0], 1);
}

TEST(more_channels_than_one_grid_takes) {
  // 8192 blocks, of 256 channels each where a channel has one thread, and of 128 columns that have two.
  const Shape rows{1, 8192 * 256 + 3, 2, 1, 2}, columns{9, 8192 * 128 + 3, 1, 1, 1};
  check_backward<float>(rows, kOptions[0], 5);
  const Data<float> data(columns);
  const Result<float> ours = forward(cuda_table(), columns, kOptions[0], data);
  const Result<float> theirs = forward(cpu_table(), columns, kOptions[0], data);
  CHECK(near(ours.y, theirs.y, 1e-6, 3e-6));
  CHECK(near(ours.variance, theirs.variance, 1e-6, 0));
}

/// The variance of elements that differ in their last digits alone.
TEST(a_large_mean_costs_no_digits) {
  const auto check = [](auto tag, double mean, double bound) {
    using T = decltype(tag);
    for (const Shape& s : {Shape{1, 3, 4000, 3, 1}, Shape{1, 1, 70000, 1, 1}, Shape{500, 40, 1, 40, 1}}) {
      Data<T> data(s);
      for (std::size_t i = 0; i < data.x.size(); ++i) {
        data.x[i] = static_cast<T>(mean) + static_cast<T>(i * 2654435761u % 7);
      }
      const Result<T> r = forward(cuda_table(), s, kOptions[0], data);
      const Result<T> theirs = forward(cpu_table(), s, kOptions[0], data);
      for (std::size_t c = 0; c < r.mean.size(); ++c) {
        CHECK_NEAR(r.variance[c], theirs.variance[c], bound * static_cast<double>(theirs.variance[c]));
      }
    }
  };
  check(float(), 1e6, 1.2e-7);
  check(double(), 1e12, 1e-15);
}

TEST(normalisation_of_other_dtypes_is_refused) {
  Normalize n;
  for (const NormalizeOp op : {NormalizeOp::forward, NormalizeOp::backward}) {
    CHECK_THROWS_WITH(cuda_table().normalize(op, DType::Int64, n), RuntimeError,
                      "expected a floating-point dtype, got int64");
  }
}

}  // namespace

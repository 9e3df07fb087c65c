// softmax and log_softmax of CUDA, emulated, against the CPU's.

#include <algorithm>
#include <array>
#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

template <class T>
std::vector<T> run(const KernelTable& table, SoftmaxOp op, Softmax s, const std::vector<T>& x) {
  std::vector<T> y(x.size(), T(3));
  s.in = x.data();
  s.out = y.data();
  table.softmax(op, DTypeOf<T>::value, s);
  return y;
}

/// The powers are the CPU's, and their sums are trees in either: a relative error of 16 roundings and one for each
/// doubling of the length is left, and in log_softmax the same as an absolute error, and one rounding. Down columns the
/// CPU adds one element after the other.
template <class T>
void check(std::int64_t outer, std::int64_t size, std::int64_t inner, bool special) {
  Softmax s;
  s.outer = outer;
  s.size = size;
  s.inner = inner;
  std::vector<T> x = random_values<T>(outer * size * inner, -9, 9);
  if (special) {
    const std::vector<T> from = values<T>(outer * size * inner);
    for (std::size_t i = 0; i < x.size(); i += static_cast<std::size_t>(random_int(1, 40 * size))) x[i] = from[i];
  }
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  const double bound =
      (32 + 2 * std::log2(static_cast<double>(size)) + static_cast<double>(inner > 1 ? size : 0)) * eps / 2;
  for (const SoftmaxOp op : {SoftmaxOp::softmax, SoftmaxOp::log_softmax}) {
    const std::vector<T> ours = run(cuda_table(), op, s, x), theirs = run(cpu_table(), op, s, x);
    CHECK(same_bits(ours, run(cuda_table(), op, s, x)));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double a = static_cast<double>(ours[i]), b = static_cast<double>(theirs[i]);
      if (a == b || (a != a && b != b)) continue;
      const double allowed = bound * std::fabs(b) + (op == SoftmaxOp::log_softmax ? bound : eps * 1e-30);
      if (!(std::fabs(a - b) <= allowed)) {
        return verigrad_test::fail("softmax", static_cast<int>(size),
                                   "of " + std::to_string(outer) + " by " + std::to_string(inner) + " at " +
                                       std::to_string(i) + ": " + std::to_string(a) + ", not " + std::to_string(b));
      }
    }
  }
}

TEST(softmax_of_rows) {
  // Lanes of 1 to 32, elements that a lane holds, rows in memory, rows of whole blocks, and split ones.
  for (const std::int64_t size : {1,   2,   3,    8,    9,    31,   32,   33,   127,  128,   129,   383,
                                  384, 385, 1023, 1024, 1025, 2047, 2048, 4096, 4097, 20000, 150001}) {
    for (const std::int64_t outer : {1, 7, 300}) {
      if (outer * size > 400000) continue;
      check<float>(outer, size, 1, outer == 7);
      check<double>(outer, size, 1, outer == 300);
    }
  }
}

TEST(softmax_of_columns) {
  for (const std::int64_t size : {1, 2, 7, 8, 9, 64, 65, 257, 4096, 4097, 30000}) {
    for (const std::int64_t inner : {2, 3, 31, 33, 300}) {
      for (const std::int64_t outer : {1, 5}) {
        if (outer * size * inner > 200000) continue;
        check<float>(outer, size, inner, inner % 2 == 1);
        check<double>(outer, size, inner, outer == 5);
      }
    }
  }
}

/// Equal elements round the same way again and again, where many additions follow one another.
TEST(long_softmax_of_equal_elements) {
  for (const auto& [outer, size, inner] :
       {std::array<std::int64_t, 3>{1, 100000, 1}, {1, 4096, 33}, {1, 40000, 3}, {130, 5000, 1}}) {
    Softmax s;
    s.outer = outer;
    s.size = size;
    s.inner = inner;
    std::vector<float> x(static_cast<std::size_t>(outer * size * inner), 0.3f);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (static_cast<std::int64_t>(i) / inner % size == 0) x[i] = 2;
    }
    const double rest = static_cast<double>(0.3f) - 2;
    const double sum = 1 + static_cast<double>(size - 1) * std::exp(rest);
    const std::vector<float> y = run(cuda_table(), SoftmaxOp::softmax, s, x);
    const std::vector<float> logs = run(cuda_table(), SoftmaxOp::log_softmax, s, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double shifted = x[i] == 2 ? 0 : rest, exact = std::exp(shifted) / sum;
      CHECK_NEAR(y[i], exact, 8e-7 * exact);
      CHECK_NEAR(logs[i], shifted - std::log(sum), 2e-6);
      if (!verigrad_test::failures().empty()) return;
    }
  }
}

TEST(softmax_of_more_rows_than_one_grid_takes) {
  // 8192 blocks of 256 rows that have one thread each, contiguous and not.
  for (const std::int64_t inner : {1, 2}) {
    Softmax s;
    s.outer = 8192 * 256 / inner + 5;
    s.size = 1;
    s.inner = inner;
    const std::vector<float> x(static_cast<std::size_t>(s.outer * inner), 0.3f);
    const std::vector<float> y = run(cuda_table(), SoftmaxOp::softmax, s, x);
    CHECK(std::count(y.begin(), y.end(), 1.0f) == s.outer * inner);
  }
}

TEST(softmax_of_more_columns_than_one_grid_takes) {
  // Two threads for each of 128 columns of a block.
  Softmax s;
  s.outer = 1;
  s.size = 9;
  s.inner = 8192 * 128 + 5;
  const std::vector<float> x = random_values<float>(s.size * s.inner);
  const std::vector<float> ours = run(cuda_table(), SoftmaxOp::softmax, s, x);
  const std::vector<float> theirs = run(cpu_table(), SoftmaxOp::softmax, s, x);
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < x.size(); ++i) wrong += std::fabs(ours[i] - theirs[i]) <= 1e-6f * theirs[i] ? 0 : 1;
  CHECK_EQ(wrong, 0);
}

TEST(many_long_rows_have_a_block_each) {
  check<float>(129, 4100, 1, true);
  check<float>(127, 4100, 1, true);
  check<double>(5, 4200, 33, true);
}

TEST(softmax_of_other_dtypes_is_refused) {
  Softmax s;
  s.outer = s.size = s.inner = 1;
  CHECK_THROWS_WITH(cuda_table().softmax(SoftmaxOp::softmax, DType::Int32, s), RuntimeError,
                    "expected a floating-point dtype, got int32");
}

}  // namespace

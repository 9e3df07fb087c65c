// Scans and sorts: cuts for threads, and the order of equal elements.

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernel_fixture.h"

using namespace kernel_test;

namespace {

template <class T>
std::vector<T> scanned(ScanOp op, std::int64_t outer, std::int64_t size, std::int64_t inner, const std::vector<T>& x,
                       bool reverse = false) {
  std::vector<T> out(x.size());
  std::vector<std::int64_t> index(x.size());
  Scan s;
  s.outer = outer;
  s.size = size;
  s.inner = inner;
  s.reverse = reverse;
  s.in = x.data();
  s.factor = x.data();
  s.out = out.data();
  s.index = op == ScanOp::max || op == ScanOp::min ? index.data() : nullptr;
  cpu_table().scan(op, DTypeOf<T>::value, s);
  return out;
}

std::vector<std::int64_t> order_of(const std::vector<float>& x, std::int64_t outer, bool descending) {
  std::vector<float> out(x.size());
  std::vector<std::int64_t> index(x.size());
  Sort s;
  s.outer = outer;
  s.size = s.count = static_cast<std::int64_t>(x.size()) / outer;
  s.descending = descending;
  s.in = x.data();
  s.out = out.data();
  s.index = index.data();
  cpu_table().sort(DType::Float32, s);
  return index;
}

}  // namespace

TEST(scans_have_the_same_bits_with_any_number_of_threads) {
  const std::int64_t n = 600 * 521;
  const std::vector<float> x = random_values<float>(n);
  for (const ScanOp op : {ScanOp::sum, ScanOp::prod, ScanOp::max, ScanOp::min, ScanOp::log_sum, ScanOp::recurrence}) {
    std::vector<float> result;
    CHECK(settings_agree(result, [&] { return scanned<float>(op, 600, 521, 1, x); }));
    CHECK(settings_agree(result, [&] { return scanned<float>(op, 1, 521, 600, x); }));
  }
}

TEST(sums_are_carried_in_double) {
  std::vector<float> x(100000, 0.1F);
  const std::vector<float> sums = scanned<float>(ScanOp::sum, 1, 100000, 1, x);
  CHECK_EQ(sums.back(), static_cast<float>(100000 * static_cast<double>(0.1F)));
  const std::vector<float> back = scanned<float>(ScanOp::sum, 1, 100000, 1, x, true);
  CHECK_EQ(back.front(), sums.back());
}

TEST(whole_numbers_wrap) {
  const std::vector<std::int64_t> x = {std::numeric_limits<std::int64_t>::max(), 1, 1};
  const std::vector<std::int64_t> sums = scanned<std::int64_t>(ScanOp::sum, 1, 3, 1, x);
  CHECK_EQ(sums[1], std::numeric_limits<std::int64_t>::min());
}

TEST(equal_elements_keep_their_order) {
  for (const std::int64_t n : {5, 64, 65, 1000}) {
    std::vector<float> x = random_values<float>(n);
    for (float& v : x) v = v < 0 ? -0.0F : (v < 2 ? 0.0F : std::numeric_limits<float>::quiet_NaN());
    for (const bool descending : {false, true}) {
      std::vector<std::int64_t> wanted(x.size());
      std::iota(wanted.begin(), wanted.end(), 0);
      std::stable_sort(wanted.begin(), wanted.end(), [&](std::int64_t a, std::int64_t b) {
        const bool p = x[static_cast<std::size_t>(a)] != x[static_cast<std::size_t>(a)];
        const bool q = x[static_cast<std::size_t>(b)] != x[static_cast<std::size_t>(b)];
        return descending ? p > q : p < q;
      });
      CHECK(order_of(x, 1, descending) == wanted);
    }
  }
}

TEST(sorts_have_the_same_bits_with_any_number_of_threads) {
  const std::vector<float> x = random_values<float>(300 * 521);
  std::vector<std::int64_t> result;
  CHECK(settings_agree(result, [&] { return order_of(x, 300, false); }));
}

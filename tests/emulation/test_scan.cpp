// Running results of CUDA, emulated, against the CPU's.

#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

struct Lines {
  std::int64_t outer, size, inner;
};

/// Around a thread's run, a chunk of a block, and the blocks of a grid.
const std::vector<Lines> kLines = {{1, 1, 1},    {1, 7, 1},    {3, 8, 5},   {1, 9, 2},   {2, 2047, 1}, {1, 2048, 1},
                                   {3, 2049, 1}, {1, 5003, 1}, {2, 33, 67}, {70, 17, 1}, {1, 6, 301},  {2, 66, 200}};

Scan scan_of(const Lines& lines, const void* in, void* out) {
  Scan s;
  s.outer = lines.outer;
  s.size = lines.size;
  s.inner = lines.inner;
  s.in = in;
  s.out = out;
  return s;
}

std::int64_t count_of(const Lines& lines) { return lines.outer * lines.size * lines.inner; }

/// Partial results are combined in another order: in double, of which float32 loses nothing.
template <class T>
void check_running(ScanOp op, const Lines& lines, bool reverse) {
  const auto n = static_cast<std::size_t>(count_of(lines));
  const bool sum = op == ScanOp::sum;
  const std::vector<T> x = random_values<T>(static_cast<std::int64_t>(n), sum ? -4 : 0.999, sum ? 4 : 1.001);
  std::vector<T> ours(n), theirs(n);
  for (auto* out : {&ours, &theirs}) {
    Scan s = scan_of(lines, x.data(), out->data());
    s.reverse = reverse;
    (out == &ours ? cuda_table() : cpu_table()).scan(op, DTypeOf<T>::value, s);
  }
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  const double bound =
      eps * (sum ? 4.0 : 1.0) * static_cast<double>(lines.size) * std::sqrt(static_cast<double>(lines.size) + 1);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(std::fabs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])) <=
          std::max(bound, 2 * eps * std::fabs(static_cast<double>(theirs[i]))));
  }
}

template <class T>
void check_extremes(const Lines& lines) {
  const std::int64_t n = count_of(lines);
  std::vector<Cell<T>> x = values<T>(n);
  for (const ScanOp op : {ScanOp::max, ScanOp::min}) {
    std::vector<std::int64_t> ours(static_cast<std::size_t>(n)), theirs = ours;
    CHECK(agree<T>(n, [&](const KernelTable& table, void* out) {
      Scan s = scan_of(lines, x.data(), out);
      s.index = (&table == &cpu_table() ? theirs : ours).data();
      table.scan(op, DTypeOf<T>::value, s);
    }));
    CHECK(ours == theirs);
  }
}

TEST(running_sums_and_products) {
  for (const Lines& lines : kLines) {
    for (const bool reverse : {false, true}) {
      for (const ScanOp op : {ScanOp::sum, ScanOp::prod}) {
        check_running<float>(op, lines, reverse);
        check_running<double>(op, lines, reverse);
      }
      const std::vector<std::int64_t> x = random_values<std::int64_t>(count_of(lines), -1e15, 1e15);
      for (const ScanOp op : {ScanOp::sum, ScanOp::prod}) {  // which wrap
        CHECK(agree<std::int64_t>(count_of(lines), [&](const KernelTable& table, void* out) {
          Scan s = scan_of(lines, x.data(), out);
          s.reverse = reverse;
          table.scan(op, DType::Int64, s);
        }));
      }
    }
  }
}

TEST(running_logarithms_of_sums_and_recurrences) {
  for (const Lines& lines : kLines) {
    for (const bool reverse : {false, true}) {
      for (const ScanOp op : {ScanOp::log_sum, ScanOp::recurrence}) {
        const auto n = static_cast<std::size_t>(count_of(lines));
        const std::vector<double> x = random_values<double>(static_cast<std::int64_t>(n), -4, 4);
        std::vector<double> factor = random_values<double>(static_cast<std::int64_t>(n), 0, 0.9);
        for (std::size_t i = 0; i < n; i += 5) factor[i] = 0;
        std::vector<double> ours(n), theirs(n);
        for (auto* out : {&ours, &theirs}) {
          Scan s = scan_of(lines, x.data(), out->data());
          s.reverse = reverse;
          s.factor = factor.data();
          (out == &ours ? cuda_table() : cpu_table()).scan(op, DType::Float64, s);
        }
        for (std::size_t i = 0; i < n; ++i) CHECK(std::fabs(ours[i] - theirs[i]) <= 1e-12);
      }
    }
  }
}

TEST(running_extremes) {
  for (const Lines& lines : kLines) {
    check_extremes<float>(lines);
    check_extremes<double>(lines);
    check_extremes<std::int32_t>(lines);
    check_extremes<bool>(lines);
  }
}

}  // namespace

// The reductions of CUDA, emulated, against those of the CPU: equal where the order does not matter, else within the
// rounding of sums by trees.

#include <algorithm>
#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

/// A tensor and which of its dimensions go.
struct Problem {
  Dims shape, strides;
  int gone;  // bits

  bool goes(int d) const { return (gone >> d & 1) != 0; }
  Reduction reduction(const void* in, void* out, bool gaps) const {
    Reduction r;
    r.in = in;
    r.out = out;
    for (int d = 0; d < shape.size(); ++d) {
      (goes(d) ? r.reduced : r.kept).push_back(shape[d]);
      (goes(d) ? r.in_reduced_strides : r.in_kept_strides).push_back(strides[d]);
    }
    r.out_strides = row_major(r.kept);
    if (gaps) {
      for (auto& stride : r.out_strides) stride *= 3;
    }
    return r;
  }
  std::int64_t kept() const {
    std::int64_t n = 1;
    for (int d = 0; d < shape.size(); ++d) n *= goes(d) ? 1 : shape[d];
    return n;
  }
};

/// Shapes on both sides of each number at which the kernels change how they spread the work: lanes of 1 to 32, the
/// whole block from 2048 on, chunks from 8192 on, leaves of 64 elements of a thread; columns likewise.
std::vector<Problem> problems() {
  std::vector<Problem> all;
  for (const std::int64_t n : {1, 7, 8, 9, 16, 17, 31, 33, 255, 257, 2047, 2048, 2049, 8191, 8192, 20000, 300001}) {
    all.push_back({{n}, {1}, 1});
    all.push_back({{n}, {3}, 1});
    if (n <= 9000) {
      all.push_back({{5, n}, {n, 1}, 2});
      all.push_back({{n, 5}, {5, 1}, 1});
    }
  }
  for (const Dims& shape : {Dims{300, 8}, Dims{257, 70}, Dims{70, 257}, Dims{900, 33}, Dims{33, 900}, Dims{3000, 40},
                            Dims{40, 3000}, Dims{20001, 3}, Dims{6000, 32}}) {
    for (const int gone : {1, 2}) all.push_back({shape, row_major(shape), gone});
  }
  for (const Dims& shape : {Dims{40, 70, 33}, Dims{5, 1, 70}, Dims{2, 3, 700}}) {
    for (int gone = 0; gone < 8; ++gone) {
      all.push_back({shape, row_major(shape), gone});
      all.push_back({shape, layout(shape, {2, 0, 1}, 2), gone});
      Dims expanded = row_major(shape);
      expanded[1] = 0;
      all.push_back({shape, expanded, gone});
    }
  }
  const Dims shape{3, 4, 5, 6, 7};
  for (int gone = 0; gone < 32; ++gone) all.push_back({shape, layout(shape, {3, 1, 4, 0, 2}), gone});
  return all;
}

template <class T>
bool equal(T a, T b) {
  return a == b || (a != a && b != b);
}

/// Whether `call` writes the same values through the tables of both devices, and the same bits when it runs again.
template <class Out, class Call>
bool same_values(std::int64_t n, const Call& call) {
  std::vector<Cell<Out>> ours(static_cast<std::size_t>(n), Cell<Out>(3)), again = ours, theirs = ours;
  call(cuda_table(), ours.data());
  call(cuda_table(), again.data());
  call(cpu_table(), theirs.data());
  return same_bits(ours, again) && std::equal(ours.begin(), ours.end(), theirs.begin(), &equal<Cell<Out>>);
}

template <class In, class Out>
void check_exact(ReduceOp op, const Problem& p, const std::vector<Cell<In>>& x) {
  CHECK(same_values<Out>(3 * p.kept(), [&](const KernelTable& t, Cell<Out>* y) {
    t.reduce(op, DTypeOf<In>::value, DTypeOf<Out>::value, p.reduction(x.data(), y, true));
  }));
}

template <class T>
void check_positions(const Problem& p, const std::vector<Cell<T>>& x, bool greatest) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(p.kept())), theirs = index;
  CHECK(same_values<T>(p.kept(), [&](const KernelTable& t, Cell<T>* y) {
    Reduction r = p.reduction(x.data(), y, false);
    r.index = &t == &cuda_table() ? index.data() : theirs.data();
    t.reduce(greatest ? ReduceOp::max : ReduceOp::min, DTypeOf<T>::value, DTypeOf<T>::value, r);
  }));
  CHECK(index == theirs);
  CHECK(same_values<std::int64_t>(3 * p.kept(), [&](const KernelTable& t, std::int64_t* y) {
    t.arg_reduce(greatest ? ArgReduceOp::argmin : ArgReduceOp::argmax, DTypeOf<T>::value,
                 p.reduction(x.data(), y, true));
  }));
}

/// Some of the reductions, others for each `turn`.
template <class T>
void check_type(const Problem& p, int turn) {
  const std::int64_t size = extent(p.shape, p.strides);
  std::vector<Cell<T>> x = turn % 5 < 3 ? values<T>(size) : random_values<Cell<T>>(size, 0, 1.99);
  if (std::is_same_v<T, bool>) std::replace(x.begin(), x.end(), Cell<T>(1), Cell<T>(8));
  switch (turn % 3) {
    case 0: check_exact<T, T>(ReduceOp::max, p, x), check_exact<T, bool>(ReduceOp::all, p, x); break;
    case 1: check_exact<T, T>(ReduceOp::min, p, x), check_exact<T, bool>(ReduceOp::any, p, x); break;
    default:
      if constexpr (std::is_integral_v<T>) {
        check_exact<T, std::int64_t>(ReduceOp::sum, p, x);
        check_exact<T, std::int64_t>(ReduceOp::prod, p, x);
      }
  }
  check_positions<T>(p, x, turn % 2 == 0);
}

TEST(exact_reductions_and_positions) {
  int which = 0;
  for (const Problem& p : problems()) {
    const int turn = static_cast<int>(random_int(0, 29));
    switch (++which % 6) {
      case 0: check_type<float>(p, turn); break;
      case 1: check_type<double>(p, turn); break;
      case 2: check_type<bool>(p, turn); break;
      case 3: check_type<std::uint8_t>(p, turn); break;
      case 4: check_type<std::int32_t>(p, turn); break;
      default: check_type<std::int64_t>(p, turn);
    }
    if (!verigrad_test::failures().empty()) {
      return verigrad_test::fail("problem", which, "of " + std::to_string(p.shape.size()) + " dimensions differs");
    }
  }
}

/// Sums and products of either float type into either, against the CPU's in float64. No more than `roundings` of the
/// result's type follow one another: 16 and 2 in a leaf of 64, one for each doubling of the number of leaves.
template <class In, class Out>
void check_sums(const Problem& p) {
  const std::int64_t size = extent(p.shape, p.strides), n = p.kept();
  const auto x = random_values<In>(size, -1, 3);
  std::vector<double> exact(static_cast<std::size_t>(n)), magnitude = exact, wide(x.begin(), x.end());
  cpu_table().reduce(ReduceOp::sum, DType::Float64, DType::Float64, p.reduction(wide.data(), exact.data(), false));
  for (double& v : wide) v = std::fabs(v);
  cpu_table().reduce(ReduceOp::sum, DType::Float64, DType::Float64, p.reduction(wide.data(), magnitude.data(), false));
  std::vector<Out> y(static_cast<std::size_t>(n)), again = y;
  for (auto* out : {&y, &again}) {
    cuda_table().reduce(ReduceOp::sum, DTypeOf<In>::value, DTypeOf<Out>::value,
                        p.reduction(x.data(), out->data(), false));
  }
  CHECK(same_bits(y, again));
  const double count = static_cast<double>(product(p.shape) / n);
  const double bound = (20 + std::log2(count)) * static_cast<double>(std::numeric_limits<Out>::epsilon()) / 2;
  for (std::size_t i = 0; i < y.size(); ++i) CHECK_NEAR(y[i], exact[i], bound * magnitude[i]);
}

template <class In, class Out>
void check_products(const Problem& p) {
  const std::int64_t n = p.kept();
  const auto x = random_values<In>(extent(p.shape, p.strides), 0.5, 1.45);
  std::vector<double> exact(static_cast<std::size_t>(n)), wide(x.begin(), x.end());
  cpu_table().reduce(ReduceOp::prod, DType::Float64, DType::Float64, p.reduction(wide.data(), exact.data(), false));
  std::vector<Out> y(static_cast<std::size_t>(n));
  cuda_table().reduce(ReduceOp::prod, DTypeOf<In>::value, DTypeOf<Out>::value, p.reduction(x.data(), y.data(), false));
  const double count = static_cast<double>(product(p.shape) / n);
  const double bound = count * static_cast<double>(std::numeric_limits<Out>::epsilon());
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (exact[i] > 0.1 * static_cast<double>(std::numeric_limits<Out>::max())) continue;
    CHECK_NEAR(y[i], exact[i], bound * std::fabs(exact[i]) + static_cast<double>(std::numeric_limits<Out>::min()));
  }
}

TEST(sums_and_products_of_floats) {
  int which = 0;
  for (const Problem& p : problems()) {
    switch (++which % 4) {
      case 0: check_sums<double, double>(p), check_products<double, float>(p); break;
      case 1: check_sums<float, double>(p), check_products<double, double>(p); break;
      case 2: check_sums<double, float>(p), check_products<float, double>(p); break;
      default: check_products<float, float>(p); break;
    }
    check_sums<float, float>(p);
    if (!verigrad_test::failures().empty()) {
      return verigrad_test::fail("problem", which, "of " + std::to_string(p.shape.size()) + " dimensions differs");
    }
  }
}

/// Equal elements round the same way again and again, where many additions follow one another.
TEST(long_sums_of_equal_elements) {
  for (const Problem& p : {Problem{{1 << 21}, {0}, 1}, Problem{{1 << 19, 4}, {0, 1}, 1},
                           Problem{{300, 5000}, {0, 1}, 2}, Problem{{40, 70, 700}, {0, 700, 1}, 5}}) {
    const std::vector<float> x(static_cast<std::size_t>(extent(p.shape, p.strides)), 0.1f);
    std::vector<float> y(static_cast<std::size_t>(p.kept()));
    cuda_table().reduce(ReduceOp::sum, DType::Float32, DType::Float32, p.reduction(x.data(), y.data(), false));
    const double exact = static_cast<double>(0.1f) * static_cast<double>(product(p.shape) / p.kept());
    for (const float v : y) CHECK_NEAR(v, exact, 1e-6 * exact);
  }
}

TEST(more_results_than_one_grid_takes) {
  // 8192 blocks, of 256 results each where a result has one thread.
  const std::int64_t n = 8192 * 256 + 3;
  const auto x = random_values<std::uint8_t>(n, 0, 2);
  const Problem p{{n, 1}, {1, 1}, 2};
  check_exact<std::uint8_t, bool>(ReduceOp::any, p, x);
  CHECK(same_values<std::int64_t>(n, [&](const KernelTable& t, std::int64_t* y) {
    t.arg_reduce(ArgReduceOp::argmax, DType::UInt8, p.reduction(x.data(), y, false));
  }));
}

TEST(the_first_of_equals_and_the_first_nan_win) {
  for (const std::int64_t n : {20, 300, 5000, 50000}) {
    std::vector<float> x(static_cast<std::size_t>(n), -std::numeric_limits<float>::infinity());
    const Problem p{{n}, {1}, 1};
    std::int64_t at = -1;
    const auto argmax = [&] {
      cuda_table().arg_reduce(ArgReduceOp::argmax, DType::Float32, p.reduction(x.data(), &at, false));
      return at;
    };
    CHECK_EQ(argmax(), 0);
    for (const std::int64_t k : {n - 1, n / 2, n / 3}) {
      x[static_cast<std::size_t>(k)] = 1;
      CHECK_EQ(argmax(), k);
    }
    for (const std::int64_t k : {n - 2, n / 2 + 1}) {
      x[static_cast<std::size_t>(k)] = std::numeric_limits<float>::quiet_NaN();
      CHECK_EQ(argmax(), k);
    }
  }
}

TEST(a_reduction_between_kinds_of_dtypes_is_refused) {
  const float x = 1;
  std::int64_t y = 0;
  const Problem p{{1}, {1}, 1};
  CHECK_THROWS_WITH(cuda_table().reduce(ReduceOp::sum, DType::Float32, DType::Int64, p.reduction(&x, &y, false)),
                    RuntimeError, "no cuda implementation from dtype float32 to int64");
}

}  // namespace

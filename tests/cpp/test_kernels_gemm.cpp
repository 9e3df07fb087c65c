// Matrix products: every orientation, bias, accumulation, batches and edge sizes against three loops in double.

#include <cmath>

#include "kernel_fixture.h"

using namespace kernel_test;

namespace {

struct Case {
  std::int64_t batch, m, n, k;
  bool trans_a, trans_b, accumulate, bias;
  std::int64_t extra;  // added to the leading dimensions
};

template <class T>
struct Product {
  Case c;
  std::vector<T> a, b, out, bias;
  Gemm g;

  explicit Product(const Case& spec, bool broadcast_b = false) : c(spec) {
    g.batch = c.batch;
    g.m = c.m;
    g.n = c.n;
    g.k = c.k;
    g.trans_a = c.trans_a;
    g.trans_b = c.trans_b;
    g.accumulate = c.accumulate;
    g.lda = (c.trans_a ? c.m : c.k) + c.extra;
    g.ldb = (c.trans_b ? c.k : c.n) + c.extra;
    g.ldc = c.n + c.extra;
    g.stride_a = (c.trans_a ? c.k : c.m) * g.lda;
    g.stride_b = broadcast_b ? 0 : (c.trans_b ? c.n : c.k) * g.ldb;
    g.stride_c = c.m * g.ldc;
    a = random_values<T>(c.batch * g.stride_a + 1);
    b = random_values<T>((broadcast_b ? 1 : c.batch) * (c.trans_b ? c.n : c.k) * g.ldb + 1);
    out = random_values<T>(c.batch * g.stride_c);
    bias = random_values<T>(c.n);
  }

  std::vector<T> run() {
    std::vector<T> result = out;
    g.a = a.data();
    g.b = b.data();
    g.c = result.data();
    g.bias = c.bias ? bias.data() : nullptr;
    cpu_table().gemm(DTypeOf<T>::value, g);
    return result;
  }

  /// The largest error relative to the sum of magnitudes; elements between rows must be untouched.
  double error(const std::vector<T>& result) const {
    double worst = 0;
    for (std::int64_t q = 0; q < c.batch; ++q) {
      for (std::int64_t i = 0; i < c.m; ++i) {
        for (std::int64_t j = 0; j < g.ldc; ++j) {
          const auto at = static_cast<std::size_t>(q * g.stride_c + i * g.ldc + j);
          double sum = static_cast<double>(out[at]), magnitude = 1;
          if (j < c.n) {
            if (!c.accumulate) sum = 0;
            if (c.bias) sum += static_cast<double>(bias[static_cast<std::size_t>(j)]);
            for (std::int64_t p = 0; p < c.k; ++p) {
              const auto ia = static_cast<std::size_t>(q * g.stride_a + (c.trans_a ? p * g.lda + i : i * g.lda + p));
              const auto ib = static_cast<std::size_t>(q * g.stride_b + (c.trans_b ? j * g.ldb + p : p * g.ldb + j));
              const double term = static_cast<double>(a[ia]) * static_cast<double>(b[ib]);
              sum += term;
              magnitude += std::fabs(term);
            }
          }
          worst = std::max(worst, std::fabs(static_cast<double>(result[at]) - sum) / magnitude);
        }
      }
    }
    return worst;
  }
};

template <class T>
void check(const Case& c, double tolerance) {
  Product<T> p(c);
  const double error = p.error(p.run());
  if (!(error <= tolerance)) {
    verigrad_test::fail(__FILE__, __LINE__,
                        "gemm " + std::to_string(c.m) + "x" + std::to_string(c.n) + "x" + std::to_string(c.k) +
                            " trans " + std::to_string(c.trans_a) + std::to_string(c.trans_b) + " batch " +
                            std::to_string(c.batch) + ": error " + verigrad_test::show(error));
  }
}

}  // namespace

TEST(products_of_all_orientations) {
  const std::int64_t sizes[][3] = {{1, 1, 1},    {1, 7, 5},    {7, 1, 5},     {5, 7, 1}, {1, 1, 9},     {2, 3, 4},
                                   {16, 10, 33}, {64, 10, 64}, {65, 130, 70}, {3, 5, 0}, {1, 300, 200}, {300, 1, 200}};
  for (const auto& size : sizes) {
    for (int flags = 0; flags < 32; ++flags) {
      const Case c{1 + (flags & 1) * 2, size[0],          size[1],           size[2],        (flags & 2) != 0,
                   (flags & 4) != 0,    (flags & 8) != 0, (flags & 16) != 0, (flags & 1) * 3};
      check<float>(c, 1e-6);
      check<double>(c, 1e-15);
      check<std::int32_t>(c, 0);
      check<std::int64_t>(c, 0);
    }
  }
}

TEST(large_products_have_the_same_bits_with_any_threads) {
  const Settings restore;
  for (const Case& c :
       {Case{1, 300, 500, 200, false, true, false, true, 0}, Case{1, 64, 1000, 784, false, false, true, false, 0},
        Case{1, 1000, 64, 333, true, false, false, false, 1}, Case{1, 1, 4000, 1500, false, true, false, true, 0},
        Case{1, 5000, 1, 900, false, false, false, false, 0}, Case{200, 30, 40, 50, false, true, false, false, 0}}) {
    Product<float> p(c);
    std::vector<float> first;
    for (const int threads : {1, 2, 5}) {
      set_num_threads(threads);
      const auto now = p.run();
      if (threads == 1) {
        first = now;
        CHECK(p.error(now) <= 1e-6);
      }
      CHECK(same_bits(first, now));
    }
  }
}

TEST(product_with_a_broadcast_matrix) {
  Product<double> p({5, 4, 6, 7, false, false, false, false, 0}, true);
  CHECK(p.error(p.run()) <= 1e-15);
}

TEST(integer_products_wrap) {
  std::vector<std::int32_t> a(4, INT32_MAX), b(4, 2), c(4);
  Gemm g;
  g.m = g.n = g.k = g.lda = g.ldb = g.ldc = 2;
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  cpu_table().gemm(DType::Int32, g);
  CHECK_EQ(c[0], -4);
  std::vector<std::uint8_t> x(4, 16), y(4);
  g.a = g.b = x.data();
  g.c = y.data();
  cpu_table().gemm(DType::UInt8, g);
  CHECK_EQ(static_cast<int>(y[3]), 0);  // 512 mod 256
}

TEST(product_propagates_nan_and_ignores_old_values) {
  std::vector<float> a = {0, 0}, b = {std::nanf(""), 1}, c = {std::nanf("")};
  Gemm g;
  g.m = g.n = 1;
  g.k = 2;
  g.lda = 2;
  g.ldb = g.ldc = 1;
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  cpu_table().gemm(DType::Float32, g);
  CHECK(std::isnan(c[0]));  // 0 * NaN
  b[0] = 1;
  cpu_table().gemm(DType::Float32, g);
  CHECK_EQ(c[0], 0.0f);
  std::vector<double> big(64 * 64, 1.0), out(64 * 64, std::nan(""));
  g.m = g.n = g.k = g.lda = g.ldb = g.ldc = 64;
  g.a = g.b = big.data();
  g.c = out.data();
  cpu_table().gemm(DType::Float64, g);
  CHECK_EQ(out[4095], 64.0);
}

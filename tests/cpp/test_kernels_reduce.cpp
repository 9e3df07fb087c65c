// Reductions, positions of extremes, softmax: against plain loops, over layouts, levels and thread counts.

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel_fixture.h"

using namespace kernel_test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A tensor and which of its dimensions go.
struct Problem {
  Dims shape, strides;
  std::vector<bool> gone;

  Reduction reduction(const void* in, void* out) const {
    Reduction r;
    r.in = in;
    r.out = out;
    for (int d = 0; d < shape.size(); ++d) {
      if (gone[static_cast<std::size_t>(d)]) {
        r.reduced.push_back(shape[d]);
        r.in_reduced_strides.push_back(strides[d]);
      } else {
        r.kept.push_back(shape[d]);
        r.in_kept_strides.push_back(strides[d]);
      }
    }
    r.out_strides = row_major(r.kept);
    return r;
  }
};

/// For each kept index, f(kept position, reduced position, element offset).
template <class F>
void visit(const Problem& p, F&& f) {
  const Reduction r = p.reduction(nullptr, nullptr);
  for (std::int64_t k = 0; k < product(r.kept); ++k) {
    for (std::int64_t i = 0; i < product(r.reduced); ++i) {
      f(k, i, offset_at(r.kept, r.in_kept_strides, k) + offset_at(r.reduced, r.in_reduced_strides, i));
    }
  }
}

std::vector<Problem> problems() {
  std::vector<Problem> all;
  const std::vector<Dims> shapes = {Dims{},
                                    Dims{1},
                                    Dims{9},
                                    Dims{300},
                                    Dims{5000},
                                    Dims{700000},
                                    Dims{37, 41},
                                    Dims{3, 100003},
                                    Dims{2100, 130},
                                    Dims{100003, 3},
                                    Dims{5, 1, 70},
                                    Dims{40, 70, 33},
                                    Dims{2, 3, 4, 5, 6},
                                    Dims{600, 2, 300}};
  for (const Dims& shape : shapes) {
    const int rank = shape.size();
    std::vector<int> order;
    for (int d = 0; d < rank; ++d) order.push_back(d);
    for (int layouts = 0; layouts < (rank > 1 ? 3 : 1); ++layouts) {
      Dims strides = layout(shape, order);
      if (layouts == 2) strides[0] = 0;  // expanded
      for (int mask = 0; mask < (1 << rank); ++mask) {
        Problem p{shape, strides, {}};
        for (int d = 0; d < rank; ++d) p.gone.push_back((mask >> d) & 1);
        all.push_back(p);
      }
      std::shuffle(order.begin(), order.end(), engine());
    }
  }
  return all;
}

std::int64_t kept_numel(const Problem& p) {
  std::int64_t n = 1;
  for (int d = 0; d < p.shape.size(); ++d) n *= p.gone[static_cast<std::size_t>(d)] ? 1 : p.shape[d];
  return n;
}

template <class In, class Out>
std::vector<Out> run(ReduceOp op, const Problem& p, const std::vector<In>& x) {
  std::vector<Out> y(static_cast<std::size_t>(kept_numel(p)));
  // vector<bool> has no memory of its own; bool is stored as char here.
  constexpr auto dtype_of = [](auto v) {
    using T = decltype(v);
    return std::is_same_v<T, char> ? DType::Bool : DTypeOf<std::conditional_t<std::is_same_v<T, char>, bool, T>>::value;
  };
  cpu_table().reduce(op, dtype_of(In()), dtype_of(Out()), p.reduction(x.data(), y.data()));
  return y;
}

template <class In>
void check_short_sums(const Problem& row, const Problem& columns) {
  const auto x = random_values<In>(3 * row.shape[0], 0, 100);
  for (const Problem& p : {row, columns}) {
    std::vector<std::int64_t> exact(static_cast<std::size_t>(kept_numel(p))), y;
    visit(p, [&](std::int64_t k, std::int64_t, std::int64_t at) {
      exact[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(at)];
    });
    CHECK(settings_agree(y, [&] { return run<In, std::int64_t>(ReduceOp::sum, p, x); }) && same_bits(y, exact));
  }
}

}  // namespace

TEST(sums_of_all_layouts) {
  for (const Problem& p : problems()) {
    const auto x = random_values<float>(extent(p.shape, p.strides));
    std::vector<double> exact(static_cast<std::size_t>(kept_numel(p))), magnitude = exact;
    visit(p, [&](std::int64_t k, std::int64_t, std::int64_t at) {
      exact[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(at)];
      magnitude[static_cast<std::size_t>(k)] += std::fabs(x[static_cast<std::size_t>(at)]);
    });
    std::vector<float> y;
    CHECK(settings_agree(y, [&] { return run<float, float>(ReduceOp::sum, p, x); }));
    bool near = true;
    // Pairwise: the error is a few units in the last place of the sum of magnitudes.
    for (std::size_t i = 0; i < y.size(); ++i) near = near && std::fabs(y[i] - exact[i]) <= 2e-6 * magnitude[i];
    CHECK(near);
  }
}

TEST(sums_of_integers_are_exact) {
  for (const Problem& p : problems()) {
    const auto x = random_values<std::int32_t>(extent(p.shape, p.strides), -1e6, 1e6);
    std::vector<std::int64_t> exact(static_cast<std::size_t>(kept_numel(p)));
    visit(p, [&](std::int64_t k, std::int64_t, std::int64_t at) {
      exact[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(at)];
    });
    CHECK(same_bits(run<std::int32_t, std::int64_t>(ReduceOp::sum, p, x), exact));
  }
  // Every length of a short run, where a compiler went wrong once.
  for (std::int64_t n = 1; n < 300; ++n) {
    const Problem run_of_n{{n}, {1}, {true}}, columns_of_n{{n, 3}, {3, 1}, {true, false}};
    check_short_sums<std::uint8_t>(run_of_n, columns_of_n);
    check_short_sums<std::int32_t>(run_of_n, columns_of_n);
    check_short_sums<std::int64_t>(run_of_n, columns_of_n);
  }
  const Problem all{{1000}, {1}, {true}};
  CHECK(same_bits(run<char, std::int64_t>(ReduceOp::sum, all, std::vector<char>(1000, 1)), {1000}));
  CHECK(same_bits(run<std::uint8_t, std::int64_t>(ReduceOp::sum, all, std::vector<std::uint8_t>(1000, 255)), {255000}));
}

TEST(a_long_sum_is_pairwise) {
  const std::int64_t n = 1 << 24;
  const std::vector<float> x(static_cast<std::size_t>(n), 0.1f);
  const Problem all{{n}, {1}, {true}};
  const float sum = run<float, float>(ReduceOp::sum, all, x)[0];
  CHECK_NEAR(sum / (static_cast<double>(0.1f) * static_cast<double>(n)), 1.0, 1e-6);  // one by one: off by 20 %
}

TEST(products_and_logic) {
  const Problem rows{{3, 50}, {50, 1}, {false, true}}, columns{{50, 3}, {3, 1}, {true, false}};
  auto x = random_values<double>(150, 0.5, 1.5);
  std::vector<double> exact(3, 1.0);
  visit(rows, [&](std::int64_t k, std::int64_t, std::int64_t at) {
    exact[static_cast<std::size_t>(k)] *= x[static_cast<std::size_t>(at)];
  });
  const auto y = run<double, double>(ReduceOp::prod, rows, x);
  for (std::size_t i = 0; i < 3; ++i) CHECK_NEAR(y[i] / exact[i], 1.0, 1e-14);
  CHECK(same_bits(run<std::int64_t, std::int64_t>(ReduceOp::prod, {{3}, {1}, {true}}, {3, -5, 7}), {-105}));

  std::vector<float> ones(150, 2.0f), zeros(150, 0.0f);
  ones[7] = 0;        // row 0 and column 1
  zeros[100] = kNan;  // row 2 and column 1; NaN is true
  CHECK(same_bits(run<float, char>(ReduceOp::all, rows, ones), {0, 1, 1}));
  CHECK(same_bits(run<float, char>(ReduceOp::any, rows, zeros), {0, 0, 1}));
  CHECK(same_bits(run<float, char>(ReduceOp::all, columns, ones), {1, 0, 1}));
  CHECK(same_bits(run<float, char>(ReduceOp::any, columns, zeros), {0, 1, 0}));
}

TEST(extremes_and_their_places) {
  for (const Problem& p : problems()) {
    auto x = random_values<float>(extent(p.shape, p.strides), -3, 3);
    for (auto& v : x) v = std::round(v * 4);  // ties
    for (int mode = 0; mode < 2; ++mode) {
      if (mode == 1) {
        for (int i = 0; i < 3; ++i) x[static_cast<std::size_t>(random_int(0, std::ssize(x) - 1))] = kNan;
      }
      for (const bool largest : {true, false}) {
        std::vector<float> best(static_cast<std::size_t>(kept_numel(p)));
        std::vector<std::int64_t> place(best.size());
        visit(p, [&](std::int64_t k, std::int64_t i, std::int64_t at) {
          const float v = x[static_cast<std::size_t>(at)];
          float& b = best[static_cast<std::size_t>(k)];
          if (i == 0 || (!std::isnan(b) && (std::isnan(v) || (largest ? v > b : v < b)))) {
            b = v;
            place[static_cast<std::size_t>(k)] = i;
          }
        });
        const ReduceOp op = largest ? ReduceOp::max : ReduceOp::min;
        const auto same = [&](const std::vector<float>& a) {
          for (std::size_t i = 0; i < a.size(); ++i) {
            if (!(a[i] == best[i] || (std::isnan(a[i]) && std::isnan(best[i])))) return false;
          }
          return true;
        };
        std::vector<float> values;
        std::vector<std::int64_t> places;
        CHECK(settings_agree(values, [&] { return run<float, float>(op, p, x); }) && same(values));
        CHECK(settings_agree(places, [&] {
          std::vector<std::int64_t> out(best.size());
          values.assign(best.size(), 0);
          Reduction r = p.reduction(x.data(), values.data());
          r.index = out.data();
          cpu_table().reduce(op, DType::Float32, DType::Float32, r);
          return out;
        }));
        CHECK(same(values) && same_bits(places, place));
        std::vector<std::int64_t> only(best.size());
        cpu_table().arg_reduce(largest ? ArgReduceOp::argmax : ArgReduceOp::argmin, DType::Float32,
                               p.reduction(x.data(), only.data()));
        CHECK(same_bits(only, place));
      }
    }
  }
}

TEST(extremes_of_integers_and_infinities) {
  const Problem all{{100}, {1}, {true}};
  std::vector<std::uint8_t> bytes(100, 7);
  bytes[60] = 0;
  CHECK(same_bits(run<std::uint8_t, std::uint8_t>(ReduceOp::min, all, bytes), {0}));
  CHECK(same_bits(run<std::int64_t, std::int64_t>(ReduceOp::max, all, std::vector<std::int64_t>(100, INT64_MIN)),
                  {INT64_MIN}));
  CHECK(same_bits(run<float, float>(ReduceOp::max, all, std::vector<float>(100, -kInf)), {-kInf}));
  CHECK(same_bits(run<char, char>(ReduceOp::max, all, std::vector<char>(100, 0)), {0}));
}

TEST(softmax_of_all_shapes) {
  for (const Softmax shape : {Softmax{1, 1, 1}, Softmax{64, 10, 1}, Softmax{3, 128, 1}, Softmax{5, 129, 1},
                              Softmax{300, 1000, 1}, Softmax{2, 5, 7}, Softmax{3, 10, 500}, Softmax{50, 40, 130}}) {
    const std::int64_t n = shape.outer * shape.size * shape.inner;
    const auto x = random_values<float>(n, -20, 20);
    for (const SoftmaxOp op : {SoftmaxOp::softmax, SoftmaxOp::log_softmax}) {
      std::vector<float> y;
      CHECK(settings_agree(y, [&] {
        std::vector<float> out(static_cast<std::size_t>(n));
        Softmax s = shape;
        s.in = x.data();
        s.out = out.data();
        cpu_table().softmax(op, DType::Float32, s);
        return out;
      }));
      double worst = 0;
      for (std::int64_t o = 0; o < shape.outer; ++o) {
        for (std::int64_t i = 0; i < shape.inner; ++i) {
          const auto at = [&](std::int64_t s) {
            return static_cast<std::size_t>((o * shape.size + s) * shape.inner + i);
          };
          double top = -1e9, sum = 0;
          for (std::int64_t s = 0; s < shape.size; ++s) top = std::max<double>(top, x[at(s)]);
          for (std::int64_t s = 0; s < shape.size; ++s) sum += std::exp(x[at(s)] - top);
          for (std::int64_t s = 0; s < shape.size; ++s) {
            const double log = x[at(s)] - top - std::log(sum);
            const double expected = op == SoftmaxOp::softmax ? std::exp(log) : log;
            // x - max is up to 40, so its rounding alone is worth 2e-6: absolute in the logarithm, relative in exp.
            const double scale = op == SoftmaxOp::softmax ? expected : 1;
            worst = std::max(worst, std::fabs(y[at(s)] - expected) / scale);
          }
        }
      }
      CHECK(worst <= 8e-6);
    }
  }
}

TEST(softmax_of_infinities_and_nan) {
  for (const std::int64_t size : {4, 200}) {
    for (const std::int64_t inner : {1, 3}) {
      const auto column = [&](auto fill) {
        std::vector<double> x(static_cast<std::size_t>(size * inner)), y = x;
        for (std::int64_t s = 0; s < size; ++s) {
          for (std::int64_t i = 0; i < inner; ++i) x[static_cast<std::size_t>(s * inner + i)] = fill(s);
        }
        cpu_table().softmax(SoftmaxOp::softmax, DType::Float64, {1, size, inner, x.data(), y.data()});
        return y;
      };
      for (const double v : column([](std::int64_t) { return -kInf; })) CHECK(std::isnan(v));
      for (const double v : column([](std::int64_t s) { return s == 2 ? kNan : 1.0f; })) CHECK(std::isnan(v));
      for (const double v : column([](std::int64_t s) { return s == 2 ? kInf : 1.0f; })) CHECK(std::isnan(v) || v == 0);
      const auto one = column([](std::int64_t s) { return s == 1 ? 3.0f : -kInf; });
      CHECK_EQ(one[static_cast<std::size_t>(inner)], 1.0);
      CHECK_EQ(one[0], 0.0);
      for (const double v : column([](std::int64_t) { return 1e308; }))
        CHECK_NEAR(v, 1.0 / static_cast<double>(size), 1e-12);
    }
  }
}

// gather, scatter_add, index_select, index_add, nonzero, range.

#include <numeric>

#include "kernel_fixture.h"

using namespace kernel_test;

namespace {

std::vector<std::int64_t> random_index(std::int64_t n, std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(n));
  for (auto& i : index) i = random_int(low, high);
  return index;
}

Gather make_gather(const Dims& shape, int dim, std::int64_t size, const std::vector<std::int64_t>& index) {
  Gather g;
  g.op = "gather";
  g.shape = shape;
  g.dim = dim;
  g.size = size;
  g.index = index.data();
  g.index_strides = row_major(shape);
  return g;
}

}  // namespace

TEST(gather_and_scatter_add_in_every_dimension) {
  for (const Dims& shape : {Dims{6, 5, 4}, Dims{300, 20, 30}}) {
    for (int dim = 0; dim < 3; ++dim) {
      const std::int64_t size = 9, n = product(shape);
      Dims wide = shape;
      wide[dim] = size;
      const Dims wide_strides = layout(wide, {2, 0, 1}), strides = row_major(shape);
      const auto index = random_index(n, 0, size - 1);
      const auto source = random_values<float>(product(wide));
      Gather g = make_gather(shape, dim, size, index);
      const auto place = [&](std::int64_t i) {
        Dims without = wide_strides;
        without[dim] = 0;
        return static_cast<std::size_t>(offset_at(shape, without, i) +
                                        index[static_cast<std::size_t>(i)] * wide_strides[dim]);
      };

      std::vector<float> out;
      CHECK(settings_agree(out, [&] {
        std::vector<float> y(static_cast<std::size_t>(n));
        g.src = source.data();
        g.src_strides = wide_strides;
        g.out = y.data();
        g.out_strides = strides;
        cpu_table().gather(DType::Float32, g);
        return y;
      }));
      bool right = true;
      for (std::int64_t i = 0; i < n; ++i) right = right && out[static_cast<std::size_t>(i)] == source[place(i)];
      CHECK(right);

      auto expected = source;
      for (std::int64_t i = 0; i < n; ++i) expected[place(i)] += out[static_cast<std::size_t>(i)];
      std::vector<float> sums;
      CHECK(settings_agree(sums, [&] {
        auto y = source;
        g.src = out.data();
        g.src_strides = strides;
        g.out = y.data();
        g.out_strides = wide_strides;
        cpu_table().scatter_add(DType::Float32, g);
        return y;
      }));
      CHECK(same_bits(sums, expected));
    }
  }
}

TEST(gather_refuses_indices_before_it_writes) {
  const std::vector<float> source(4, 1.0f);
  std::vector<float> y(5, -1.0f);
  for (const std::int64_t bad : {4, -1}) {
    const std::vector<std::int64_t> index = {0, 1, 2, 3, bad};
    Gather g = make_gather({5}, 0, 4, index);
    g.src = source.data();
    g.src_strides = {1};
    g.out = y.data();
    g.out_strides = {1};
    CHECK_THROWS_WITH(cpu_table().gather(DType::Float32, g), RuntimeError, "gather: expected an index in [0, 4), got");
    CHECK_THROWS(cpu_table().scatter_add(DType::Float32, g), RuntimeError);
    CHECK(same_bits(y, std::vector<float>(5, -1.0f)));
  }
}

TEST(gather_without_dimensions) {
  const std::vector<std::int64_t> index = {0};
  const std::vector<double> source = {7.0};
  std::vector<double> y = {1.0};
  Gather g = make_gather({}, 0, 1, index);
  g.src = source.data();
  g.out = y.data();
  cpu_table().gather(DType::Float64, g);
  CHECK_EQ(y[0], 7.0);
  cpu_table().scatter_add(DType::Float64, g);
  CHECK_EQ(y[0], 14.0);
}

TEST(rows_selected_and_added) {
  for (const std::int64_t inner : {1, 3, 2500}) {
    for (const std::int64_t outer : {1, 4}) {
      const std::int64_t size = 40, count = inner == 1 ? 100000 : 300;
      const auto index = random_index(count, 0, size - 1);
      const auto table = random_values<float>(outer * size * inner), rows = random_values<float>(outer * count * inner);
      const auto row = [&](std::int64_t o, std::int64_t i) {
        return (o * size + index[static_cast<std::size_t>(i)]) * inner;
      };
      std::vector<float> picked, added, written;
      CHECK(settings_agree(picked, [&] {
        std::vector<float> y(rows.size());
        cpu_table().index_select(
            DType::Float32, {"index_select", outer, size, inner, count, index.data(), table.data(), y.data(), false});
        return y;
      }));
      for (const bool overwrite : {false, true}) {
        CHECK(settings_agree(overwrite ? written : added, [&] {
          auto y = table;
          cpu_table().index_add(
              DType::Float32, {"index_add", outer, size, inner, count, index.data(), rows.data(), y.data(), overwrite});
          return y;
        }));
      }
      auto expected_sum = table, expected_write = table;
      bool right = true;
      for (std::int64_t o = 0; o < outer; ++o) {
        for (std::int64_t i = 0; i < count; ++i) {
          for (std::int64_t c = 0; c < inner; ++c) {
            const auto to = static_cast<std::size_t>(row(o, i) + c);
            const auto from = static_cast<std::size_t>((o * count + i) * inner + c);
            right = right && picked[from] == table[to];
            expected_sum[to] += rows[from];
            expected_write[to] = rows[from];
          }
        }
      }
      CHECK(right && same_bits(added, expected_sum) && same_bits(written, expected_write));
    }
  }
}

TEST(rows_out_of_range) {
  const std::vector<std::int64_t> index = {0, 3};
  std::vector<std::int32_t> x(3), y(2, 5);
  IndexRows r{"index_select", 1, 3, 1, 2, index.data(), x.data(), y.data(), false};
  CHECK_THROWS_WITH(cpu_table().index_select(DType::Int32, r), IndexError,
                    "index_select: expected an index in [0, 3), got 3");
  CHECK(y[0] == 5);
  const std::vector<std::int64_t> negative = {0, -1};
  r.index = negative.data();
  CHECK_THROWS_WITH(cpu_table().index_select(DType::Int32, r), IndexError,
                    "index_select: expected an index in [0, 3), got -1");
  r = {"index_add", 1, 2, 1, 2, index.data(), x.data(), y.data(), false};
  CHECK_THROWS_WITH(cpu_table().index_add(DType::Int32, r), RuntimeError, "index_add");
}

TEST(places_of_indices) {
  const std::vector<std::int64_t> rows = {-3, 0, 2, -1, 1, 1}, columns = {4, -5};
  std::vector<std::int64_t> at(6);
  Positions p;
  p.op = "index";
  p.mistake = Mistake::subscript;
  p.range = {3, true};
  p.step = 5;
  p.loop = with_number(flat_loop(6, {at.data(), nullptr, rows.data()}), 1, DType::Int64, Scalar(0));
  cpu_table().positions(p);
  CHECK(at == (std::vector<std::int64_t>{0, 0, 10, 10, 5, 5}));
  // On top of what is there, in place, broadcast.
  p.range.size = 5;
  p.step = 1;
  p.dim = 1;
  p.loop = make_loop({3, 2}, {{at.data(), {2, 1}}, {at.data(), {2, 1}}, {columns.data(), {0, 1}}});
  cpu_table().positions(p);
  CHECK(at == (std::vector<std::int64_t>{4, 0, 14, 10, 9, 5}));
  p.range.size = 4;
  CHECK_THROWS_WITH(cpu_table().positions(p), IndexError, "index 4 is out of bounds for dimension 1 with size 4");
  // Labels: no counting from the end, and one that is ignored.
  const std::vector<std::int64_t> labels = {1, -100, 2};
  p = {"nll_loss", Mistake::label, 0, {3, false, true, -100}, 1, {}};
  p.loop = with_number(flat_loop(3, {at.data(), nullptr, labels.data()}), 1, DType::Int64, Scalar(0));
  cpu_table().positions(p);
  CHECK(at[0] == 1 && at[1] == 0 && at[2] == 2);
  p.range.ignores = false;
  CHECK_THROWS_WITH(cpu_table().positions(p), IndexError, "nll_loss: Target -100 is out of bounds");
  // Shared between threads.
  const std::vector<std::int64_t> many = random_index(300000, -7, 6);
  std::vector<std::int64_t> result;
  CHECK(settings_agree(result, [&] {
    std::vector<std::int64_t> out(many.size());
    Positions large{"index", Mistake::subscript, 0, {7, true}, 3, {}};
    large.loop = with_number(flat_loop(300000, {out.data(), nullptr, many.data()}), 1, DType::Int64, Scalar(1));
    cpu_table().positions(large);
    return out;
  }));
  bool right = true;
  for (std::size_t i = 0; i < many.size(); ++i)
    right = right && result[i] == 1 + 3 * (many[i] < 0 ? many[i] + 7 : many[i]);
  CHECK(right);
}

TEST(positions_of_true) {
  for (const double density : {0.0, 0.02, 0.5, 1.0}) {
    const Dims shape{7, 3, 50};
    std::vector<char> mask(1050);
    std::vector<std::int64_t> expected;
    for (std::int64_t i = 0; i < 1050; ++i) {
      const bool set = random_values<double>(1, 0, 1)[0] < density;
      mask[static_cast<std::size_t>(i)] = set;
      if (set) expected.insert(expected.end(), {i / 150, i / 50 % 3, i % 50});
    }
    std::vector<std::int64_t> out(expected.size());
    cpu_table().nonzero({shape, reinterpret_cast<const bool*>(mask.data()), out.data()});
    CHECK(same_bits(out, expected));
  }
}

TEST(ranges) {
  std::vector<float> x(400000);
  cpu_table().range(DType::Float32, {400000, Scalar(0.5), Scalar(-0.25), x.data()});
  CHECK_EQ(x[0], 0.5f);
  CHECK_EQ(x[399999], static_cast<float>(0.5 - 0.25 * 399999));
  std::vector<std::int64_t> i(5);
  cpu_table().range(DType::Int64, {5, Scalar(std::int64_t{1} << 60), Scalar(3), i.data()});
  CHECK_EQ(i[4], (std::int64_t{1} << 60) + 12);
  std::vector<std::uint8_t> b(3);
  cpu_table().range(DType::UInt8, {3, Scalar(254), Scalar(1), b.data()});
  CHECK_EQ(static_cast<int>(b[2]), 0);
}

// The slots with indices of CUDA, emulated, against those of the CPU: the same bits.

#include "cuda_fixture.h"
#include "kernels/cuda/sort.cuh"

using namespace cuda_test;

namespace {

std::vector<std::int64_t> random_index(std::int64_t n, std::int64_t size) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(n));
  for (auto& i : index) i = random_int(0, size - 1);
  return index;
}

/// Bools of any bytes; the rest as they come.
template <class T>
std::vector<Cell<T>> cells(std::int64_t n) {
  std::vector<Cell<T>> x = values<T>(n);
  if constexpr (std::is_same_v<T, bool>) {
    for (std::size_t i = 0; i < x.size(); i += 3) x[i] = x[i] != 0 ? 200 : 0;
  } else if constexpr (std::is_integral_v<T>) {
    for (std::size_t i = 0; i < x.size(); i += 5) x[i] = static_cast<T>(engine()());
  } else {
    // Sums whose bits depend on the order; and fewer that are not finite.
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 49 == 0 ? x[i] : static_cast<T>(random_values<T>(1)[0]);
  }
  return x;
}

/// True where both tables leave the same in an array that begins as `start`; two runs of ours too.
template <class T, class Call>
bool same_change(const std::vector<Cell<T>>& start, const Call& call) {
  std::vector<Cell<T>> ours = start, again = start, theirs = start;
  call(cuda_table(), ours.data());
  call(cuda_table(), again.data());
  call(cpu_table(), theirs.data());
  if (!same_bits(ours, again)) return false;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const Cell<T> a = ours[i], b = theirs[i];
    if (!(a != a && b != b) && std::memcmp(&a, &b, sizeof a) != 0) return false;
  }
  return true;
}

template <class F>
void for_each_type(const F& f) {
  for (int d = 0; d < kDTypeCount; ++d) dispatch(static_cast<DType>(d), f);
}

// ---- rows -----------------------------------------------------------------------------------------------------------

struct RowCase {
  std::int64_t outer, size, inner, count;
};

template <class T>
void check_rows(const RowCase& c, bool adds, std::int64_t shift = 0) {
  const DType dtype = DTypeOf<T>::value;
  const auto index = random_index(c.count, c.size);
  const auto table = cells<T>(c.outer * c.size * c.inner + shift), rows = cells<T>(c.outer * c.count * c.inner + shift);
  if (!adds) {
    CHECK(same_change<T>(rows, [&](const KernelTable& t, Cell<T>* y) {
      t.index_select(dtype, {"index_select", c.outer, c.size, c.inner, c.count, index.data(), table.data() + shift, y});
    }));
    return;
  }
  for (const bool overwrite : {false, true}) {
    CHECK(same_change<T>(table, [&](const KernelTable& t, Cell<T>* y) {
      t.index_add(dtype, {"index_add", c.outer, c.size, c.inner, c.count, index.data(), rows.data() + shift, y + shift,
                          overwrite});
    }));
  }
}

const std::vector<RowCase> kRowCases = {{1, 1, 1, 1},     {1, 5, 1, 300},   {3, 4, 1, 257},    {1, 40, 3, 100},
                                        {2, 7, 4, 50},    {2, 300, 16, 20}, {1, 300, 64, 33},  {4, 9, 31, 9},
                                        {1, 3, 257, 100}, {5, 2, 2, 2},     {1, 70000, 1, 600}};

TEST(rows_are_selected) {
  for_each_type([]<class T>(TypeTag<T>) {
    for (const RowCase& c : kRowCases) {
      for (const std::int64_t shift : {0, 1, 4}) check_rows<T>(c, false, shift);
    }
  });
  check_rows<float>({2, 1000, 16, 5000}, false);
}

TEST(rows_are_added_and_assigned) {
  for_each_type([]<class T>(TypeTag<T>) {
    for (const RowCase& c : kRowCases) {
      check_rows<T>(c, true, c.outer % 2 * 4);
    }
  });
  // Several tiles of the sort, few and many places.
  const std::int64_t tile = cuda::kSortTile;
  check_rows<float>({1, 3, 1, tile}, true);
  check_rows<float>({1, 3, 1, tile + 1}, true);
  check_rows<double>({1, 1000, 2, 3 * tile + 5}, true);
  check_rows<std::int32_t>({2, 70000, 1, 2 * tile}, true);
}

/// An array of 2^33 bytes, of which the system gives what is touched.
TEST(rows_beyond_32_bits) {
  const std::int64_t size = (std::int64_t{1} << 33) + 9;
  const std::vector<std::int64_t> index = {size - 1, 5, (std::int64_t{1} << 32) + 5, size - 1, 5, 0, -1, size};
  const std::vector<std::uint8_t> rows = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const bool overwrite : {false, true}) {
    auto* out = static_cast<std::uint8_t*>(std::calloc(static_cast<std::size_t>(size), 1));
    if (!out) return;  // no such address space here
    cuda_table().index_add(DType::UInt8, {"index_add", 1, size, 1, 8, index.data(), rows.data(), out, overwrite});
    CHECK_EQ(static_cast<int>(out[size - 1]), overwrite ? 4 : 5);
    CHECK_EQ(static_cast<int>(out[5]), overwrite ? 5 : 7);
    CHECK_EQ(static_cast<int>(out[(std::int64_t{1} << 32) + 5]), 3);
    std::vector<std::uint8_t> picked(8, 77);
    cuda_table().index_select(DType::UInt8, {"index_select", 1, size, 1, 8, index.data(), out, picked.data()});
    CHECK_EQ(static_cast<int>(picked[2]), 3);
    CHECK(picked[0] == out[size - 1] && picked[6] == 77 && picked[7] == 77);
    CHECK_THROWS(cuda::synchronize_stream(), std::exception);
    std::free(out);
  }
}

template <class E, class Call>
void check_report(const char* message, const Call& call) {
  call();
  CHECK_THROWS_WITH(cuda::synchronize_stream(), E, message);
  cuda::synchronize_stream();  // once
}

TEST(rows_out_of_range_are_reported_and_left_out) {
  for (const std::int64_t bad : {std::int64_t{4}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    std::vector<std::int64_t> index = random_index(300, 4), right;
    std::vector<float> rows = random_values<float>(600), left;
    index[0] = index[77] = index[299] = bad;
    for (std::size_t i = 0; i < 300; ++i) {
      if (index[i] == bad) continue;
      right.push_back(index[i]);
      left.insert(left.end(), rows.begin() + static_cast<std::ptrdiff_t>(2 * i),
                  rows.begin() + static_cast<std::ptrdiff_t>(2 * i) + 2);
    }
    // What lies before and after the four rows stays.
    const std::vector<float> table = random_values<float>(12);
    for (const bool overwrite : {false, true}) {
      std::vector<float> y = table, expected = table;
      const auto add = [&] {
        cuda_table().index_add(DType::Float32,
                               {"some_op", 1, 4, 2, 300, index.data(), rows.data(), y.data() + 2, overwrite});
      };
      const std::string message = "expected an index in [0, 4), got " + std::to_string(bad);
      if (overwrite) {
        check_report<IndexError>(message.c_str(), add);
      } else {
        check_report<RuntimeError>(message.c_str(), add);
      }
      cpu_table().index_add(DType::Float32,
                            {"some_op", 1, 4, 2, 297, right.data(), left.data(), expected.data() + 2, overwrite});
      CHECK(same_bits(y, expected));
    }
    std::vector<float> y(600, 7.0f);
    check_report<IndexError>("expected an index in [0, 4)", [&] {
      cuda_table().index_select(DType::Float32,
                                {"index_select", 1, 4, 2, 300, index.data(), table.data() + 2, y.data()});
    });
    for (std::size_t i = 0; i < 600; ++i) {
      CHECK(y[i] == (index[i / 2] == bad ? 7.0f : table[2 + static_cast<std::size_t>(index[i / 2]) * 2 + i % 2]));
    }
  }
}

TEST(rows_without_elements_are_checked) {
  const std::vector<std::int64_t> index = {0, 3, 2};
  for (const auto& [outer, size, inner] : {std::tuple(0, 3, 2), std::tuple(2, 3, 0), std::tuple(2, 0, 0)}) {
    IndexRows r{"op", outer, size, inner, 3, index.data(), nullptr, nullptr};
    check_report<IndexError>("got", [&] { cuda_table().index_select(DType::Float32, r); });
    check_report<RuntimeError>("got", [&] { cuda_table().index_add(DType::Float32, r); });
    r.count = 0;
    cuda_table().index_select(DType::Float32, r);
    cuda_table().index_add(DType::Float32, r);
    cuda::synchronize_stream();
  }
  // No row to write to.
  const std::vector<float> rows(6, 1.0f);
  check_report<RuntimeError>("expected an index in [0, 0)", [&] {
    cuda_table().index_add(DType::Float32, {"op", 1, 0, 2, 3, index.data(), rows.data(), nullptr});
  });
}

// ---- gather and scatter_add -----------------------------------------------------------------------------------------

struct GatherCase {
  Dims shape;
  int dim;
  std::int64_t size;
};

/// Arrays of a case, whose wide side is longer than the index in all dimensions, and lies in another order.
struct GatherData {
  Dims strides, wide_strides;
  std::int64_t narrow = 1, wide = 1;

  explicit GatherData(const GatherCase& c, bool transposed) {
    Dims wide_shape = c.shape;
    std::vector<int> order;
    for (int d = 0; d < c.shape.size(); ++d) {
      wide_shape[d] = d == c.dim ? c.size : c.shape[d] + d;
      order.insert(transposed ? order.begin() : order.end(), d);
    }
    strides = row_major(c.shape);
    wide_strides = layout(wide_shape, order);
    narrow = product(c.shape);
    wide = product(wide_shape);
  }
  Gather gather(const GatherCase& c, const std::vector<std::int64_t>& index) const {
    Gather g;
    g.op = "gather";
    g.shape = c.shape;
    g.dim = c.dim;
    g.size = c.size;
    g.index = index.data();
    g.index_strides = strides;
    return g;
  }
};

template <class T>
void check_gather(const GatherCase& c, bool transposed) {
  const GatherData data(c, transposed);
  const auto index = random_index(data.narrow, c.size);
  const auto table = cells<T>(data.wide), picked = cells<T>(data.narrow);
  Gather g = data.gather(c, index);
  CHECK(same_change<T>(picked, [&](const KernelTable& t, Cell<T>* y) {
    g.src = table.data();
    g.src_strides = data.wide_strides;
    g.out = y;
    g.out_strides = data.strides;
    t.gather(DTypeOf<T>::value, g);
  }));
  CHECK(same_change<T>(table, [&](const KernelTable& t, Cell<T>* y) {
    g.src = picked.data();
    g.src_strides = data.strides;
    g.out = y;
    g.out_strides = data.wide_strides;
    t.scatter_add(DTypeOf<T>::value, g);
  }));
}

TEST(gather_and_scatter_add_along_every_dimension) {
  for_each_type([]<class T>(TypeTag<T>) {
    for (const Dims& shape : {Dims{1}, Dims{300}, Dims{65}, Dims{64}, Dims{7, 40}, Dims{70, 5}, Dims{3, 66, 5}}) {
      for (int dim = 0; dim < shape.size(); ++dim) {
        for (const bool transposed : {false, true}) check_gather<T>({shape, dim, 9}, transposed);
      }
    }
    check_gather<T>({{}, 0, 1}, false);
  });
  // A thread for each of many lines, although they are long; several tiles of the sort; more places than 2^16.
  check_gather<float>({{1 << 15, 65}, 1, 3}, false);
  check_gather<float>({{3, 3000}, 1, 5}, true);
  check_gather<double>({{9000}, 0, 100000}, false);
  check_gather<float>({{5, 100}, 1, 20000}, false);
}

TEST(an_expanded_index_and_source) {
  const std::vector<std::int64_t> index = random_index(100, 7);
  const std::vector<float> source = random_values<float>(100), table = random_values<float>(7 * 30);
  Gather g;
  g.op = "scatter_add";
  g.shape = {100, 30};
  g.size = 7;
  g.index = index.data();
  g.index_strides = {1, 0};
  CHECK(same_change<float>(table, [&](const KernelTable& t, float* y) {
    g.src = source.data();
    g.src_strides = {1, 0};
    g.out = y;
    g.out_strides = {30, 1};
    t.scatter_add(DType::Float32, g);
  }));
  CHECK(same_change<float>(std::vector<float>(3000), [&](const KernelTable& t, float* y) {
    g.src = table.data();
    g.src_strides = {30, 1};
    g.out = y;
    g.out_strides = {30, 1};
    t.gather(DType::Float32, g);
  }));
}

TEST(positions_out_of_range_are_reported_and_left_out) {
  for (const std::int64_t length : {std::int64_t{20}, std::int64_t{100}}) {  // with and without a sort
    for (const std::int64_t bad : {std::int64_t{4}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
      const Dims shape{3, length};
      std::vector<std::int64_t> index = random_index(3 * length, 4), right = index;
      // Elements before and after the source would show in the sums.
      std::vector<float> source(static_cast<std::size_t>(9 * length), 1e3f);
      const auto elements = random_values<float>(3 * length);
      std::copy(elements.begin(), elements.end(), source.begin() + 3 * length);
      std::vector<float> left = source;
      for (const std::int64_t i : {std::int64_t{0}, length + 7, 3 * length - 1}) {
        index[static_cast<std::size_t>(i)] = bad;
        right[static_cast<std::size_t>(i)] = 0;
        left[static_cast<std::size_t>(3 * length + i)] = 0.0f;  // adds nothing
      }
      // What lies before and after, and between the lines, stays.
      const std::vector<float> table = random_values<float>(18, 1, 2);
      std::vector<float> y = table, expected = table;
      Gather g;
      g.op = "scatter_add";
      g.shape = shape;
      g.dim = 1;
      g.size = 4;
      g.index_strides = g.src_strides = row_major(shape);
      g.out_strides = {5, 1};
      const auto add = [&](const KernelTable& t, std::vector<float>& to, const auto& at, const auto& from) {
        g.index = at.data();
        g.src = from.data() + 3 * length;
        g.out = to.data() + 1;
        t.scatter_add(DType::Float32, g);
      };
      const std::string message = "expected an index in [0, 4), got " + std::to_string(bad);
      check_report<RuntimeError>(message.c_str(), [&] { add(cuda_table(), y, index, source); });
      add(cpu_table(), expected, right, left);
      CHECK(same_bits(y, expected));

      std::vector<float> picked(static_cast<std::size_t>(3 * length), 7.0f);
      g.index = index.data();
      g.src = table.data() + 1;
      g.src_strides = {5, 1};
      g.out = picked.data();
      g.out_strides = row_major(shape);
      check_report<RuntimeError>(message.c_str(), [&] { cuda_table().gather(DType::Float32, g); });
      for (std::size_t i = 0; i < picked.size(); ++i) {
        const std::size_t line = i / static_cast<std::size_t>(length);
        CHECK(picked[i] == (index[i] == bad ? 7.0f : table[1 + 5 * line + static_cast<std::size_t>(index[i])]));
      }
    }
  }
}

TEST(gather_without_elements) {
  for (const Dims& shape : {Dims{0}, Dims{3, 0}, Dims{0, 3}}) {
    for (int dim = 0; dim < shape.size(); ++dim) {
      Gather g;
      g.shape = shape;
      g.dim = dim;
      g.index_strides = g.src_strides = g.out_strides = row_major(shape);
      cuda_table().gather(DType::Float32, g);
      cuda_table().scatter_add(DType::Float32, g);
    }
  }
  cuda::synchronize_stream();
}

// ---- positions ------------------------------------------------------------------------------------------------------

TEST(places_of_indices) {
  for (const std::int64_t n : kSizes) {
    std::vector<std::int64_t> index(static_cast<std::size_t>(n));
    for (auto& i : index) i = random_int(-9, 8);
    index[0] = -100;
    const auto before = random_index(n, 1000);
    for (const bool number : {false, true}) {
      Positions p{"index", Mistake::subscript, 0, {9, true, true, -100}, 1 << 20, {}};
      CHECK(agree<std::int64_t>(n, [&](const KernelTable& t, std::int64_t* out) {
        p.loop = flat_loop(n, {out, before.data(), index.data()});
        if (number) p.loop = with_number(p.loop, 1, DType::Int64, Scalar(5));
        t.positions(p);
      }));
    }
  }
  // A column on top of a row.
  const auto row = random_index(70, 1000), column = random_index(45, 6);
  CHECK(agree<std::int64_t>(45 * 70, [&](const KernelTable& t, std::int64_t* out) {
    Positions p{"index", Mistake::subscript, 0, {6}, 7, {}};
    p.loop = make_loop({45, 70}, {{out, {70, 1}}, {row.data(), {0, 1}}, {column.data(), {1, 0}}});
    t.positions(p);
  }));
  cuda::synchronize_stream();
}

TEST(places_that_are_not_there_are_reported_and_become_negative) {
  const std::vector<std::int64_t> index = {1, -4, 0, 7}, before = {2, 2, -1, 2};
  std::vector<std::int64_t> out(4);
  Positions p{"index", Mistake::subscript, 2, {3, true}, 10, {}};
  p.loop = flat_loop(4, {out.data(), before.data(), index.data()});
  cuda_table().positions(p);
  CHECK_THROWS(cuda::synchronize_stream(), IndexError);
  CHECK(out == (std::vector<std::int64_t>{12, -1, -1, -1}));
  p.range = {3, false, true, 7};
  p.mistake = Mistake::label;
  p.loop = with_number(p.loop, 1, DType::Int64, Scalar(0));
  cuda_table().positions(p);
  CHECK_THROWS_WITH(cuda::synchronize_stream(), IndexError, "Target -4 is out of bounds, expected labels from 0 to 2");
  CHECK(out == (std::vector<std::int64_t>{10, -1, 0, 0}));
}

// ---- nonzero --------------------------------------------------------------------------------------------------------

TEST(positions_of_true_elements) {
  const std::int64_t piece = 1024, block = 8 * piece;
  for (const Dims& shape : {Dims{1}, Dims{31}, Dims{33}, Dims{piece - 1}, Dims{piece}, Dims{piece + 1}, Dims{block - 1},
                            Dims{block + 33}, Dims{7, 3, 50}, Dims{2, 1, 3, 1, 400}}) {
    const std::int64_t numel = product(shape);
    for (const double density : {0.0, 0.01, 0.5, 1.0}) {
      for (const std::int64_t shift : {0, 3}) {
        std::vector<std::uint8_t> mask(static_cast<std::size_t>(numel + shift));
        std::int64_t count = 0;
        for (std::size_t i = static_cast<std::size_t>(shift); i < mask.size(); ++i) {
          if (random_values<double>(1, 0, 1)[0] < density) mask[i] = static_cast<std::uint8_t>(random_int(1, 255));
          count += mask[i] != 0;
        }
        CHECK(agree<std::int64_t>(count * shape.size() + 1, [&](const KernelTable& t, std::int64_t* out) {
          t.nonzero({shape, reinterpret_cast<const bool*>(mask.data() + shift), out});
        }));
      }
    }
  }
  for (const Dims& shape : {Dims{}, Dims{0, 3}}) {
    const bool mask = true;
    cuda_table().nonzero({shape, &mask, nullptr});
  }
}

/// More pieces than one chunk of the scan has.
TEST(positions_of_true_elements_of_a_large_mask) {
  const std::int64_t numel = 1024 * (cuda::kScanChunk + 1) + 5;
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(numel));
  for (std::size_t i = 0; i < mask.size(); i += 100000) mask[i] = 1;
  mask.back() = 1;
  CHECK(agree<std::int64_t>(2 * (numel / 100000 + 2), [&](const KernelTable& t, std::int64_t* out) {
    t.nonzero({{1, numel}, reinterpret_cast<const bool*>(mask.data()), out});
  }));
}

}  // namespace

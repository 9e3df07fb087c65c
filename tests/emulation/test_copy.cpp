// The copying slots of CUDA, emulated, against those of the CPU: the same bits.

#include <numeric>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

/// Around a unit of 16 bytes, a block, and a grid that strides in units.
const std::vector<std::int64_t> kRuns = {1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 255, 256, 257, 4095, 4096, 2049, 70001};

/// Calls f(TypeTag<T>()) for all dtypes.
template <class F>
void for_each_type(const F& f) {
  for (int d = 0; d < kDTypeCount; ++d) dispatch(static_cast<DType>(d), f);
}

/// Bytes of bools are any; floats are many more than integers hold.
template <class T>
std::vector<Cell<T>> any_values(std::int64_t n) {
  if constexpr (std::is_same_v<T, bool>) {
    std::vector<std::uint8_t> x = random_values<std::uint8_t>(n, 0, 4);
    for (auto& v : x) v = v == 3 ? 255 : v;
    return x;
  } else {
    std::vector<T> x = values<T>(n);
    if constexpr (std::is_floating_point_v<T>) {
      const T special[] = {T(2147483648.0), T(-2147483904.0), T(9223372036854775808.0), T(-9223372036854775808.0),
                           T(255.5),        T(-1.5),          T(4294967296.0 * 5),      T(1e300)};
      for (std::size_t i = 3; i < x.size(); i += 7) x[i] = special[i / 7 % 8];
    } else if constexpr (sizeof(T) >= 4) {
      for (std::size_t i = 0; i < x.size(); i += 5) x[i] = static_cast<T>(engine()());
    }
    return x;
  }
}

/// As `agree`, for copies: NaN too has the same bits where `exact`.
template <class Out, class Call>
bool same(std::int64_t n, const Call& call, bool exact = true) {
  if (!exact) return agree<Out>(n, call);
  std::vector<Cell<Out>> ours(static_cast<std::size_t>(n), Cell<Out>(3)), theirs = ours;
  call(cuda_table(), ours.data());
  call(cpu_table(), theirs.data());
  return same_bits(ours, theirs);
}

TEST(copies_of_runs_at_every_alignment) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const std::int64_t n : kRuns) {
      const auto x = any_values<T>(n + 16);
      for (const int out_at : {0, 1, 3}) {
        for (const int in_at : {0, 1, 3, 16}) {
          if (in_at == 16 && n > 100) continue;
          CHECK(same<T>(n + 20, [&](const KernelTable& t, Cell<T>* y) {
            t.copy(dtype, dtype, flat_loop(n, {y + out_at, x.data() + in_at}));
          }));
        }
      }
    }
  });
}

TEST(copies_between_all_dtypes) {
  for_each_type([]<class In>(TypeTag<In>) {
    for_each_type([]<class Out>(TypeTag<Out>) {
      const DType in = DTypeOf<In>::value, out = DTypeOf<Out>::value;
      const bool exact = in == out;
      const Dims shapes[] = {{1000}, {40, 70}, {3, 33, 31}};
      for (const Dims& shape : shapes) {
        const std::int64_t n = product(shape);
        const auto x = any_values<In>(2 * n);
        std::vector<int> backwards(static_cast<std::size_t>(shape.size()));
        std::iota(backwards.rbegin(), backwards.rend(), 0);
        for (const Dims& from : {row_major(shape), layout(shape, backwards), Dims(shape.size(), 0)}) {
          CHECK(same<Out>(
              n,
              [&](const KernelTable& t, Cell<Out>* y) {
                t.copy(out, in, make_loop(shape, {{y, row_major(shape)}, {x.data(), from}}));
              },
              exact));
          CHECK(same<Out>(
              n,
              [&](const KernelTable& t, Cell<Out>* y) {
                t.copy(out, in, make_loop(shape, {{y, layout(shape, backwards)}, {x.data(), from}}));
              },
              exact));
        }
      }
      const auto number = any_values<In>(1);  // without dimensions
      CHECK(same<Out>(
          1,
          [&](const KernelTable& t, Cell<Out>* y) { t.copy(out, in, make_loop({}, {{y, {}}, {number.data(), {}}})); },
          exact));
    });
  });
}

/// Around half a tile, from which tiles are used, and tiles.
TEST(transposed_copies) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const std::int64_t rows : {2, 15, 16, 17, 31, 32, 33, 65}) {
      for (const std::int64_t columns : {15, 16, 32, 33, 100}) {
        const Dims shape{rows, columns};
        const auto x = any_values<T>(rows * columns * 4);
        for (const std::int64_t gap : {1, 2}) {  // 2: no stride is 1
          CHECK(same<T>(rows * columns * 4, [&](const KernelTable& t, Cell<T>* y) {
            t.copy(dtype, dtype,
                   make_loop(shape, {{y, layout(shape, {0, 1}, gap)}, {x.data(), layout(shape, {1, 0}, gap)}}));
          }));
          CHECK(same<T>(rows * columns * 4, [&](const KernelTable& t, Cell<T>* y) {
            t.copy(dtype, dtype,
                   make_loop(shape, {{y, layout(shape, {1, 0}, gap)}, {x.data(), layout(shape, {0, 1})}}));
          }));
        }
      }
    }
    // Many matrices, in every order of the dimensions, on both sides.
    if (sizeof(T) == 8 && !std::is_same_v<T, double>) return;  // copied as double is
    const Dims shape{17, 2, 16, 3, 18};
    const std::int64_t n = product(shape);
    const auto x = any_values<T>(n);
    std::vector<int> order = {0, 1, 2, 3, 4};
    do {
      if (order[0] != 1 && order[4] != 2) continue;  // enough of them
      CHECK(same<T>(n, [&](const KernelTable& t, Cell<T>* y) {
        t.copy(dtype, dtype, make_loop(shape, {{y, layout(shape, {0, 2, 1, 3, 4})}, {x.data(), layout(shape, order)}}));
      }));
      if (order[1] != 3) continue;
      CHECK(same<T>(n, [&](const KernelTable& t, Cell<T>* y) {
        t.copy(dtype, dtype, make_loop(shape, {{y, layout(shape, order)}, {x.data(), layout(shape, {0, 2, 1, 3, 4})}}));
      }));
    } while (std::next_permutation(order.begin(), order.end()));
  });
}

TEST(more_tiles_than_a_grid_has) {
  for (const Dims& shape : {Dims{2049, 16, 16}, Dims{1, 2049 * 32, 16}, Dims{1, 16, 2049 * 32}}) {
    const auto x = any_values<std::uint8_t>(product(shape));
    CHECK(same<std::uint8_t>(product(shape), [&](const KernelTable& t, std::uint8_t* y) {
      t.copy(DType::UInt8, DType::UInt8,
             make_loop(shape, {{y, row_major(shape)}, {x.data(), layout(shape, {0, 2, 1})}}));
    }));
  }
}

/// Rows whose neighbours lie side by side are copied in wider units where all of their places allow it.
TEST(copies_of_rows) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const std::int64_t columns : {1, 2, 3, 4, 8, 16, 24, 31, 48, 64}) {
      for (const std::int64_t pitch : {64, 66, 68, 72, 80, 81}) {
        for (const std::int64_t start : {0, 1, 2, 4, 8, 16}) {
          const std::int64_t rows = 7;
          const auto x = any_values<T>(rows * pitch + 16);
          CHECK(same<T>(rows * columns, [&](const KernelTable& t, Cell<T>* y) {
            t.copy(dtype, dtype, make_loop({rows, columns}, {{y, {columns, 1}}, {x.data() + start, {pitch, 1}}}));
          }));
          CHECK(same<T>(rows * pitch + 16, [&](const KernelTable& t, Cell<T>* y) {
            t.copy(dtype, dtype, make_loop({rows, columns}, {{y + start, {pitch, 1}}, {x.data(), {columns, 1}}}));
          }));
        }
      }
    }
  });
}

TEST(a_copy_onto_itself) {
  std::vector<float> x = any_values<float>(1000), before = x;
  cuda_table().copy(DType::Float32, DType::Float32, flat_loop(1000, {x.data(), x.data()}));
  const Dims shape{20, 50};
  const Dims turned = layout(shape, {1, 0});
  cuda_table().copy(DType::Float32, DType::Float32, make_loop(shape, {{x.data(), turned}, {x.data(), turned}}));
  CHECK(same_bits(x, before));
}

TEST(fills) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const Scalar value : {Scalar(true), Scalar(std::int64_t{0x0102030405060708}), Scalar(-1.75), Scalar(0)}) {
      for (const std::int64_t n : kRuns) {
        for (const int at : {0, 1, 3, 15}) {
          CHECK(same<T>(n + 16, [&](const KernelTable& t, Cell<T>* y) {
            t.fill(dtype, with_number(flat_loop(n, {y + at}), 1, dtype, value));
          }));
        }
      }
      CHECK(same<T>(40 * 140, [&](const KernelTable& t, Cell<T>* y) {
        t.fill(dtype, with_number(make_loop({40, 69}, {{y, {140, 2}}}), 1, dtype, value));
      }));
      CHECK(same<T>(40 * 70 * 3, [&](const KernelTable& t, Cell<T>* y) {
        t.fill(dtype, with_number(make_loop({70, 39, 3}, {{y, {1, 70, 70 * 40}}}), 1, dtype, value));
      }));
      CHECK(same<T>(2, [&](const KernelTable& t, Cell<T>* y) {
        t.fill(dtype, with_number(make_loop({}, {{y, {}}}), 1, dtype, value));
      }));
    }
  });
}

TEST(where_slots) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const std::int64_t n : kSizes) {
      const auto condition = any_values<bool>(n);
      const auto a = any_values<T>(n), b = any_values<T>(n);
      CHECK(same<T>(n, [&](const KernelTable& t, Cell<T>* y) {
        t.where(dtype, flat_loop(n, {y, condition.data(), a.data(), b.data()}));
      }));
      for (const int numbers : {1, 2, 3}) {  // on either side, and on both
        Loop loop = flat_loop(n, {nullptr, condition.data(), a.data(), b.data()});
        if ((numbers & 1) != 0) loop = with_number(loop, 2, dtype, Scalar(-2.5));
        if ((numbers & 2) != 0) loop = with_number(loop, 3, dtype, Scalar(7));
        CHECK(same<T>(n, [&](const KernelTable& t, Cell<T>* y) {
          loop.data[0] = y;
          t.where(dtype, loop);
        }));
      }
    }
    // Rows, columns and gaps; the output lies in another order.
    const Dims shape{45, 70};
    const auto condition = any_values<bool>(45 * 70);
    const auto a = any_values<T>(45), b = any_values<T>(70 * 45 * 4);
    CHECK(same<T>(45 * 70, [&](const KernelTable& t, Cell<T>* y) {
      t.where(dtype, make_loop(shape, {{y, {1, 45}},
                                       {condition.data(), {70, 1}},
                                       {a.data(), {1, 0}},
                                       {b.data(), layout(shape, {0, 1}, 2)}}));
    }));
  });
}

TEST(ranges_of_every_dtype) {
  for_each_type([]<class T>(TypeTag<T>) {
    const DType dtype = DTypeOf<T>::value;
    for (const std::int64_t n : kSizes) {
      for (const auto& [start, step] : {std::pair(Scalar(0.5), Scalar(-0.3)), std::pair(Scalar(3), Scalar(7)),
                                        std::pair(Scalar(std::int64_t{1} << 62), Scalar(std::int64_t{1} << 55))}) {
        for (const std::int64_t first : {0, 12345}) {
          CHECK(same<T>(n, [&, start = start, step = step](const KernelTable& t, Cell<T>* y) {
            t.range(dtype, {n, start, step, y, first});
          }));
        }
      }
    }
  });
  cuda_table().range(DType::Float32, {0, Scalar(0), Scalar(1), nullptr});
}

}  // namespace

// The elementwise slots of CUDA, emulated, against those of the CPU: one formula, so the same bits.

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

template <class T, class Out>
void check_unary(const char* name, UnaryOp op) {
  for (const std::int64_t n : kSizes) {
    const std::vector<Cell<T>> x = values<T>(n);
    CHECK(agree<Out>(
        n, [&](const KernelTable& t, Cell<Out>* y) { t.unary(op, DTypeOf<T>::value, flat_loop(n, {y, x.data()})); }));
    if (!verigrad_test::failures().empty()) return verigrad_test::fail(name, static_cast<int>(n), "differs");
  }
}

template <class T, class Out>
void check_binary(const char* name, BinaryOp op) {
  const DType dtype = DTypeOf<T>::value;
  constexpr bool divides_integers = std::is_integral_v<T>;
  for (const std::int64_t n : kSizes) {
    const std::vector<Cell<T>> a = values<T>(n);
    std::vector<Cell<T>> b = values<T>(n);
    if (divides_integers) {
      for (auto& v : b) v = v == 0 ? Cell<T>(1) : v;
    }
    CHECK(agree<Out>(
        n, [&](const KernelTable& t, Cell<Out>* y) { t.binary(op, dtype, flat_loop(n, {y, a.data(), b.data()})); }));
    for (const int at : {1, 2}) {
      Loop loop = with_number(flat_loop(n, {nullptr, a.data(), b.data()}), at, dtype, Scalar(3));
      CHECK(agree<Out>(n, [&](const KernelTable& t, Cell<Out>* y) {
        loop.data[0] = y;
        t.binary(op, dtype, loop);
      }));
    }
    if (!verigrad_test::failures().empty()) return verigrad_test::fail(name, static_cast<int>(n), "differs");
  }
  // A row and a column, broadcast, into memory with gaps.
  const std::vector<Cell<T>> row = values<T>(70);
  std::vector<Cell<T>> column = values<T>(45);
  if (divides_integers) {
    for (auto& v : column) v = v == 0 ? Cell<T>(1) : v;
  }
  CHECK(agree<Out>(45 * 140, [&](const KernelTable& t, Cell<Out>* y) {
    t.binary(op, dtype, make_loop({45, 70}, {{y, {140, 2}}, {row.data(), {0, 1}}, {column.data(), {1, 0}}}));
  }));
}

/// f of each type that a row of this kind has.
template <Kind kKind, class F>
void for_types(const F& f) {
  for (int i = 0; i < kDTypeCount; ++i) {
    dispatch(static_cast<DType>(i), [&](auto tag) {
      if constexpr (has(kKind, DTypeOf<typename decltype(tag)::type>::value)) f(tag);
    });
  }
}

TEST(unary_slots) {
#define VG_UNARY(NAME, NODE, KIND, ...) \
  for_types<Kind::KIND>([]<class T>(TypeTag<T>) { check_unary<T, T>(#NAME, UnaryOp::NAME); });
#define VG_PREDICATE(NAME, ...) \
  for_types<Kind::Any>([]<class T>(TypeTag<T>) { check_unary<T, bool>(#NAME, UnaryOp::NAME); });
#include "verigrad/unary.def"
}

TEST(binary_slots) {
#define VG_BINARY(NAME, NODE, KIND, ...) \
  for_types<Kind::KIND>([]<class T>(TypeTag<T>) { check_binary<T, T>(#NAME, BinaryOp::NAME); });
#define VG_DISCRETE(NAME, NODE, KIND) VG_BINARY(NAME, NODE, KIND)
#define VG_COMPARE(NAME, ...) \
  for_types<Kind::Any>([]<class T>(TypeTag<T>) { check_binary<T, bool>(#NAME, BinaryOp::NAME); });
#include "verigrad/binary.def"
}

template <class T>
void check_ternary(const char* name, TernaryOp op) {
  const DType dtype = DTypeOf<T>::value;
  for (const std::int64_t n : kSizes) {
    const std::vector<Cell<T>> a = values<T>(n), b = random_values<Cell<T>>(n), c = random_values<Cell<T>>(n);
    for (const bool number : {false, true}) {
      Loop loop = flat_loop(n, {nullptr, a.data(), b.data(), c.data()});
      if (number) loop = with_number(loop, 3, dtype, Scalar(3));
      CHECK(agree<T>(n, [&](const KernelTable& t, Cell<T>* y) {
        loop.data[0] = y;
        t.ternary(op, dtype, loop, Scalar(2));
      }));
    }
    if (!verigrad_test::failures().empty()) return verigrad_test::fail(name, static_cast<int>(n), "differs");
  }
  // A row and two columns, broadcast, into memory with gaps.
  const std::vector<Cell<T>> row = values<T>(70), column = random_values<Cell<T>>(45),
                             other = random_values<Cell<T>>(45);
  CHECK(agree<T>(45 * 140, [&](const KernelTable& t, Cell<T>* y) {
    t.ternary(
        op, dtype,
        make_loop({45, 70}, {{y, {140, 2}}, {row.data(), {0, 1}}, {column.data(), {1, 0}}, {other.data(), {1, 0}}}),
        Scalar(-3));
  }));
}

TEST(ternary_slots) {
#define VG_TERNARY(NAME, NODE, KIND, ...) \
  for_types<Kind::KIND>([]<class T>(TypeTag<T>) { check_ternary<T>(#NAME, TernaryOp::NAME); });
#include "verigrad/ternary.def"
}

template <class T>
void check_activation(const char* name, ActivationOp op) {
  for (const std::int64_t n : kSizes) {
    const std::vector<Cell<T>> x = values<T>(n), g = random_values<T>(n);
    Activation a;
    a.a = 0.5;
    a.b = 1.5;
    a.c = 1.25;
    for (const bool backward : {false, true}) {
      a.backward = backward;
      CHECK(agree<T>(n, [&](const KernelTable& t, T* y) {
        a.loop = backward ? flat_loop(n, {y, g.data(), x.data()}) : flat_loop(n, {y, x.data()});
        t.activation(op, DTypeOf<T>::value, a);
      }));
    }
    if (!verigrad_test::failures().empty()) return verigrad_test::fail(name, static_cast<int>(n), "differs");
  }
}

TEST(activation_slots) {
#define VG_ACTIVATION(NAME, ...)                      \
  check_activation<float>(#NAME, ActivationOp::NAME); \
  check_activation<double>(#NAME, ActivationOp::NAME);
#include "verigrad/activation.def"
}

TEST(integer_division_by_zero_is_reported_and_leaves_the_element) {
  const std::vector<std::int32_t> a(300, 7);
  std::vector<std::int32_t> b(300, 2), y(300, 5);
  b[299] = 0;
  cuda_table().binary(BinaryOp::floor_divide, DType::Int32, flat_loop(300, {y.data(), a.data(), b.data()}));
  CHECK_THROWS(cuda::synchronize_stream(), RuntimeError);
  cuda::synchronize_stream();  // once
  CHECK(y[298] == 3 && y[299] == 5);
}

}  // namespace

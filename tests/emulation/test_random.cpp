// Random numbers of CUDA, emulated, against those of the CPU: one formula, so the same bits.

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

/// Around the sizes of a Philox block, of a CUDA block, of the CPU's batch and of a grid that strides.
const std::vector<std::int64_t> kNumbers = {1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 1023, 1024, 1025, 4099};

template <class T>
bool same_numbers(RandomOp op, Random r, std::int64_t n, std::int64_t shift) {
  r.numel = n;
  return agree<T>(n + shift + 1, [&](const KernelTable& t, Cell<T>* y) {
    Random at = r;
    at.out = y + shift;  // what lies before and behind it must stay
    t.random(op, DTypeOf<T>::value, at);
  });
}

template <class T>
void check_floating() {
  for (const std::int64_t n : kNumbers) {
    for (const std::int64_t shift : {0, 1}) {
      Random r;
      r.seed = 0x123456789ABCDEF0u;
      r.counter = 0xFFFFFFF0u;  // its high half changes
      for (const auto& [low, high] : {std::pair(0.0, 1.0), {-3.0, 5.5}, {2.0, 2.0}, {1.0, 1.0 + 1e-7}}) {
        r.low = low;
        r.high = high;
        CHECK(same_numbers<T>(RandomOp::uniform, r, n, shift));
        CHECK(same_numbers<T>(RandomOp::normal, r, n, shift));
      }
      for (const double p : {0.0, 0.1, 0.5, 1.0}) {
        r.low = p;
        r.high = 1.25;
        CHECK(same_numbers<T>(RandomOp::keep, r, n, shift));
      }
    }
  }
}

template <class T>
void check_integers() {
  for (const std::int64_t n : kNumbers) {
    for (const std::int64_t shift : {0, 1}) {
      Random r;
      r.seed = 42;
      r.counter = std::uint64_t{1} << 40;
      r.int_low = std::is_same_v<T, bool> || std::is_same_v<T, std::uint8_t> ? 0 : -7;
      r.int_high = std::is_same_v<T, bool> ? 2 : 100;
      CHECK(same_numbers<T>(RandomOp::integers, r, n, shift));
      if constexpr (std::is_same_v<T, std::int64_t>) {
        r.int_low = std::numeric_limits<std::int64_t>::min();
        r.int_high = std::numeric_limits<std::int64_t>::max();
        CHECK(same_numbers<T>(RandomOp::integers, r, n, shift));
        r.int_high = r.int_low;  // all 2^64 numbers
        CHECK(same_numbers<T>(RandomOp::integers, r, n, shift));
      }
    }
  }
}

}  // namespace

TEST(random_floating_slots) {
  check_floating<float>();
  check_floating<double>();
}

TEST(random_integer_slots) {
  check_integers<bool>();
  check_integers<std::uint8_t>();
  check_integers<std::int32_t>();
  check_integers<std::int64_t>();
  check_integers<float>();
  check_integers<double>();
}

TEST(random_numbers_of_a_grid_that_strides) {
  // More Philox blocks than all threads of the largest grid.
  const std::int64_t n = (std::int64_t{65535} * 256 + 300) * 2 + 1;
  Random r;
  r.seed = 5;
  r.counter = 9;
  r.int_high = 200;
  CHECK(same_numbers<std::uint8_t>(RandomOp::integers, r, n, 0));
}

TEST(random_nothing_and_other_dtypes) {
  Random r;
  for (const RandomOp op : {RandomOp::uniform, RandomOp::normal, RandomOp::keep, RandomOp::integers}) {
    cuda_table().random(op, DType::Float32, r);
    if (op == RandomOp::integers) continue;
    std::int64_t y = 7;
    Random one = r;
    one.numel = 1;
    one.out = &y;
    CHECK_THROWS(cuda_table().random(op, DType::Int64, one), RuntimeError);
    CHECK_EQ(y, 7);
  }
}

// Matrix products of CUDA, emulated: against those of the CPU, and what cuBLAS is asked for.

#include <sys/mman.h>

#include <cmath>
#include <thread>

#include "core/backend.h"
#include "cublas.h"
#include "cuda_fixture.h"
#include "guarded.h"
#include "kernels/cpu/simd.h"
#include "kernels/cuda/blas.cuh"

using namespace cuda_test;

namespace {

/// Small whole numbers: all sums are exact, so any order of summation gives the same bits.
template <class T>
std::vector<Cell<T>> whole_numbers(std::int64_t n) {
  std::vector<Cell<T>> x(static_cast<std::size_t>(n));
  for (auto& v : x) {
    v = static_cast<Cell<T>>(std::is_same_v<T, bool> ? random_int(0, 9) == 0
                                                     : random_int(std::is_signed_v<T> ? -4 : 0, 4));
  }
  return x;
}

template <class T>
struct Problem {
  Gemm g;
  std::vector<Cell<T>> a, b, bias;
  std::int64_t size_c = 0;

  /// The bits of `flags`: trans a, trans b, accumulate, bias, gaps between rows and matrices, one a for the batch, one
  /// b.
  Problem(std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t k, int flags) {
    g.batch = batch;
    g.m = m;
    g.n = n;
    g.k = k;
    g.trans_a = (flags & 1) != 0;
    g.trans_b = (flags & 2) != 0;
    g.accumulate = (flags & 4) != 0;
    const std::int64_t gap = (flags & 16) != 0 ? 3 : 0;
    g.lda = std::max<std::int64_t>(1, g.trans_a ? m : k) + gap;
    g.ldb = std::max<std::int64_t>(1, g.trans_b ? k : n) + 2 * gap;
    g.ldc = n + gap;
    const std::int64_t size_a = (g.trans_a ? k : m) * g.lda, size_b = (g.trans_b ? n : k) * g.ldb;
    g.stride_a = (flags & 32) != 0 ? 0 : size_a + gap;
    g.stride_b = (flags & 64) != 0 ? 0 : size_b + gap;
    g.stride_c = m * g.ldc + 2 * gap;
    // Nothing behind the last row of the last matrix.
    a = whole_numbers<T>(g.stride_a * (batch - 1) + size_a - (size_a > 0 ? g.lda - (g.trans_a ? m : k) : 0));
    b = whole_numbers<T>(g.stride_b * (batch - 1) + size_b - (size_b > 0 ? g.ldb - (g.trans_b ? k : n) : 0));
    bias = whole_numbers<T>(n);
    g.a = a.data();
    g.b = b.data();
    if ((flags & 8) != 0) g.bias = bias.data();
    size_c = g.stride_c * (batch - 1) + (m - 1) * g.ldc + n;
  }

  /// Whether both devices make the same of it; this one's operands end, or begin, where memory ends.
  bool agrees() {
    const std::vector<Cell<T>> start = whole_numbers<T>(size_c);
    std::vector<Cell<T>> theirs = start;
    g.c = theirs.data();
    cpu_table().gemm(DTypeOf<T>::value, g);
    const Guard side = random_int(0, 1) == 0 ? Guard::before : Guard::after;
    const Guarded<Cell<T>> left(a, side), right(b, side), row(bias, side), ours(start, side);
    Gemm guarded = g;
    if (g.a == a.data()) guarded.a = left.data();
    if (g.b == b.data()) guarded.b = right.data();
    if (g.bias) guarded.bias = row.data();
    guarded.c = ours.data();
    cuda_table().gemm(DTypeOf<T>::value, guarded);
    return same_bits(ours.values(), theirs);
  }
};

struct Sizes {
  std::int64_t m, n, k;
};
/// Around the sides of a tile and the depth of a step.
const std::vector<Sizes> kAroundTiles = {{1, 1, 1},    {1, 5, 3},     {7, 1, 16},   {3, 4, 0},
                                         {5, 6, 15},   {5, 6, 17},    {63, 65, 16}, {64, 64, 1},
                                         {65, 63, 31}, {64, 128, 33}, {129, 1, 2},  {2, 130, 40}};

/// Every `step`-th kind of problem at each size; steps are odd, so that all flags vary.
template <class T>
void check_products(int step) {
  int failed = 0;
  for (const Sizes& s : kAroundTiles) {
    for (int flags = 0; flags < 128; flags += step) {
      for (const std::int64_t batch : {1, 3}) {
        if (batch == 1 && flags >= 32) continue;
        Problem<T> p(batch, s.m, s.n, s.k, flags);
        if (!p.agrees() && failed++ == 0) {
          verigrad_test::fail(std::string(name(DTypeOf<T>::value)).c_str(), flags,
                              "batch " + std::to_string(batch) + ", " + std::to_string(s.m) + " x " +
                                  std::to_string(s.n) + " x " + std::to_string(s.k) + " differs");
        }
      }
    }
  }
  CHECK_EQ(failed, 0);
}

TEST(products_by_cublas) {
  check_products<float>(1);
  check_products<double>(3);
}
TEST(products_by_tiles) {
  check_products<bool>(15);
  check_products<std::uint8_t>(17);
  check_products<std::int32_t>(7);
  check_products<std::int64_t>(19);
}

TEST(integers_wrap_around) {
  std::vector<std::int32_t> a(70 * 70, INT32_MAX), b(70 * 70, 3);
  Problem<std::int32_t> p(1, 70, 70, 70, 0);
  p.g.a = a.data();
  p.g.b = b.data();
  CHECK(p.agrees());
  const std::vector<std::uint8_t> bytes(70 * 70, 255);
  Problem<std::uint8_t> q(1, 70, 70, 70, 8);
  q.g.a = q.g.b = bytes.data();
  CHECK(q.agrees());
}

TEST(more_tiles_than_blocks) {
  // 2100 matrices, each a tile.
  Problem<std::uint8_t> p(2100, 2, 1, 2, 0);
  CHECK(p.agrees());
}

/// Rows that overlap, which cuBLAS has no word for: the tiled kernel takes them, in the order of the CPU's plain loop,
/// which is the CPU's where it has no tiles of registers.
template <class T>
void check_overlapping_rows() {
  const cpu::SimdLevel before = cpu::simd_level();
  cpu::set_simd_level(cpu::SimdLevel::baseline);
  for (const int flags : {0, 1, 2, 3, 4, 8, 12}) {
    Problem<T> p(2, 66, 67, 20, flags);
    p.a = random_values<T>(static_cast<std::int64_t>(p.a.size()));
    p.g.a = p.a.data();
    p.g.lda = 0;  // one row for all
    const int calls = emulation::blas_state().calls;
    CHECK(p.agrees());
    CHECK_EQ(emulation::blas_state().calls, calls);
    p.g.lda = 3;
    CHECK(p.agrees());
  }
  cpu::set_simd_level(before);
}
TEST(overlapping_rows) {
  check_overlapping_rows<float>();
  check_overlapping_rows<double>();
}

template <class T>
void check_nan_and_infinity(double unit) {
  for (const int flags : {0, 3, 8, 12}) {
    Problem<T> p(2, 9, 8, 12, flags);
    p.a = random_values<T>(static_cast<std::int64_t>(p.a.size()));
    p.b = random_values<T>(static_cast<std::int64_t>(p.b.size()));
    p.a[3] = std::numeric_limits<T>::quiet_NaN();
    p.a[p.a.size() - 2] = std::numeric_limits<T>::infinity();
    p.b[p.b.size() - 1] = 0;
    p.g.a = p.a.data();
    p.g.b = p.b.data();
    // What C held does not matter, unless it is added to.
    const T old = p.g.accumulate ? T(1) : std::numeric_limits<T>::quiet_NaN();
    std::vector<T> ours(static_cast<std::size_t>(p.size_c), old), theirs = ours;
    p.g.c = ours.data();
    cuda_table().gemm(DTypeOf<T>::value, p.g);
    p.g.c = theirs.data();
    cpu_table().gemm(DTypeOf<T>::value, p.g);
    int finite = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (!std::isfinite(theirs[i])) {
        CHECK(std::isnan(ours[i]) == std::isnan(theirs[i]) && (std::isnan(ours[i]) || ours[i] == theirs[i]));
      } else {
        ++finite;
        // Both sum 12 products below 16 and two numbers below 4, with a rounding each.
        CHECK_NEAR(ours[i], theirs[i], 14 * 200 * unit);
      }
    }
    CHECK(finite > 50);
  }
}
TEST(products_with_nan_and_infinity) {
  check_nan_and_infinity<float>(std::numeric_limits<float>::epsilon() / 2);
  check_nan_and_infinity<double>(std::numeric_limits<double>::epsilon() / 2);
}

/// What cuBLAS was asked for by the problem.
template <class T>
emulation::BlasCall asked(Problem<T>& p) {
  std::vector<T> c(static_cast<std::size_t>(p.size_c));
  p.g.c = c.data();
  emulation::BlasState& state = emulation::blas_state();
  state.last = {};
  cuda_table().gemm(DTypeOf<T>::value, p.g);
  return state.last;
}

TEST(tf32_is_used_where_it_was_asked_for) {
  Problem<float> p(1, 5, 6, 7, 0);
  for (const auto& [precision, mode] : {std::pair{"high", 3}, {"medium", 3}, {"highest", 0}}) {
    set_float32_matmul_precision(precision);
    CHECK_EQ(asked(p).math_mode, mode);
  }
}

TEST(cublas_sees_rows_as_columns) {
  Problem<float> p(1, 5, 6, 7, 16 | 1);
  emulation::BlasCall call = asked(p);
  CHECK_EQ(call.function, "cublasSgemm_v2");
  // C' = B' A': the right matrix comes first.
  CHECK(call.m == 6 && call.n == 5 && call.k == 7);
  CHECK(call.trans_a == 0 && call.trans_b == 1);
  CHECK(call.lda == 6 + 6 && call.ldb == 5 + 3 && call.ldc == 6 + 3);
  CHECK(call.alpha == 1 && call.beta == 0);

  Problem<double> q(4, 5, 6, 7, 2 | 4 | 32);
  call = asked(q);
  CHECK_EQ(call.function, "cublasDgemmStridedBatched");
  CHECK(call.trans_a == 1 && call.trans_b == 0);
  CHECK(call.lda == 7 && call.ldb == 7 && call.ldc == 6);
  CHECK(call.stride_a == 42 && call.stride_b == 0 && call.stride_c == 30 && call.batch == 4);
  CHECK_EQ(call.beta, 1.0);
  q.g.stride_b = 0;
  CHECK_EQ(asked(q).stride_a, 0);

  CHECK_EQ(call.math_mode, 0);

  // A bias is in C before the product is added.
  Problem<float> with_bias(1, 5, 6, 7, 8);
  CHECK_EQ(asked(with_bias).beta, 1.0);
  // Without products it is not asked.
  Problem<float> empty(1, 5, 6, 0, 8);
  CHECK_EQ(asked(empty).function, "");
  CHECK(empty.agrees());
}

TEST(a_single_row_may_have_any_distance_to_the_next) {
  for (const std::int64_t ld : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 40}) {
    Problem<float> p(2, 1, 6, 1, 0);
    p.g.lda = p.g.ldb = p.g.ldc = ld;
    CHECK(p.agrees());
    const emulation::BlasCall call = asked(p);
    CHECK(call.lda == 6 && call.ldb == 1 && call.ldc == 6);
    CHECK_EQ(call.function, "cublasSgemmStridedBatched");
  }
}

TEST(sizes_above_2_to_the_31_take_the_wide_functions) {
  // Two rows that lie 2^31 floats apart, of which only these are memory.
  constexpr std::int64_t kDistance = (std::int64_t{1} << 31) + 4096;
  constexpr std::size_t kBytes = kDistance * sizeof(float) + (1 << 16);
  void* memory = mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  float* rows = static_cast<float*>(memory);
  REQUIRE(mprotect(rows, 1 << 14, PROT_READ | PROT_WRITE) == 0);
  REQUIRE(mprotect(rows + kDistance, 1 << 14, PROT_READ | PROT_WRITE) == 0);
  for (const std::int64_t batch : {1, 2}) {
    Problem<float> p(batch, 2, 3, 4, 32);
    for (int i = 0; i < 4; ++i) {
      rows[i] = p.a[static_cast<std::size_t>(i)];
      rows[kDistance + i] = p.a[static_cast<std::size_t>(4 + i)];
    }
    const emulation::BlasCall narrow = asked(p);
    std::vector<float> expected(static_cast<std::size_t>(p.size_c)), c = expected;
    p.g.c = expected.data();
    cuda_table().gemm(DType::Float32, p.g);
    p.g.a = rows;
    p.g.lda = kDistance;
    p.g.c = c.data();
    cuda_table().gemm(DType::Float32, p.g);
    CHECK(same_bits(c, expected));
    CHECK_EQ(emulation::blas_state().last.function, narrow.function + "_64");
    CHECK_EQ(emulation::blas_state().last.ldb, kDistance);
  }
  munmap(memory, kBytes);
}

TEST(a_library_that_is_missing_has_one_clear_error) {
  emulation::BlasState& state = emulation::blas_state();
  const std::string found = state.opened;
  state.missing = "libcublas";
  CHECK_THROWS_WITH(cuda::open_blas(), RuntimeError,
                    "expected cuBLAS for products on a CUDA device, got none of libcublas.so.13, libcublas.so.12 and "
                    "libcublas.so (");
  state.missing = ".13";
  CHECK(cuda::open_blas().create != nullptr);
  CHECK_EQ(state.opened, "libcublas.so.12");
  state.missing = "cublasSetWorkspace_v2";
  CHECK_THROWS_WITH(cuda::open_blas(), RuntimeError, "got a library without cublasSetWorkspace_v2");
  // The functions for wide sizes are asked for only where they are needed.
  state.missing = "_64";
  CHECK(cuda::open_blas().float32_wide.gemm == nullptr);
  state.missing = "";
  CHECK(cuda::open_blas().float64_wide.batched != nullptr);
  CHECK_EQ(state.opened, "libcublas.so.13");
}

TEST(a_status_becomes_an_error) {
  Problem<float> p(1, 5, 6, 7, 0);
  emulation::blas_state().status = 13;
  CHECK_THROWS_WITH(asked(p), RuntimeError, ": cuBLAS error: CUBLAS_STATUS_EXECUTION_FAILED (13), version 130000");
  CHECK(p.agrees());
}

TEST(each_thread_has_a_handle_and_leaves_it_to_the_next) {
  Problem<float> p(1, 5, 6, 7, 0);
  asked(p);
  const void* mine = emulation::blas_state().last_handle;
  const void* theirs[2] = {};
  for (auto& handle : theirs) {
    std::thread([&] {
      Problem<float> q(1, 5, 6, 7, 0);
      asked(q);
      handle = emulation::blas_state().last_handle;
    }).join();
  }
  CHECK(theirs[0] != nullptr && theirs[0] != mine);
  CHECK(theirs[0] == theirs[1]);
  asked(p);
  CHECK(emulation::blas_state().last_handle == mine);
}

}  // namespace

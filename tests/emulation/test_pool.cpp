// Pooling of CUDA, emulated, against that of the CPU. The same bits, but where a warp adds the elements of a large
// window in another order.

#include <algorithm>
#include <cmath>

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

PoolAxis windows(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0,
                 std::int64_t dilation = 1) {
  return {in, out, kernel, stride, pad, dilation, false};
}
PoolAxis adaptive(std::int64_t in, std::int64_t out) { return {in, out, 1, 1, 0, 1, true}; }

bool all_windows_have_elements(const PoolAxis& a) {
  for (std::int64_t i = 0; i < a.out; ++i) {
    if (a.start(i) >= a.stop(i) || a.start(i) < 0) return false;
  }
  return true;
}

PoolAxis random_axis() {
  for (;;) {
    const PoolAxis a = random_int(0, 3) == 0 ? adaptive(random_int(1, 24), random_int(1, 24))
                                             : windows(random_int(1, 24), random_int(1, 9), random_int(1, 7),
                                                       random_int(1, 5), random_int(-3, 3), random_int(1, 3));
    if (all_windows_have_elements(a)) return a;
  }
}

Pool pool_of(std::int64_t planes, const PoolAxis& h, const PoolAxis& w) {
  Pool p;
  p.planes = planes;
  p.h = h;
  p.w = w;
  return p;
}

/// Sizes on both sides of a block of threads, the windows of 2 x 2 with and without a rest, overlapping ones, gaps,
/// padding on either side or skipped elements, dilation, adaptive ones, and those that warps take.
std::vector<Pool> geometries() {
  std::vector<Pool> all = {
      pool_of(1, windows(1, 1, 1), windows(1, 1, 1)),
      pool_of(3, windows(1, 1, 1), windows(255, 255, 1)),
      pool_of(2, windows(16, 8, 2, 2), windows(33, 16, 2, 2)),
      pool_of(5, windows(7, 3, 2, 2), windows(4, 2, 2, 2)),
      pool_of(2, adaptive(8, 4), adaptive(34, 17)),
      pool_of(4, windows(15, 8, 3, 2, 1), windows(17, 9, 3, 2, 1)),
      pool_of(2, windows(9, 9, 5, 1, 2), windows(11, 11, 5, 1, 2)),
      pool_of(2, windows(14, 4, 2, 4), windows(20, 4, 3, 5)),
      pool_of(2, windows(12, 6, 3, 1, -2), windows(13, 5, 3, 2, -3)),
      pool_of(2, windows(12, 12, 3, 1, 2, 2), windows(13, 4, 4, 3, 1, 3)),
      pool_of(2, adaptive(7, 3), adaptive(11, 5)),
      pool_of(2, adaptive(3, 7), adaptive(5, 11)),
      pool_of(3, adaptive(7, 1), adaptive(7, 1)),
      pool_of(9, adaptive(4, 1), adaptive(8, 1)),
      pool_of(9, adaptive(31, 1), adaptive(1, 1)),
      pool_of(2, adaptive(40, 3), adaptive(41, 4)),
      pool_of(2, windows(40, 5, 9, 8, 3), windows(50, 6, 11, 9, 4)),
      pool_of(2, windows(60, 3, 7, 20, 3, 2), windows(90, 4, 9, 20, 4, 3)),
      pool_of(2, windows(1, 1, 1), windows(1000, 10, 100, 100)),
      pool_of(1, windows(33, 1, 33), windows(65, 1, 65)),
  };
  for (int i = 0; i < 60; ++i) all.push_back(pool_of(random_int(1, 5), random_axis(), random_axis()));
  return all;
}

std::int64_t in_size(const Pool& p) { return p.planes * p.h.in * p.w.in; }
std::int64_t out_size(const Pool& p) { return p.planes * p.h.out * p.w.out; }

/// As pool.cu decides.
bool by_warps(const Pool& p) {
  const auto size = [](const PoolAxis& a) { return a.adaptive ? a.in / a.out : a.kernel; };
  const std::int64_t distance = p.w.out == 1 ? p.w.in : (p.w.adaptive ? p.w.in / p.w.out : p.w.stride);
  return size(p.h) * size(p.w) >= 32 && distance >= 4;
}

/// Values with many equals.
template <class T>
std::vector<T> coarse(std::int64_t n) {
  std::vector<T> x = random_values<T>(n, 0, 4);
  if constexpr (std::is_floating_point_v<T>) {
    for (T& v : x) v = std::floor(v) - 2;
    for (std::size_t i = 5; i < x.size(); i += 29) x[i] = std::numeric_limits<T>::quiet_NaN();
    for (std::size_t i = 3; i < x.size(); i += 17) x[i] = -T(0);
  }
  return x;
}

template <class T>
void check_max(Pool p) {
  for (const bool special : {false, true}) {
    const std::vector<T> x = special ? values<T>(in_size(p)) : coarse<T>(in_size(p));
    p.in = x.data();
    std::vector<std::int64_t> index[2];
    int device = 0;
    CHECK(agree<T>(out_size(p), [&](const KernelTable& t, T* y) {
      auto& at = index[device++];
      at.assign(static_cast<std::size_t>(out_size(p)), -7);
      p.out = y;
      p.index = at.data();
      t.pool(PoolOp::max, DTypeOf<T>::value, p);
    }));
    CHECK(index[0] == index[1]);
    CHECK(agree<T>(out_size(p), [&](const KernelTable& t, T* y) {
      p.out = y;
      p.index = nullptr;
      t.pool(PoolOp::max, DTypeOf<T>::value, p);
    }));
    if constexpr (std::is_floating_point_v<T>) {
      p.index = index[1].data();
      CHECK(agree<T>(out_size(p), [&](const KernelTable& t, T* y) {
        p.out = y;
        t.pool(PoolOp::max_gather, DTypeOf<T>::value, p);
      }));
      const std::vector<T> g = special ? values<T>(out_size(p)) : coarse<T>(out_size(p));
      p.in = g.data();
      CHECK(agree<T>(in_size(p), [&](const KernelTable& t, T* y) {
        p.out = y;
        t.pool(PoolOp::max_backward, DTypeOf<T>::value, p);
      }));
    }
  }
}

/// The sums of a warp and of the CPU: both in double, in orders of their own.
template <class T>
bool near_averages(Pool p) {
  const std::vector<T> x = random_values<T>(in_size(p));
  p.in = x.data();
  std::vector<T> ours(static_cast<std::size_t>(out_size(p))), again = ours, theirs = ours;
  p.out = ours.data();
  cuda_table().pool(PoolOp::average, DTypeOf<T>::value, p);
  p.out = again.data();
  cuda_table().pool(PoolOp::average, DTypeOf<T>::value, p);
  p.out = theirs.data();
  cpu_table().pool(PoolOp::average, DTypeOf<T>::value, p);
  bool near = same_bits(ours, again);
  // n elements of at most 4: each addition is off by 2^-53 of a sum of at most 4 n, and the result is rounded.
  const double n = static_cast<double>(p.h.in * p.w.in);
  const double divisor = p.divisor != 0 ? std::fabs(p.divisor) : 1;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double bound = std::numeric_limits<T>::epsilon() * std::fabs(static_cast<double>(theirs[i])) +
                         2 * n * 4 * n * 0x1p-53 / divisor;
    near = near && std::fabs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i])) <= bound;
  }
  return near;
}

template <class T>
void check_average(Pool p) {
  const DType dtype = DTypeOf<T>::value;
  // Windows with gaps or skipped elements are not counted.
  const bool counted = std::min(p.h.pad, p.w.pad) >= 0 && std::max(p.h.dilation, p.w.dilation) == 1;
  for (int mode = 0; mode < 3; ++mode) {
    p.count_include_pad = mode == 0;
    p.divisor = mode == 2 || !counted ? 3 : 0;
    if (std::is_floating_point_v<T> && by_warps(p)) {
      if constexpr (std::is_floating_point_v<T>) CHECK(near_averages<T>(p));
    } else {
      const std::vector<T> x = values<T>(in_size(p));
      p.in = x.data();
      CHECK(agree<T>(out_size(p), [&](const KernelTable& t, T* y) {
        p.out = y;
        t.pool(PoolOp::average, dtype, p);
      }));
    }
    if constexpr (std::is_floating_point_v<T>) {
      for (const bool special : {false, true}) {
        const std::vector<T> g = special ? values<T>(out_size(p)) : random_values<T>(out_size(p));
        p.in = g.data();
        CHECK(agree<T>(in_size(p), [&](const KernelTable& t, T* y) {
          p.out = y;
          t.pool(PoolOp::average_backward, dtype, p);
        }));
      }
    }
  }
}

template <class F>
void for_geometries(const F& f) {
  int number = 0;
  for (const Pool& p : geometries()) {
    f(p);
    if (!verigrad_test::failures().empty()) return verigrad_test::fail("geometry", number, "differs");
    ++number;
  }
}

}  // namespace

TEST(max_pool_slots) {
  for_geometries([](const Pool& p) {
    check_max<float>(p);
    check_max<double>(p);
    check_max<std::uint8_t>(p);
    check_max<std::int32_t>(p);
    check_max<std::int64_t>(p);
  });
}

TEST(average_pool_slots) {
  for_geometries([](const Pool& p) {
    check_average<float>(p);
    check_average<double>(p);
    check_average<std::int64_t>(p);
  });
}

TEST(pool_windows_of_an_element_are_those_that_have_it) {
  std::vector<PoolAxis> axes = {adaptive(1, 1),       adaptive(1000, 999),    adaptive(999, 1000), adaptive(1, 50),
                                adaptive(50, 1),      adaptive(97, 13),       adaptive(13, 97),    windows(20, 5, 2, 4),
                                windows(20, 9, 1, 3), windows(9, 4, 2, 2, -1)};
  for (int i = 0; i < 500; ++i) axes.push_back(random_axis());
  for (const PoolAxis& a : axes) {
    for (std::int64_t at = 0; at < a.in; ++at) {
      CHECK(a.first_window(at) >= 0 && a.end_window(at) <= a.out);
      for (std::int64_t i = 0; i < a.out; ++i) {
        const bool has = a.start(i) <= at && at < a.stop(i) && (at - a.start(i)) % a.dilation == 0;
        const bool found = i >= a.first_window(at) && i < a.end_window(at) && a.contains(i, at);
        CHECK_EQ(found, has);
      }
    }
  }
  // Products beyond the digits of a double, and of int64: the ends of windows, where a rounded quotient is wrong.
  for (const PoolAxis& a : {adaptive((std::int64_t{1} << 40) + 12345, (std::int64_t{1} << 31) - 1),
                            adaptive((std::int64_t{1} << 31) - 1, (std::int64_t{1} << 31) - 7),
                            adaptive((std::int64_t{1} << 40) + 1, (std::int64_t{1} << 30) + 3)}) {
    for (int k = 0; k < 2000; ++k) {
      const std::int64_t window = k == 0 ? 0 : (k == 1 ? a.out - 1 : random_int(0, a.out - 1));
      for (const std::int64_t at : {a.start(window), a.stop(window) - 1}) {
        const std::int64_t first = a.first_window(at), end = a.end_window(at);
        CHECK(first <= window && window < end && a.stop(first) > at && a.start(end - 1) <= at);
        CHECK((first == 0 || a.stop(first - 1) <= at) && (end == a.out || a.start(end) > at));
      }
    }
  }
}

TEST(pool_grids_that_stride) {
  // More windows than the largest grid has threads: of one element, then each for a warp.
  Pool p = pool_of(std::int64_t{65535} * 256 + 300, windows(1, 1, 1), windows(1, 1, 1));
  std::vector<std::uint8_t> x(static_cast<std::size_t>(in_size(p)));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 37 % 251);
  p.in = x.data();
  CHECK(agree<std::uint8_t>(out_size(p), [&](const KernelTable& t, std::uint8_t* y) {
    p.out = y;
    t.pool(PoolOp::max, DType::UInt8, p);
  }));
  p = pool_of(4096 * 8 + 11, adaptive(4, 1), adaptive(8, 1));
  p.in = x.data();
  CHECK(agree<std::uint8_t>(out_size(p), [&](const KernelTable& t, std::uint8_t* y) {
    p.out = y;
    t.pool(PoolOp::max, DType::UInt8, p);
  }));
}

TEST(pool_nothing_and_other_dtypes) {
  Pool p = pool_of(0, windows(2, 1, 2), windows(2, 1, 2));
  for (const PoolOp op : {PoolOp::max, PoolOp::max_backward, PoolOp::max_gather, PoolOp::average}) {
    cuda_table().pool(op, DType::Float32, p);
  }
  p.planes = 1;
  CHECK_THROWS(cuda_table().pool(PoolOp::max, DType::Bool, p), RuntimeError);
  CHECK_THROWS(cuda_table().pool(PoolOp::average, DType::Int32, p), RuntimeError);
  CHECK_THROWS(cuda_table().pool(PoolOp::average_backward, DType::Int64, p), RuntimeError);
  CHECK_THROWS(cuda_table().pool(PoolOp::max_gather, DType::UInt8, p), RuntimeError);
}

// The sort and the scan that CUDA kernels use, emulated, against the standard library's.

#include <numeric>

#include "cuda_fixture.h"
#include "kernels/cuda/sort.cuh"

using namespace cuda_test;

namespace {

/// Around a warp, the run of a warp, a tile, and the chunk of a scan over several tiles' counts.
const std::vector<std::int64_t> kCounts = {1,
                                           31,
                                           32,
                                           33,
                                           cuda::kSortRun - 1,
                                           cuda::kSortRun + 1,
                                           cuda::kSortTile - 1,
                                           cuda::kSortTile,
                                           cuda::kSortTile + 1,
                                           3 * cuda::kSortTile + 77,
                                           9 * cuda::kSortTile};

template <class I>
void check_sort(std::int64_t count, std::uint64_t greatest) {
  const auto n = static_cast<std::size_t>(count);
  cuda::Sorter<I> sorter(count);
  std::vector<I> keys(n), order(n);
  for (auto& key : keys) key = static_cast<I>(random_int(0, static_cast<std::int64_t>(greatest)));
  std::copy(keys.begin(), keys.end(), sorter.pairs().keys);
  for (std::size_t i = 0; i < n; ++i) order[i] = sorter.pairs().positions[i] = static_cast<I>(i * 3);
  std::stable_sort(order.begin(), order.end(), [&](I a, I b) { return keys[a / 3] < keys[b / 3]; });
  sorter.sort(greatest);
  std::vector<I> sorted(n);
  for (std::size_t i = 0; i < n; ++i) sorted[i] = keys[order[i] / 3];
  CHECK(std::equal(order.begin(), order.end(), sorter.pairs().positions));
  CHECK(std::equal(sorted.begin(), sorted.end(), sorter.pairs().keys));
}

TEST(pairs_are_sorted_and_those_of_equal_keys_keep_their_order) {
  for (const std::int64_t count : kCounts) {
    for (const std::uint64_t greatest : {0, 1, 255, 256, 70000}) {
      if (count > 3 * cuda::kSortTile && greatest != 256) continue;
      check_sort<std::uint32_t>(count, greatest);
    }
  }
  check_sort<std::uint32_t>(5000, 0xFFFFFFFF);
  check_sort<std::uint64_t>(700, 0xFFFFFFFF);
  check_sort<std::uint64_t>(5000, std::uint64_t{1} << 40);
}

TEST(keys_choose_their_type) {
  const auto width = [](std::int64_t count, std::int64_t greatest) {
    std::size_t bytes = 0;
    cuda::dispatch_pair_type(count, greatest, [&](auto tag) { bytes = sizeof(typename decltype(tag)::type); });
    return bytes;
  };
  const std::int64_t most = boundary::cuda_unsigned_positions;
  CHECK(width(5, most) == 4 && width(most, 5) == 4);
  CHECK(width(5, most + 1) == 8 && width(most + 1, 5) == 8);
}

TEST(scans) {
  const std::int64_t chunk = cuda::kScanChunk;
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{7}, std::int64_t{255}, std::int64_t{256},
                               std::int64_t{257}, chunk - 1, chunk, chunk + 1, 5 * chunk + 3, chunk * chunk + 1}) {
    std::vector<std::int64_t> values(static_cast<std::size_t>(n)), sums(values.size());
    for (auto& v : values) v = random_int(0, std::int64_t{1} << 33);
    std::exclusive_scan(values.begin(), values.end(), sums.begin(), std::int64_t{0});
    cuda::exclusive_scan(values.data(), n);
    CHECK(values == sums);
  }
}

__global__ void scan_often_kernel(int rounds, std::int64_t* out) {
  for (int r = 0; r < rounds; ++r) {
    std::int64_t total = 0;
    const auto t = static_cast<std::int64_t>(threadIdx.x);
    const std::int64_t before = cuda::block_scan(t * r, total);
    out[r * cuda::kThreads + t] = before + total;
  }
}

TEST(a_block_scans_many_times) {
  constexpr int kRounds = 5;
  std::vector<std::int64_t> out(kRounds * cuda::kThreads);
  cuda::launch(dim3(1), dim3(cuda::kThreads), &scan_often_kernel, kRounds, out.data());
  for (std::int64_t i = 0; i < kRounds * cuda::kThreads; ++i) {
    const std::int64_t r = i / cuda::kThreads, t = i % cuda::kThreads;
    CHECK_EQ(out[static_cast<std::size_t>(i)], r * (t * (t - 1) / 2 + cuda::kThreads * (cuda::kThreads - 1) / 2));
  }
}

TEST(runs_of_equal_keys) {
  std::vector<std::uint32_t> keys;
  std::vector<std::int64_t> begins;
  for (const int length : {1, 2, 3, 1, 7, 8, 9, 64, 1, 100, 5}) {
    begins.push_back(static_cast<std::int64_t>(keys.size()));
    keys.insert(keys.end(), static_cast<std::size_t>(length), static_cast<std::uint32_t>(begins.size() * 2));
  }
  const auto count = static_cast<std::int64_t>(keys.size());
  begins.push_back(count);
  for (std::size_t r = 0; r + 1 < begins.size(); ++r) {
    CHECK_EQ(cuda::run_end(keys.data(), begins[r], count), begins[r + 1]);
    for (std::int64_t i = begins[r]; i < begins[r + 1]; ++i) {
      CHECK_EQ(cuda::run_begins(keys.data(), i), i == begins[r]);
      CHECK_EQ(cuda::run_ends(keys.data(), i, count), i + 1 == begins[r + 1]);
    }
  }
}

}  // namespace

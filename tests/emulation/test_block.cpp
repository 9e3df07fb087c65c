// The emulation of CUDA's blocks: what must work, and what it must notice.

#include <cuda_runtime.h>

#include <numeric>
#include <string>
#include <vector>

#include "harness.h"
#include "kernels/cuda/shared.cuh"
#include "verigrad/error.h"

using namespace verigrad;

namespace {

template <class F>
void grid(unsigned blocks, unsigned threads, F body, std::size_t shared = 0) {
  emulation::run_grid("test", {blocks, 1, 1}, {threads, 1, 1}, shared, [](void* f) { (*static_cast<F*>(f))(); }, &body);
}

int global_index() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

/// The message of the error that f raises, or "none".
template <class F>
std::string message(const F& f) {
  try {
    f();
  } catch (const RuntimeError& error) {
    return error.what();
  }
  return "none";
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(every_thread_of_every_block_runs_once) {
  std::vector<int> seen(7 * 3 * 2 * 5 * 4 * 3);
  auto body = [&] {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    ++seen[block * blockDim.x * blockDim.y * blockDim.z + thread];
  };
  emulation::run_grid("test", {7, 3, 2}, {5, 4, 3}, 0, [](void* f) { (*static_cast<decltype(body)*>(f))(); }, &body);
  for (const int count : seen) CHECK_EQ(count, 1);
}

TEST(shared_memory_is_complete_after_a_barrier) {
  for (const unsigned threads : {1u, 2u, 33u, 256u, 1024u}) {
    std::vector<int> out(3 * threads);
    grid(3, threads, [&] {
      VG_SHARED(int, values, 1024);
      for (int round = 0; round < 3; ++round) {
        values[threadIdx.x] = global_index() + round;
        __syncthreads();
        out[static_cast<std::size_t>(global_index())] = values[blockDim.x - 1 - threadIdx.x];
        __syncthreads();
      }
    });
    for (unsigned i = 0; i < 3 * threads; ++i) {
      const unsigned block = i / threads, at = i % threads;
      CHECK_EQ(out[i], static_cast<int>(block * threads + threads - 1 - at) + 2);
    }
  }
}

TEST(a_missing_barrier_shows) {
  std::vector<int> out(256, 0);
  grid(4, 64, [&] {
    VG_SHARED(int, values, 64);
    values[threadIdx.x] = global_index() + 1;
    out[static_cast<std::size_t>(global_index())] = values[63 - threadIdx.x];  // some have not written yet
  });
  int wrong = 0;
  for (int i = 0; i < 256; ++i) wrong += out[static_cast<std::size_t>(i)] != i / 64 * 64 + 63 - i % 64 + 1;
  CHECK(wrong >= 100);
}

TEST(shared_memory_is_new_in_each_block) {
  std::vector<float> seen(8);
  grid(
      8, 1,
      [&] {
        VG_SHARED(float, value, 1);
        float* dynamic = static_cast<float*>(emulation::dynamic_shared());
        seen[blockIdx.x] = value[0] + dynamic[0];
        value[0] = dynamic[0] = 1;
      },
      sizeof(float));
  for (const float value : seen) CHECK(value != value);
}

TEST(blocks_run_in_another_order_each_time) {
  std::vector<unsigned> first, second;
  grid(100, 1, [&] { first.push_back(blockIdx.x); });
  grid(100, 1, [&] { second.push_back(blockIdx.x); });
  std::vector<unsigned> ascending(100);
  std::iota(ascending.begin(), ascending.end(), 0u);
  CHECK(first != ascending && second != ascending && first != second);
}

TEST(lanes_exchange_values) {
  std::vector<int> down(64), up(64), across(64), from(64), halves(64);
  std::vector<unsigned> ballots(64);
  grid(1, 64, [&] {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const unsigned i = threadIdx.x;
    down[i] = __shfl_down_sync(0xFFFFFFFF, static_cast<int>(i), 3);
    up[i] = __shfl_up_sync(0xFFFFFFFF, static_cast<int>(i), 1);
    across[i] = __shfl_xor_sync(0xFFFFFFFF, static_cast<int>(i), 16);
    from[i] = __shfl_sync(0xFFFFFFFF, static_cast<int>(i), 5);
    halves[i] = __shfl_down_sync(0xFFFFFFFF, static_cast<int>(i), 1, 16);
    ballots[i] = __ballot_sync(0xFFFFFFFF, lane % 3 == 0);
    __syncwarp();
  });
  unsigned thirds = 0;
  for (unsigned k = 0; k < 32; k += 3) thirds |= 1u << k;
  for (int i = 0; i < 64; ++i) {
    const auto at = static_cast<std::size_t>(i);
    CHECK_EQ(down[at], i % 32 < 29 ? i + 3 : i);
    CHECK_EQ(up[at], i % 32 > 0 ? i - 1 : i);
    CHECK_EQ(across[at], i ^ 16);
    CHECK_EQ(from[at], i / 32 * 32 + 5);
    CHECK_EQ(halves[at], i % 16 < 15 ? i + 1 : i);
    CHECK_EQ(ballots[at], thirds);
  }
}

TEST(parts_of_a_warp_may_go_their_own_ways) {
  std::vector<double> sums(32);
  grid(1, 32, [&] {
    double value = threadIdx.x;
    const bool low = threadIdx.x < 8;
    const unsigned mask = low ? 0xFFu : 0xFFFFFF00u;
    const int rounds = low ? 1 : 3;
    for (int r = 0; r < rounds; ++r) value += __shfl_sync(mask, value, low ? 0 : 8);
    __syncthreads();
    sums[threadIdx.x] = value;
  });
  CHECK_EQ(sums[7], 7.0);
  CHECK_EQ(sums[9], 9.0 + 8 + 16 + 32);
}

TEST(atomics_return_the_old_value) {
  int count = 0, most = -5;
  std::vector<int> tickets(300);
  grid(3, 100, [&] {
    tickets[static_cast<std::size_t>(global_index())] = atomicAdd(&count, 1);
    atomicMax(&most, global_index());
  });
  std::sort(tickets.begin(), tickets.end());
  for (int i = 0; i < 300; ++i) CHECK_EQ(tickets[static_cast<std::size_t>(i)], i);
  CHECK_EQ(most, 299);
}

TEST(a_barrier_that_not_all_threads_reach_is_an_error) {
  const std::string ended = message([] {
    grid(2, 64, [] {
      if (threadIdx.x == 40) return;
      __syncthreads();
    });
  });
  CHECK(contains(ended, "test: of 64 threads of a block 63 wait in __syncthreads"));
  CHECK(contains(message([] {
                   grid(1, 32, [] {
                     if (threadIdx.x % 2 == 0) __syncthreads();
                     __syncwarp();
                   });
                 }),
                 "not all threads reach the same place"));
  CHECK(contains(message([] {
                   grid(1, 32, [] {
                     if (threadIdx.x != 3) __shfl_sync(0xFFFFFFFF, 1, 0);
                   });
                 }),
                 "wait in __syncthreads and 31 for lanes of their warp"));
  // The next kernel is as good as new.
  int count = 0;
  grid(2, 64, [&] {
    __syncthreads();
    atomicAdd(&count, 1);
  });
  CHECK_EQ(count, 128);
}

TEST(a_lane_that_is_not_in_its_mask_or_does_not_exist_is_an_error) {
  CHECK(contains(message([] { grid(1, 4, [] { __syncwarp(threadIdx.x == 0 ? 0xEu : 0xFu); }); }), "same place"));
  CHECK(contains(message([] { grid(1, 4, [] { __syncwarp(); }); }), "same place"));
}

TEST(an_access_outside_of_shared_memory_is_an_error) {
  const std::string error = message([] {
    grid(1, 8, [] {
      VG_SHARED(int, values, 8);
      values[threadIdx.x + 1] = 0;
    });
  });
  CHECK(contains(error, "expected an index below 8 in a shared array, got 8"));
}

TEST(sizes_that_no_device_has_are_an_error) {
  CHECK(contains(message([] { grid(1, 1025, [] {}); }), "expected 1 to 1024 threads in a block, got 1025"));
  CHECK(contains(message([] { grid(1, 0, [] {}); }), "got 0"));
  CHECK(contains(message([] { grid(0, 1, [] {}); }), "expected a grid of 1 to"));
  CHECK(contains(message([] { grid(1, 1, [] {}, 49153); }), "expected at most 49152 bytes of shared memory"));
}

TEST(a_kernel_inside_of_a_kernel_is_an_error) {
  CHECK(contains(message([] { grid(1, 1, [] { grid(1, 1, [] {}); }); }), "a kernel was launched by a kernel"));
}

TEST(an_exception_of_a_kernel_arrives) {
  CHECK(contains(message([] {
                   grid(3, 64, [] {
                     __syncthreads();
                     if (global_index() == 70) VG_THROW(RuntimeError, "from thread ", threadIdx.x);
                     __syncthreads();
                   });
                 }),
                 "from thread 6"));
}

}  // namespace

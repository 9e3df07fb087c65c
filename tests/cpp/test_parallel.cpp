// The thread pool: fixed chunks, exceptions, nesting, concurrent callers, fork.

#include "verigrad/parallel.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "harness.h"
#include "verigrad/error.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace verigrad;

namespace {

struct Threads {
  int before = get_num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

using Chunks = std::set<std::pair<std::int64_t, std::int64_t>>;

Chunks chunks_of(std::int64_t count, std::int64_t grain) {
  Chunks chunks;
  std::mutex mutex;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    chunks.emplace(begin, end);
  });
  return chunks;
}

std::int64_t sum_in_parallel(std::int64_t n) {
  std::atomic<std::int64_t> sum{0};
  parallel_for(n, 7, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t part = 0;
    for (std::int64_t i = begin; i < end; ++i) part += i;
    sum += part;
  });
  return sum;
}

void fail_from(std::int64_t at) {
  parallel_for(100, 1, [at](std::int64_t begin, std::int64_t) {
    if (begin >= at) throw std::out_of_range("chunk " + std::to_string(begin));
  });
}

std::atomic<int> entered{0}, left{0};

}  // namespace

TEST(chunks_depend_on_count_and_grain_only) {
  const Chunks expected = {{0, 30}, {30, 60}, {60, 90}, {90, 100}};
  for (const int n : {1, 2, 3, 8}) {
    const Threads threads(n);
    CHECK(chunks_of(100, 30) == expected);
    CHECK(chunks_of(0, 30).empty());
    CHECK((chunks_of(30, 30) == Chunks{{0, 30}}));
    CHECK_EQ(chunks_of(5, 0).size(), 5U);
    CHECK_EQ(chunks_of(5, -3).size(), 5U);
  }
}

TEST(every_index_once) {
  const Threads threads(4);
  for (std::int64_t n = 1; n < 2000; n += 37) CHECK_EQ(sum_in_parallel(n), n * (n - 1) / 2);
}

TEST(many_short_loops) {
  const Threads threads(3);
  std::int64_t total = 0;
  for (int i = 0; i < 20000; ++i) total += sum_in_parallel(20);
  CHECK_EQ(total, 20000 * 190);
}

TEST(loops_after_the_workers_slept) {
  const Threads threads(2);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    CHECK_EQ(sum_in_parallel(100), 4950);
  }
}

TEST(nested_loops_run_on_their_caller) {
  const Threads threads(3);
  std::atomic<int> strangers{0}, inside{0};
  parallel_for(6, 1, [&](std::int64_t, std::int64_t) {
    const auto me = std::this_thread::get_id();
    inside += in_parallel_region();
    parallel_for(50, 5, [&](std::int64_t, std::int64_t) { strangers += std::this_thread::get_id() != me; });
  });
  CHECK_EQ(strangers.load(), 0);
  CHECK_EQ(inside.load(), 6);
  CHECK(!in_parallel_region());
}

TEST(the_first_exception_comes_out) {
  for (const int n : {1, 2, 3}) {
    const Threads threads(n);
    CHECK_THROWS_WITH(fail_from(0), std::out_of_range, "chunk 0");
    CHECK_THROWS_WITH(fail_from(99), std::out_of_range, "chunk 99");
    for (int i = 0; i < 300; ++i) CHECK_THROWS_WITH(fail_from(40), std::out_of_range, "chunk 40");
    CHECK(!in_parallel_region());
    CHECK_EQ(sum_in_parallel(1000), 499500);
  }
}

TEST(callers_on_many_threads) {
  const Threads threads(3);
  std::vector<std::thread> users;
  std::atomic<int> wrong{0};
  for (int u = 0; u < 4; ++u) {
    users.emplace_back([&] {
      for (int i = 0; i < 500; ++i) wrong += sum_in_parallel(500) != 124750;
    });
  }
  for (int i = 0; i < 100; ++i) set_num_threads(1 + i % 4);
  for (auto& user : users) user.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(numbers_of_threads) {
  const Threads threads(2);
  CHECK_EQ(get_num_threads(), 2);
  CHECK_THROWS_WITH(set_num_threads(0), RuntimeError, "set_num_threads: expected a positive number, got 0");
  CHECK_THROWS(set_num_threads(-1), RuntimeError);
  CHECK_EQ(get_num_threads(), 2);
}

TEST(blocking_hooks_surround_long_loops) {
  const Threads threads(2);
  set_blocking_hooks({[]() -> void* {
                        ++entered;
                        return &entered;
                      },
                      [](void* token) { left += token == &entered; }});
  sum_in_parallel(5);  // one chunk: not long
  CHECK_EQ(entered.load(), 0);
  sum_in_parallel(100);
  CHECK(entered == 1 && left == 1);
  CHECK_THROWS(fail_from(0), std::out_of_range);
  CHECK(entered == 2 && left == 2);
  parallel_for(4, 1, [](std::int64_t, std::int64_t) { sum_in_parallel(100); });  // nested: once
  CHECK(entered == 3 && left == 3);
  set_blocking_hooks({});
}

TEST(a_poll_that_throws_ends_the_loop_on_all_threads) {
  struct Stop {};
  set_blocking_hooks({nullptr, nullptr, [] {
                        ++entered;
                        throw Stop();
                      }});
  for (const int n : {1, 2, 3}) {
    const Threads threads(n);
    const auto stopped = [] {
      try {
        sum_in_parallel(70000);
      } catch (const Stop&) {
        return true;
      }
      return false;
    };
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // polls are that rare
    entered = 0;
    {
      const Uninterrupted whole;
      CHECK_EQ(sum_in_parallel(1000), 499500);
      CHECK_EQ(entered.load(), 0);
    }
    CHECK(stopped());
    CHECK_EQ(entered.load(), 1);
    CHECK(!in_parallel_region());
    CHECK_EQ(sum_in_parallel(1000), 499500);  // and soon after it the next may run
  }
  set_blocking_hooks({});
}

// ThreadSanitizer refuses new threads in the child of a process with threads.
#if (defined(__unix__) || defined(__APPLE__)) && !defined(__SANITIZE_THREAD__)
TEST(fork_leaves_a_child_that_computes) {
  const Threads threads(3);
  CHECK_EQ(sum_in_parallel(1000), 499500);  // the parent has workers, the child will not
  const pid_t child = fork();
  if (child == 0) {
    bool right = true;
    for (int i = 0; i < 50; ++i) right = right && sum_in_parallel(1000) == 499500;
    _exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQ(sum_in_parallel(1000), 499500);
}
#endif

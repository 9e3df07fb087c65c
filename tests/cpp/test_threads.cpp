// Several threads over one leaf: passes, hooks and `.grad` at the same time, and forks in between. Most of these tests
// are about races, so they say the most under the thread sanitizer.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "harness.h"
#include "kernels/cpu/cblas.h"
#include "verigrad/autograd.h"
#include "verigrad/generator.h"
#include "verigrad/ops.h"
#include "verigrad/parallel.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace verigrad;

namespace {

constexpr int kRounds = 300;

Tensor leaf(std::int64_t n) {
  const Tensor x = ops::ones({n}, DType::Float64, kHost);
  x.set_requires_grad(true);
  return x;
}
double first(const Tensor& x) { return ops::item(ops::select(x, 0, 0)).to_double(); }
void pass(const Tensor& x) { backward({ops::sum(ops::mul(x, 2.0))}, {}, false, false); }

/// Runs each function on a thread of its own.
template <class... F>
void together(F... functions) {
  std::vector<std::thread> threads;
  (threads.emplace_back(functions), ...);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST(passes_on_two_threads_lose_no_gradient) {
  const Tensor x = leaf(100);
  const auto passes = [&] {
    for (int i = 0; i < kRounds; ++i) pass(x);
  };
  together(passes, passes);
  CHECK_EQ(first(x.grad()), 2.0 * 2 * kRounds);
}

TEST(a_gradient_is_cleared_while_two_threads_add_to_it) {
  const Tensor x = leaf(100), given = ops::ones({100}, DType::Float64, kHost);
  std::atomic<int> running{2};
  const auto passes = [&] {
    for (int i = 0; i < kRounds; ++i) pass(x);
    --running;
  };
  together(passes, passes, [&] {
    for (int i = 0; running > 0; ++i) {
      x.set_grad(i % 3 == 0 ? ops::clone(given) : Tensor());
      if (const Tensor grad = x.grad(); grad.defined()) CHECK_EQ(grad.numel(), 100);
    }
  });
  x.set_grad({});
  pass(x);
  CHECK_EQ(first(x.grad()), 2);
}

TEST(hooks_come_and_go_while_passes_run) {
  const Tensor x = leaf(10);
  const Tensor y = ops::mul(x, 1.0);
  std::atomic<bool> done{false};
  std::atomic<int> calls{0};
  const auto hooking = [&](const Tensor& tensor) {
    while (!done) {
      const auto hooks = tensor_hooks(tensor);
      const std::uint64_t id = hooks->add([&calls](const Tensor& g) {
        ++calls;
        return g;
      });
      const std::uint64_t other = hooks->add([](const Tensor&) { return Tensor(); });
      hooks->remove(id);
      hooks->remove(other);
    }
  };
  together([&] { hooking(x); }, [&] { hooking(y); },
           [&] {
             for (int i = 0; i < kRounds; ++i) backward({ops::sum(y)}, {}, true, false);
             done = true;
           });
  CHECK_EQ(first(x.grad()), kRounds);
  const int before = calls;
  backward({ops::sum(y)}, {}, true, false);
  CHECK_EQ(calls.load(), before);  // all are gone
}

TEST(leaves_meet_their_first_passes_on_many_threads) {
  for (int round = 0; round < kRounds; ++round) {
    const Tensor x = leaf(4);
    const auto passes = [&] { pass(x); };
    together(passes, passes);
    CHECK_EQ(first(x.grad()), 4);
  }
}

TEST(a_hook_may_remove_itself) {
  const Tensor x = leaf(2);
  const auto hooks = tensor_hooks(x);
  int calls = 0;
  std::uint64_t id = 0;
  id = hooks->add([&](const Tensor&) {
    ++calls;
    hooks->remove(id);
    hooks->add([&](const Tensor& g) { return ops::mul(g, 5.0); });
    return Tensor();
  });
  pass(x);
  CHECK_EQ(first(x.grad()), 2);  // what is added within a pass counts from the next on
  pass(x);
  CHECK_EQ(first(x.grad()), 12);
  CHECK_EQ(calls, 1);
}

#if defined(__unix__) || defined(__APPLE__)
TEST(a_fork_during_a_pass_leaves_a_child_that_computes) {
  const int before = get_num_threads();
  set_num_threads(1);  // the sanitizer refuses new threads in the child of a process with threads
  const Tensor x = leaf(300000);
  std::atomic<bool> done{false};
  std::thread worker([&] {
    while (!done) {
      pass(x);
      default_generator(kHost)->reserve(1);
    }
  });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);  // ends a child that hangs
      x.set_grad({});
      default_generator(kHost)->reserve(1);
      pass(x);
      _exit(first(x.grad()) == 2 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(child > 0);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  done = true;
  worker.join();
  set_num_threads(before);
}

TEST(a_fork_waits_until_no_thread_is_in_a_call_of_blas) {
  std::atomic<bool> inside{false}, left{false};
  std::thread other([&] {
    const kernels::cpu::BlasCall call;
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    left = true;
  });
  while (!inside) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    const kernels::cpu::BlasCall call;
    _exit(left ? 0 : 1);
  }
  CHECK(left.load());
  other.join();
  int status = -1;
  REQUIRE(child > 0);
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  const kernels::cpu::BlasCall again;  // the parent's calls go on
}
#endif

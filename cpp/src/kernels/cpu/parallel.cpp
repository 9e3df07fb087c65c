#include "verigrad/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "verigrad/error.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace verigrad {
namespace {

/// A worker spins this long for the next loop before it sleeps: waking one costs tens of microseconds, and the ops of a
/// training step follow each other faster than that.
constexpr auto kSpinTime = std::chrono::microseconds(200);

void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int available_processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int initial_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n > 0) return n;
  }
  return available_processors();
}

thread_local bool t_in_region = false;

/// Long enough that a poll, which may have to wait for Python's lock, costs nothing beside the work.
constexpr auto kPollInterval = std::chrono::milliseconds(20);
thread_local int t_uninterrupted = 0;
thread_local std::chrono::steady_clock::time_point t_next_poll;

struct RegionScope {
  RegionScope() : before(t_in_region) { t_in_region = true; }
  ~RegionScope() { t_in_region = before; }
  bool before;
};

/// A contiguous run of chunks. One thread starts on it; others may take chunks from it when their own are done.
struct alignas(64) Part {
  std::atomic<std::int64_t> next{0};
  std::int64_t end = 0;
};

/// One parallel loop; lives on the caller's stack until `active` is 0.
struct Job {
  detail::LoopBody body;
  std::int64_t count, grain;
  Part* parts;
  int part_count;
  std::atomic<int> active;  // workers that may still come or are at work
  std::atomic<bool> interrupted{false};
  std::mutex error_mutex;
  std::exception_ptr error;
  std::int64_t error_chunk = 0;

  /// The chunks of part `first`, then what is left of the other parts: a worker may sleep, or wait for a processor that
  /// another program has, and the loop should not wait for it.
  void run(int first) {
    const RegionScope scope;
    for (int i = 0; i < part_count; ++i) {
      if (!run_part(parts[(first + i) % part_count], first == 0)) return;
    }
  }

 private:
  /// False where the work is to end; its exception stands before those of the chunks.
  bool poll() {
    try {
      poll_interrupt();
      return true;
    } catch (...) {
      interrupted.store(true, std::memory_order_relaxed);
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
      error_chunk = -1;
      return false;
    }
  }

  bool run_part(Part& part, bool caller) {
    for (;;) {
      if (caller && !poll()) return false;
      if (interrupted.load(std::memory_order_relaxed)) return false;
      const std::int64_t c = part.next.fetch_add(1, std::memory_order_relaxed);
      if (c >= part.end) return true;
      try {
        body.call(body.context, c * grain, std::min(count, (c + 1) * grain));
      } catch (...) {
        // The chunks of a part are taken in order, so the first chunk that fails is always among those that were run.
        const std::lock_guard lock(error_mutex);
        if (!error || c < error_chunk) {
          error = std::current_exception();
          error_chunk = c;
        }
        return false;
      }
    }
  }
};

/// A thread with a mailbox of one job.
class Worker {
 public:
  explicit Worker(int part) : part_(part), thread_([this] { loop(); }) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    stop_.store(true);
    wake();
    thread_.join();
  }

  void post(Job* job) {
    // Sequentially consistent with `asleep_`: either the worker sees the job before it sleeps, or we see it asleep.
    job_.store(job);
    if (asleep_.load()) wake();
  }

  /// Takes the job back; false if the worker has it.
  bool retract() { return job_.exchange(nullptr) != nullptr; }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
    }
    condition_.notify_one();
  }

  bool ready() const { return job_.load() != nullptr || stop_.load(); }

  void wait() {
    const auto start = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < 64; ++i) {
        if (ready()) return;
        cpu_relax();
      }
    } while (std::chrono::steady_clock::now() - start < kSpinTime);
    std::unique_lock lock(mutex_);
    asleep_.store(true);
    condition_.wait(lock, [this] { return ready(); });
    asleep_.store(false);
  }

  void loop() {
    for (;;) {
      wait();
      if (stop_.load()) return;
      Job* job = job_.exchange(nullptr);
      if (!job) continue;  // retracted
      job->run(part_);
      job->active.fetch_sub(1, std::memory_order_release);  // the last touch of the caller's stack
    }
  }

  alignas(64) std::atomic<Job*> job_{nullptr};
  const int part_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable condition_;
  std::thread thread_;  // last: it uses the others
};

class Pool {
 public:
  /// Runs the loop on up to `threads` threads; false if another caller is using the pool.
  bool try_run(std::int64_t count, std::int64_t grain, std::int64_t chunks, int threads, detail::LoopBody body) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || stopped_) return false;
    const int helpers = static_cast<int>(std::min<std::int64_t>(threads, chunks)) - 1;
    while (static_cast<int>(workers_.size()) < helpers) {
      try {
        workers_.push_back(std::make_unique<Worker>(static_cast<int>(workers_.size()) + 1));
      } catch (const std::system_error&) {
        break;  // the system gives no more threads: fewer will do
      }
    }
    const int parts = 1 + std::min(helpers, static_cast<int>(workers_.size()));
    if (parts > part_capacity_) {
      parts_.reset(new Part[static_cast<std::size_t>(parts)]);
      part_capacity_ = parts;
    }
    for (int i = 0; i < parts; ++i) {
      parts_[static_cast<std::size_t>(i)].next.store(chunks * i / parts, std::memory_order_relaxed);
      parts_[static_cast<std::size_t>(i)].end = chunks * (i + 1) / parts;
    }
    Job job{body, count, grain, parts_.get(), parts, parts - 1, {}, {}, {}};
    for (int i = 0; i < parts - 1; ++i) workers_[static_cast<std::size_t>(i)]->post(&job);
    job.run(0);
    for (int i = 0; i < parts - 1; ++i) {
      if (workers_[static_cast<std::size_t>(i)]->retract()) job.active.fetch_sub(1, std::memory_order_relaxed);
    }
    for (int spins = 0; job.active.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < 2000) {
        cpu_relax();
      } else {
        std::this_thread::yield();  // more threads than processors
      }
    }
    if (job.error) std::rethrow_exception(job.error);
    return true;
  }

  /// Joins the workers for good; loops run on their callers from then on.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    workers_.clear();
  }

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  std::unique_ptr<Part[]> parts_;
  int part_capacity_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
};

std::atomic<Pool*> g_pool{nullptr};
Pool* g_abandoned = nullptr;  // the parent's pool, kept reachable; its threads do not exist in a child process
std::atomic<int> g_threads{0};
std::atomic<void* (*)()> g_enter{nullptr};
std::atomic<void (*)(void*)> g_leave{nullptr};
std::atomic<void (*)()> g_poll{nullptr};

/// Joins the workers when the process ends or the library is unloaded. The pool itself stays, since a thread that
/// outlives this may still ask it.
struct PoolShutdown {
  ~PoolShutdown() {
    if (Pool* p = g_pool.load()) p->stop();
  }
};
[[maybe_unused]] const PoolShutdown g_shutdown;

#if defined(__unix__) || defined(__APPLE__)
[[maybe_unused]] const int g_registered =
    pthread_atfork(nullptr, nullptr, [] { g_abandoned = g_pool.exchange(nullptr); });
#endif

/// Made on the first use, without a lock, which a fork could leave locked in the child.
Pool& pool() {
  Pool* p = g_pool.load(std::memory_order_acquire);
  if (p) return *p;
  auto made = std::make_unique<Pool>();
  if (g_pool.compare_exchange_strong(p, made.get(), std::memory_order_acq_rel)) p = made.release();
  return *p;
}

/// Calls the hooks around a scope, also when an exception leaves it.
class Blocking {
 public:
  Blocking() {
    if (void* (*enter)() = g_enter.load(std::memory_order_acquire)) token_ = enter();
  }
  ~Blocking() {
    if (void (*leave)(void*) = g_leave.load(std::memory_order_acquire)) leave(token_);
  }
  Blocking(const Blocking&) = delete;
  Blocking& operator=(const Blocking&) = delete;

 private:
  void* token_ = nullptr;
};

}  // namespace

int get_num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = initial_threads();
    int expected = 0;
    if (!g_threads.compare_exchange_strong(expected, n)) n = expected;
  }
  return n;
}

void set_num_threads(std::int64_t n) {
  VG_CHECK(n > 0 && n <= INT32_MAX, RuntimeError, "set_num_threads: expected a positive number, got ", n);
  g_threads.store(static_cast<int>(n));
}

bool in_parallel_region() { return t_in_region; }

void set_blocking_hooks(BlockingHooks hooks) {
  g_leave.store(hooks.leave);
  g_poll.store(hooks.poll);
  g_enter.store(hooks.enter);
}

namespace {
std::atomic<std::uint64_t> g_cut_loops{0};
}  // namespace

std::uint64_t cut_loops() { return g_cut_loops.load(std::memory_order_relaxed); }

void poll_interrupt() {
  void (*poll)() = g_poll.load(std::memory_order_acquire);
  if (!poll || t_uninterrupted > 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < t_next_poll) return;
  t_next_poll = now + kPollInterval;
  poll();
}

Uninterrupted::Uninterrupted() { ++t_uninterrupted; }
Uninterrupted::~Uninterrupted() { --t_uninterrupted; }

namespace detail {

void parallel_run(std::int64_t count, std::int64_t grain, LoopBody body) {
  const std::int64_t chunks = (count - 1) / grain + 1;
  if (!t_in_region) {
    g_cut_loops.fetch_add(1, std::memory_order_relaxed);
    const Blocking blocking;
    const int threads = get_num_threads();
    if (threads > 1 && pool().try_run(count, grain, chunks, threads, body)) return;
    const RegionScope scope;
    for (std::int64_t c = 0; c < chunks; ++c) {
      poll_interrupt();
      body.call(body.context, c * grain, std::min(count, (c + 1) * grain));
    }
    return;
  }
  for (std::int64_t c = 0; c < chunks; ++c) body.call(body.context, c * grain, std::min(count, (c + 1) * grain));
}

}  // namespace detail
}  // namespace verigrad

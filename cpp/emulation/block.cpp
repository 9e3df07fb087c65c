#include "block.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "cuda_runtime.h"
#include "memory.h"
#include "verigrad/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace verigrad::emulation {
namespace {

/// Memory for the frames of a fibre, with a page below it that must not be touched.
class Stack {
 public:
  Stack() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    memory_ = mmap(nullptr, page_ + kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    VG_CHECK(memory_ != MAP_FAILED, RuntimeError, "emulation: no memory for the stack of a thread");
    mprotect(memory_, page_, PROT_NONE);
  }
  ~Stack() { munmap(memory_, page_ + kBytes); }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void* bottom() const { return static_cast<char*>(memory_) + page_; }
  static constexpr std::size_t kBytes = 128 << 10;

 private:
  std::size_t page_;
  void* memory_;
};

enum class State : std::uint8_t { waiting_for_block, waiting_for_warp, running, done };

constexpr int kNothing = -1, kVotes = -2;  // instead of a lane

struct Thread {
  State state = State::running;
  int fibre = -1;
  std::uint32_t mask = 0;  // the lanes that it waits for
  int source = kNothing;   // the lane whose value it wants
  std::uint64_t given = 0, got = 0;
};

/// Where a fibre or the host is while the other runs. The compiler's own jumps save three registers where the C
/// library's save all, and look at no handlers: a block with shuffles makes millions.
struct Place {
  void* registers[5];
};
[[noreturn, gnu::noipa]] void go_on(Place& place) { __builtin_longjmp(place.registers, 1); }
/// Leaves the caller at `here` and goes on at `there`; returns when somebody goes on at `here`.
[[gnu::noipa]] void change(Place& here, Place& there) {
  if (__builtin_setjmp(here.registers) == 0) go_on(there);
}

/// Runs threads of the block one after the other until one waits, and then stays with that one.
struct Fibre {
  Stack stack;
  ucontext_t start;
  Place at;
  bool started = false;
};

class Scheduler {
 public:
  void run(const char* op, const std::uint32_t (&blocks)[3], const std::uint32_t (&threads)[3], std::size_t shared,
           void (*body)(void*), void* context) {
    VG_CHECK(!body_, RuntimeError, op, ": a kernel was launched by a kernel");
    const std::int64_t count = std::int64_t{threads[0]} * threads[1] * threads[2];
    VG_CHECK(count >= 1 && count <= kMaxThreads, RuntimeError, op, ": expected 1 to ", kMaxThreads,
             " threads in a block, got ", count);
    VG_CHECK(blocks[0] >= 1 && blocks[0] <= INT32_MAX && blocks[1] >= 1 && blocks[1] <= 65535 && blocks[2] >= 1 &&
                 blocks[2] <= 65535,
             RuntimeError, op, ": expected a grid of 1 to (2^31 - 1, 65535, 65535) blocks, got (", blocks[0], ", ",
             blocks[1], ", ", blocks[2], ")");
    VG_CHECK(shared <= kMaxShared, RuntimeError, op, ": expected at most ", kMaxShared, " bytes of shared memory, got ",
             shared);
    op_ = op;
    body_ = body;
    context_ = context;
    blockDim = {threads[0], threads[1], threads[2]};
    gridDim = {blocks[0], blocks[1], blocks[2]};
    shared_.resize(shared);
    std::vector<std::uint64_t> order(std::uint64_t{blocks[0]} * blocks[1] * blocks[2]);
    std::iota(order.begin(), order.end(), std::uint64_t{0});
    std::shuffle(order.begin(), order.end(), random_);
    try {
      for (const std::uint64_t block : order) run_block(block, static_cast<int>(count));
    } catch (...) {
      body_ = nullptr;
      fibres_.clear();  // those that wait are given up; frames of kernels own nothing
      throw;
    }
    body_ = nullptr;
  }

  // Called by the threads.

  void wait(State state, std::uint32_t mask) {
    VG_CHECK(body_, RuntimeError, "emulation: threads can only wait in a kernel");
    Thread& t = threads_[static_cast<std::size_t>(current_)];
    t.state = state;
    t.mask = mask;
    leave();
  }
  void exchange(std::uint32_t mask, const void* value, void* result, std::size_t size, int source) {
    Thread& t = threads_[static_cast<std::size_t>(current_)];
    std::memcpy(&t.given, value, size);
    t.source = source >= 0 && source < kWarp && (mask >> source & 1) != 0 ? source : lane();
    wait(State::waiting_for_warp, mask);
    std::memcpy(result, &t.got, size);
  }
  std::uint32_t ballot(std::uint32_t mask, bool vote) {
    Thread& t = threads_[static_cast<std::size_t>(current_)];
    t.given = vote ? 1 : 0;
    t.source = kVotes;
    wait(State::waiting_for_warp, mask);
    return static_cast<std::uint32_t>(t.got);
  }
  int lane() const { return current_ % kWarp; }
  void* shared() { return shared_.data(); }
  std::uint64_t block_number() const { return block_number_; }

 private:
  void run_block(std::uint64_t block, int count) {
    ++block_number_;
    blockIdx = {static_cast<std::uint32_t>(block % gridDim.x),
                static_cast<std::uint32_t>(block / gridDim.x % gridDim.y),
                static_cast<std::uint32_t>(block / gridDim.x / gridDim.y)};
    std::fill(shared_.begin(), shared_.end(), static_cast<unsigned char>(0xFF));
    threads_.assign(static_cast<std::size_t>(count), {});
    count_ = count;
    begun_ = 0;
    backwards_ = random_() % 2 == 0;
    error_ = nullptr;
    int used = 0;
    while (begun_ < count_) resume(used++);
    while (release()) {
      for (int i = 0; i < count_; ++i) {
        const Thread& t = threads_[static_cast<std::size_t>(place(i))];
        if (t.state == State::running && t.fibre >= 0) resume(t.fibre, place(i));
      }
    }
  }

  /// The i-th thread in the order of this block.
  int place(int i) const { return backwards_ ? count_ - 1 - i : i; }

  /// Lets go all that have what they wait for; false where all are done.
  bool release() {
    int blocked = 0, done = 0;
    bool any = false;
    for (int i = 0; i < count_; ++i) {
      Thread& t = threads_[static_cast<std::size_t>(i)];
      done += t.state == State::done;
      blocked += t.state == State::waiting_for_block;
      if (t.state != State::waiting_for_warp) continue;
      const int first = i / kWarp * kWarp;
      bool all = (t.mask >> (i - first) & 1) != 0;
      for (int k = 0; all && k < kWarp; ++k) {
        if ((t.mask >> k & 1) == 0) continue;
        all = first + k < count_ && threads_[static_cast<std::size_t>(first + k)].state == State::waiting_for_warp &&
              threads_[static_cast<std::size_t>(first + k)].mask == t.mask;
      }
      if (!all) continue;
      any = true;
      let_go(&threads_[static_cast<std::size_t>(first)], t.mask);
    }
    if (done == count_) return false;
    if (blocked == count_) {
      for (Thread& t : threads_) t.state = State::running;
      any = true;
    }
    VG_CHECK(any, RuntimeError, op_, ": of ", count_, " threads of a block ", blocked, " wait in __syncthreads and ",
             count_ - blocked - done, " for lanes of their warp, but ", done,
             " have ended: not all threads reach the same place");
    return true;
  }

  /// Gives the lanes of the mask, which all wait for it, what they want of each other.
  void let_go(Thread* warp, std::uint32_t mask) {
    std::uint64_t votes = 0;
    int voters = 0, lanes = 0;
    for (int k = 0; k < kWarp; ++k) {
      if ((mask >> k & 1) == 0) continue;
      ++lanes;
      voters += warp[k].source == kVotes;
      votes |= (warp[k].given & 1) << k;
    }
    VG_CHECK(voters == 0 || voters == lanes, RuntimeError, op_, ": of ", lanes,
             " lanes of a warp that wait for each other ", voters, " vote");
    for (int k = 0; k < kWarp; ++k) {
      if ((mask >> k & 1) == 0) continue;
      Thread& member = warp[k];
      if (member.source != kNothing) member.got = voters > 0 ? votes : warp[member.source].given;
      member.source = kNothing;
      member.state = State::running;
    }
  }

  void resume(int number, int thread = -1) {
    while (static_cast<int>(fibres_.size()) <= number) fibres_.push_back(std::make_unique<Fibre>());
    Fibre& fibre = *fibres_[static_cast<std::size_t>(number)];
    fibre_ = number;
    if (thread >= 0) enter(thread);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_, fibre.stack.bottom(), Stack::kBytes);
#endif
    if (fibre.started) {
      change(host_, fibre.at);
    } else {
      begin(fibre);
    }
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_, nullptr, nullptr);
#endif
    if (error_) std::rethrow_exception(error_);
  }

  [[gnu::noipa]] void begin(Fibre& fibre) {
    fibre.started = true;
    getcontext(&fibre.start);
    fibre.start.uc_stack.ss_sp = fibre.stack.bottom();
    fibre.start.uc_stack.ss_size = Stack::kBytes;
    fibre.start.uc_link = nullptr;
    makecontext(&fibre.start, &Scheduler::main_of_fibre, 0);
    if (__builtin_setjmp(host_.registers) == 0) setcontext(&fibre.start);
  }

  /// Back to the host until the fibre is resumed.
  void leave() {
    Fibre& fibre = *fibres_[static_cast<std::size_t>(fibre_)];
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, host_bottom_, host_size_);
#endif
    change(fibre.at, host_);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, &host_bottom_, &host_size_);
#endif
  }

  void enter(int thread) {
    current_ = thread;
    const auto t = static_cast<std::uint32_t>(thread);
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
  }

  static void main_of_fibre();

  void work() {
    while (begun_ < count_) {
      const int thread = place(begun_++);
      enter(thread);
      threads_[static_cast<std::size_t>(thread)].fibre = fibre_;
      try {
        body_(context_);
      } catch (...) {
        error_ = std::current_exception();
        return;
      }
      Thread& t = threads_[static_cast<std::size_t>(current_)];
      t.state = State::done;
      t.fibre = -1;
    }
  }

  const char* op_ = "";
  void (*body_)(void*) = nullptr;
  void* context_ = nullptr;
  std::mt19937_64 random_{1};
  std::vector<unsigned char> shared_;
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::uint64_t block_number_ = 0;
  int count_ = 0, begun_ = 0;
  bool backwards_ = false;
  int current_ = 0;  // thread
  int fibre_ = 0;
  Place host_;
  std::exception_ptr error_;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_ = nullptr;
  const void* host_bottom_ = nullptr;
  std::size_t host_size_ = 0;
#endif
};

thread_local Scheduler scheduler;

void Scheduler::main_of_fibre() {
  Scheduler& s = scheduler;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &s.host_bottom_, &s.host_size_);
#endif
  for (;;) {
    s.work();
    s.leave();
  }
}

}  // namespace

void run_grid(const char* op, const std::uint32_t (&blocks)[3], const std::uint32_t (&threads)[3], std::size_t shared,
              void (*body)(void*), void* context) {
  const DeviceMemoryOpen open;
  scheduler.run(op, blocks, threads, shared, body, context);
}
void sync_block() { scheduler.wait(State::waiting_for_block, 0); }
void sync_warp(std::uint32_t mask) { scheduler.wait(State::waiting_for_warp, mask); }
void exchange(std::uint32_t mask, const void* value, void* result, std::size_t size, int source) {
  scheduler.exchange(mask, value, result, size, source);
}
int lane() { return scheduler.lane(); }
std::uint32_t ballot(std::uint32_t mask, bool predicate) { return scheduler.ballot(mask, predicate); }
void* dynamic_shared() { return scheduler.shared(); }
std::uint64_t block_number() { return scheduler.block_number(); }
void out_of_shared(std::size_t index, std::size_t size) {
  VG_THROW(RuntimeError, "expected an index below ", size, " in a shared array, got ", index);
}

}  // namespace verigrad::emulation

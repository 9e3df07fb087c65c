// Threads: fixed chunks over an own pool.
//
// The bounds of the chunks depend on `count` and `grain` alone, never on the number of threads; a kernel that writes
// one partial result per chunk and adds them in order has the same bits with any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

namespace verigrad {

/// The number of threads that share a parallel loop, the caller among them. At the start: OMP_NUM_THREADS if that is
/// set, else the number of processors that the process may run on.
int get_num_threads();
/// Raises RuntimeError unless n > 0.
void set_num_threads(std::int64_t n);
/// True inside of a parallel loop, where nested loops run serially.
bool in_parallel_region();
/// How many loops of this process were long enough to be cut into chunks, whatever the number of threads.
std::uint64_t cut_loops();

/// What to do on the calling thread around a loop that is long enough for the pool: the bindings release Python's
/// interpreter lock. `enter` returns a token for `leave`. `poll` is called now and then during long work, between two
/// chunks or two nodes of a graph; what it throws (Ctrl-C) ends the work.
struct BlockingHooks {
  void* (*enter)() = nullptr;
  void (*leave)(void* token) = nullptr;
  void (*poll)() = nullptr;
};
/// Set once, before the first loop.
void set_blocking_hooks(BlockingHooks hooks);

/// Calls the hook `poll`, at most every 20 ms on each thread. For long work that is no parallel loop.
void poll_interrupt();

/// While one lives, the thread does not poll: what is written in place must not be left half done.
class Uninterrupted {
 public:
  Uninterrupted();
  ~Uninterrupted();
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;
};

namespace detail {
/// A loop body without its type.
struct LoopBody {
  const void* context;
  void (*call)(const void* context, std::int64_t begin, std::int64_t end);
};
void parallel_run(std::int64_t count, std::int64_t grain, LoopBody body);
}  // namespace detail

/// Calls f(begin, end) for [0, grain), [grain, 2 * grain), ... up to `count`. Each thread takes a contiguous run of
/// chunks in ascending order; one that is done helps the others. Nested calls, and calls while another thread holds the
/// pool, run on the caller. When all threads are done, the exception of the first failing chunk is rethrown. `grain` <
/// 1 counts as 1.
template <class F>
void parallel_for(std::int64_t count, std::int64_t grain, const F& f) {
  if (count <= 0) return;
  if (count <= grain) {
    f(std::int64_t{0}, count);
    return;
  }
  detail::parallel_run(count, std::max<std::int64_t>(grain, 1),
                       {std::addressof(f), [](const void* context, std::int64_t begin, std::int64_t end) {
                          (*static_cast<const F*>(context))(begin, end);
                        }});
}

}  // namespace verigrad

// Streams of the emulation: queues of the copies that a machine would do later.
//
// Kernels and most copies run when they are asked for, behind what their stream has queued. A copy between page-locked
// memory and a device, or between two devices, stays in the queue until somebody needs it to be done, so that memory
// which changes or goes too early shows. So does waiting for an event that is not done.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "cuda_runtime.h"

namespace verigrad::emulation {

struct Work {
  std::function<void()> run;
  const void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};

struct Stream {
  int device = 0;
  std::deque<Work> queue;
  std::uint64_t done = 0;  // works that have left the queue
  std::uint64_t issued() const { return done + queue.size(); }
};

/// A position in the work of a stream.
struct Mark {
  std::shared_ptr<Stream> stream;
  std::uint64_t position = 0;
  bool reached() const { return !stream || stream->done >= position; }
};

/// The status of a call that fails, which the thread keeps until it asks for its last error.
cudaError_t failed(cudaError_t status);
/// Events that were made and not destroyed.
int live_events();
/// Whether asking for what is not done lets one work be done, so that who asks on gets there. On at first.
void set_queries_help(bool help);
int current_device();
/// The stream of a handle on the current device; null, for a handle that is none or of another device.
std::shared_ptr<Stream> find_stream(cudaStream_t handle);
/// Does the work of a stream up to a position.
void run_until(Stream& stream, std::uint64_t position);
/// Does the queued work that touches these bytes, in the order of its stream.
void run_what_touches(const void* memory, std::size_t bytes);
/// Whether queued work touches these bytes.
bool in_use(const void* memory, std::size_t bytes);

}  // namespace verigrad::emulation

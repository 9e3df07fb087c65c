#include "stream.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <vector>

#include "memory.h"

namespace verigrad::emulation {

struct Event {
  int device = 0;
  Mark mark;
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr int kDevices = 2;
thread_local int device_of_thread = 0;

/// All streams of the process; outlives what is freed at exit. One thread at a time does queued work.
struct Streams {
  std::recursive_mutex mutex;
  std::shared_ptr<Stream> defaults[kDevices];
  std::map<cudaStream_t, std::shared_ptr<Stream>> made;
  std::mt19937 random;
  int events = 0;
  bool queries_help = true;

  Streams() {
    for (int device = 0; device < kDevices; ++device) {
      defaults[device] = std::make_shared<Stream>();
      defaults[device]->device = device;
    }
  }
  std::vector<std::shared_ptr<Stream>> all() const {
    std::vector<std::shared_ptr<Stream>> list(std::begin(defaults), std::end(defaults));
    for (const auto& entry : made) list.push_back(entry.second);
    return list;
  }
};
Streams& streams() {
  static Streams* of_process = new Streams;
  return *of_process;
}
using Guard = std::lock_guard<std::recursive_mutex>;

bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto *x = static_cast<const char*>(a), *y = static_cast<const char*>(b);
  return x < y + b_bytes && y < x + a_bytes;
}
bool touches(const Work& work, const void* memory, std::size_t bytes) {
  return overlap(work.to, work.bytes, memory, bytes) || overlap(work.from, work.bytes, memory, bytes);
}

cudaError_t query(const Mark& mark) {
  const Guard lock(streams().mutex);
  if (mark.reached()) return cudaSuccess;
  if (streams().queries_help) run_until(*mark.stream, mark.stream->done + 1);
  return failed(cudaErrorNotReady);
}

/// Copies now, or where `late` when the stream gets there.
cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaStream_t handle, bool late) {
  const Guard lock(streams().mutex);
  const auto stream = find_stream(handle);
  if (!stream) return failed(cudaErrorInvalidResourceHandle);
  stream->queue.push_back({[=] {
                             const DeviceMemoryOpen open;
                             std::memmove(to, from, bytes);
                           },
                           to, from, bytes});
  if (!late) run_until(*stream, stream->issued());
  return cudaSuccess;
}

}  // namespace

int live_events() { return streams().events; }
void set_queries_help(bool help) { streams().queries_help = help; }
int current_device() { return device_of_thread; }

std::shared_ptr<Stream> find_stream(cudaStream_t handle) {
  Streams& s = streams();
  if (!handle) return s.defaults[device_of_thread];
  const auto at = s.made.find(handle);
  return at == s.made.end() || at->second->device != device_of_thread ? nullptr : at->second;
}

void run_until(Stream& stream, std::uint64_t position) {
  while (stream.done < position) {
    const Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    work.run();
    ++stream.done;
  }
}

void run_what_touches(const void* memory, std::size_t bytes) {
  const Guard lock(streams().mutex);
  for (const auto& stream : streams().all()) {
    for (std::size_t k = stream->queue.size(); k > 0; --k) {
      if (!touches(stream->queue[k - 1], memory, bytes)) continue;
      run_until(*stream, stream->done + k);
      break;
    }
  }
}

bool in_use(const void* memory, std::size_t bytes) {
  const Guard lock(streams().mutex);
  for (const auto& stream : streams().all()) {
    for (const Work& work : stream->queue) {
      if (touches(work, memory, bytes)) return true;
    }
  }
  return false;
}

cudaError_t catch_up(cudaStream_t handle) {
  const Guard lock(streams().mutex);
  const auto stream = find_stream(handle);
  if (!stream) return failed(cudaErrorInvalidResourceHandle);
  run_until(*stream, stream->issued());
  return cudaSuccess;
}

}  // namespace verigrad::emulation

using namespace verigrad::emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kDevices) return failed(cudaErrorInvalidDevice);
  device_of_thread = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  Streams& s = streams();
  const Guard lock(s.mutex);
  auto list = s.all();
  std::shuffle(list.begin(), list.end(), s.random);
  for (const auto& stream : list) {
    if (stream->device == device_of_thread) run_until(*stream, stream->issued());
  }
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t handle) {
  if (const cudaError_t status = catch_up(handle); status != cudaSuccess) return status;
  const DeviceMemoryOpen open;
  std::memset(address, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool late =
      (kind == cudaMemcpyHostToDevice && page_locked(from)) || (kind == cudaMemcpyDeviceToHost && page_locked(to));
  return copy(to, from, bytes, stream, late);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes, cudaStream_t stream) {
  return copy(to, from, bytes, stream, true);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned) {
  const Guard lock(streams().mutex);
  const auto made = std::make_shared<Stream>();
  made->device = device_of_thread;
  *handle = made.get();
  streams().made[*handle] = made;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const Guard lock(streams().mutex);
  const cudaError_t status = catch_up(handle);
  streams().made.erase(handle);
  return status;
}
cudaError_t cudaStreamSynchronize(cudaStream_t handle) { return catch_up(handle); }
cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const Guard lock(streams().mutex);
  const auto stream = find_stream(handle);
  return stream ? query({stream, stream->issued()}) : failed(cudaErrorInvalidResourceHandle);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  const Guard lock(streams().mutex);
  const auto stream = find_stream(handle);
  if (!stream) return failed(cudaErrorInvalidResourceHandle);
  if (const Mark mark = event->mark; !mark.reached()) {
    stream->queue.push_back({[mark] { run_until(*mark.stream, mark.position); }});
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Guard lock(streams().mutex);
  ++streams().events;
  *event = new Event;
  (*event)->device = device_of_thread;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Guard lock(streams().mutex);
  --streams().events;
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const Guard lock(streams().mutex);
  const auto stream = find_stream(handle);
  if (!stream || stream->device != event->device) return failed(cudaErrorInvalidResourceHandle);
  event->mark = {stream, stream->issued()};
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Guard lock(streams().mutex);
  if (!event->mark.reached()) run_until(*event->mark.stream, event->mark.position);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Guard lock(streams().mutex);
  return query(event->mark);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Guard lock(streams().mutex);
  if (!start->mark.reached() || !end->mark.reached()) return failed(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

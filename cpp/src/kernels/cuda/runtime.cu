// The backend of CUDA devices: what the core calls, and the state of the calling thread.
#include "kernels/cuda/runtime.cuh"

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include "core/backend.h"
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/memory.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

namespace cuda {
namespace {

struct ThreadState {
  int device = 0;  // of the kernels
  int chosen = 0;  // CUDA's current one
  const char* op = "cuda";
  cudaStream_t streams[kMaxDevices] = {};
};
thread_local ThreadState state;

std::atomic<std::int64_t> waits{0};

void choose(int device) {
  if (state.chosen == device) return;
  check(cudaSetDevice(device));
  state.chosen = device;
}

/// Where the kernels of each device report; made with the first kernel that may.
struct Reports {
  std::mutex mutex;
  std::atomic<Report*> of_device[kMaxDevices] = {};
};
Reports& reports() {
  static Reports* of_process = new Reports;
  return *of_process;
}

/// Raises what the kernels of a device have reported; its work has been waited for.
void raise_report(int device) {
  Report* report = reports().of_device[device].load();
  if (!report || report->mistake == 0) return;
  const Report found = *report;
  *report = {};
  raise_mistake(static_cast<Mistake>(found.mistake), found.op, found.value, found.size, found.dim);
}

cudaStream_t stream(std::uint64_t handle) { return reinterpret_cast<cudaStream_t>(handle); }
cudaEvent_t event(std::uint64_t handle) { return reinterpret_cast<cudaEvent_t>(handle); }

int device_count() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    VG_THROW(RuntimeError, "cuda: no device can be used: ", cudaGetErrorString(status));
  }
  return std::min(count, kMaxDevices);
}

void enter(int device, const char* op) {
  state.op = op;
  choose(device);
  state.device = device;
}

void wait(int device) {
  const DeviceGuard guard(device);
  check_wait(cudaStreamSynchronize(stream_of(device)));
  raise_report(device);
}

/// Up to this size memory that is not page-locked goes by way of a block that is. How much of the host's memory CUDA
/// itself has read when it returns is not said, and it waits for the work before.
constexpr std::int64_t kStaged = std::int64_t{1} << 20;

void from_host(int device, void* to, const void* host, std::int64_t nbytes, bool non_blocking) {
  const DeviceGuard guard(device);
  const cudaStream_t stream = stream_of(device);
  const auto copy = [&](const void* from) {
    check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(nbytes), cudaMemcpyHostToDevice, stream));
  };
  if (non_blocking && page_locked(host)) {
    copy(host);
    note_copy(host, device, stream);
  } else if (void* staging = nbytes <= kStaged ? allocate_staging(device, nbytes) : nullptr) {
    const std::unique_ptr<void, void (*)(void*)> held(staging, &release_host);
    std::memcpy(staging, host, static_cast<std::size_t>(nbytes));
    copy(staging);
    note_copy(staging, device, stream);
  } else {
    copy(host);
    wait(device);
  }
}

void to_host(int device, void* host, const void* from, std::int64_t nbytes, bool non_blocking) {
  const DeviceGuard guard(device);
  const cudaStream_t stream = stream_of(device);
  const bool later = non_blocking && page_locked(host);
  check(cudaMemcpyAsync(host, from, static_cast<std::size_t>(nbytes), cudaMemcpyDeviceToHost, stream));
  if (later) {
    note_copy(host, device, stream);
  } else {
    wait(device);
  }
}

/// What `device` queues from now on comes after the work so far of `other`, on the calling thread's streams.
void follow(int device, int other) {
  std::optional<Mark> mark;
  {
    const DeviceGuard guard(other);
    mark.emplace(stream_of(other));
  }
  const DeviceGuard guard(device);
  check(cudaStreamWaitEvent(stream_of(device), mark->event(), 0));
}

void between(int to_device, void* to, int from_device, const void* from, std::int64_t nbytes) {
  const auto size = static_cast<std::size_t>(nbytes);
  const DeviceGuard guard(to_device);
  const cudaStream_t stream = stream_of(to_device);
  if (to_device == from_device) return check(cudaMemcpyAsync(to, from, size, cudaMemcpyDeviceToDevice, stream));
  follow(to_device, from_device);
  check(cudaMemcpyPeerAsync(to, to_device, from, from_device, size, stream));
  follow(from_device, to_device);  // which may use the memory again when it was read
}

void synchronize(int device) {
  const DeviceGuard guard(device);
  check_wait(cudaDeviceSynchronize());
  raise_report(device);
}

DeviceProperties properties(int device) {
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, device));
  DeviceProperties out;
  std::copy(std::begin(p.name), std::end(p.name), std::begin(out.name));
  out.major = p.major;
  out.minor = p.minor;
  out.multi_processor_count = p.multiProcessorCount;
  out.total_memory = static_cast<std::int64_t>(p.totalGlobalMem);
  return out;
}

/// Streams that nobody holds. None is destroyed: graphs and threads may remember one that its owner gave back.
struct IdleStreams {
  std::mutex mutex;
  std::vector<cudaStream_t> of_device[kMaxDevices];
};
IdleStreams& idle() {
  static IdleStreams* of_process = new IdleStreams;
  return *of_process;
}

std::uint64_t new_stream(int device) {
  cudaStream_t made = nullptr;
  {
    const std::lock_guard lock(idle().mutex);
    if (auto& list = idle().of_device[device]; !list.empty()) {
      made = list.back();
      list.pop_back();
    }
  }
  const DeviceGuard guard(device);
  if (!made) check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
  return reinterpret_cast<std::uint64_t>(made);
}
void delete_stream(int device, std::uint64_t handle) {
  const std::lock_guard lock(idle().mutex);
  idle().of_device[device].push_back(stream(handle));
}
std::uint64_t current_stream_of(int device) { return reinterpret_cast<std::uint64_t>(stream_of(device)); }
void set_stream(int device, std::uint64_t handle) { state.streams[device] = stream(handle); }
/// Whether what a query says is "done".
bool done(cudaError_t status) {
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check(status);
  return true;
}
bool stream_done(int device, std::uint64_t handle) {
  const DeviceGuard guard(device);  // the default stream is that of CUDA's current device
  return done(cudaStreamQuery(stream(handle)));
}
void wait_stream(int device, std::uint64_t handle) {
  const DeviceGuard guard(device);
  check_wait(cudaStreamSynchronize(stream(handle)));
  raise_report(device);
}
std::uint64_t new_event(int device, bool timing) {
  const DeviceGuard guard(device);
  cudaEvent_t made;
  check(cudaEventCreateWithFlags(&made, timing ? 0 : cudaEventDisableTiming));
  return reinterpret_cast<std::uint64_t>(made);
}
void delete_event(int, std::uint64_t handle) { check(cudaEventDestroy(event(handle))); }
void record_event(int device, std::uint64_t handle, std::uint64_t on) {
  const DeviceGuard guard(device);
  check(cudaEventRecord(event(handle), stream(on)));
}
void stream_waits(int device, std::uint64_t on, std::uint64_t handle) {
  const DeviceGuard guard(device);
  check(cudaStreamWaitEvent(stream(on), event(handle), 0));
}
bool event_done(int, std::uint64_t handle) { return done(cudaEventQuery(event(handle))); }
void wait_event(int device, std::uint64_t handle) {
  check_wait(cudaEventSynchronize(event(handle)));
  raise_report(device);
}
double elapsed(int, std::uint64_t start, std::uint64_t end) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, event(start), event(end)));
  return milliseconds;
}

}  // namespace

void check_wait(cudaError_t status) {
  ++waits;
  check(status);
}

const char* current_op() { return state.op; }
int current_device() { return state.device; }
cudaStream_t stream_of(int device) { return state.streams[device]; }
cudaStream_t current_stream() { return stream_of(state.device); }

std::vector<cudaStream_t> idle_streams(int device) {
  const std::lock_guard lock(idle().mutex);
  return idle().of_device[device];
}

DeviceGuard::DeviceGuard(int device) : before_(state.chosen) { choose(device); }
DeviceGuard::~DeviceGuard() {
  if (state.chosen != before_ && cudaSetDevice(before_) == cudaSuccess) state.chosen = before_;
}

Reporter reporter() {
  Reports& all = reports();
  Report* report = all.of_device[state.device].load(std::memory_order_acquire);
  if (!report) {
    const std::lock_guard lock(all.mutex);
    report = all.of_device[state.device].load();
    if (!report) {
      void* memory = nullptr;
      check(cudaHostAlloc(&memory, sizeof(Report), cudaHostAllocMapped));
      report = new (memory) Report;
      all.of_device[state.device].store(report, std::memory_order_release);
    }
  }
  return {report, state.op};
}

void synchronize_stream() { wait(state.device); }

}  // namespace cuda

Backend& cuda_backend() {
  using namespace cuda;
  static KernelTable table = [] {
    KernelTable t;
    register_cuda_kernels(t);
    return t;
  }();
  static Backend made = [] {
    Backend b;
    b.device_count = &device_count;
    b.enter = &enter;
    b.kernels = &table;
    b.allocate = &allocate;
    b.free = &release;
    b.from_host = &from_host;
    b.to_host = &to_host;
    b.between = &between;
    b.allocate_host = &allocate_host;
    b.free_host = &release_host;
    b.page_locked = &page_locked;
    b.synchronize = &synchronize;
    b.waits = [] { return cuda::waits.load(); };
    b.memory = &memory_use;
    b.reset_peak = &cuda::reset_peak;
    b.empty_cache = &cuda::empty_cache;
    b.properties = &properties;
    b.new_stream = &new_stream;
    b.delete_stream = &delete_stream;
    b.current_stream = &current_stream_of;
    b.set_stream = &set_stream;
    b.stream_done = &stream_done;
    b.wait_stream = &wait_stream;
    b.new_event = &new_event;
    b.delete_event = &delete_event;
    b.record_event = &record_event;
    b.stream_waits = &stream_waits;
    b.event_done = &event_done;
    b.wait_event = &wait_event;
    b.elapsed = &elapsed;
    return b;
  }();
  return made;
}

}  // namespace verigrad::kernels

extern "C" verigrad::Backend* verigrad_cuda_backend(const char* build) {
  return std::strcmp(build, VERIGRAD_BUILD) == 0 ? &verigrad::kernels::cuda_backend() : nullptr;
}

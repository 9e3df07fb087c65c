#include "core/backend.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>

#include "verigrad/error.h"
#include "verigrad/tensor.h"

#if defined(__linux__)
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
#endif

namespace verigrad {
namespace {

/// The backend of CUDA, or why there is none.
struct Loaded {
  Backend* backend = nullptr;
  int count = 0;
  std::string why;
};

/// Whether somebody has asked for a device, and whether that was in a process that this one was forked from.
std::atomic<bool> used{false}, forked{false};

#if defined(__linux__)
Loaded load() {
  Loaded out;
  used = true;
  Dl_info here;
  std::string path;
  if (dladdr(reinterpret_cast<const void*>(&copy_memory), &here) != 0 && here.dli_fname) path = here.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "libverigrad_cuda.so";
  if (access(path.c_str(), F_OK) != 0) {
    out.why = "this build of verigrad has no CUDA support";
    return out;
  }
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // kept for the life of the process
  if (!object) {
    const char* error = dlerror();
    out.why = std::string("libverigrad_cuda.so could not be loaded: ") + (error ? error : "unknown error");
    return out;
  }
  const auto function = reinterpret_cast<BackendFunction>(dlsym(object, "verigrad_cuda_backend"));
  Backend* found = function ? function(VERIGRAD_BUILD) : nullptr;
  if (!found) {
    out.why = "libverigrad_cuda.so is not of verigrad " VERIGRAD_BUILD;
    return out;
  }
  pthread_atfork(nullptr, nullptr, [] { forked = true; });
  try {
    out.count = found->device_count();
    if (out.count == 0) out.why = "no CUDA device was found";
  } catch (const Error& error) {
    out.why = error.what();
  }
  out.backend = found;
  return out;
}
#else
Loaded load() {
  Loaded out;
  out.why = "verigrad has CUDA support on Linux only";
  return out;
}
#endif

const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

Backend& backend(Device device) {
  const Loaded& cuda = loaded();
  VG_CHECK(cuda.count > 0, RuntimeError, "device ", device, ": ", cuda.why);
  VG_CHECK(device.index < cuda.count, RuntimeError, "device ", device, ": expected an index below ", cuda.count,
           ", the number of CUDA devices");
  VG_CHECK(!forked.load(std::memory_order_relaxed), RuntimeError, "device ", device,
           ": Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
           "'spawn' start method");
  return *cuda.backend;
}

void free_memory(Device device, void* data) {
  if (!forked) loaded().backend->free(device.index, data);
}

int device_count(DeviceType type) { return type == DeviceType::CPU ? 1 : loaded().count; }

namespace {
thread_local int current_index_ = 0;
std::atomic<Device> default_device_{kHost};
const std::string kPrecisions[] = {"highest", "high", "medium"};
std::atomic<std::ptrdiff_t> precision_{0};  // one of these
}  // namespace

Device default_device() { return default_device_.load(std::memory_order_relaxed); }
void set_default_device(Device device) {
  if (device != kHost) backend(device);
  default_device_.store(device, std::memory_order_relaxed);
}

const std::string& float32_matmul_precision() { return kPrecisions[precision_.load(std::memory_order_relaxed)]; }
void set_float32_matmul_precision(const std::string& name) {
  const auto at = std::find(std::begin(kPrecisions), std::end(kPrecisions), name);
  VG_CHECK(at != std::end(kPrecisions), ValueError,
           "set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got '", name, "'");
  precision_.store(at - std::begin(kPrecisions), std::memory_order_relaxed);
}
bool tf32_products() { return precision_.load(std::memory_order_relaxed) != 0; }

int current_index() { return current_index_; }
void set_current_index(int index) {
  backend({DeviceType::CUDA, static_cast<std::int8_t>(index)});
  current_index_ = index;
}

std::uint64_t current_stream(Device device) { return backend(device).current_stream(device.index); }

StreamGuard::StreamGuard(Device device, std::uint64_t stream) : device_(device.index), stream_(stream) {
  if (device == kHost) return;
  Backend& found = backend(device);
  before_ = found.current_stream(device_);
  if (before_ == stream_) return;
  backend_ = &found;
  change(before_, stream_);
}
StreamGuard::~StreamGuard() {
  if (!backend_) return;
  try {
    change(stream_, before_);
  } catch (const Error&) {  // a broken device: the next call on it says so
    backend_->set_stream(device_, before_);
  }
}
void StreamGuard::change(std::uint64_t from, std::uint64_t to) {
  struct Event {
    Backend& backend;
    int device;
    std::uint64_t handle = backend.new_event(device, false);
    ~Event() {
      try {
        backend.delete_event(device, handle);
      } catch (const Error&) {  // a broken device: the next call on it says so
      }
    }
  };
  const Event mark{*backend_, device_};
  backend_->record_event(device_, mark.handle, from);
  backend_->stream_waits(device_, to, mark.handle);
  backend_->set_stream(device_, to);
}

void copy_memory(Device to_device, void* to, Device from_device, const void* from, std::int64_t nbytes,
                 bool non_blocking) {
  if (nbytes == 0) return;
  if (to_device == kHost && from_device == kHost) {
    std::memcpy(to, from, static_cast<std::size_t>(nbytes));
  } else if (from_device == kHost) {
    backend(to_device).from_host(to_device.index, to, from, nbytes, non_blocking);
  } else if (to_device == kHost) {
    backend(from_device).to_host(from_device.index, to, from, nbytes, non_blocking);
  } else {
    backend(to_device).between(to_device.index, to, from_device.index, from, nbytes);
  }
}

void check_can_pin(const char* op) {
  VG_CHECK(device_count(DeviceType::CUDA) > 0, RuntimeError, op,
           ": expected a CUDA device, without which no memory can be pinned, got none: ", loaded().why);
}

Ref<Storage> pinned_storage(const char* op, std::int64_t nbytes) {
  check_can_pin(op);
  const int device = current_index();
  Backend& cuda = backend({DeviceType::CUDA, static_cast<std::int8_t>(device)});
  cuda.enter(device, op);
  void* data = cuda.allocate_host(device, nbytes);
  return make_ref<Storage>(data, nbytes, kHost, [data, &cuda] {
    if (!forked) cuda.free_host(data);
  });
}

bool is_pinned(const void* host) {
  return used && !forked && loaded().count > 0 && loaded().backend->page_locked(host);
}

}  // namespace verigrad

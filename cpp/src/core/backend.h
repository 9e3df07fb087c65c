// What a device other than the CPU brings, in a shared object of its own that is loaded when it is first asked for.
#pragma once

#include <cstdint>
#include <string>

#include "verigrad/device.h"
#include "verigrad/error.h"
#include "verigrad/ref.h"

namespace verigrad {

class Storage;

/// A device has no memory left for a storage.
class OutOfMemoryError : public Error {
 public:
  using Error::Error;
};

namespace kernels {
struct KernelTable;
}

/// A device as its driver describes it.
struct DeviceProperties {
  char name[256] = {};
  int major = 0, minor = 0;  // compute capability
  int multi_processor_count = 0;
  std::int64_t total_memory = 0;  // bytes
};

/// Bytes that a device's allocator holds.
struct MemoryUse {
  std::int64_t allocated = 0;      // in live storages
  std::int64_t max_allocated = 0;  // the most so far
  std::int64_t reserved = 0;       // taken from the driver, with the cache
};

/// Queued work runs in order on a stream; each thread has a current one for each device. All functions raise
/// RuntimeError where the driver reports an error.
struct Backend {
  int (*device_count)();
  /// The kernels that this thread calls next are of the device, and `op` is the name in their errors.
  void (*enter)(int device, const char* op);
  kernels::KernelTable* kernels;

  void* (*allocate)(int device, std::int64_t nbytes);
  void (*free)(int device, void* data);
  /// The host memory may change when it returns. Page-locked memory and `non_blocking`: when the stream was there.
  void (*from_host)(int device, void* to, const void* host, std::int64_t nbytes, bool non_blocking);
  /// Waits for what was queued, and raises what kernels have reported; page-locked memory and `non_blocking`: neither,
  /// the host may read when the stream was there.
  void (*to_host)(int device, void* host, const void* from, std::int64_t nbytes, bool non_blocking);
  void (*between)(int to_device, void* to, int from_device, const void* from, std::int64_t nbytes);
  /// Page-locked memory of the host. What was freed is used again when the copies from and to it are done.
  void* (*allocate_host)(int device, std::int64_t nbytes);
  void (*free_host)(void* data);
  /// Whether host memory is page-locked, by whatever library.
  bool (*page_locked)(const void* host);
  /// Waits for all work of the device, and raises what kernels have reported.
  void (*synchronize)(int device);
  /// How often this process has waited for a device so far.
  std::int64_t (*waits)();

  MemoryUse (*memory)(int device);
  void (*reset_peak)(int device);
  void (*empty_cache)();
  DeviceProperties (*properties)(int device);

  /// Streams and events are handles; the stream 0 is the default one.
  std::uint64_t (*new_stream)(int device);
  void (*delete_stream)(int device, std::uint64_t stream);
  std::uint64_t (*current_stream)(int device);
  void (*set_stream)(int device, std::uint64_t stream);
  bool (*stream_done)(int device, std::uint64_t stream);
  void (*wait_stream)(int device, std::uint64_t stream);
  std::uint64_t (*new_event)(int device, bool timing);
  void (*delete_event)(int device, std::uint64_t event);
  void (*record_event)(int device, std::uint64_t event, std::uint64_t stream);
  void (*stream_waits)(int device, std::uint64_t stream, std::uint64_t event);
  bool (*event_done)(int device, std::uint64_t event);
  void (*wait_event)(int device, std::uint64_t event);
  double (*elapsed)(int device, std::uint64_t start, std::uint64_t end);  // milliseconds
};

/// What the shared object exports as "verigrad_cuda_backend": its backend, or null if it is not of this build.
using BackendFunction = Backend* (*)(const char* build);

/// The device's backend with the device checked; raises RuntimeError that says what is missing: the shared object of
/// this build, a library that it needs, a driver, a device of that number. Also in a process that was forked from one
/// that had used it.
Backend& backend(Device device);
/// Frees a device's memory. In a forked process it is left alone: it is the parent's.
void free_memory(Device device, void* data);
/// The devices that can be used; 0 where there is no shared object, library or driver.
int device_count(DeviceType type);

/// How exactly devices multiply float32: with "highest", the default, as float32; with "high" and "medium" a device
/// may round operands to TF32, which has ten bits behind the point. The CPU and float64 are exact always.
const std::string& float32_matmul_precision();
/// Raises ValueError for another name.
void set_float32_matmul_precision(const std::string& name);
bool tf32_products();

/// The device that "cuda" without a number means on the calling thread; 0 at first.
int current_index();
void set_current_index(int index);

/// Another stream of a device for the calling thread while it lives; what the one before has queued comes first, and
/// the other way round at the end. Does nothing on the host.
class StreamGuard {
 public:
  StreamGuard(Device device, std::uint64_t stream);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  void change(std::uint64_t from, std::uint64_t to);
  Backend* backend_ = nullptr;  // null where nothing changes
  int device_;
  std::uint64_t stream_, before_ = 0;
};

/// nbytes of memory from one device to another. What is queued on either comes first; host memory may be read and
/// changed after it, but for page-locked memory with `non_blocking`: there when the device's stream was waited for.
void copy_memory(Device to_device, void* to, Device from_device, const void* from, std::int64_t nbytes,
                 bool non_blocking = false);

/// Raises RuntimeError that names `op` where there is no device, without which memory cannot be page-locked.
void check_can_pin(const char* op);
/// Uninitialised page-locked memory of the host. Raises as `check_can_pin`, and OutOfMemoryError.
Ref<Storage> pinned_storage(const char* op, std::int64_t nbytes);
/// Whether host memory is page-locked. Looks for no device where nobody has used one.
bool is_pinned(const void* host);

}  // namespace verigrad

// What kernels and slots know of the process: the op and the device of the calling thread, its stream, memory for
// intermediate values, and a place where kernels report a caller's mistake.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <vector>

#include "kernels/mistakes.h"
#include "verigrad/error.h"

namespace verigrad::kernels::cuda {

/// The op whose kernels the calling thread launches, and its device.
const char* current_op();
int current_device();
cudaStream_t current_stream();  // of that device

/// More devices than any machine has.
inline constexpr int kMaxDevices = 64;

/// The calling thread's stream on a device.
cudaStream_t stream_of(int device);
/// The streams of a device that were made and that nobody holds.
std::vector<cudaStream_t> idle_streams(int device);

/// Makes a device CUDA's current one, and at the end the one before.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_;
};

/// Raises RuntimeError with the op and CUDA's own words.
inline void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets it: the next launch asks for the last error, whatever call it comes from
  VG_THROW(RuntimeError, current_op(), ": CUDA error: ", cudaGetErrorString(status));
}

/// The same for a call that waits for what was queued: these are counted.
void check_wait(cudaError_t status);

/// A mark in the work of a stream of the current device. Gone with its scope: CUDA keeps what waits for it.
class Mark {
 public:
  explicit Mark(cudaStream_t stream) {
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    if (const cudaError_t status = cudaEventRecord(event_, stream); status != cudaSuccess) {
      cudaEventDestroy(event_);
      check(status);
    }
  }
  ~Mark() { cudaEventDestroy(event_); }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  cudaEvent_t event() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Memory of the device for the calling thread's stream, from the cache; raises RuntimeError where there is none.
void* allocate(int device, std::int64_t nbytes);
void release(int device, void* data);

/// An array for intermediate values of one slot. What the stream is still to do with it is done before it is used
/// again.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : device_(current_device()),
        data_(static_cast<T*>(allocate(device_, count * static_cast<std::int64_t>(sizeof(T))))) {}
  ~Scratch() { release(device_, data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }

 private:
  int device_;
  T* data_;
};

/// The first mistake since the host looked: memory that the host and the device see. Raised at the next
/// synchronisation; kernels that meet one leave out the element.
struct Report {
  int mistake = 0;
  int dim = 0;
  const char* op = nullptr;
  long long value = 0, size = 0;
};

/// What a kernel needs to report a mistake: pass it by value.
struct Reporter {
  Report* report;
  const char* op;

  __device__ void operator()(Mistake mistake, std::int64_t value = 0, std::int64_t size = 0, int dim = 0) const {
    if (atomicCAS(&report->mistake, 0, static_cast<int>(mistake)) != 0) return;
    report->op = op;
    report->dim = dim;
    report->value = value;
    report->size = size;
  }
};
Reporter reporter();

/// Waits for the stream of the calling thread, and raises what was reported.
void synchronize_stream();

}  // namespace verigrad::kernels::cuda

// Device memory of the emulation: host memory that mistakes do not reach unseen.
//
// Each block ends where memory begins that nothing may touch. With VERIGRAD_EMULATED_HOST=refused the host cannot touch
// device memory at all, as on a machine with a GPU: it is there only while a kernel or a copy runs, and blocks then lie
// side by side. The address sanitizer watches plain heap blocks instead.
#pragma once

#include <cstddef>

namespace verigrad::emulation {

/// Null where there is no memory left.
void* device_allocate(std::size_t bytes);
void device_free(void* data, std::size_t bytes);
/// Whether the caching allocator should leave blocks to us, so that each one has its own end. On at first.
bool exact_blocks();
void set_exact_blocks(bool exact);

/// Bytes of page-locked memory that was allocated.
std::size_t page_locked_bytes();
/// Whether an address is in page-locked memory of the host.
bool page_locked(const void* host);

/// While one lives, device memory can be touched.
class DeviceMemoryOpen {
 public:
  DeviceMemoryOpen();
  ~DeviceMemoryOpen();
  DeviceMemoryOpen(const DeviceMemoryOpen&) = delete;
  DeviceMemoryOpen& operator=(const DeviceMemoryOpen&) = delete;
};

}  // namespace verigrad::emulation

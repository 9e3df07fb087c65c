// The caching allocators: of the devices (memory.cu), and of page-locked memory of the host (pinned.cu).
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "core/backend.h"

namespace verigrad::kernels::cuda {

/// The bytes of a block for so many: sizes in four steps for each power of two.
inline std::int64_t block_bytes(std::int64_t nbytes) {
  constexpr std::int64_t kSmallest = 512;
  if (nbytes <= kSmallest) return kSmallest;
  const std::int64_t step =
      std::max(kSmallest, static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(nbytes - 1))) / 4);
  return (nbytes + step - 1) / step * step;
}

MemoryUse memory_use(int device);
void reset_peak(int device);
/// Gives the driver back what no storage uses.
void empty_cache();

/// Page-locked memory; raises OutOfMemoryError where there is none, after the cache was given back.
void* allocate_host(int device, std::int64_t nbytes);
/// The same for a copy that begins at once, or null where that would take too much.
void* allocate_staging(int device, std::int64_t nbytes);
/// The block is used again when the copies that were noted are done. Calls no function of CUDA.
void release_host(void* data);
/// Whether the host's memory at an address is page-locked, by us or by another library.
bool page_locked(const void* host);
/// Notes a copy that the stream of the current device has queued, if the memory is ours.
void note_copy(const void* host, int device, cudaStream_t stream);
/// Gives page-locked memory back that nobody uses; waits for the copies.
void empty_host_cache();

}  // namespace verigrad::kernels::cuda

// The CPU's caching allocator.
#pragma once

#include <cstdint>

namespace verigrad {

/// The machine's memory in bytes: what needs more of many small blocks can be refused before it begins.
std::int64_t physical_memory();
/// Memory aligned to 64 bytes; raises RuntimeError (naming the size) where the system has none left.
void* cpu_allocate(std::int64_t nbytes);
/// Gives a block back, to the calling thread's cache while that has room: for 512 MiB, and for sizes that are in use
/// before those that are not. `nbytes` as it was asked for.
void cpu_free(void* data, std::int64_t nbytes);
/// Bytes in live storages of the process.
std::int64_t cpu_allocated_bytes();
/// Bytes in the calling thread's cache.
std::int64_t cpu_cached_bytes();
/// Returns the calling thread's cached blocks to the system.
void cpu_empty_cache();

}  // namespace verigrad

// The threads of a CUDA block as fibres of one host thread.
//
// Kernels are compiled as host C++ (see cuda_runtime.h here) and run one block after the other, in a shuffled order, so
// that blocks which depend on each other's results show. Within a block a thread runs until it waits for others; who
// goes first changes from block to block.
#pragma once

#include <cstddef>
#include <cstdint>

namespace verigrad::emulation {

inline constexpr int kWarp = 32;
inline constexpr int kMaxThreads = 1024;  // of a block, as on every device
inline constexpr std::size_t kMaxShared = 48 << 10;

/// A grid of `blocks` blocks of `threads` threads with `shared` bytes of dynamic shared memory. Calls `body(context)`
/// once for each thread, with threadIdx and blockIdx set. Raises RuntimeError that names `op` where threads wait for
/// others that will not come, or the sizes are beyond those of any device.
void run_grid(const char* op, const std::uint32_t (&blocks)[3], const std::uint32_t (&threads)[3], std::size_t shared,
              void (*body)(void*), void* context);

/// Waits for all threads of the block.
void sync_block();
/// Waits for the lanes of the mask, which must all call it with this mask.
void sync_warp(std::uint32_t mask);
/// Gives `size` bytes (at most 8) to the lanes of the mask, and returns those of a lane of it. A lane that is not in
/// the mask gets its own.
void exchange(std::uint32_t mask, const void* value, void* result, std::size_t size, int source);
/// The lane of the calling thread.
int lane();
/// The bit of each lane of the mask whose `predicate` is true.
std::uint32_t ballot(std::uint32_t mask, bool predicate);
/// The block's dynamic shared memory, filled with 0xFF before each block: as floats not a number.
void* dynamic_shared();
/// Counts the blocks that this host thread has begun: static shared memory is new where it differs.
std::uint64_t block_number();
/// Raises what an access outside of a shared array must.
[[noreturn]] void out_of_shared(std::size_t index, std::size_t size);

}  // namespace verigrad::emulation

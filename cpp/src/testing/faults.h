// Planted faults, which prove that the verification notices what is wrong. Production code knows nothing of them but
// one pointer, `node_filter`: a kernel's fault takes its slot in the table. Not for use while other threads compute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "verigrad/device.h"

namespace verigrad::testing {

/// The number of a kind; raises ValueError that names `op` for one that is not in the list.
std::size_t kind_of(const char* op, const std::vector<std::string>& kinds, const std::string& kind);

/// Kinds of wrong gradients.
std::vector<std::string> vjp_fault_kinds();
/// Makes the VJP of every node with that name wrong:
///   scale, zero, sign, double    every element times 1.001, 0, -1, 2
///   last, middle                 one element times 1.01
///   half                         zeros in the second half, as if a thread had not come
///   broadcast                    one slice where the gradient of a broadcast must be summed
/// Raises ValueError for another kind.
void plant_vjp_fault(const std::string& kind, const std::string& node_name);
void clear_vjp_faults();

std::vector<std::string> kernel_slots();
/// Kinds of wrong results of a kernel.
std::vector<std::string> kernel_fault_kinds();
/// From now on that kernel of the device spoils what it writes, where it has written enough for the kind:
///                  on the CPU                                      on a CUDA device
///   first, last    that element                                    the same
///   tail           the first element past the last whole vector    past the last whole block of threads
///                  of 64 bytes
///   middle         the element in the middle                       the same
///   lane           one of eight neighbours, throughout             one of a warp's
///   chunk          the second half, in calls whose work is         what is left when each thread of the largest grid
///                  shared between threads                          has had one element
///   block          16 elements in the middle are left as they      as many as a block has threads
///                  were (sums) or unwritten
///   double         those elements count twice                      those
///   none           nothing: calls are counted
/// With `once` only the first call that can be spoiled is: two wrong calls may cancel, as in u / v. On a CUDA device
/// the elements are copied to the host, spoiled and copied back, which waits for the kernel. Raises ValueError for
/// another slot or kind, and for a second device while there are faults on a first.
void plant_kernel_fault(const std::string& slot, const std::string& kind, bool once, Device device);
void clear_kernel_faults();

/// What a slot has done since a fault was planted there.
struct KernelCalls {
  std::string slot;
  std::int64_t calls = 0;
  std::int64_t largest = 0;  // elements of an output
  std::int64_t cut = 0;      // calls that `chunk` can spoil
  std::int64_t spoiled = 0;  // calls in which the fault changed a byte
};
/// Of the slots in which one is planted.
std::vector<KernelCalls> kernel_calls();

}  // namespace verigrad::testing

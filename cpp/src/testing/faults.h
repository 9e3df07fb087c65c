// Planted faults, which prove that the verification notices what is wrong. Production code knows nothing of them but
// one pointer, `node_filter`: a kernel's fault takes its slot in the table. Not for use while other threads compute.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace verigrad::testing {

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
/// From now on that CPU kernel spoils what it writes, where it has written enough for the kind:
///   first, last    that element
///   tail           the first element past the last whole vector of 64 bytes
///   middle         the element in the middle
///   lane           one of eight neighbours, throughout
///   chunk          the second half, in calls whose work is shared between threads
///   block          16 elements in the middle are left as they were (sums) or unwritten
///   double         16 elements in the middle count twice
///   none           nothing: calls are counted
/// With `once` only the first call that can be spoiled is: two wrong calls may cancel, as in u / v.
/// Raises ValueError for another slot or kind.
void plant_kernel_fault(const std::string& slot, const std::string& kind, bool once = false);
void clear_kernel_faults();

/// What a slot has done since a fault was planted there.
struct KernelCalls {
  std::string slot;
  std::int64_t calls = 0;
  std::int64_t largest = 0;  // elements of an output
  std::int64_t cut = 0;      // calls whose work is shared between threads
  std::int64_t spoiled = 0;  // calls in which the fault changed a byte
};
/// Of the slots in which one is planted.
std::vector<KernelCalls> kernel_calls();

}  // namespace verigrad::testing

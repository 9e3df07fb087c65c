// Planted kernel faults, which prove that the verification notices a wrong kernel.
#pragma once

#include <string>
#include <vector>

namespace verigrad::kernels {

std::vector<std::string> slot_names();
/// From now on that CPU kernel spoils the first element of its output. Not for use while other threads compute.
void plant_kernel_fault(const std::string& slot);
void clear_kernel_faults();

}  // namespace verigrad::kernels

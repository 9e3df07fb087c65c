// CUDA's kernels: one function per slot of table.h, named like it.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

#define VG_SLOT(NAME, PARAMS) void NAME PARAMS;
VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT

}  // namespace verigrad::kernels::cuda

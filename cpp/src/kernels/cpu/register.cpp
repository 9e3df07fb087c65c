#include "kernels/cpu/kernels.h"

namespace verigrad::kernels {

void register_cpu_kernels(KernelTable& table) {
#define VG_SLOT(NAME, PARAMS) table.NAME = &cpu::NAME;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
}

}  // namespace verigrad::kernels

// The table of CUDA devices.
#include "kernels/cuda/kernels.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

void register_cuda_kernels(KernelTable& table) {
#define VG_SLOT(NAME, PARAMS) table.NAME = &cuda::NAME;
  VG_KERNEL_SLOTS(VG_SLOT)
#undef VG_SLOT
}

}  // namespace verigrad::kernels

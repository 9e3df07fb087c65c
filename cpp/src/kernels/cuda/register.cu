// The table of CUDA devices.
#include "kernels/cuda/kernels.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

void register_cuda_kernels(KernelTable& table) {
  table.unary = &cuda::unary;
  table.binary = &cuda::binary;
  table.random = &cuda::random;
  table.sgd = &cuda::sgd;
  table.adam = &cuda::adam;
  table.activation = &cuda::activation;
  table.pool = &cuda::pool;
  table.warp = &cuda::warp;
}

}  // namespace verigrad::kernels

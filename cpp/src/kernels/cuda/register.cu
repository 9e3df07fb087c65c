// The table of CUDA devices.
#include "kernels/cuda/kernels.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

void register_cuda_kernels(KernelTable& table) {
  table.unary = &cuda::unary;
  table.binary = &cuda::binary;
  table.reduce = &cuda::reduce;
  table.arg_reduce = &cuda::arg_reduce;
  table.softmax = &cuda::softmax;
  table.activation = &cuda::activation;
  table.normalize = &cuda::normalize;
}

}  // namespace verigrad::kernels

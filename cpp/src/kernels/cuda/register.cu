// The table of CUDA devices.
#include "kernels/cuda/kernels.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

void register_cuda_kernels(KernelTable& table) {
  table.unary = &cuda::unary;
  table.binary = &cuda::binary;
  table.reduce = &cuda::reduce;
  table.arg_reduce = &cuda::arg_reduce;
  table.gemm = &cuda::gemm;
  table.softmax = &cuda::softmax;
  table.random = &cuda::random;
  table.sgd = &cuda::sgd;
  table.adam = &cuda::adam;
  table.activation = &cuda::activation;
  table.convolution = &cuda::convolution;
  table.columns = &cuda::columns;
  table.pool = &cuda::pool;
}

}  // namespace verigrad::kernels

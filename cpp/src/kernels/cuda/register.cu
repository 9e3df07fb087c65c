// The table of CUDA devices.
#include "kernels/cuda/kernels.cuh"

namespace verigrad::kernels {

void register_cuda_kernels(KernelTable& table);

void register_cuda_kernels(KernelTable& table) {
  table.unary = &cuda::unary;
  table.binary = &cuda::binary;
  table.where = &cuda::where;
  table.copy = &cuda::copy;
  table.fill = &cuda::fill;
  table.gather = &cuda::gather;
  table.scatter_add = &cuda::scatter_add;
  table.index_select = &cuda::index_select;
  table.index_add = &cuda::index_add;
  table.nonzero = &cuda::nonzero;
  table.range = &cuda::range;
  table.activation = &cuda::activation;
}

}  // namespace verigrad::kernels

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
  table.reduce = &cuda::reduce;
  table.arg_reduce = &cuda::arg_reduce;
  table.gemm = &cuda::gemm;
  table.softmax = &cuda::softmax;
  table.gather = &cuda::gather;
  table.scatter_add = &cuda::scatter_add;
  table.index_select = &cuda::index_select;
  table.index_add = &cuda::index_add;
  table.nonzero = &cuda::nonzero;
  table.random = &cuda::random;
  table.range = &cuda::range;
  table.sgd = &cuda::sgd;
  table.adam = &cuda::adam;
  table.activation = &cuda::activation;
  table.convolution = &cuda::convolution;
  table.columns = &cuda::columns;
  table.pool = &cuda::pool;
  table.normalize = &cuda::normalize;
  table.warp = &cuda::warp;
}

}  // namespace verigrad::kernels

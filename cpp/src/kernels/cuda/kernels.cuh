// The slots that CUDA implements, in namespaces of their device.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

void unary(UnaryOp op, DType dtype, const Loop& loop);
void binary(BinaryOp op, DType dtype, const Loop& loop);
void where(DType dtype, const Loop& loop);
void copy(DType out, DType in, const Loop& loop);
void fill(DType dtype, const Loop& loop, Scalar value);
void reduce(ReduceOp op, DType in, DType out, const Reduction& reduction);
void arg_reduce(ArgReduceOp op, DType in, const Reduction& reduction);
void gemm(DType dtype, const Gemm& g);
void softmax(SoftmaxOp op, DType dtype, const Softmax& s);
void gather(DType dtype, const Gather& g);
void scatter_add(DType dtype, const Gather& g);
void index_select(DType dtype, const IndexRows& r);
void index_add(DType dtype, const IndexRows& r);
void nonzero(const Nonzero& z);
void random(RandomOp op, DType dtype, const Random& r);
void range(DType dtype, const Range& r);
void sgd(DType dtype, const Sgd& s);
void adam(DType dtype, const Adam& a);
void activation(ActivationOp op, DType dtype, const Activation& a);
void convolution(ConvolutionOp op, DType dtype, const Convolution& c);
void columns(ColumnsOp op, DType dtype, const Columns& c);
void pool(PoolOp op, DType dtype, const Pool& p);
void normalize(NormalizeOp op, DType dtype, const Normalize& n);
void warp(DType dtype, const Warp& w);

}  // namespace verigrad::kernels::cuda

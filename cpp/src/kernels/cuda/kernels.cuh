// The slots that CUDA implements, in namespaces of their device.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

void unary(UnaryOp op, DType dtype, const Loop& loop);
void binary(BinaryOp op, DType dtype, const Loop& loop);
void where(DType dtype, const Loop& loop);
void copy(DType out, DType in, const Loop& loop);
void fill(DType dtype, const Loop& loop, Scalar value);
void gather(DType dtype, const Gather& g);
void scatter_add(DType dtype, const Gather& g);
void index_select(DType dtype, const IndexRows& r);
void index_add(DType dtype, const IndexRows& r);
void nonzero(const Nonzero& z);
void range(DType dtype, const Range& r);
void activation(ActivationOp op, DType dtype, const Activation& a);

}  // namespace verigrad::kernels::cuda

// The slots that CUDA implements, in namespaces of their device.
#pragma once

#include "kernels/table.h"

namespace verigrad::kernels::cuda {

void unary(UnaryOp op, DType dtype, const Loop& loop);
void binary(BinaryOp op, DType dtype, const Loop& loop);
void reduce(ReduceOp op, DType in, DType out, const Reduction& reduction);
void arg_reduce(ArgReduceOp op, DType in, const Reduction& reduction);
void softmax(SoftmaxOp op, DType dtype, const Softmax& s);
void activation(ActivationOp op, DType dtype, const Activation& a);
void normalize(NormalizeOp op, DType dtype, const Normalize& n);

}  // namespace verigrad::kernels::cuda

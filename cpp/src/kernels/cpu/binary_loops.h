// Shared by the two files of binary kernels, which are apart to keep each short to compile.
#pragma once

#include "kernels/cpu/loops.h"
#include "kernels/functors.h"

namespace verigrad::kernels::cpu {

template <class Op, class In, class Out>
void launch_binary(const Loop& loop) {
  const std::int64_t sizes[] = {sizeof(Out), sizeof(In), sizeof(In)};
  run_loop(loop, sizes, inner_loop<BinaryLoop<Op, In, Out>>());
}

/// The ops of VG_COMPARE; false for the others.
bool compare(BinaryOp op, DType dtype, const Loop& loop);

}  // namespace verigrad::kernels::cpu

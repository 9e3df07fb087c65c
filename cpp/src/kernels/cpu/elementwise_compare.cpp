#include "kernels/cpu/binary_loops.h"

namespace verigrad::kernels::cpu {
namespace {

template <class Op>
bool launch_compare(DType dtype, const Loop& loop) {
  dispatch(dtype, [&]<class T>(TypeTag<T>) { launch_binary<Op, T, bool>(loop); });
  return true;
}

}  // namespace

bool compare(BinaryOp op, DType dtype, const Loop& loop) {
  switch (op) {
#define VG_COMPARE(NAME, ...) \
  case BinaryOp::NAME: return launch_compare<functors::NAME>(dtype, loop);
#include "verigrad/binary.def"
    default: return false;
  }
}

}  // namespace verigrad::kernels::cpu

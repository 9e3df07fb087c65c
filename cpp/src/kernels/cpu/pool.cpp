#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void pool(PoolOp, DType, const Pool&) { VG_THROW(NotImplementedError, "pool: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

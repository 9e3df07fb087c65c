#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void normalize(NormalizeOp, DType, const Normalize&) { VG_THROW(NotImplementedError, "normalize: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

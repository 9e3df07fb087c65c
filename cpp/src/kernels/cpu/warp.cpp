#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void warp(DType, const Warp&) { VG_THROW(NotImplementedError, "warp: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

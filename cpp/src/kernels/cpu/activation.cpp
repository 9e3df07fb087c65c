#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void activation(ActivationOp, DType, const Activation&) { VG_THROW(NotImplementedError, "activation: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

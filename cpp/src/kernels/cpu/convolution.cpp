#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void convolution(ConvolutionOp, DType, const Convolution&) { VG_THROW(NotImplementedError, "convolution: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

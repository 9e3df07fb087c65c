#include "kernels/cpu/kernels.h"

namespace verigrad::kernels::cpu {

void columns(ColumnsOp, DType, const Columns&) { VG_THROW(NotImplementedError, "columns: no cpu implementation"); }

}  // namespace verigrad::kernels::cpu

// Pooling. Semantics are those of the PyTorch function of the same name.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

}  // namespace verigrad::ops

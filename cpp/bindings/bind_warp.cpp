// Warping of images.
#include "python.h"
#include "verigrad/nn/warp.h"

namespace verigrad::bindings {

void bind_warp(py::module_&, TensorClass&) {}

}  // namespace verigrad::bindings

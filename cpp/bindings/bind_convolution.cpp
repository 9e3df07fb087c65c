// Convolutions.
#include "python.h"
#include "verigrad/nn/convolution.h"

namespace verigrad::bindings {

void bind_convolution(py::module_&, TensorClass&) {}

}  // namespace verigrad::bindings

// Activations and dropout.
#include "python.h"
#include "verigrad/nn/activation.h"

namespace verigrad::bindings {

void bind_activation(py::module_&, TensorClass&) {}

}  // namespace verigrad::bindings

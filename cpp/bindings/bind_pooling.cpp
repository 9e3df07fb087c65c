// Pooling.
#include "python.h"
#include "verigrad/nn/pooling.h"

namespace verigrad::bindings {

void bind_pooling(py::module_&, TensorClass&) {}

}  // namespace verigrad::bindings

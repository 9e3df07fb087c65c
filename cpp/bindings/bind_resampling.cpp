// Padding, unfold and fold.
#include "python.h"
#include "verigrad/nn/resampling.h"

namespace verigrad::bindings {

void bind_resampling(py::module_&, TensorClass&) {}

}  // namespace verigrad::bindings

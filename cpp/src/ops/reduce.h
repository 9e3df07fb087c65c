// What reductions share: which dimensions go, and the shapes without and with them.
#pragma once

#include <vector>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// Which dimensions go, as flags; all of them for an empty list. There is one flag for a 0-d tensor.
std::vector<bool> reduced_dims(const char* op, const DimList& dims, int ndim);
/// The same as a list, in order.
DimList dim_list(const std::vector<bool>& reduced, int ndim);
Dims reduced_shape(const Dims& shape, const std::vector<bool>& reduced, bool keepdim);
/// `g` of a reduction with its reduced dimensions back, as size 1.
Tensor restore_dims(const Tensor& g, const Dims& shape, const std::vector<bool>& reduced);
/// How many elements become one.
std::int64_t reduced_count(const Dims& shape, const std::vector<bool>& reduced);

}  // namespace verigrad::ops

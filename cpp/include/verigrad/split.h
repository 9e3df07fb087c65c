// A tensor cut into views, and tensors put together.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

TensorList split(const Tensor& self, std::int64_t size, std::int64_t dim = 0);
TensorList split_with_sizes(const Tensor& self, const DimList& sizes, std::int64_t dim = 0);
TensorList chunk(const Tensor& self, std::int64_t chunks, std::int64_t dim = 0);
TensorList tensor_split(const Tensor& self, std::int64_t sections, std::int64_t dim = 0);
/// Cut before each of the indices, as Python slices.
TensorList tensor_split(const Tensor& self, const DimList& indices, std::int64_t dim = 0);

/// Which of hsplit, vsplit and dsplit, hstack, vstack and dstack.
enum class Direction { horizontal, vertical, depth };
TensorList split_along(Direction direction, const Tensor& self, std::int64_t sections);
TensorList split_along(Direction direction, const Tensor& self, const DimList& indices);
Tensor stack_along(Direction direction, const TensorList& tensors);
Tensor column_stack(const TensorList& tensors);

Tensor block_diag(const TensorList& tensors);
Tensor cartesian_prod(const TensorList& tensors);
/// Every choice of r elements in order, a row each.
Tensor combinations(const Tensor& self, std::int64_t r, bool with_replacement);

}  // namespace verigrad::ops

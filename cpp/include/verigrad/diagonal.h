// Diagonals, triangles and sliding windows, and views with other elements in their place.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// A view: the diagonal of the matrices along dim1 and dim2, which becomes the last dimension.
Tensor diagonal(const Tensor& self, std::int64_t offset = 0, std::int64_t dim1 = 0, std::int64_t dim2 = 1);
/// Matrices of zeros with the last dimension of self on a diagonal.
Tensor diag_embed(const Tensor& self, std::int64_t offset = 0, std::int64_t dim1 = -2, std::int64_t dim2 = -1);
Tensor diag(const Tensor& self, std::int64_t diagonal = 0);
Tensor diagflat(const Tensor& self, std::int64_t offset = 0);

Tensor tril(const Tensor& self, std::int64_t diagonal = 0);
Tensor triu(const Tensor& self, std::int64_t diagonal = 0);
const Tensor& tril_(const Tensor& self, std::int64_t diagonal = 0);
const Tensor& triu_(const Tensor& self, std::int64_t diagonal = 0);
/// Rows and columns of the elements of a triangle, [2, count].
Tensor tril_indices(std::int64_t row, std::int64_t col, std::int64_t offset, DType dtype, Device device);
Tensor triu_indices(std::int64_t row, std::int64_t col, std::int64_t offset, DType dtype, Device device);

/// Tensor.unfold, a view: windows of `size` elements at every `step`-th place of `dim`, in a new last dimension.
Tensor windows(const Tensor& self, std::int64_t dim, std::int64_t size, std::int64_t step);

// A copy of self in which `src` stands where select, slice or diagonal would look.
Tensor select_scatter(const Tensor& self, const Tensor& src, std::int64_t dim, std::int64_t index);
Tensor slice_scatter(const Tensor& self, const Tensor& src, std::int64_t dim, std::optional<std::int64_t> start,
                     std::optional<std::int64_t> end, std::int64_t step);
Tensor diagonal_scatter(const Tensor& self, const Tensor& src, std::int64_t offset, std::int64_t dim1,
                        std::int64_t dim2);

}  // namespace verigrad::ops

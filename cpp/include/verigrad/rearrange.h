// Elements in another order, or repeated. Views where PyTorch's are.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

/// Copies of the whole along each dimension; `repeats` may have more numbers than there are dimensions.
Tensor repeat(const Tensor& self, const Dims& repeats);
/// As repeat, but numbers may be missing in front.
Tensor tile(const Tensor& self, const Dims& dims);
/// Each slice of `dim` so many times in a row; over all elements where there is no dim.
Tensor repeat_interleave(const Tensor& self, std::int64_t repeats, std::optional<std::int64_t> dim,
                         std::optional<std::int64_t> output_size);
Tensor repeat_interleave(const Tensor& self, const Tensor& repeats, std::optional<std::int64_t> dim,
                         std::optional<std::int64_t> output_size);
/// Index i repeats[i] times.
Tensor repeat_interleave(const Tensor& repeats, std::optional<std::int64_t> output_size);

Tensor flip(const Tensor& self, const DimList& dims);
Tensor fliplr(const Tensor& self);
Tensor flipud(const Tensor& self);
/// Without dims the elements are shifted as if they were one row.
Tensor roll(const Tensor& self, const DimList& shifts, const DimList& dims);
Tensor rot90(const Tensor& self, std::int64_t k, const DimList& dims);

Tensor movedim(const Tensor& self, const DimList& source, const DimList& destination);
Tensor unflatten(const Tensor& self, std::int64_t dim, const Dims& sizes);
Tensor ravel(const Tensor& self);
Tensor adjoint(const Tensor& self);
TensorList broadcast_tensors(const TensorList& tensors);
/// With at least so many dimensions (1 to 3), placed where PyTorch places them.
Tensor at_least(int ndim, const Tensor& self);
TensorList meshgrid(const TensorList& tensors, const std::string& indexing);

// The tensor itself becomes a view of its memory.
const Tensor& transpose_(const Tensor& self, std::int64_t dim0, std::int64_t dim1);
const Tensor& t_(const Tensor& self);
const Tensor& unsqueeze_(const Tensor& self, std::int64_t dim);
const Tensor& squeeze_(const Tensor& self, const std::optional<DimList>& dims);

}  // namespace verigrad::ops

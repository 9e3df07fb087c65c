// Reading and writing by index and by mask, beyond the basic ones of ops.h.
#pragma once

#include "verigrad/ops.h"

namespace verigrad::ops {

// Elements that an index names along a dimension.
Tensor take_along_dim(const Tensor& self, const Tensor& indices, std::optional<std::int64_t> dim);
/// As scatter_add, but elements are replaced; of several for one place the last one wins. A number stands for a source
/// of that number everywhere.
Tensor scatter(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src);
/// `reduce` is "add" or "multiply".
Tensor scatter(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src,
               const std::string& reduce);
/// `reduce` is "sum", "prod", "mean", "amax" or "amin"; without `include_self` the elements that are written to do not
/// count.
Tensor scatter_reduce(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src,
                      const std::string& reduce, bool include_self = true);
const Tensor& scatter_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src);
const Tensor& scatter_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& src,
                       const std::string& reduce);
const Tensor& scatter_add_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src);
const Tensor& scatter_reduce_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& src,
                              const std::string& reduce, bool include_self = true);

// Whole rows.
const Tensor& index_add_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source);
const Tensor& index_copy_(const Tensor& self, std::int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_fill(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& value);
const Tensor& index_fill_(const Tensor& self, std::int64_t dim, const Tensor& index, const Operand& value);

// Elements counted row by row.
Tensor take(const Tensor& self, const Tensor& index);
Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate);
const Tensor& put_(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate);

/// self[indices] = values, or += with `accumulate`, where an undefined index is a whole dimension.
Tensor index_put(const Tensor& self, const TensorList& indices, const Tensor& values, bool accumulate);
const Tensor& index_put_(const Tensor& self, const TensorList& indices, const Tensor& values, bool accumulate);

// Where a mask holds.
Tensor masked_select(const Tensor& self, const Tensor& mask);
Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source);
const Tensor& masked_scatter_(const Tensor& self, const Tensor& mask, const Tensor& source);
const Tensor& masked_fill_(const Tensor& self, const Tensor& mask, const Operand& value);

/// The columns of `nonzero`, a tensor for each dimension.
TensorList nonzero_tuple(const Tensor& self);

}  // namespace verigrad::ops

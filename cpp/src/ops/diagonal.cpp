// Diagonals, triangles and sliding windows, and views with other elements in their place.
#include "verigrad/diagonal.h"

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "verigrad/indexing.h"
#include "verigrad/rearrange.h"

namespace verigrad::ops {
namespace {

void check_different(const char* op, int d1, int d2, std::int64_t dim1, std::int64_t dim2) {
  VG_CHECK(d1 != d2, RuntimeError, op, ": diagonal dimensions cannot be identical ", dim1, ", ", dim2);
}

/// The diagonal as it lies in memory.
Tensor seen_diagonal(const Tensor& self, std::int64_t offset, int d1, int d2) {
  const std::int64_t rows = self.shape()[d1], columns = self.shape()[d2];
  const std::int64_t count =
      std::max<std::int64_t>(0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
  Dims shape, strides;
  for (int d = 0; d < self.ndim(); ++d) {
    if (d == d1 || d == d2) continue;
    shape.push_back(self.shape()[d]);
    strides.push_back(self.strides()[d]);
  }
  shape.push_back(count);
  strides.push_back(self.strides()[d1] + self.strides()[d2]);
  if (count == 0 || self.numel() == 0) return alias(self, shape, strides, self.offset());
  const std::int64_t first = offset >= 0 ? offset * self.strides()[d2] : -offset * self.strides()[d1];
  return alias(self, shape, strides, self.offset() + first);
}

/// Zeros with `self` on a diagonal: the gradient of `diagonal`, and `diag_embed`.
Tensor embed(const char* node, const Tensor& self, const Dims& shape, std::int64_t offset, int d1, int d2) {
  const Tensor out = zeros(shape, self.dtype(), self.device());
  copy_out(seen_diagonal(out, offset, d1, d2), self);
  if (!is_floating_point(self.dtype())) return out;
  return record(node, out, {self}, {},
                [offset, d1, d2](Node&, const Tensor& g) -> TensorList { return {diagonal(g, offset, d1, d2)}; });
}

}  // namespace

Tensor diagonal(const Tensor& self, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  const int d1 = wrap_dim("diagonal", dim1, self.ndim()), d2 = wrap_dim("diagonal", dim2, self.ndim());
  check_different("diagonal", d1, d2, dim1, dim2);
  return record_view("DiagonalBackward0", seen_diagonal(self, offset, d1, d2), self,
                     [offset, d1, d2](Node& n, const Tensor& g) -> TensorList {
                       return {embed("DiagonalBackwardBackward0", g, input_meta(n, 0).shape, offset, d1, d2)};
                     });
}

Tensor diag_embed(const Tensor& self, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  const int d1 = wrap_dim("diag_embed", dim1, self.ndim() + 1), d2 = wrap_dim("diag_embed", dim2, self.ndim() + 1);
  check_different("diag_embed", d1, d2, dim1, dim2);
  Dims shape = self.shape();
  std::int64_t size = shape.back();
  // In two steps: the magnitude of the least int64 is none.
  size = checked_add("diag_embed", size, offset < 0 ? -(offset + 1) : offset);
  if (offset < 0) size = checked_add("diag_embed", size, 1);
  shape.pop_back();
  shape.insert(std::min(d1, d2), size);
  shape.insert(std::max(d1, d2), size);
  checked_numel("diag_embed", shape);
  return embed("DiagEmbedBackward0", self, shape, offset, d1, d2);
}

Tensor diag(const Tensor& self, std::int64_t diagonal) {
  VG_CHECK(self.ndim() == 1 || self.ndim() == 2, RuntimeError, "diag(): Supports 1D or 2D tensors. Got ", self.ndim(),
           "D");
  return self.ndim() == 1 ? diag_embed(self, diagonal) : clone(ops::diagonal(self, diagonal));
}

Tensor diagflat(const Tensor& self, std::int64_t offset) { return diag_embed(reshape(self, {-1}), offset); }

namespace {

/// Whether an element lies above the diagonal, or below it.
Tensor outside(std::int64_t rows, std::int64_t columns, std::int64_t diagonal, bool above, Device device) {
  const std::int64_t k = std::clamp(diagonal, -rows - 1, columns);
  const Tensor row = arange(k, rows + k, 1, DType::Int64, device);
  const Tensor column = arange(0, columns, 1, DType::Int64, device);
  return above ? gt(column, unsqueeze(row, 1)) : lt(column, unsqueeze(row, 1));
}

Tensor outside_of(const char* op, const Tensor& self, std::int64_t diagonal, bool above) {
  VG_CHECK(self.ndim() >= 2, RuntimeError, op, ": input tensor must have at least 2 dimensions, got ", self.ndim());
  return outside(self.size(-2), self.size(-1), diagonal, above, self.device());
}

Tensor triangle_indices(const char* op, std::int64_t row, std::int64_t col, std::int64_t offset, bool above,
                        DType dtype, Device device) {
  VG_CHECK(row >= 0, RuntimeError, op, ": row must be non-negative, got ", row);
  VG_CHECK(col >= 0, RuntimeError, op, ": col must be non-negative, got ", col);
  VG_CHECK(dtype == DType::Int64 || dtype == DType::Int32, NotImplementedError, op, ": not implemented for dtype ",
           dtype, ", expected int64 or int32");
  checked_numel(op, {row, col});
  const Tensor inside = logical_not(outside(row, col, offset, above, device));
  return to(contiguous(t(nonzero(inside))), dtype);
}

}  // namespace

Tensor tril(const Tensor& self, std::int64_t diagonal) {
  return masked_fill(self, outside_of("tril", self, diagonal, true), 0);
}
Tensor triu(const Tensor& self, std::int64_t diagonal) {
  return masked_fill(self, outside_of("triu", self, diagonal, false), 0);
}
const Tensor& tril_(const Tensor& self, std::int64_t diagonal) {
  return masked_fill_(self, outside_of("tril_", self, diagonal, true), 0);
}
const Tensor& triu_(const Tensor& self, std::int64_t diagonal) {
  return masked_fill_(self, outside_of("triu_", self, diagonal, false), 0);
}

Tensor tril_indices(std::int64_t row, std::int64_t col, std::int64_t offset, DType dtype, Device device) {
  return triangle_indices("tril_indices", row, col, offset, true, dtype, device);
}
Tensor triu_indices(std::int64_t row, std::int64_t col, std::int64_t offset, DType dtype, Device device) {
  return triangle_indices("triu_indices", row, col, offset, false, dtype, device);
}

Tensor windows(const Tensor& self, std::int64_t dim, std::int64_t size, std::int64_t step) {
  const int d = wrap_dim("unfold", dim, self.ndim());
  const std::int64_t length = self.ndim() == 0 ? 1 : self.shape()[d];
  VG_CHECK(size >= 0, RuntimeError, "unfold: size is ", size, " but must be >= 0");
  VG_CHECK(size <= length, RuntimeError, "unfold: maximum size for tensor at dimension ", d, " is ", length,
           " but size is ", size);
  VG_CHECK(step > 0, RuntimeError, "unfold: step is ", step, " but must be > 0");
  if (self.ndim() == 0) return reshape(windows(reshape(self, {1}), 0, size, step), {size});
  Dims shape = self.shape(), strides = self.strides();
  shape[d] = (length - size) / step + 1;
  shape.push_back(size);
  strides.push_back(strides[d]);
  strides[d] = wrapping_mul(strides[d], step);
  return record_view("UnfoldBackward0", alias(self, shape, strides, self.offset()), self,
                     [d, size, step](Node& n, const Tensor& g) -> TensorList {
                       // An element gets the sum over the windows in which it lies.
                       const Dims& whole = input_meta(n, 0).shape;
                       const Tensor places =
                           reshape(windows(arange(0, whole[d], 1, DType::Int64, g.device()), 0, size, step), {-1});
                       Dims rows = whole;
                       rows[d] = places.numel();
                       const Tensor parts = reshape(movedim(g, {-1}, {d + 1}), rows);
                       return {index_add_(zeros(whole, g.dtype(), g.device()), d, places, parts)};
                     });
}

namespace {

/// A copy of self in which `view` shows `src`.
template <class View>
Tensor replaced(const char* op, const char* node, const Tensor& self, const Tensor& src, View view) {
  const Tensor out = clone(detach(self)), part = view(out);
  VG_CHECK(src.shape() == part.shape(), RuntimeError, op,
           ": expected src to have a size equal to the slice of self. src size = ", src.shape(),
           ", slice size = ", part.shape());
  check_same_device(op, self, src);
  copy_out(part, src);
  if (!is_floating_point(self.dtype())) return out;
  return record(node, out, {self, src}, {}, [op, node, view](Node& n, const Tensor& g) -> TensorList {
    Tensor grad_self, grad_src;
    if (n.needs(0)) grad_self = replaced(op, node, g, zeros(view(g).shape(), g.dtype(), g.device()), view);
    if (n.needs(1)) grad_src = to(view(g), input_meta(n, 1).dtype);
    return {grad_self, grad_src};
  });
}

}  // namespace

Tensor select_scatter(const Tensor& self, const Tensor& src, std::int64_t dim, std::int64_t index) {
  return replaced("select_scatter", "SelectScatterBackward0", self, src,
                  [dim, index](const Tensor& x) { return select(x, dim, index); });
}

Tensor slice_scatter(const Tensor& self, const Tensor& src, std::int64_t dim, std::optional<std::int64_t> start,
                     std::optional<std::int64_t> end, std::int64_t step) {
  VG_CHECK(step > 0, RuntimeError, "slice_scatter: slice step must be positive, got ", step);
  return replaced("slice_scatter", "SliceScatterBackward0", self, src,
                  [dim, start, end, step](const Tensor& x) { return slice(x, dim, start, end, step); });
}

Tensor diagonal_scatter(const Tensor& self, const Tensor& src, std::int64_t offset, std::int64_t dim1,
                        std::int64_t dim2) {
  return replaced("diagonal_scatter", "DiagonalScatterBackward0", self, src,
                  [offset, dim1, dim2](const Tensor& x) { return diagonal(x, offset, dim1, dim2); });
}

}  // namespace verigrad::ops

// Reductions over some or all dimensions.
#include <limits>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "verigrad/indexing.h"

namespace verigrad::ops {

std::vector<bool> reduced_dims(const char* op, const DimList& dims, int ndim) {
  std::vector<bool> reduced(static_cast<std::size_t>(std::max(ndim, 1)), dims.empty());
  for (std::int64_t dim : dims) {
    const auto d = static_cast<std::size_t>(wrap_dim(op, dim, ndim));
    VG_CHECK(!reduced[d], RuntimeError, op, ": dim ", dim, " appears multiple times in the list of dims");
    reduced[d] = true;
  }
  return reduced;
}

Dims reduced_shape(const Dims& shape, const std::vector<bool>& reduced, bool keepdim) {
  Dims out;
  for (int d = 0; d < shape.size(); ++d) {
    if (!reduced[static_cast<std::size_t>(d)]) {
      out.push_back(shape[d]);
    } else if (keepdim) {
      out.push_back(1);
    }
  }
  return out;
}

Tensor restore_dims(const Tensor& g, const Dims& shape, const std::vector<bool>& reduced) {
  return reshape(g, reduced_shape(shape, reduced, true));
}

std::int64_t reduced_count(const Dims& shape, const std::vector<bool>& reduced) {
  std::int64_t count = 1;
  for (int d = 0; d < shape.size(); ++d) {
    if (reduced[static_cast<std::size_t>(d)]) count = wrapping_mul(count, shape[d]);
  }
  return count;
}

DimList dim_list(const std::vector<bool>& reduced, int ndim) {
  DimList dims;
  for (int d = 0; d < ndim; ++d) {
    if (reduced[static_cast<std::size_t>(d)]) dims.push_back(d);
  }
  return dims;
}

namespace {

using kernels::ArgReduceOp;
using kernels::ReduceOp;

void push_coalesced(Dims& shape, Dims& a, Dims* b, std::int64_t size, std::int64_t stride_a, std::int64_t stride_b) {
  if (size == 1) return;
  if (!shape.empty() && a.back() == size * stride_a && (!b || b->back() == size * stride_b)) {
    shape.back() *= size;
    a.back() = stride_a;
    if (b) b->back() = stride_b;
    return;
  }
  shape.push_back(size);
  a.push_back(stride_a);
  if (b) b->push_back(stride_b);
}

/// `out` has the kept dimensions in order, with or without the ones of size 1.
kernels::Reduction make_reduction(const Tensor& self, const std::vector<bool>& reduced, const Tensor& out) {
  kernels::Reduction r;
  r.in = self.data();
  r.out = out.data();
  const Dims out_strides = contiguous_strides(reduced_shape(self.shape(), reduced, false));
  int kept = 0;
  for (int d = 0; d < self.ndim(); ++d) {
    if (reduced[static_cast<std::size_t>(d)]) {
      push_coalesced(r.reduced, r.in_reduced_strides, nullptr, self.shape()[d], self.strides()[d], 0);
    } else {
      push_coalesced(r.kept, r.in_kept_strides, &r.out_strides, self.shape()[d], self.strides()[d],
                     out_strides[kept++]);
    }
  }
  return r;
}

Tensor reduce(ReduceOp op, const char* name, const Tensor& self, const std::vector<bool>& reduced, bool keepdim,
              DType dtype, Scalar identity) {
  const Tensor out = empty_tensor(reduced_shape(self.shape(), reduced, keepdim), dtype, self.device());
  if (out.numel() == 0) return out;
  if (self.numel() == 0) {
    fill_out(out, identity);
  } else {
    VG_KERNEL(reduce, name, self.device())(op, self.dtype(), dtype, make_reduction(self, reduced, out));
  }
  return out;
}

DType sum_dtype(const Tensor& self, OptDType dtype) {
  return dtype.value_or(is_floating_point(self.dtype()) ? self.dtype() : DType::Int64);
}

/// Whether sums and products have to be made in int64 first.
bool is_narrow(DType dtype) { return !is_floating_point(dtype) && dtype != DType::Int64; }

void check_nonempty(const char* op, const Tensor& self, const std::vector<bool>& reduced) {
  for (int d = 0; d < self.ndim(); ++d) {
    VG_CHECK(!reduced[static_cast<std::size_t>(d)] || self.shape()[d] != 0, IndexError, op,
             "(): Expected reduction dim ", d, " to have non-zero size, got shape ", self.shape());
  }
}

/// amax, amin and the full max and min: equal candidates share the gradient evenly.
Tensor extremum(ReduceOp op, const char* name, const char* node, const Tensor& self, const DimList& dims,
                bool keepdim) {
  const auto reduced = reduced_dims(name, dims, self.ndim());
  check_nonempty(name, self, reduced);
  const Tensor out = reduce(op, name, self, reduced, keepdim, self.dtype(), 0);
  if (!is_floating_point(self.dtype())) return out;
  return record(node, out, {self}, {Save::input(self), Save::output(out)},
                [reduced](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0), y = restore_dims(n.saved(1), x.shape(), reduced);
                  // NaN is its own candidate where it is the result.
                  const Tensor chosen = to(logical_or(eq(x, y), logical_and(isnan(x), isnan(y))), g.dtype());
                  const Tensor count = sum(chosen, dim_list(reduced, x.ndim()), true);
                  return {mul(chosen, div(restore_dims(g, x.shape(), reduced), count))};
                });
}

std::pair<Tensor, Tensor> extremum_dim(ReduceOp op, const char* name, const char* node, const Tensor& self,
                                       std::int64_t dim, bool keepdim) {
  const int d = wrap_dim(name, dim, self.ndim());
  const auto reduced = reduced_dims(name, {d}, self.ndim());
  check_nonempty(name, self, reduced);
  const Dims shape = reduced_shape(self.shape(), reduced, keepdim);
  const Tensor values = empty_tensor(shape, self.dtype(), self.device());
  const Tensor indices = empty_tensor(shape, DType::Int64, self.device());
  if (values.numel() > 0) {
    kernels::Reduction r = make_reduction(self, reduced, values);
    r.index = indices.data_as<std::int64_t>();
    VG_KERNEL(reduce, name, self.device())(op, self.dtype(), self.dtype(), r);
  }
  if (is_floating_point(self.dtype())) {
    record(node, values, {self}, {Save::input(indices)}, [d, reduced](Node& n, const Tensor& g) -> TensorList {
      const Dims& full = input_meta(n, 0).shape;
      const Tensor index = restore_dims(n.saved(0), full, reduced);
      return {reshape(scatter_add_(zeros(full.empty() ? Dims{1} : full, g.dtype(), g.device()), d,
                                   full.empty() ? reshape(index, {1}) : index,
                                   full.empty() ? reshape(g, {1}) : restore_dims(g, full, reduced)),
                      full)};
    });
  }
  return {values, indices};
}

Tensor arg_reduce(ArgReduceOp op, const char* name, const Tensor& self, std::optional<std::int64_t> dim, bool keepdim) {
  const auto reduced = reduced_dims(name, dim ? DimList{*dim} : DimList{}, self.ndim());
  check_nonempty(name, self, reduced);
  const Tensor out = empty_tensor(reduced_shape(self.shape(), reduced, keepdim), DType::Int64, self.device());
  if (out.numel() == 0) return out;
  // Positions are counted in the reduced space, which coalescing must not reorder: it never does.
  VG_KERNEL(arg_reduce, name, self.device())(op, self.dtype(), make_reduction(self, reduced, out));
  return out;
}

Tensor truth(ReduceOp op, const char* name, const Tensor& self, const DimList& dims, bool keepdim) {
  const Tensor out =
      reduce(op, name, self, reduced_dims(name, dims, self.ndim()), keepdim, DType::Bool, op == ReduceOp::all);
  // PyTorch's one exception: uint8, its bool of old, stays uint8.
  return self.dtype() == DType::UInt8 ? to(out, DType::UInt8) : out;
}

/// Gradient of prod without a division, so that zeros need no special case: products of pairs, level by level, and back
/// down, each half receiving the gradient times the other half.
Tensor prod_backward(const Tensor& g, const Tensor& x, int dim) {
  const std::int64_t size = x.shape()[dim];
  if (size <= 1) return expand(g, x.shape());
  const std::int64_t half = size / 2;
  const Tensor left = narrow(x, dim, 0, half), right = narrow(x, dim, half, half);
  const Tensor pairs = mul(left, right);
  const Tensor rest = size % 2 ? narrow(x, dim, size - 1, 1) : Tensor();
  const Tensor grad = prod_backward(g, rest.defined() ? cat({pairs, rest}, dim) : pairs, dim);
  const Tensor grad_pairs = narrow(grad, dim, 0, half);
  TensorList parts = {mul(grad_pairs, right), mul(grad_pairs, left)};
  if (rest.defined()) parts.push_back(narrow(grad, dim, half, 1));
  return cat(parts, dim);
}

}  // namespace

Tensor sum(const Tensor& self, const DimList& dims, bool keepdim, OptDType dtype) {
  const auto reduced = reduced_dims("sum", dims, self.ndim());
  const DType result = sum_dtype(self, dtype);
  if (is_narrow(result)) return to(sum(to(self, result), dims, keepdim), result);
  const Tensor x = result == DType::Int64 && !is_floating_point(self.dtype()) ? self : to(self, result);
  const Tensor out = reduce(ReduceOp::sum, "sum", x, reduced, keepdim, result, 0);
  if (!is_floating_point(result)) return out;
  return record(dims.empty() ? "SumBackward0" : "SumBackward1", out, {x}, {},
                [reduced](Node& n, const Tensor& g) -> TensorList {
                  const Dims& shape = input_meta(n, 0).shape;
                  return {expand(restore_dims(g, shape, reduced), shape)};
                });
}

Tensor mean(const Tensor& self, const DimList& dims, bool keepdim, OptDType dtype) {
  const DType result = dtype.value_or(self.dtype());
  VG_CHECK(is_floating_point(result), RuntimeError,
           "mean(): could not infer output dtype. Input dtype must be a floating "
           "point dtype. Got: ",
           result);
  const auto reduced = reduced_dims("mean", dims, self.ndim());
  const Tensor x = to(self, result);
  const double count = static_cast<double>(reduced_count(x.shape(), reduced));
  const Tensor total = reduce(ReduceOp::sum, "mean", x, reduced, keepdim, result, 0);
  binary_out(kernels::BinaryOp::div, total, total, Scalar(count));
  return record(dims.empty() ? "MeanBackward0" : "MeanBackward1", total, {x}, {},
                [reduced, count](Node& n, const Tensor& g) -> TensorList {
                  const Dims& shape = input_meta(n, 0).shape;
                  return {expand(restore_dims(div(g, count), shape, reduced), shape)};
                });
}

Tensor amax(const Tensor& self, const DimList& dims, bool keepdim) {
  return extremum(ReduceOp::max, "amax", "AmaxBackward0", self, dims, keepdim);
}
Tensor amin(const Tensor& self, const DimList& dims, bool keepdim) {
  return extremum(ReduceOp::min, "amin", "AminBackward0", self, dims, keepdim);
}

namespace {
Tensor extremum_all(ReduceOp op, const char* name, const char* node, const Tensor& self) {
  VG_CHECK(
      self.numel() > 0, RuntimeError, name,
      "(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' "
      "argument.");
  return extremum(op, name, node, self, {}, false);
}
}  // namespace

Tensor max(const Tensor& self) { return extremum_all(ReduceOp::max, "max", "MaxBackward1", self); }
Tensor min(const Tensor& self) { return extremum_all(ReduceOp::min, "min", "MinBackward1", self); }

std::pair<Tensor, Tensor> max(const Tensor& self, std::int64_t dim, bool keepdim) {
  return extremum_dim(ReduceOp::max, "max", "MaxBackward0", self, dim, keepdim);
}
std::pair<Tensor, Tensor> min(const Tensor& self, std::int64_t dim, bool keepdim) {
  return extremum_dim(ReduceOp::min, "min", "MinBackward0", self, dim, keepdim);
}

Tensor prod(const Tensor& self, std::optional<std::int64_t> dim, bool keepdim, OptDType dtype) {
  const auto reduced = reduced_dims("prod", dim ? DimList{*dim} : DimList{}, self.ndim());
  const DType result = sum_dtype(self, dtype);
  if (is_narrow(result)) return to(prod(to(self, result), dim, keepdim), result);
  const Tensor x = result == DType::Int64 && !is_floating_point(self.dtype()) ? self : to(self, result);
  const Tensor out = reduce(ReduceOp::prod, "prod", x, reduced, keepdim, result, 1);
  if (!is_floating_point(result)) return out;
  return record(dim ? "ProdBackward1" : "ProdBackward0", out, {x}, {Save::input(x)},
                [dim, reduced](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0);
                  if (dim && x.ndim() > 0) {
                    return {prod_backward(restore_dims(g, x.shape(), reduced), x, wrap_dim("prod", *dim, x.ndim()))};
                  }
                  return {reshape(prod_backward(reshape(g, {1}), reshape(x, {-1}), 0), x.shape())};
                });
}

Tensor argmax(const Tensor& self, std::optional<std::int64_t> dim, bool keepdim) {
  return arg_reduce(ArgReduceOp::argmax, "argmax", self, dim, keepdim);
}
Tensor argmin(const Tensor& self, std::optional<std::int64_t> dim, bool keepdim) {
  return arg_reduce(ArgReduceOp::argmin, "argmin", self, dim, keepdim);
}

Tensor all(const Tensor& self, const DimList& dims, bool keepdim) {
  return truth(ReduceOp::all, "all", self, dims, keepdim);
}
Tensor any(const Tensor& self, const DimList& dims, bool keepdim) {
  return truth(ReduceOp::any, "any", self, dims, keepdim);
}

}  // namespace verigrad::ops

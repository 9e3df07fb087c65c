// Norms of vectors and matrices, and distances.
#include <cmath>

#include "autograd/record.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "verigrad/nn/activation.h"
#include "verigrad/rearrange.h"
#include "verigrad/statistics.h"

namespace verigrad::ops {
namespace {

/// The norm without history.
Tensor magnitude(const Tensor& x, double ord, const DimList& dims, bool keepdim) {
  if (ord == 2) return sqrt(sum(square(x), dims, keepdim));
  if (ord == 0) return sum(ne(x, Scalar(0)), dims, keepdim, x.dtype());
  const Tensor size = abs(x);
  if (ord == 1) return sum(size, dims, keepdim);
  if (std::isinf(ord)) return ord > 0 ? amax(size, dims, keepdim) : amin(size, dims, keepdim);
  return pow(sum(pow(size, Scalar(ord)), dims, keepdim), Scalar(1.0 / ord));
}

/// `g` and `norm` have their reduced dimensions back. A norm of 0 has the gradient 0.
Tensor vector_norm_backward(const Tensor& g, const Tensor& x, const Tensor& norm, double ord, const DimList& dims) {
  if (ord == 0) return zeros_like(x);
  if (ord == 1) return mul(sign(x), g);
  if (std::isinf(ord)) {
    const Tensor chosen = to(logical_or(eq(abs(x), norm), logical_and(isnan(x), isnan(norm))), x.dtype());
    return mul(sign(x), mul(chosen, div(g, sum(chosen, dims, true))));
  }
  const Tensor none = eq(norm, Scalar(0)), safe = masked_fill(norm, none, Operand(1));
  if (ord == 2) return mul(x, masked_fill(div(g, safe), none, Operand(0)));
  const Tensor scale = masked_fill(div(g, pow(safe, Scalar(ord - 1))), none, Operand(0));
  if (ord > 2) return mul(mul(x, pow(abs(x), Scalar(ord - 2))), scale);
  // |x|^(ord - 1) is infinite at 0 for orders below 1.
  const Tensor at_zero = eq(x, Scalar(0));
  const Tensor slope = pow(masked_fill(abs(x), at_zero, Operand(1)), Scalar(ord - 1));
  return mul(mul(sign(x), slope), scale);
}

constexpr const char* kVector = "linalg.vector_norm";
constexpr const char* kMatrix = "linalg.matrix_norm";

void check_norm_dtype(const char* op, const Tensor& self, OptDType dtype) {
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, op, ": Expected a floating point tensor as input, got ",
           self.dtype());
  if (!dtype) return;
  VG_CHECK(is_floating_point(*dtype), RuntimeError, op, ": dtype should be floating point, got ", *dtype);
  VG_CHECK(promote_types(self.dtype(), *dtype) == *dtype, RuntimeError, op, ": the dtype of the input (", self.dtype(),
           ") should be convertible without narrowing to the specified dtype, got ", *dtype);
}

Tensor with_dtype(const Tensor& x, OptDType dtype) { return dtype ? to(x, *dtype) : x; }

/// Euclidean distances from |a|^2 + |b|^2 - 2 a b.
Tensor euclidean(const Tensor& a, const Tensor& b) {
  const Tensor left = detach(a), right = detach(b);
  const Tensor squares = add(sum(square(left), {-1}, true), transpose(sum(square(right), {-1}, true), -2, -1));
  const Tensor product = matmul(left, transpose(right, -2, -1));
  const Tensor out = sqrt(clamp(sub(squares, mul(product, 2.0)), Operand(0), {}));
  return record("EuclideanDistBackward0", out, {a, b}, {Save::input(a), Save::input(b), Save::output(out)},
                [](Node& n, const Tensor& g) -> TensorList {
                  const Tensor a = n.saved(0), b = n.saved(1), y = n.saved(2);
                  const Tensor none = eq(y, Scalar(0));
                  const Tensor w = masked_fill(div(g, masked_fill(y, none, Operand(1))), none, Operand(0));
                  const auto pull = [](const Tensor& w, const Tensor& x, const Tensor& other) {
                    return sum_to_shape(sub(mul(x, sum(w, {-1}, true)), matmul(w, other)), x.shape());
                  };
                  return {n.needs(0) ? pull(w, a, b) : Tensor(),
                          n.needs(1) ? pull(transpose(w, -2, -1), b, a) : Tensor()};
                });
}

}  // namespace

Tensor vector_norm(const Tensor& self, double ord, const DimList& dims, bool keepdim, OptDType dtype) {
  check_norm_dtype(kVector, self, dtype);
  const auto reduced = reduced_dims(kVector, dims, self.ndim());
  const DimList list = dim_list(reduced, self.ndim());
  if (ord < 0 || std::isinf(ord)) {
    VG_CHECK(!dims.empty() || self.numel() > 0, RuntimeError, kVector, ": cannot compute the ", ord,
             " norm on an empty tensor because the operation does not have an identity, got shape ", self.shape());
    for (const std::int64_t d : list) {
      VG_CHECK(self.size(d) != 0, RuntimeError, kVector, ": cannot compute the ", ord, " norm on the dimension ", d,
               " because this dimension is empty and the operation does not have an identity, got shape ",
               self.shape());
    }
  }
  const Tensor x = with_dtype(self, dtype);
  const Tensor out = magnitude(detach(x), ord, list, keepdim);
  return record("LinalgVectorNormBackward0", out, {x}, {Save::input(x), Save::output(out)},
                [ord, reduced](Node& n, const Tensor& g) -> TensorList {
                  const Tensor x = n.saved(0);
                  const auto full = [&](const Tensor& y) { return restore_dims(y, x.shape(), reduced); };
                  return {vector_norm_backward(full(g), x, full(n.saved(1)), ord, dim_list(reduced, x.ndim()))};
                });
}

SingularValues singular_values = nullptr;

Tensor matrix_norm(const Tensor& self, const NormOrder& ord, const DimList& dims, bool keepdim, OptDType dtype) {
  VG_CHECK(self.ndim() >= 2, RuntimeError, kMatrix, ": The input tensor A must have at least 2 dimensions, got ",
           self.ndim());
  VG_CHECK(dims.size() == 2, RuntimeError, kMatrix, ": dim must be a 2-tuple, got ", Dims(dims));
  const int rows = wrap_dim(kMatrix, dims[0], self.ndim()), columns = wrap_dim(kMatrix, dims[1], self.ndim());
  VG_CHECK(rows != columns, RuntimeError, kMatrix, ": dims must be different, got ", Dims(dims));
  check_norm_dtype(kMatrix, self, dtype);
  const DimList both{rows, columns};
  // Singular values, whose sum, greatest or least is the norm.
  const auto of_singular_values = [&](const auto& reduced) {
    VG_CHECK(
        singular_values, NotImplementedError, kMatrix,
        ": expected an order that needs no singular values ('fro', 1, -1, inf, -inf), since nothing computes them");
    const Tensor matrices = movedim(with_dtype(self, dtype), both, {-2, -1});
    const Tensor out = reduced(singular_values(matrices));
    return keepdim ? unsqueeze(unsqueeze(out, std::min(rows, columns)), std::max(rows, columns)) : out;
  };
  if (const auto* name = std::get_if<std::string>(&ord)) {
    if (*name == "nuc") return of_singular_values([](const Tensor& s) { return sum(s, {-1}); });
    VG_CHECK(*name == "fro", RuntimeError, kMatrix, ": Order ", *name, " not supported.");
    return vector_norm(self, 2, both, keepdim, dtype);
  }
  const double p = std::get<double>(ord);
  if (std::abs(p) == 2) {
    return of_singular_values([&](const Tensor& s) {
      if (p > 0) return s.size(-1) == 0 ? sum(s, {-1}) : amax(s, {-1});
      return amin(s, {-1});
    });
  }
  VG_CHECK(std::abs(p) == 1 || std::isinf(p), RuntimeError, kMatrix, ": Order ", p, " not supported.");
  const int summed = std::isinf(p) ? columns : rows, chosen = std::isinf(p) ? rows : columns;
  const Tensor sums = sum(abs(with_dtype(self, dtype)), {summed}, true);
  if (p > 0 && sums.size(chosen) == 0) return sum(sums, both, keepdim);  // the norm of a matrix without columns is 0
  const Tensor out = p > 0 ? amax(sums, {chosen}, true) : amin(sums, {chosen}, true);
  return keepdim ? out : squeeze(out, both);
}

Tensor linalg_norm(const Tensor& self, const std::optional<NormOrder>& ord, const std::optional<DimList>& dims,
                   bool keepdim, OptDType dtype) {
  VG_CHECK(!dims || dims->size() == 1 || dims->size() == 2, RuntimeError,
           "linalg.norm: If dim is specified, it must be of length 1 or 2, got ", Dims(*dims));
  VG_CHECK(dims || !ord || self.ndim() == 1 || self.ndim() == 2, RuntimeError,
           "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D, got ", self.ndim(), "D");
  const bool named = ord && std::holds_alternative<std::string>(*ord);
  if (ord && (named || (dims ? dims->size() == 2 : self.ndim() == 2))) {
    return matrix_norm(self, *ord, dims.value_or(DimList{0, 1}), keepdim, dtype);
  }
  return vector_norm(self, ord ? std::get<double>(*ord) : 2, dims.value_or(DimList{}), keepdim, dtype);
}

Tensor norm(const Tensor& self, const std::optional<NormOrder>& p, const std::optional<DimList>& dims, bool keepdim,
            OptDType dtype) {
  const DimList over = dims.value_or(DimList{});
  const auto* name = p ? std::get_if<std::string>(&*p) : nullptr;
  if (name && !(*name == "fro" && over.size() <= 2)) {
    return matrix_norm(self, *p, dims ? over : dim_list(reduced_dims("norm", {}, self.ndim()), self.ndim()), keepdim,
                       dtype);
  }
  return vector_norm(self, p && !name ? std::get<double>(*p) : 2, over, keepdim, dtype);
}

Tensor dist(const Tensor& self, const Tensor& other, double p) {
  check_same_device("dist", self, other);
  const DType dtype = result_type(self, other);
  VG_CHECK(is_floating_point(dtype), RuntimeError, "dist: input dtype should be floating point, got ", dtype);
  broadcast_shapes("dist", self.shape(), other.shape());
  return vector_norm(sub(self, other), p);
}

Tensor cdist(const Tensor& a, const Tensor& b, double p, DistanceMode mode) {
  VG_CHECK(is_floating_point(a.dtype()), RuntimeError,
           "cdist: only supports floating-point dtypes, X1 got: ", a.dtype());
  VG_CHECK(is_floating_point(b.dtype()), RuntimeError,
           "cdist: only supports floating-point dtypes, X2 got: ", b.dtype());
  VG_CHECK(a.ndim() >= 2 && b.ndim() >= 2, RuntimeError, "cdist: only supports at least 2D tensors, got ", a.ndim(),
           "D and ", b.ndim(), "D");
  check_same_device("cdist", a, b);
  VG_CHECK(a.dtype() == b.dtype(), RuntimeError, "cdist: expected both inputs to have the same dtype, got ", a.dtype(),
           " and ", b.dtype());
  VG_CHECK(a.size(-1) == b.size(-1), RuntimeError,
           "cdist: X1 and X2 must have the same number of columns. X1: ", a.size(-1), " X2: ", b.size(-1));
  VG_CHECK(p >= 0, RuntimeError, "cdist: only supports non-negative p values, got ", p);
  const auto lead = [](const Tensor& x) {
    Dims shape = x.shape();
    shape.pop_back();
    shape.pop_back();
    return shape;
  };
  Dims shape = broadcast_shapes("cdist", lead(a), lead(b));
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-2));
  const bool large = a.size(-2) > 25 || b.size(-2) > 25;
  if (a.size(-1) == 0 && std::isinf(p)) return zeros(shape, a.dtype(), a.device());
  if (p == 2 && (mode == DistanceMode::Product || (mode == DistanceMode::ProductIfLarge && large))) {
    return euclidean(a, b);
  }
  return vector_norm(sub(unsqueeze(a, -2), unsqueeze(b, -3)), p, {-1});
}

}  // namespace verigrad::ops

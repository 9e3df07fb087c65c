// Products that sum over pairs of dimensions. All of them end in matmul, or in an elementwise product.
#pragma once

#include <string>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// The inner product of two vectors.
Tensor dot(const Tensor& a, const Tensor& b);
Tensor mv(const Tensor& matrix, const Tensor& vector);
Tensor outer(const Tensor& a, const Tensor& b);
/// Over the last dimension of both; the elementwise product where one has no dimension.
Tensor inner(const Tensor& a, const Tensor& b);
/// Over `dim` of the broadcast product.
Tensor vecdot(const Tensor& a, const Tensor& b, std::int64_t dim = -1);
Tensor kron(const Tensor& a, const Tensor& b);

/// beta * self + alpha * the product, whose shape `self` is broadcast to. Where beta is 0, `self` is not read. Factors
/// of integers lose their fractions.
Tensor addmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
Tensor addmv(const Tensor& self, const Tensor& matrix, const Tensor& vector, Scalar beta = 1, Scalar alpha = 1);
Tensor baddbmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
/// The sum of the products of a batch.
Tensor addbmm(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
/// The outer product.
Tensor addr(const Tensor& self, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);

/// Sums over the dimensions of `a` and `b` at equal places of the lists.
Tensor tensordot(const Tensor& a, const Tensor& b, const DimList& dims_a, const DimList& dims_b);
/// Over the last `count` dimensions of `a` and the first of `b`.
Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t count);

/// The dimensions of a tensor by number, 0 to 51; kEllipsis stands for those that have none.
using Subscripts = std::vector<int>;
inline constexpr int kEllipsis = -1;
/// Einstein's convention. Without `output`, the subscripts that stand once, in order.
Tensor einsum(const std::vector<Subscripts>& inputs, const std::optional<Subscripts>& output,
              const TensorList& operands);
/// As text: letters for subscripts, A to Z before a to z, and "..." for the ellipsis.
Tensor einsum(const std::string& equation, const TensorList& operands);

/// The product of matrices in the order of fewest multiplications. The first and the last may be vectors.
Tensor multi_dot(const char* op, const TensorList& matrices);
Tensor matrix_power(const Tensor& self, std::int64_t n);
/// Of vectors of three numbers along `dim`.
Tensor linalg_cross(const Tensor& a, const Tensor& b, std::int64_t dim = -1);
/// The same along the first dimension of three where none is given.
Tensor cross(const Tensor& a, const Tensor& b, std::optional<std::int64_t> dim = {});

}  // namespace verigrad::ops

// Moments, norms and other reductions that are composed of sums. An empty `dims` reduces over all dimensions.
#pragma once

#include <string>
#include <variant>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// The squared distance to the mean over the number of elements less `correction` (NaN or infinity where that is not
/// positive), in two passes, so that equal elements give 0.
Tensor variance(const Tensor& self, const DimList& dims = {}, double correction = 1, bool keepdim = false);
/// Its root; the gradient is 0 where it is 0.
Tensor deviation(const Tensor& self, const DimList& dims = {}, double correction = 1, bool keepdim = false);
std::pair<Tensor, Tensor> variance_mean(const Tensor& self, const DimList& dims, double correction, bool keepdim);
std::pair<Tensor, Tensor> deviation_mean(const Tensor& self, const DimList& dims, double correction, bool keepdim);
/// Covariances of the rows of a matrix, whose columns are observations with optional weights: whole numbers of
/// repetitions, and degrees of importance.
Tensor cov(const Tensor& self, double correction = 1, const Tensor& fweights = {}, const Tensor& aweights = {});
/// The same over the products of the deviations, limited to [-1, 1].
Tensor corrcoef(const Tensor& self);

Tensor logsumexp(const Tensor& self, const DimList& dims, bool keepdim = false);
Tensor count_nonzero(const Tensor& self, const DimList& dims = {});
std::pair<Tensor, Tensor> aminmax(const Tensor& self, std::optional<std::int64_t> dim = {}, bool keepdim = false);
/// The sum and the mean of what is not NaN.
Tensor nansum(const Tensor& self, const DimList& dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor nanmean(const Tensor& self, const DimList& dims = {}, bool keepdim = false, OptDType dtype = {});
Tensor trace(const Tensor& self);

/// sum(|x|^ord)^(1 / ord) over the dimensions; the greatest and least magnitude for the infinities, and for 0 the
/// number of elements that are not 0. The gradient is 0 where the norm is 0, and shared by equal magnitudes of an
/// infinity.
Tensor vector_norm(const Tensor& self, double ord = 2, const DimList& dims = {}, bool keepdim = false,
                   OptDType dtype = {});
/// A number, or the name of a matrix norm.
using NormOrder = std::variant<double, std::string>;
/// The singular values [*, min(m, n)] of matrices [*, m, n], with gradients: LAPACK's, which the bindings reach through
/// numpy. Without it norms that need them raise NotImplementedError.
using SingularValues = Tensor (*)(const Tensor& matrices);
extern SingularValues singular_values;
/// "fro", or 1, -1, inf, -inf: the greatest or least sum of magnitudes of a column or row; "nuc", 2, -2: the sum, the
/// greatest or the least of the singular values.
Tensor matrix_norm(const Tensor& self, const NormOrder& ord, const DimList& dims = {-2, -1}, bool keepdim = false,
                   OptDType dtype = {});
/// linalg.norm: of a matrix where two dimensions are meant and an order is given, else of a vector.
Tensor linalg_norm(const Tensor& self, const std::optional<NormOrder>& ord, const std::optional<DimList>& dims,
                   bool keepdim = false, OptDType dtype = {});
/// torch.norm: "fro" is that of all elements taken as a vector.
Tensor norm(const Tensor& self, const std::optional<NormOrder>& p, const std::optional<DimList>& dims,
            bool keepdim = false, OptDType dtype = {});
/// The norm of the difference.
Tensor dist(const Tensor& self, const Tensor& other, double p = 2);
/// Whether cdist computes Euclidean distances from products of the rows: never, always, or for more than 25 rows.
enum class DistanceMode { Difference, Product, ProductIfLarge };
/// The distances of each row of `a` to each row of `b`, over broadcast leading dimensions.
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2, DistanceMode mode = DistanceMode::ProductIfLarge);

}  // namespace verigrad::ops

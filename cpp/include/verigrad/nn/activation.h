// Activations. Semantics are those of the PyTorch function of the same name.
#pragma once

#include <optional>

#include "verigrad/ops.h"

namespace verigrad::ops {

/// The rows of activation.def with their bare numbers, which nobody checks: f(x), its in-place form, and g f'(x), which
/// is an op of its own so that it can be differentiated again. g has the shape and dtype of x.
namespace activations {
#define VG_ACTIVATION(NAME, ...)                                                    \
  Tensor NAME(const Tensor& x, double a = 0, double b = 0, double c = 0);           \
  const Tensor& NAME##_(const Tensor& x, double a = 0, double b = 0, double c = 0); \
  Tensor NAME##_backward(const Tensor& g, const Tensor& x, double a = 0, double b = 0, double c = 0);
#include "verigrad/activation.def"
}  // namespace activations

// `inplace` overwrites the input and returns it.
Tensor leaky_relu(const Tensor& self, double negative_slope = 0.01, bool inplace = false);
Tensor elu(const Tensor& self, double alpha = 1, bool inplace = false);
Tensor selu(const Tensor& self, bool inplace = false);
Tensor celu(const Tensor& self, double alpha = 1, bool inplace = false);
Tensor gelu(const Tensor& self, const std::string& approximate = "none");
Tensor silu(const Tensor& self, bool inplace = false);
Tensor mish(const Tensor& self, bool inplace = false);
Tensor hardswish(const Tensor& self, bool inplace = false);
Tensor hardsigmoid(const Tensor& self, bool inplace = false);
/// Integers are clamped to the bounds, which lose their fractions.
Tensor hardtanh(const Tensor& self, double min_val = -1, double max_val = 1, bool inplace = false);
Tensor relu6(const Tensor& self, bool inplace = false);
Tensor hardshrink(const Tensor& self, double lambd = 0.5);
Tensor softshrink(const Tensor& self, double lambd = 0.5);
Tensor tanhshrink(const Tensor& self);
Tensor softplus(const Tensor& self, double beta = 1, double threshold = 20);
Tensor softsign(const Tensor& self);
Tensor logsigmoid(const Tensor& self);
Tensor threshold(const Tensor& self, double threshold, double value, bool inplace = false);
/// The first half along `dim` times the sigmoid of the second.
Tensor glu(const Tensor& self, std::int64_t dim = -1);
/// `weight`: one number, or one for each channel (dimension 1).
Tensor prelu(const Tensor& self, const Tensor& weight);
/// A slope from [lower, upper) for each element below 0 while training, else the mean of the two.
Tensor rrelu(const Tensor& self, double lower, double upper, bool training, bool inplace = false,
             const OptGenerator& generator = {});

/// ln(x / (1 - x)), x limited to [eps, 1 - eps] where eps is given and not negative.
Tensor logit(const Tensor& self, std::optional<double> eps = {});
const Tensor& logit_(const Tensor& self, std::optional<double> eps = {});
/// NaN, infinity and its negative replaced; the last two by the dtype's largest numbers where not given.
Tensor nan_to_num(const Tensor& self, double nan = 0, std::optional<double> posinf = {},
                  std::optional<double> neginf = {});
const Tensor& nan_to_num_(const Tensor& self, double nan = 0, std::optional<double> posinf = {},
                          std::optional<double> neginf = {});
/// To so many places behind the point, or before it; halves go to the even digit.
Tensor round(const Tensor& self, std::int64_t decimals);
const Tensor& round_(const Tensor& self, std::int64_t decimals);

using Bound = std::optional<Operand>;
/// The input limited to [min, max], broadcast; max where min is greater. A tensor bound gets the gradient where it is
/// the result and differs from the input.
Tensor clamp(const Tensor& self, const Bound& min, const Bound& max);
const Tensor& clamp_(const Tensor& self, const Bound& min, const Bound& max);

}  // namespace verigrad::ops

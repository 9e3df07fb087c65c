// Dropout: random factors, one for each unit, and a product whose gradient is the factors again.
#include "verigrad/nn/dropout.h"

#include <cmath>

#include "autograd/record.h"
#include "ops/elementwise.h"

namespace verigrad::ops {
namespace {

void check_probability(double p) {
  VG_CHECK(p >= 0 && p <= 1, ValueError, "dropout probability has to be between 0 and 1, but got ", p);
}

/// The checks that only a call that drops something needs.
void check_dropping(const char* op, const Tensor& self, DropoutUnit unit, bool inplace) {
  VG_CHECK(unit == DropoutUnit::Element || self.ndim() >= 2, RuntimeError, op,
           ": Feature dropout requires at least 2 dimensions in the input, got ", self.ndim());
  VG_CHECK(is_floating_point(self.dtype()), RuntimeError, op, ": result type ", default_dtype(),
           " can't be cast to the desired output type ", self.dtype());
  if (inplace) check_inplace(self, recording(self));
}

/// 0 with probability p, else `kept`, for each unit of `self`.
Tensor factors(const char* op, const Tensor& self, double p, double kept, DropoutUnit unit,
               const OptGenerator& generator) {
  Dims shape = self.shape();
  if (unit == DropoutUnit::Channel) {
    for (int d = 2; d < shape.size(); ++d) shape[d] = 1;
  }
  if (p == 1) return zeros(shape, self.dtype(), self.device());
  const Tensor out = empty_tensor(shape, self.dtype(), self.device());
  random_out(kernels::RandomOp::keep, op, out, p, kept, 0, 0, generator);
  return out;
}

}  // namespace

Tensor dropout(const char* op, const Tensor& self, double p, bool training, bool inplace, DropoutUnit unit,
               const OptGenerator& generator) {
  check_probability(p);
  if (!training || p == 0 || self.numel() == 0) return self;
  check_dropping(op, self, unit, inplace);
  const Tensor factor = factors(op, self, p, p == 1 ? 0 : 1 / (1 - p), unit, generator);
  return inplace ? Tensor(mul_(self, factor)) : mul(self, factor);
}

Tensor alpha_dropout(const char* op, const Tensor& self, double p, bool training, bool inplace, DropoutUnit unit,
                     const OptGenerator& generator) {
  check_probability(p);
  if (!training || p == 0 || self.numel() == 0) return self;
  check_dropping(op, self, unit, inplace);
  if (p == 1) {
    const Tensor factor = factors(op, self, p, 0, unit, generator);
    return inplace ? Tensor(mul_(self, factor)) : mul(self, factor);
  }
  // Dropped units become -alpha', the limit of SELU at minus infinity; then y = a x + b.
  constexpr double alpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  const Tensor factor = factors(op, self, p, a, unit, generator);
  // a for the kept units; the sum with the next is alpha' a p for them and -alpha' a (1 - p) for the dropped ones.
  const Tensor offset = sub(mul(factor, alpha), alpha * a * (1 - p));
  return inplace ? Tensor(add_(mul_(self, factor), offset)) : add(mul(self, factor), offset);
}

}  // namespace verigrad::ops

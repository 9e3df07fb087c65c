// Parameter updates, once for all devices. The order of operations is that of PyTorch's single-tensor implementations;
// factors are computed in double and rounded once to the parameter's type.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::update_rules {

enum class Momentum { none, first, plain, nesterov_first, nesterov };

inline Momentum momentum_of(const Sgd& s) {
  if (!s.momentum_buffer) return Momentum::none;
  if (s.nesterov) return s.first_step ? Momentum::nesterov_first : Momentum::nesterov;
  return s.first_step ? Momentum::first : Momentum::plain;
}

/// f.template operator()<kMomentum, kMaximize>() for what a step asks for.
template <class F>
void with_kind(const Sgd& s, const F& f) {
  const auto with_momentum = [&]<Momentum kMomentum>() {
    s.maximize ? f.template operator()<kMomentum, true>() : f.template operator()<kMomentum, false>();
  };
  switch (momentum_of(s)) {
    case Momentum::none: return with_momentum.template operator()<Momentum::none>();
    case Momentum::first: return with_momentum.template operator()<Momentum::first>();
    case Momentum::plain: return with_momentum.template operator()<Momentum::plain>();
    case Momentum::nesterov_first: return with_momentum.template operator()<Momentum::nesterov_first>();
    case Momentum::nesterov: return with_momentum.template operator()<Momentum::nesterov>();
  }
}

template <class T>
struct SgdFactors {
  T rate;  // -lr
  T momentum, fresh, weight_decay;

  explicit SgdFactors(const Sgd& s)
      : rate(static_cast<T>(-s.lr)),
        momentum(static_cast<T>(s.momentum)),
        fresh(static_cast<T>(1 - s.dampening)),
        weight_decay(static_cast<T>(s.weight_decay)) {}
};

/// Element i of arrays; `buffer` is null without momentum.
template <Momentum kMomentum, bool kMaximize, class T>
VG_HD inline void sgd_step(T* p, const T* grad, T* buffer, const SgdFactors<T>& f, std::int64_t i) {
  constexpr bool kFirst = kMomentum == Momentum::first || kMomentum == Momentum::nesterov_first;
  constexpr bool kNesterov = kMomentum == Momentum::nesterov_first || kMomentum == Momentum::nesterov;
  T g = kMaximize ? -grad[i] : grad[i];
  g = f.weight_decay != T(0) ? g + f.weight_decay * p[i] : g;
  if constexpr (kMomentum != Momentum::none) {
    const T v = kFirst ? g : buffer[i] * f.momentum + f.fresh * g;
    buffer[i] = v;
    g = kNesterov ? g + f.momentum * v : v;
  }
  p[i] = p[i] + f.rate * g;
}

template <class T>
struct AdamFactors {
  T weight_decay;  // coupled: added to the gradient
  T shrink;        // decoupled: factor of the parameter
  T beta1_rest;    // 1 - beta1
  T beta2, beta2_rest;
  T root_correction;  // sqrt(bias_correction2)
  T eps, rate;        // rate = -lr / bias_correction1
  T sign;             // -1 to maximize

  explicit AdamFactors(const Adam& a)
      : weight_decay(static_cast<T>(a.decoupled_weight_decay ? 0.0 : a.weight_decay)),
        shrink(static_cast<T>(a.decoupled_weight_decay ? 1 - a.lr * a.weight_decay : 1.0)),
        beta1_rest(static_cast<T>(1 - a.beta1)),
        beta2(static_cast<T>(a.beta2)),
        beta2_rest(static_cast<T>(1 - a.beta2)),
        root_correction(static_cast<T>(std::sqrt(a.bias_correction2))),
        eps(static_cast<T>(a.eps)),
        rate(static_cast<T>(-(a.lr / a.bias_correction1))),
        sign(a.maximize ? T(-1) : T(1)) {}
};

/// Element i of arrays: the parameter, its gradient, and the averages; `v_max` is null without AMSGrad.
template <bool kAmsgrad, class T>
VG_HD inline void adam_step(T* p, const T* grad, T* m, T* v, T* v_max, const AdamFactors<T>& f, std::int64_t i) {
  const T x = p[i] * f.shrink;
  T g = f.sign * grad[i];
  g = f.weight_decay != T(0) ? g + f.weight_decay * x : g;
  // torch.lerp's two forms, each exact at its end.
  const T change = g - m[i];
  const T mean = f.beta1_rest < T(0.5) ? m[i] + f.beta1_rest * change : g - change * (T(1) - f.beta1_rest);
  m[i] = mean;
  const T square = v[i] * f.beta2 + f.beta2_rest * g * g;
  v[i] = square;
  T scale = square;
  if constexpr (kAmsgrad) {
    scale = (v_max[i] > square || v_max[i] != v_max[i]) ? v_max[i] : square;
    v_max[i] = scale;
  }
  const T denominator = std::sqrt(scale) / f.root_correction + f.eps;
  p[i] = x + f.rate * mean / denominator;
}

}  // namespace verigrad::kernels::update_rules

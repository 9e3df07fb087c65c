// Parameter updates. The order of operations is that of PyTorch's single-tensor implementations; factors are computed
// in double and rounded once to the parameter's type.
#include <cmath>

#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

template <class T>
struct SgdFactors {
  T rate;  // -lr
  T momentum, fresh, weight_decay;
};

enum class Momentum { none, first, plain, nesterov_first, nesterov };

template <class T, Momentum kMomentum, bool kMaximize>
struct SgdLoop {
  VG_INLINE static void run(T* p, const T* grad, T* buffer, SgdFactors<T> f, std::int64_t n) {
    constexpr bool kFirst = kMomentum == Momentum::first || kMomentum == Momentum::nesterov_first;
    constexpr bool kNesterov = kMomentum == Momentum::nesterov_first || kMomentum == Momentum::nesterov;
    const bool decays = f.weight_decay != T(0);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      T g = kMaximize ? -grad[i] : grad[i];
      g = decays ? g + f.weight_decay * p[i] : g;
      if constexpr (kMomentum != Momentum::none) {
        const T v = kFirst ? g : buffer[i] * f.momentum + f.fresh * g;
        buffer[i] = v;
        g = kNesterov ? g + f.momentum * v : v;
      }
      p[i] = p[i] + f.rate * g;
    }
  }
};

template <class T, Momentum kMomentum>
void run_sgd(const Sgd& s) {
  const SgdFactors<T> factors{static_cast<T>(-s.lr), static_cast<T>(s.momentum), static_cast<T>(1 - s.dampening),
                              static_cast<T>(s.weight_decay)};
  parallel_for(s.numel, elementwise_grain(s.numel), [&](std::int64_t begin, std::int64_t end) {
    T* p = static_cast<T*>(s.param) + begin;
    const T* g = static_cast<const T*>(s.grad) + begin;
    T* v = kMomentum == Momentum::none ? nullptr : static_cast<T*>(s.momentum_buffer) + begin;
    if (s.maximize) {
      simd_run<SgdLoop<T, kMomentum, true>>(p, g, v, factors, end - begin);
    } else {
      simd_run<SgdLoop<T, kMomentum, false>>(p, g, v, factors, end - begin);
    }
  });
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
};

template <class T, bool kAmsgrad>
struct AdamLoop {
  VG_INLINE static void run(T* p, const T* grad, T* m, T* v, T* v_max, AdamFactors<T> f, std::int64_t n) {
    const bool decays = f.weight_decay != T(0);
    const bool early = f.beta1_rest < T(0.5);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      const T x = p[i] * f.shrink;
      T g = f.sign * grad[i];
      g = decays ? g + f.weight_decay * x : g;
      // torch.lerp's two forms, each exact at its end.
      const T change = g - m[i];
      const T mean = early ? m[i] + f.beta1_rest * change : g - change * (T(1) - f.beta1_rest);
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
  }
};

template <class T>
void run_adam(const Adam& a) {
  AdamFactors<T> f;
  f.weight_decay = static_cast<T>(a.decoupled_weight_decay ? 0.0 : a.weight_decay);
  f.shrink = static_cast<T>(a.decoupled_weight_decay ? 1 - a.lr * a.weight_decay : 1.0);
  f.beta1_rest = static_cast<T>(1 - a.beta1);
  f.beta2 = static_cast<T>(a.beta2);
  f.beta2_rest = static_cast<T>(1 - a.beta2);
  f.root_correction = static_cast<T>(std::sqrt(a.bias_correction2));
  f.eps = static_cast<T>(a.eps);
  f.rate = static_cast<T>(-(a.lr / a.bias_correction1));
  f.sign = a.maximize ? T(-1) : T(1);
  parallel_for(a.numel, elementwise_grain(a.numel), [&](std::int64_t begin, std::int64_t end) {
    T* p = static_cast<T*>(a.param) + begin;
    const T* g = static_cast<const T*>(a.grad) + begin;
    T* m = static_cast<T*>(a.exp_avg) + begin;
    T* v = static_cast<T*>(a.exp_avg_sq) + begin;
    if (a.max_exp_avg_sq) {
      T* v_max = static_cast<T*>(a.max_exp_avg_sq) + begin;
      simd_run<AdamLoop<T, true>>(p, g, m, v, v_max, f, end - begin);
    } else {
      simd_run<AdamLoop<T, false>>(p, g, m, v, static_cast<T*>(nullptr), f, end - begin);
    }
  });
}

}  // namespace

void sgd(DType dtype, const Sgd& s) {
  dispatch_floating("sgd", dtype, [&]<class T>(TypeTag<T>) {
    if (!s.momentum_buffer) return run_sgd<T, Momentum::none>(s);
    if (s.nesterov) return s.first_step ? run_sgd<T, Momentum::nesterov_first>(s) : run_sgd<T, Momentum::nesterov>(s);
    return s.first_step ? run_sgd<T, Momentum::first>(s) : run_sgd<T, Momentum::plain>(s);
  });
}

void adam(DType dtype, const Adam& a) {
  dispatch_floating("adam", dtype, [&]<class T>(TypeTag<T>) { run_adam<T>(a); });
}

}  // namespace verigrad::kernels::cpu

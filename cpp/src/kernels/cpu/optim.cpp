// Parameter updates.
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/loops.h"
#include "kernels/update_rules.h"
#include "verigrad/parallel.h"

namespace verigrad::kernels::cpu {
namespace {

using update_rules::AdamFactors;
using update_rules::Momentum;
using update_rules::SgdFactors;

template <class T, Momentum kMomentum, bool kMaximize>
struct SgdLoop {
  VG_INLINE static void run(T* p, const T* grad, T* buffer, SgdFactors<T> f, std::int64_t n) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) update_rules::sgd_step<kMomentum, kMaximize>(p, grad, buffer, f, i);
  }
};

template <class T>
void run_sgd(const Sgd& s) {
  const SgdFactors<T> factors(s);
  update_rules::with_kind(s, [&]<Momentum kMomentum, bool kMaximize>() {
    parallel_for(s.numel, elementwise_grain(s.numel), [&](std::int64_t begin, std::int64_t end) {
      T* p = static_cast<T*>(s.param) + begin;
      const T* g = static_cast<const T*>(s.grad) + begin;
      T* v = kMomentum == Momentum::none ? nullptr : static_cast<T*>(s.momentum_buffer) + begin;
      simd_run<SgdLoop<T, kMomentum, kMaximize>>(p, g, v, factors, end - begin);
    });
  });
}

template <class T, bool kAmsgrad>
struct AdamLoop {
  VG_INLINE static void run(T* p, const T* grad, T* m, T* v, T* v_max, AdamFactors<T> f, std::int64_t n) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) update_rules::adam_step<kAmsgrad>(p, grad, m, v, v_max, f, i);
  }
};

template <class T>
void run_adam(const Adam& a) {
  const AdamFactors<T> f(a);
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
  dispatch_floating("sgd", dtype, [&]<class T>(TypeTag<T>) { run_sgd<T>(s); });
}

void adam(DType dtype, const Adam& a) {
  dispatch_floating("adam", dtype, [&]<class T>(TypeTag<T>) { run_adam<T>(a); });
}

}  // namespace verigrad::kernels::cpu

// Parameter updates on a CUDA device, from the formulas that the CPU uses.
#include "kernels/cuda/kernels.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/update_rules.h"

namespace verigrad::kernels::cuda {
namespace {

using update_rules::AdamFactors;
using update_rules::Momentum;
using update_rules::SgdFactors;

template <Momentum kMomentum, bool kMaximize, class T>
__global__ void sgd_kernel(std::int64_t numel, T* p, const T* grad, T* buffer, SgdFactors<T> f) {
  for_each_element(numel, [&](std::int64_t i) { update_rules::sgd_step<kMomentum, kMaximize>(p, grad, buffer, f, i); });
}

template <class T>
void run_sgd(const Sgd& s) {
  update_rules::with_kind(s, [&]<Momentum kMomentum, bool kMaximize>() {
    launch_over(s.numel, &sgd_kernel<kMomentum, kMaximize, T>, s.numel, static_cast<T*>(s.param),
                static_cast<const T*>(s.grad), static_cast<T*>(s.momentum_buffer), SgdFactors<T>(s));
  });
}

template <bool kAmsgrad, class T>
__global__ void adam_kernel(std::int64_t numel, T* p, const T* grad, T* m, T* v, T* v_max, AdamFactors<T> f) {
  for_each_element(numel, [&](std::int64_t i) { update_rules::adam_step<kAmsgrad>(p, grad, m, v, v_max, f, i); });
}

template <class T>
void run_adam(const Adam& a) {
  launch_over(a.numel, a.max_exp_avg_sq ? &adam_kernel<true, T> : &adam_kernel<false, T>, a.numel,
              static_cast<T*>(a.param), static_cast<const T*>(a.grad), static_cast<T*>(a.exp_avg),
              static_cast<T*>(a.exp_avg_sq), static_cast<T*>(a.max_exp_avg_sq), AdamFactors<T>(a));
}

}  // namespace

void sgd(DType dtype, const Sgd& s) {
  if (s.numel == 0) return;
  switch (dtype) {
    case DType::Float32: return run_sgd<float>(s);
    case DType::Float64: return run_sgd<double>(s);
    default: refuse_dtype(dtype);
  }
}

void adam(DType dtype, const Adam& a) {
  if (a.numel == 0) return;
  switch (dtype) {
    case DType::Float32: return run_adam<float>(a);
    case DType::Float64: return run_adam<double>(a);
    default: refuse_dtype(dtype);
  }
}

}  // namespace verigrad::kernels::cuda

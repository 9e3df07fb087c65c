// Parameter updates of CUDA, emulated, against those of the CPU: one formula, so the same bits.

#include "cuda_fixture.h"

using namespace cuda_test;

namespace {

/// The arrays of a step before it, and what a device makes of them.
template <class T>
struct Arrays {
  std::vector<T> param, grad, first, second, third;

  explicit Arrays(std::int64_t n)
      : param(values<T>(n)),
        grad(values<T>(n)),
        first(values<T>(n)),
        second(random_values<T>(n, 0, 2)),
        third(random_values<T>(n, 0, 2)) {
    for (std::size_t i = 0; i < third.size(); i += 11) third[i] = std::numeric_limits<T>::quiet_NaN();
    std::rotate(grad.begin(), grad.begin() + n / 2, grad.end());  // not each NaN with a NaN
  }
};

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] && b[i] != b[i]) continue;
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return false;
  }
  return true;
}

/// Whether `step` leaves the same in all arrays on both devices.
template <class T, class Step>
bool steps_agree(std::int64_t n, const Step& step) {
  const Arrays<T> before(n);
  Arrays<T> ours = before, theirs = before;
  step(cuda_table(), ours);
  step(cpu_table(), theirs);
  return same(ours.param, theirs.param) && same(ours.grad, before.grad) && same(ours.first, theirs.first) &&
         same(ours.second, theirs.second) && same(ours.third, theirs.third) &&
         (n < 255 || !same(ours.param, before.param));
}

template <class T>
void check_sgd() {
  for (const std::int64_t n : kSizes) {
    for (int mode = 0; mode < 32; ++mode) {
      Sgd s;
      s.numel = n;
      s.first_step = mode & 1;
      s.nesterov = mode & 2;
      s.maximize = mode & 4;
      s.lr = 0.1;
      s.momentum = 0.9;
      s.dampening = 0.2;
      s.weight_decay = mode & 16 ? 0.01 : 0;
      CHECK(steps_agree<T>(n, [&](const KernelTable& t, Arrays<T>& a) {
        s.param = a.param.data();
        s.grad = a.grad.data();
        s.momentum_buffer = mode & 8 ? a.first.data() : nullptr;
        t.sgd(DTypeOf<T>::value, s);
      }));
    }
  }
}

template <class T>
void check_adam() {
  for (const std::int64_t n : kSizes) {
    for (int mode = 0; mode < 32; ++mode) {
      Adam s;
      s.numel = n;
      s.lr = 0.01;
      s.beta1 = mode & 1 ? 0.9 : 0.3;  // both forms of the mean
      s.beta2 = 0.99;
      s.eps = 1e-8;
      s.weight_decay = mode & 16 ? 0.1 : 0;
      s.bias_correction1 = 0.19;
      s.bias_correction2 = 0.0199;
      s.decoupled_weight_decay = mode & 2;
      s.maximize = mode & 4;
      CHECK(steps_agree<T>(n, [&](const KernelTable& t, Arrays<T>& a) {
        s.param = a.param.data();
        s.grad = a.grad.data();
        s.exp_avg = a.first.data();
        s.exp_avg_sq = a.second.data();
        s.max_exp_avg_sq = mode & 8 ? a.third.data() : nullptr;
        t.adam(DTypeOf<T>::value, s);
      }));
    }
  }
}

}  // namespace

TEST(sgd_slots) {
  check_sgd<float>();
  check_sgd<double>();
}

TEST(adam_slots) {
  check_adam<float>();
  check_adam<double>();
}

TEST(updates_of_nothing_and_of_other_dtypes) {
  cuda_table().sgd(DType::Float32, Sgd());
  cuda_table().adam(DType::Float64, Adam());
  Sgd s;
  s.numel = 1;
  CHECK_THROWS(cuda_table().sgd(DType::Int32, s), RuntimeError);
  Adam a;
  a.numel = 1;
  CHECK_THROWS(cuda_table().adam(DType::Bool, a), RuntimeError);
}

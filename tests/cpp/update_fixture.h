// Every rule that updates parameters, under options that take each of its paths.
#pragma once

#include <vector>

#include "kernel_fixture.h"
#include "kernels/update_rules.h"

namespace kernel_test {

struct UpdateCase {
  verigrad::UpdateRule rule;
  verigrad::kernels::UpdateNumbers numbers;
};

inline std::vector<UpdateCase> update_cases() {
  std::vector<UpdateCase> cases;
  for (int mode = 0; mode < 16; ++mode) {
    verigrad::kernels::UpdateNumbers n;
    n.lr = 0.1;
    n.weight_decay = mode & 1 ? 0.01 : 0;
    n.maximize = mode & 2;
    n.momentum = mode & 4 ? 0.9 : 0;
    n.nesterov = n.amsgrad = n.centered = n.decoupled_weight_decay = mode & 8;
    n.dampening = 0.2;
    n.beta1 = mode & 4 ? 0.9 : 0.3;   // both forms of the mean
    n.beta2 = mode & 4 ? 0.99 : 0.5;  // both steps of RAdam
    n.eps = 1e-8;
    n.rho = n.alpha = mode & 4 ? 0.9 : 0.3;
    n.lambd = 1e-2;
    n.lr_decay = 0.1;
    n.momentum_decay = 4e-3;
    n.eta_minus = 0.5;
    n.eta_plus = 1.2;
    n.step_size_min = 0.1;
    n.step_size_max = 1.5;
    n.step = 7;
    n.mu_product = 0.0625;
    n.eta = 0.05;
    n.mu = mode & 4 ? 1 : 0.25;
#define VG_UPDATE(NAME) cases.push_back({verigrad::UpdateRule::NAME, n});
#include "verigrad/update.def"
    if (n.momentum != 0) {
      n.first_step = true;
      cases.push_back({verigrad::UpdateRule::sgd, n});
    }
  }
  return cases;
}

/// Parameters of several sizes, their gradients and all states that a rule may have.
template <class T>
struct Parameters {
  std::vector<std::vector<T>> param, grad, states[verigrad::kernels::kMaxUpdateStates];

  template <class Values, class Positive>
  Parameters(const std::vector<std::int64_t>& sizes, const Values& values, const Positive& positive) {
    for (const std::int64_t n : sizes) {
      param.push_back(values(n));
      grad.push_back(values(n));
      states[0].push_back(values(n));
      states[1].push_back(positive(n));
      states[2].push_back(positive(n));
    }
  }

  void step(const verigrad::kernels::KernelTable& table, const UpdateCase& c) {
    const int count = verigrad::kernels::update_rules::states_of(c.rule, c.numbers);
    std::vector<verigrad::kernels::Updated> items;
    for (std::size_t i = 0; i < param.size(); ++i) {
      verigrad::kernels::Updated item{static_cast<std::int64_t>(param[i].size()), param[i].data(), grad[i].data(), {}};
      for (int k = 0; k < count; ++k) item.states[k] = states[k][i].data();
      items.push_back(item);
    }
    table.update(c.rule, DTypeOf<T>::value, {items.data(), static_cast<std::int64_t>(items.size()), c.numbers});
  }

  /// All that a step may write, one after another.
  std::vector<T> all() const {
    std::vector<T> found;
    const auto add = [&](const std::vector<std::vector<T>>& lists) {
      for (const auto& list : lists) found.insert(found.end(), list.begin(), list.end());
    };
    add(param);
    for (const auto& state : states) add(state);
    return found;
  }
};

}  // namespace kernel_test

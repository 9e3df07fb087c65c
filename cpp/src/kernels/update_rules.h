// Parameter updates, once for all devices. A rule is made on the host from the numbers of a step and then called with
// the elements of the parameter, of its gradient and of `kStates` arrays of state, which it changes.
//
// The order of operations is that of PyTorch's single-tensor implementations (torch.optim.<name>); factors are computed
// in double and rounded once to the parameter's type.
#pragma once

#include <cmath>
#include <utility>

#include "kernels/host_device.h"
#include "kernels/table.h"

namespace verigrad::kernels::update_rules {

/// torch.lerp's two forms, each exact at its end.
template <class T>
VG_HD inline T mix(T a, T b, T weight) {
  const T change = b - a;
  return weight < T(0.5) ? a + weight * change : b - change * (T(1) - weight);
}

/// The gradient, negated to maximize, with the L2 penalty added.
template <class T>
struct Gradient {
  T sign, weight_decay;

  explicit Gradient(const UpdateNumbers& n, bool penalty = true)
      : sign(n.maximize ? T(-1) : T(1)), weight_decay(static_cast<T>(penalty ? n.weight_decay : 0.0)) {}
  VG_HD T operator()(T grad, T p) const {
    const T g = sign * grad;
    return weight_decay != T(0) ? g + weight_decay * p : g;
  }
};

/// What is left of a parameter by decoupled weight decay (I. Loshchilov, F. Hutter, arXiv 1711.05101).
inline double decay(const UpdateNumbers& n) { return n.decoupled_weight_decay ? 1 - n.lr * n.weight_decay : 1.0; }

enum class Momentum { none, first, plain, nesterov_first, nesterov };

inline Momentum momentum_of(const UpdateNumbers& n) {
  if (n.momentum == 0) return Momentum::none;
  if (n.nesterov) return n.first_step ? Momentum::nesterov_first : Momentum::nesterov;
  return n.first_step ? Momentum::first : Momentum::plain;
}

/// Stochastic gradient descent: g <- grad + weight_decay p;  v <- momentum v + (1 - dampening) g, in the first step g;
/// p <- p - lr v, or with Nesterov p - lr (g + momentum v). I. Sutskever et al., "On the importance of initialization
/// and momentum in deep learning", ICML 2013, eq. 1-4, with the learning rate outside of v.
template <class T, Momentum kMomentum>
struct Sgd {
  static constexpr int kStates = kMomentum == Momentum::none ? 0 : 1;
  static constexpr bool kFirst = kMomentum == Momentum::first || kMomentum == Momentum::nesterov_first;
  static constexpr bool kNesterov = kMomentum == Momentum::nesterov_first || kMomentum == Momentum::nesterov;
  Gradient<T> gradient;
  T rate, momentum, fresh;

  explicit Sgd(const UpdateNumbers& n)
      : gradient(n),
        rate(static_cast<T>(-n.lr)),
        momentum(static_cast<T>(n.momentum)),
        fresh(static_cast<T>(1 - n.dampening)) {}
  VG_HD void operator()(T& p, T grad) const { p = p + rate * gradient(grad, p); }
  VG_HD void operator()(T& p, T grad, T& velocity) const {
    const T g = gradient(grad, p);
    const T v = kFirst ? g : velocity * momentum + fresh * g;
    velocity = v;
    p = p + rate * (kNesterov ? g + momentum * v : v);
  }
};

/// Averaged stochastic gradient descent: p <- (1 - lambd eta) p - eta g;  a <- a + mu (p - a). B. T. Polyak,
/// A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30(4), 1992.
template <class T>
struct Asgd {
  static constexpr int kStates = 1;
  Gradient<T> gradient;
  T keep, rate, mu;

  explicit Asgd(const UpdateNumbers& n)
      : gradient(n),
        keep(static_cast<T>(1 - n.lambd * n.eta)),
        rate(static_cast<T>(-n.eta)),
        mu(static_cast<T>(n.mu)) {}
  VG_HD void operator()(T& p, T grad, T& average) const {
    const T g = gradient(grad, p);
    const T x = p * keep + rate * g;
    p = x;
    average = mu != T(1) ? average + (x - average) * mu : x;
  }
};

/// M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv 1212.5701, algorithm 1, times lr.
template <class T>
struct Adadelta {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  T rho, rest, eps, rate;

  explicit Adadelta(const UpdateNumbers& n)
      : gradient(n),
        rho(static_cast<T>(n.rho)),
        rest(static_cast<T>(1 - n.rho)),
        eps(static_cast<T>(n.eps)),
        rate(static_cast<T>(-n.lr)) {}
  VG_HD void operator()(T& p, T grad, T& square_avg, T& acc_delta) const {
    const T g = gradient(grad, p);
    const T square = square_avg * rho + rest * g * g;
    square_avg = square;
    const T delta = std::sqrt(acc_delta + eps) / std::sqrt(square + eps) * g;
    acc_delta = acc_delta * rho + rest * delta * delta;
    p = p + rate * delta;
  }
};

/// J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", JMLR 12, 2011, fig. 1 (diagonal), with a learning
/// rate that falls as 1 / (1 + lr_decay (t - 1)).
template <class T>
struct Adagrad {
  static constexpr int kStates = 1;
  Gradient<T> gradient;
  T eps, rate;

  explicit Adagrad(const UpdateNumbers& n)
      : gradient(n), eps(static_cast<T>(n.eps)), rate(static_cast<T>(-(n.lr / (1 + (n.step - 1) * n.lr_decay)))) {}
  VG_HD void operator()(T& p, T grad, T& sum) const {
    const T g = gradient(grad, p);
    const T total = sum + g * g;
    sum = total;
    p = p + rate * g / (std::sqrt(total) + eps);
  }
};

/// The running means of Adam and its relatives.
template <class T>
struct Moments {
  T beta1_rest, beta2, beta2_rest;

  explicit Moments(const UpdateNumbers& n)
      : beta1_rest(static_cast<T>(1 - n.beta1)),
        beta2(static_cast<T>(n.beta2)),
        beta2_rest(static_cast<T>(1 - n.beta2)) {}
  VG_HD T mean(T m, T g) const { return mix(m, g, beta1_rest); }
  VG_HD T square(T v, T g) const { return v * beta2 + beta2_rest * g * g; }
};

/// Adam (D. P. Kingma, J. Ba, arXiv 1412.6980, algorithm 1), AMSGrad (S. J. Reddi et al., ICLR 2018, algorithm 2) and
/// AdamW (arXiv 1711.05101, algorithm 2):
///   m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
///   p <- p - lr m / (1 - b1^t) / (sqrt(v) / sqrt(1 - b2^t) + eps)
template <class T, bool kAmsgrad>
struct Adam {
  static constexpr int kStates = 2 + kAmsgrad;
  Gradient<T> gradient;
  Moments<T> moments;
  T keep, root_correction, eps, rate;

  explicit Adam(const UpdateNumbers& n)
      : gradient(n, !n.decoupled_weight_decay),
        moments(n),
        keep(static_cast<T>(decay(n))),
        root_correction(static_cast<T>(std::sqrt(1 - std::pow(n.beta2, n.step)))),
        eps(static_cast<T>(n.eps)),
        rate(static_cast<T>(-(n.lr / (1 - std::pow(n.beta1, n.step))))) {}
  VG_HD void operator()(T& p, T grad, T& m, T& v) const {
    step(p, grad, m, v, [](T square) { return square; });
  }
  VG_HD void operator()(T& p, T grad, T& m, T& v, T& v_max) const {
    step(p, grad, m, v, [&](T square) {
      v_max = (v_max > square || v_max != v_max) ? v_max : square;
      return v_max;
    });
  }

 private:
  template <class F>
  VG_HD void step(T& p, T grad, T& m, T& v, const F& scale_of) const {
    const T x = p * keep;
    const T g = gradient(grad, x);
    const T mean = moments.mean(m, g), square = moments.square(v, g);
    m = mean;
    v = square;
    p = x + rate * mean / (std::sqrt(scale_of(square)) / root_correction + eps);
  }
};

/// arXiv 1412.6980, algorithm 2: u <- max(b2 u, |g| + eps);  p <- p - lr m / (1 - b1^t) / u.
template <class T>
struct Adamax {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  Moments<T> moments;
  T eps, rate;

  explicit Adamax(const UpdateNumbers& n)
      : gradient(n),
        moments(n),
        eps(static_cast<T>(n.eps)),
        rate(static_cast<T>(-(n.lr / (1 - std::pow(n.beta1, n.step))))) {}
  VG_HD void operator()(T& p, T grad, T& m, T& u) const {
    const T g = gradient(grad, p);
    const T mean = moments.mean(m, g);
    m = mean;
    const T old = u * moments.beta2, now = (g < T(0) ? -g : g) + eps;
    const T norm = (old > now || old != old) ? old : now;
    u = norm;
    p = p + rate * mean / norm;
  }
};

inline double nadam_mu(const UpdateNumbers& n, double step) {
  return n.beta1 * (1.0 - 0.5 * std::pow(0.96, step * n.momentum_decay));
}

/// T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2, with the schedule
/// mu_t = b1 (1 - 0.96^(t momentum_decay) / 2) and mu_product the product of mu_1 to mu_t.
template <class T>
struct Nadam {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  Moments<T> moments;
  T keep, correction, eps, grad_rate, mean_rate;

  explicit Nadam(const UpdateNumbers& n)
      : gradient(n, !n.decoupled_weight_decay),
        moments(n),
        keep(static_cast<T>(decay(n))),
        correction(static_cast<T>(1 - std::pow(n.beta2, n.step))),
        eps(static_cast<T>(n.eps)) {
    const double next = nadam_mu(n, n.step + 1);
    grad_rate = static_cast<T>(-n.lr * (1.0 - nadam_mu(n, n.step)) / (1.0 - n.mu_product));
    mean_rate = static_cast<T>(-n.lr * next / (1.0 - n.mu_product * next));
  }
  VG_HD void operator()(T& p, T grad, T& m, T& v) const {
    const T x = p * keep;
    const T g = gradient(grad, x);
    const T mean = moments.mean(m, g), square = moments.square(v, g);
    m = mean;
    v = square;
    const T denominator = std::sqrt(square / correction) + eps;
    p = x + grad_rate * g / denominator + mean_rate * mean / denominator;
  }
};

/// L. Liu et al., "On the variance of the adaptive learning rate and beyond", arXiv 1908.03265, algorithm 2: the
/// adaptive step only where the length rho_t of the average is over 5.
template <class T, bool kAdaptive>
struct Radam {
  static constexpr int kStates = 2;
  Gradient<T> gradient;
  Moments<T> moments;
  T keep, correction, lr, root_correction, eps, rectification;

  /// rho of the infinitely long average, and that of step t.
  static std::pair<double, double> lengths(const UpdateNumbers& n) {
    const double longest = 2 / (1 - n.beta2) - 1, power = std::pow(n.beta2, n.step);
    return {longest, longest - 2 * n.step * power / (1 - power)};
  }
  static bool adaptive(const UpdateNumbers& n) { return lengths(n).second > 5.0; }
  explicit Radam(const UpdateNumbers& n)
      : gradient(n, !n.decoupled_weight_decay),
        moments(n),
        keep(static_cast<T>(decay(n))),
        correction(static_cast<T>(1 - std::pow(n.beta1, n.step))),
        lr(static_cast<T>(n.lr)),
        root_correction(static_cast<T>(std::sqrt(1 - std::pow(n.beta2, n.step)))),
        eps(static_cast<T>(n.eps)) {
    const auto [longest, rho] = lengths(n);
    rectification = static_cast<T>(std::sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)));
  }
  VG_HD void operator()(T& p, T grad, T& m, T& v) const {
    const T x = p * keep;
    const T g = gradient(grad, x);
    const T mean = moments.mean(m, g), square = moments.square(v, g);
    m = mean;
    v = square;
    T change = mean / correction * lr;
    if constexpr (kAdaptive) change = change * (root_correction / (std::sqrt(square) + eps)) * rectification;
    p = x - change;
  }
};

/// T. Tieleman, G. Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centred by the mean gradient as
/// in A. Graves, arXiv 1308.0850, eq. 38-45.
template <class T, bool kMomentum, bool kCentered>
struct Rmsprop {
  static constexpr int kStates = 1 + kMomentum + kCentered;
  Gradient<T> gradient;
  T alpha, rest, eps, momentum, rate;

  explicit Rmsprop(const UpdateNumbers& n)
      : gradient(n),
        alpha(static_cast<T>(n.alpha)),
        rest(static_cast<T>(1 - n.alpha)),
        eps(static_cast<T>(n.eps)),
        momentum(static_cast<T>(n.momentum)),
        rate(static_cast<T>(-n.lr)) {}
  VG_HD void operator()(T& p, T grad, T& square_avg) const {
    const T g = gradient(grad, p);
    p = p + rate * g / root(square(square_avg, g));
  }
  /// `second` is the momentum buffer or, without momentum, the mean gradient.
  VG_HD void operator()(T& p, T grad, T& square_avg, T& second) const {
    const T g = gradient(grad, p);
    const T s = square(square_avg, g);
    if constexpr (kMomentum) {
      move(p, second, g, root(s));
    } else {
      p = p + rate * g / root(centred(s, second, g));
    }
  }
  VG_HD void operator()(T& p, T grad, T& square_avg, T& buffer, T& grad_avg) const {
    const T g = gradient(grad, p);
    move(p, buffer, g, root(centred(square(square_avg, g), grad_avg, g)));
  }

 private:
  VG_HD T square(T& square_avg, T g) const {
    const T s = square_avg * alpha + rest * g * g;
    square_avg = s;
    return s;
  }
  VG_HD T centred(T s, T& grad_avg, T g) const {
    const T mean = mix(grad_avg, g, rest);
    grad_avg = mean;
    return s - mean * mean;
  }
  VG_HD T root(T s) const { return std::sqrt(s) + eps; }
  VG_HD void move(T& p, T& buffer, T g, T denominator) const {
    const T b = buffer * momentum + g / denominator;
    buffer = b;
    p = p + rate * b;
  }
};

/// M. Riedmiller, H. Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", IEEE
/// ICNN 1993, without weight backtracking: after a change of sign the element waits for one step.
template <class T>
struct Rprop {
  static constexpr int kStates = 2;
  T sign, eta_minus, eta_plus, least, most;

  explicit Rprop(const UpdateNumbers& n)
      : sign(n.maximize ? T(-1) : T(1)),
        eta_minus(static_cast<T>(n.eta_minus)),
        eta_plus(static_cast<T>(n.eta_plus)),
        least(static_cast<T>(n.step_size_min)),
        most(static_cast<T>(n.step_size_max)) {}
  VG_HD void operator()(T& p, T grad, T& prev, T& step_size) const {
    T g = sign * grad;
    const T trend = g * prev;
    const T factor = trend > T(0) ? eta_plus : trend < T(0) ? eta_minus : T(1);
    T size = step_size * factor;
    size = size < least ? least : size;
    size = size > most ? most : size;
    step_size = size;
    g = trend < T(0) ? T(0) : g;
    prev = g;
    p = g > T(0) ? p - size : g < T(0) ? p + size : p;
  }
};

/// f(rule) with the rule of parameters of type T.
template <class T, class F>
decltype(auto) with_rule(UpdateRule rule, const UpdateNumbers& n, const F& f) {
  switch (rule) {
    case UpdateRule::sgd:
      switch (momentum_of(n)) {
        case Momentum::none: return f(Sgd<T, Momentum::none>(n));
        case Momentum::first: return f(Sgd<T, Momentum::first>(n));
        case Momentum::plain: return f(Sgd<T, Momentum::plain>(n));
        case Momentum::nesterov_first: return f(Sgd<T, Momentum::nesterov_first>(n));
        case Momentum::nesterov: return f(Sgd<T, Momentum::nesterov>(n));
      }
      break;
    case UpdateRule::asgd: return f(Asgd<T>(n));
    case UpdateRule::adadelta: return f(Adadelta<T>(n));
    case UpdateRule::adagrad: return f(Adagrad<T>(n));
    case UpdateRule::adam: return n.amsgrad ? f(Adam<T, true>(n)) : f(Adam<T, false>(n));
    case UpdateRule::adamax: return f(Adamax<T>(n));
    case UpdateRule::nadam: return f(Nadam<T>(n));
    case UpdateRule::radam: return Radam<T, true>::adaptive(n) ? f(Radam<T, true>(n)) : f(Radam<T, false>(n));
    case UpdateRule::rmsprop:
      if (n.centered) return n.momentum > 0 ? f(Rmsprop<T, true, true>(n)) : f(Rmsprop<T, false, true>(n));
      return n.momentum > 0 ? f(Rmsprop<T, true, false>(n)) : f(Rmsprop<T, false, false>(n));
    case UpdateRule::rprop: return f(Rprop<T>(n));
  }
  VG_THROW(RuntimeError, "update: expected a rule, got number ", static_cast<int>(rule));
}

/// How many arrays of state the rule has.
inline int states_of(UpdateRule rule, const UpdateNumbers& n) {
  return with_rule<double>(rule, n, []<class Rule>(const Rule&) { return Rule::kStates; });
}

}  // namespace verigrad::kernels::update_rules

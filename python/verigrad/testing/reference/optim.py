"""References of the optimizers' rules, one element after another, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


class Numbers(NamedTuple):
    """What a rule reads in a step: the optimizer's options, and what a parameter keeps as numbers."""

    lr: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    dampening: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0
    rho: float = 0.0
    alpha: float = 0.0
    lambd: float = 0.0
    t0: float = 0.0
    lr_decay: float = 0.0
    momentum_decay: float = 0.0
    eta_minus: float = 0.0
    eta_plus: float = 0.0
    step_size_min: float = 0.0
    step_size_max: float = 0.0
    nesterov: bool = False
    amsgrad: bool = False
    centered: bool = False
    decoupled_weight_decay: bool = False
    maximize: bool = False
    step: float = 0.0
    mu_product: float = 0.0
    eta: float = 0.0
    mu: float = 0.0
    first_step: bool = False


@kernel
def gradient(n: Numbers, grad: float, param: float) -> float:
    """The gradient, negated to maximize, with the L2 penalty."""
    g = -grad if n.maximize else grad
    return g if n.decoupled_weight_decay else g + n.weight_decay * param


@kernel
def decayed(n: Numbers, param: float) -> float:
    """The parameter after decoupled weight decay."""
    return param * (1.0 - n.lr * n.weight_decay) if n.decoupled_weight_decay else param


@kernel
def sgd(p: Array, grad: Array, buffer: Array, _b: Array, _c: Array, n: Numbers) -> None:
    """I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in
    the form of PyTorch's documentation of SGD (the learning rate outside of the velocity)."""
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        if n.momentum != 0.0:
            buffer[i] = g if n.first_step else n.momentum * buffer[i] + (1.0 - n.dampening) * g
            g = g + n.momentum * buffer[i] if n.nesterov else buffer[i]
        p[i] -= n.lr * g


@kernel
def asgd(p: Array, grad: Array, average: Array, _b: Array, _c: Array, n: Numbers) -> None:
    """B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992."""
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        p[i] = p[i] * (1.0 - n.lambd * n.eta) - n.eta * g
        average[i] += n.mu * (p[i] - average[i])


@kernel
def adadelta(p: Array, grad: Array, square: Array, delta: Array, _c: Array, n: Numbers) -> None:
    """M. D. Zeiler, "ADADELTA", arXiv 1212.5701, algorithm 1."""
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        square[i] = n.rho * square[i] + (1.0 - n.rho) * g * g
        change = math.sqrt(delta[i] + n.eps) / math.sqrt(square[i] + n.eps) * g
        delta[i] = n.rho * delta[i] + (1.0 - n.rho) * change * change
        p[i] -= n.lr * change


@kernel
def adagrad(p: Array, grad: Array, total: Array, _b: Array, _c: Array, n: Numbers) -> None:
    """J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods", JMLR 12, 2011, figure 1."""
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        total[i] += g * g
        p[i] -= n.lr / (1.0 + (n.step - 1.0) * n.lr_decay) * g / (math.sqrt(total[i]) + n.eps)


@kernel
def adam(p: Array, grad: Array, mean: Array, square: Array, largest: Array, n: Numbers) -> None:
    """D. P. Kingma and J. Ba, "Adam", ICLR 2015, algorithm 1; I. Loshchilov and F. Hutter, "Decoupled weight
    decay regularization", ICLR 2019, algorithm 2; S. Reddi et al., "On the convergence of Adam and beyond",
    ICLR 2018."""
    for i in range(p.size):
        p[i] = decayed(n, p[i])
        g = gradient(n, grad[i], p[i])
        mean[i] = n.beta1 * mean[i] + (1.0 - n.beta1) * g
        square[i] = n.beta2 * square[i] + (1.0 - n.beta2) * g * g
        second = square[i]
        if n.amsgrad:
            largest[i] = max(largest[i], square[i])
            second = largest[i]
        root = math.sqrt(second / (1.0 - n.beta2**n.step))
        p[i] -= n.lr * mean[i] / (1.0 - n.beta1**n.step) / (root + n.eps)


@kernel
def adamax(p: Array, grad: Array, mean: Array, norm: Array, _c: Array, n: Numbers) -> None:
    """D. P. Kingma and J. Ba, "Adam", ICLR 2015, algorithm 2."""
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        mean[i] = n.beta1 * mean[i] + (1.0 - n.beta1) * g
        norm[i] = max(n.beta2 * norm[i], abs(g) + n.eps)
        p[i] -= n.lr / (1.0 - n.beta1**n.step) * mean[i] / norm[i]


@kernel
def nadam(p: Array, grad: Array, mean: Array, square: Array, _c: Array, n: Numbers) -> None:
    """T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2."""
    now = n.beta1 * (1.0 - 0.5 * 0.96 ** (n.step * n.momentum_decay))
    then = n.beta1 * (1.0 - 0.5 * 0.96 ** ((n.step + 1.0) * n.momentum_decay))
    for i in range(p.size):
        p[i] = decayed(n, p[i])
        g = gradient(n, grad[i], p[i])
        mean[i] = n.beta1 * mean[i] + (1.0 - n.beta1) * g
        square[i] = n.beta2 * square[i] + (1.0 - n.beta2) * g * g
        ahead = then * mean[i] / (1.0 - n.mu_product * then) + (1.0 - now) * g / (1.0 - n.mu_product)
        p[i] -= n.lr * ahead / (math.sqrt(square[i] / (1.0 - n.beta2**n.step)) + n.eps)


@kernel
def radam(p: Array, grad: Array, mean: Array, square: Array, _c: Array, n: Numbers) -> None:
    """L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2."""
    longest = 2.0 / (1.0 - n.beta2) - 1.0
    length = longest - 2.0 * n.step * n.beta2**n.step / (1.0 - n.beta2**n.step)
    for i in range(p.size):
        p[i] = decayed(n, p[i])
        g = gradient(n, grad[i], p[i])
        mean[i] = n.beta1 * mean[i] + (1.0 - n.beta1) * g
        square[i] = n.beta2 * square[i] + (1.0 - n.beta2) * g * g
        change = mean[i] / (1.0 - n.beta1**n.step)
        if length > 5.0:
            variance = (length - 4.0) * (length - 2.0) * longest
            variance /= (longest - 4.0) * (longest - 2.0) * length
            change *= math.sqrt(variance * (1.0 - n.beta2**n.step)) / (math.sqrt(square[i]) + n.eps)
        p[i] -= n.lr * change


@kernel
def rmsprop(p: Array, grad: Array, square: Array, second: Array, third: Array, n: Numbers) -> None:
    """T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centred:
    A. Graves, arXiv 1308.0850, eq. 38 to 45. `second` is the momentum buffer or, without it, the mean."""
    means = third if n.momentum > 0.0 else second
    for i in range(p.size):
        g = gradient(n, grad[i], p[i])
        square[i] = n.alpha * square[i] + (1.0 - n.alpha) * g * g
        variance = square[i]
        if n.centered:
            means[i] = n.alpha * means[i] + (1.0 - n.alpha) * g
            variance -= means[i] * means[i]
        change = g / (math.sqrt(variance) + n.eps)
        if n.momentum > 0.0:
            second[i] = n.momentum * second[i] + change
            change = second[i]
        p[i] -= n.lr * change


@kernel
def rprop(p: Array, grad: Array, prev: Array, size: Array, _c: Array, n: Numbers) -> None:
    """M. Riedmiller and H. Braun, "A direct adaptive method for faster backpropagation", ICNN 1993."""
    for i in range(p.size):
        g = -grad[i] if n.maximize else grad[i]
        trend = g * prev[i]
        if trend > 0.0:
            size[i] = min(max(size[i] * n.eta_plus, n.step_size_min), n.step_size_max)
        elif trend < 0.0:
            size[i] = min(max(size[i] * n.eta_minus, n.step_size_min), n.step_size_max)
            g = 0.0
        else:
            size[i] = min(max(size[i], n.step_size_min), n.step_size_max)
        if g > 0.0:
            p[i] -= size[i]
        elif g < 0.0:
            p[i] += size[i]
        prev[i] = g


RULES: dict[str, Callable[..., None]] = {
    "sgd": sgd,
    "asgd": asgd,
    "adadelta": adadelta,
    "adagrad": adagrad,
    "adam": adam,
    "adamax": adamax,
    "nadam": nadam,
    "radam": radam,
    "rmsprop": rmsprop,
    "rprop": rprop,
}


def advance(rule: str, kept: list[Array], options: dict[str, Any]) -> tuple[Numbers, list[Array]]:
    """The numbers of a parameter's step, and what it keeps after it, in the dtype in which it is kept."""
    n = Numbers(**options)
    if not kept:
        return n, []
    kind = kept[0].dtype.type
    step = kind(kept[0] + 1)
    n, now = n._replace(step=float(step)), [step]
    if rule == "nadam":
        mu = n.beta1 * (1.0 - 0.5 * 0.96 ** (n.step * n.momentum_decay))
        now.append(kind(kept[1] * kind(mu)))
        n = n._replace(mu_product=float(now[1]))
    if rule == "asgd":
        n = n._replace(eta=float(kept[1]), mu=float(kept[2]))
        now.append(kind(n.lr / (1.0 + n.lambd * n.lr * n.step) ** n.alpha))
        now.append(kind(1.0 / max(1.0, n.step - n.t0)))
    return n, [np.asarray(value) for value in now]


def update(
    rule: str,
    params: list[Array],
    grads: list[Array],
    states: list[list[Array | None]],
    kept: list[list[Array]],
    **options: Any,
) -> tuple[list[Array], list[list[Array]], list[list[Array]]]:
    """The parameters, the states and what is kept after one step."""
    new_params: list[Array] = []
    new_states: list[list[Array]] = [[] for _ in states]
    new_kept: list[list[Array]] = [[] for _ in kept]
    for i, param in enumerate(params):
        numbers, now = advance(rule, [numbers[i] for numbers in kept], options)
        arrays = [np.zeros(param.size) for _ in range(3)]
        for k, state in enumerate(states):
            old = state[i]
            if old is None:
                numbers = numbers._replace(first_step=True)
            else:
                arrays[k] = old.astype(np.float64).reshape(-1)
        p = param.astype(np.float64).reshape(-1)
        RULES[rule](p, grads[i].astype(np.float64).reshape(-1), *arrays, numbers)
        new_params.append(p.astype(param.dtype).reshape(param.shape))
        for k in range(len(states)):
            new_states[k].append(arrays[k].astype(param.dtype).reshape(param.shape))
        for j, value in enumerate(now):
            new_kept[j].append(value)
    return new_params, new_states, new_kept

"""The optimizers' rules with running error bounds; nothing is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.optim import Numbers, advance
from verigrad.testing.reference.tape import Var

Array = np.ndarray[Any, Any]
Step = tuple[Var, list[Var]]


def gradient(n: Numbers, g: Var, p: Var) -> Var:
    """The gradient, negated to maximize, with the L2 penalty."""
    g = -g if n.maximize else g
    return g + p * n.weight_decay if n.weight_decay and not n.decoupled_weight_decay else g


def decayed(n: Numbers, p: Var) -> Var:
    """The parameter after decoupled weight decay."""
    return p * (1.0 - n.lr * n.weight_decay) if n.decoupled_weight_decay else p


def mix(a: Var, b: Var, weight: float) -> Var:
    """A running mean."""
    return a + (b - a) * weight if weight < 0.5 else b - (b - a) * (1.0 - weight)


def square(n: Numbers, v: Var, g: Var) -> Var:
    """The second moment of Adam and its relatives."""
    return v * n.beta2 + g * g * (1.0 - n.beta2)


def sgd(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Momentum, in PyTorch's form."""
    g = gradient(n, g, p)
    if not states:
        return p - g * n.lr, []
    v = g if n.first_step else states[0] * n.momentum + g * (1.0 - n.dampening)
    return p - (g + v * n.momentum if n.nesterov else v) * n.lr, [v]


def asgd(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Averaging."""
    g = gradient(n, g, p)
    p = p * (1.0 - n.lambd * n.eta) - g * n.eta
    (average,) = states
    return p, [average + (p - average) * n.mu if n.mu != 1 else p]


def adadelta(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """The ratio of two running means."""
    g = gradient(n, g, p)
    v, u = states
    v = v * n.rho + g * g * (1.0 - n.rho)
    change = tape.sqrt(u + n.eps) / tape.sqrt(v + n.eps) * g
    return p - change * n.lr, [v, u * n.rho + change * change * (1.0 - n.rho)]


def adagrad(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """The sum of all squares."""
    g = gradient(n, g, p)
    total = states[0] + g * g
    rate = n.lr / (1.0 + (n.step - 1.0) * n.lr_decay)
    return p - g * rate / (tape.sqrt(total) + n.eps), [total]


def adam(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Adam, AdamW and AMSGrad."""
    p = decayed(n, p)
    g = gradient(n, g, p)
    m, v = mix(states[0], g, 1.0 - n.beta1), square(n, states[1], g)
    now, second = [m, v], v
    if n.amsgrad:
        second = tape.where(states[2].value > v.value, states[2], v)
        now.append(second)
    root = tape.sqrt(second) / np.sqrt(1.0 - n.beta2**n.step)
    return p - m * (n.lr / (1.0 - n.beta1**n.step)) / (root + n.eps), now


def adamax(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """The infinity norm."""
    g = gradient(n, g, p)
    m, old, new = mix(states[0], g, 1.0 - n.beta1), states[1] * n.beta2, tape.absolute(g) + n.eps
    norm = tape.where(old.value > new.value, old, new)
    return p - m * (n.lr / (1.0 - n.beta1**n.step)) / norm, [m, norm]


def nadam(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Adam with Nesterov momentum."""
    p = decayed(n, p)
    g = gradient(n, g, p)
    m, v = mix(states[0], g, 1.0 - n.beta1), square(n, states[1], g)
    now = n.beta1 * (1.0 - 0.5 * 0.96 ** (n.step * n.momentum_decay))
    then = n.beta1 * (1.0 - 0.5 * 0.96 ** ((n.step + 1.0) * n.momentum_decay))
    root = tape.sqrt(v / (1.0 - n.beta2**n.step)) + n.eps
    p = p - g * (n.lr * (1.0 - now) / (1.0 - n.mu_product)) / root
    return p - m * (n.lr * then / (1.0 - n.mu_product * then)) / root, [m, v]


def radam(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Rectified Adam."""
    p = decayed(n, p)
    g = gradient(n, g, p)
    m, v = mix(states[0], g, 1.0 - n.beta1), square(n, states[1], g)
    longest, power = 2.0 / (1.0 - n.beta2) - 1.0, n.beta2**n.step
    length = longest - 2.0 * n.step * power / (1.0 - power)
    change = m / (1.0 - n.beta1**n.step) * n.lr
    if length > 5.0:
        rectified = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)
        change = change * (np.sqrt(1.0 - power) / (tape.sqrt(v) + n.eps)) * np.sqrt(rectified)
    return p - change, [m, v]


def rmsprop(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """The running mean of the square, or the variance."""
    g = gradient(n, g, p)
    now = [states[0] * n.alpha + g * g * (1.0 - n.alpha)]
    variance = now[0]
    if n.centered:
        mean = mix(states[-1], g, 1.0 - n.alpha)
        variance = variance - mean * mean
        now.append(mean)
    root = tape.sqrt(variance) + n.eps
    if n.momentum > 0:
        buffer = states[1] * n.momentum + g / root
        now.insert(1, buffer)
        return p - buffer * n.lr, now
    return p - g * n.lr / root, now


def rprop(p: Var, g: Var, states: list[Var], n: Numbers) -> Step:
    """Step sizes by the signs."""
    g = -g if n.maximize else g
    trend = g.value * states[0].value
    size = states[1] * tape.where(trend > 0, n.eta_plus, tape.where(trend < 0, n.eta_minus, 1.0))
    size = tape.where(size.value < n.step_size_min, n.step_size_min, size)
    size = tape.where(size.value > n.step_size_max, n.step_size_max, size)
    g = tape.where(trend < 0, 0.0, g)
    return p - size * np.sign(g.value), [g, size]


RULES: dict[str, Callable[[Var, Var, list[Var], Numbers], Step]] = {
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


def update(
    rule: str,
    params: list[Array],
    grads: list[Array],
    states: list[list[Array | None]],
    kept: list[list[Array]],
    **options: Any,
) -> list[Var]:
    """The parameters, the states and what is kept after one step."""
    new: list[Var] = []
    new_states: list[list[Var]] = [[] for _ in states]
    new_kept: list[list[Var]] = [[] for _ in kept]
    for i, param in enumerate(params):
        numbers, now = advance(rule, [values[i] for values in kept], options)
        old = [state[i] for state in states]
        if any(array is None for array in old):
            numbers = numbers._replace(first_step=True)
        own = [tape.var(np.zeros(param.shape) if array is None else array) for array in old]
        p, after = RULES[rule](tape.var(param), tape.var(grads[i]), own, numbers)
        new.append(p)
        for k, state in enumerate(after):
            new_states[k].append(state)
        for j, value in enumerate(now):
            new_kept[j].append(tape.var(value))
    return [*new, *(v for state in new_states for v in state), *(v for values in new_kept for v in values)]

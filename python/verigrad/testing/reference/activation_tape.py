"""Compositions of the activations, clamp and dropout.

The slope of each activation is composed on the tape, so that its bound knows where terms cancel, and so that
the kernels of gradients have derivatives of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import activation as ref
from verigrad.testing.reference import reduction_tape, tape
from verigrad.testing.reference.rounded import Rounded
from verigrad.testing.reference.slopes import result

Array = np.ndarray[Any, Any]
Slope = Callable[[tape.Var, float, float, float], tape.Var]

ROOT_HALF = math.sqrt(0.5)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def number(value: float) -> tape.Var:
    """An option, which the library rounds to the dtype."""
    return tape.Var(Rounded(value, abs(value)))


def sigmoid(x: tape.Var) -> tape.Var:
    """The logistic function."""
    small = np.exp(-np.abs(x.value))
    value = np.where(x.value > 0.0, 1.0, small) / (1.0 + small)
    return tape.function(x, value, small / ((1.0 + small) * (1.0 + small)))


def density(x: tape.Var) -> tape.Var:
    """Of the standard normal distribution."""
    return tape.exp(x * x * -0.5) / ROOT_TWO_PI


def normal_cdf(x: tape.Var) -> tape.Var:
    """The distribution function; the argument of erfc is rounded first."""
    value = np.array([0.5 * math.erfc(-v * ROOT_HALF) for v in x.value.reshape(-1)]).reshape(x.shape)
    slope = np.exp(-0.5 * x.value * x.value) / ROOT_TWO_PI
    return tape.function(x, value, slope, 2.0 * np.abs(x.value) * slope)


def between(x: tape.Var, inside: Array, value: Any, other: Any) -> tape.Var:
    """One value where a condition holds and another elsewhere, in the shape of x."""
    return tape.where(inside, tape.var(value).expand(*x.shape), tape.var(other).expand(*x.shape))


def _elu(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    below = tape.exp(tape.where(x.value <= 0.0, x, 0.0) * number(c)) * (number(a) * number(c))
    return tape.where(x.value <= 0.0, below, number(b))


def _gelu(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    return normal_cdf(x) + x * density(x)


def _gelu_tanh(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    root = 2.0 * math.sqrt(2.0 / math.pi)
    u = (x + x * x * x * 0.044715) * root
    inner = (x * x * (3.0 * 0.044715) + 1.0) * root
    return sigmoid(u) + x * inner * (sigmoid(u) * sigmoid(-u))


def _silu(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    return sigmoid(x) + x * (sigmoid(x) * sigmoid(-x))


def _mish(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    # tanh(softplus(x)) = n / (n + 2) with n = e (e + 2), of terms of one sign; so is its derivative.
    e = tape.exp(x)
    n = e * (e + 2.0)
    slope = e * (e + 1.0) * 4.0 / ((n + 2.0) * (n + 2.0))
    return n / (n + 2.0) + x * slope


def _hardswish(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    inner = x / 3.0 + 0.5
    return tape.where(x.value <= -3.0, 0.0, tape.where(x.value < 3.0, inner, 1.0))


def _softplus(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    z = x * number(a)
    return tape.where(z.value > b, 1.0, sigmoid(z))


def _tanhshrink(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    t = tape.tanh(x)
    return t * t


def _softsign(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    r = 1.0 / (tape.absolute(x) + 1.0)
    return r * r


def _logit(x: tape.Var, a: float, b: float, c: float) -> tape.Var:
    slope = 1.0 / (x * (1.0 - x))
    return slope if a < 0 else tape.where((x.value < a) | (x.value > 1.0 - a), 0.0, slope)


SLOPES: dict[str, Slope] = {
    "leaky_relu": lambda x, a, b, c: between(x, x.value > 0.0, 1.0, number(a)),
    "elu": _elu,
    "selu": _elu,
    "celu": _elu,
    "silu": _silu,
    "mish": _mish,
    "hardswish": _hardswish,
    "hardsigmoid": lambda x, a, b, c: between(x, np.abs(x.value) < 3.0, number(1.0 / 6.0), 0.0),
    "hardtanh": lambda x, a, b, c: between(x, (x.value > a) & (x.value < b), 1.0, 0.0),
    "clamp": lambda x, a, b, c: between(x, (x.value >= a) & (x.value <= b), 1.0, 0.0),
    "relu6": lambda x, a, b, c: between(x, (x.value > a) & (x.value < b), 1.0, 0.0),
    "hardshrink": lambda x, a, b, c: between(x, np.abs(x.value) > a, 1.0, 0.0),
    "softshrink": lambda x, a, b, c: between(x, np.abs(x.value) > a, 1.0, 0.0),
    "threshold": lambda x, a, b, c: between(x, x.value > a, 1.0, 0.0),
    "softplus": _softplus,
    "logsigmoid": lambda x, a, b, c: sigmoid(-x),
    "tanhshrink": _tanhshrink,
    "softsign": _softsign,
    "logit": _logit,
    "nan_to_num": lambda x, a, b, c: between(x, np.isfinite(x.value), 1.0, 0.0),
    "round_digits": lambda x, a, b, c: x * 0.0,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}


def value(name: str, reference: Callable[..., Array], numbers: ref.Numbers) -> Callable[..., tape.Var]:
    """The composition of an activation."""

    def composition(x: Any, *args: Any, **kwargs: Any) -> tape.Var:
        x = tape.var(x)
        a, b, c = (*numbers(*args, **kwargs), 0.0, 0.0, 0.0)[:3]
        slope = SLOPES[name](tape.Var(x.value), a, b, c).r
        return tape.function(x, np.asarray(reference(x.value, *args, **kwargs)), slope)

    return composition


def gradient(name: str) -> Callable[..., tape.Var]:
    """The composition of the gradient of an activation."""

    def composition(g: Any, x: Any, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> tape.Var:
        return tape.var(g) * SLOPES[name](tape.var(x), a, b, c)

    return composition


def gate(x: tape.Var) -> tape.Var:
    """The logistic function with s (1 - s) for its derivative, which cancels where s is near 1."""
    s = sigmoid(tape.Var(x.value)).value
    return tape.function(x, s, result(s) * (1.0 - result(s)))


def glu(x: Any, dim: int = -1) -> tape.Var:
    """The first half times the sigmoid of the second."""
    x = tape.var(x)
    half = x.shape[dim] // 2
    index = np.arange(x.size).reshape(x.shape)
    first, second = np.split(index, [half], axis=dim)
    return tape.take(x, first) * gate(tape.take(x, second))


def prelu(x: Any, weight: Any) -> tape.Var:
    """The weight of the channel below 0."""
    x, weight = tape.var(x), tape.var(weight)
    shape = (-1,) + (1,) * max(x.ndim - 2, 0) if weight.size > 1 else ()
    return tape.where(x.value > 0.0, x, x * weight.reshape(*shape))


def rrelu(seed: int) -> Callable[..., tape.Var]:
    """A slope from the stream of the seed for each element up to 0 while training, else the mean slope."""

    def composition(
        x: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
    ) -> tape.Var:
        if not training:
            return tape.where(x.value > 0.0, x, x * number((lower + upper) / 2))
        slopes = ref.random_slopes(seed, x.size, x.dtype.name, lower, upper)
        return tape.where(x.value > 0.0, x, x * slopes.reshape(x.shape))

    return composition


def softmin(x: Any, dim: int, dtype: Any = None) -> tape.Var:
    """Softmax of the negative input."""
    return reduction_tape.softmax(-tape.var(x), dim)


def dropout(seed: int, channels: bool = False) -> Callable[..., tape.Var]:
    """Units of the stream of the seed become 0, the others are scaled."""

    def composition(x: Any, p: float = 0.5, training: bool = True) -> tape.Var:
        if not training or p == 0:
            return tape.var(x)
        mask = ref.kept_elements(seed, x.shape, p, channels)
        return tape.where(mask, x * number(0.0 if p == 1 else 1.0 / (1.0 - p)), 0.0)

    return composition


def alpha_dropout(seed: int, channels: bool = False) -> Callable[..., tape.Var]:
    """a (x or -alpha) + b with mean 0 and variance 1, where alpha is the product of SELU's constants."""
    alpha = 1.7580993408473766

    def composition(input: Any, p: float = 0.5, training: bool = False) -> tape.Var:
        x = tape.var(input)
        if not training or p == 0:
            return x
        if p == 1:
            return x * 0.0
        a = ((1.0 - p) * (1.0 + p * alpha * alpha)) ** -0.5
        mask = ref.kept_elements(seed, x.shape, p, channels)
        return tape.where(mask, x * number(a), number(-alpha * a)) + number(a * p * alpha)

    return composition


def clamp(x: Any, min: Any = None, max: Any = None) -> tape.Var:
    """The input between two bounds; where one is passed the gradient is the bound's."""
    out = tape.var(x)
    if min is not None:
        low = tape.var(min)
        out = tape.where(out.value < low.value, low, out)
    if max is not None:
        high = tape.var(max)
        out = tape.where(out.value > high.value, high, out)
    return out

"""References of the activations, clamp and dropout: one scalar formula each, computed in float64.

A formula takes x and up to three numbers a, b and c. `*_slope` is the derivative of the formula before it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference import random as stream
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.elementwise import operands
from verigrad.testing.reference.reduction import along, softmax

Array = np.ndarray[Any, Any]
Formula = Callable[[Any, Any, Any, Any], Any]
Numbers = Callable[..., tuple[Any, ...]]


@kernel
def logistic(x: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-x))


@kernel
def leaky_relu(x: Any, a: Any, b: Any, c: Any) -> Any:
    return x if x > 0 else a * x


@kernel
def leaky_relu_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 if x > 0 else a


@kernel
def elu(x: Any, a: Any, b: Any, c: Any) -> Any:
    """a (exp(c x) - 1) up to 0, b x above."""
    return a * math.expm1(c * x) if x <= 0 else b * x


@kernel
def elu_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return a * c * math.exp(c * x) if x <= 0 else b


@kernel
def gelu(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if x == -math.inf else x * 0.5 * math.erfc(-x / math.sqrt(2.0))


@kernel
def gelu_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    density = 0.0 if abs(x) == math.inf else x * math.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)
    return 0.5 * math.erfc(-x / math.sqrt(2.0)) + density


@kernel
def gelu_tanh(x: Any, a: Any, b: Any, c: Any) -> Any:
    """x (1 + tanh u) / 2 is x over 1 + exp(-2 u)."""
    u = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.0 if x == -math.inf else x / (1.0 + math.exp(-2.0 * u))


@kernel
def gelu_tanh_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    if abs(x) > 40.0:
        return 1.0 if x > 0 else 0.0
    root = math.sqrt(2.0 / math.pi)
    u = root * (x + 0.044715 * x * x * x)
    inner = root * (1.0 + 3.0 * 0.044715 * x * x)
    return logistic(2.0 * u) + x * inner / (2.0 * math.cosh(u) ** 2)


@kernel
def silu(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if x == -math.inf else x / (1.0 + math.exp(-x))


@kernel
def silu_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    if abs(x) > 700.0:
        return 1.0 if x > 0 else 0.0
    return logistic(x) + x / (4.0 * math.cosh(x / 2.0) ** 2)


@kernel
def mish(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if x == -math.inf else x * math.tanh(math.log1p(math.exp(x)))


@kernel
def mish_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    if abs(x) > 700.0:
        return 1.0 if x > 0 else 0.0
    soft = math.log1p(math.exp(x))
    return math.tanh(soft) + x * logistic(x) / math.cosh(soft) ** 2


@kernel
def hardsigmoid(x: Any, a: Any, b: Any, c: Any) -> Any:
    if x <= -3.0:
        return 0.0
    return 1.0 if x >= 3.0 else (x + 3.0) / 6.0


@kernel
def hardsigmoid_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 / 6.0 if abs(x) < 3.0 else 0.0


@kernel
def hardswish(x: Any, a: Any, b: Any, c: Any) -> Any:
    if x <= -3.0:
        return 0.0
    return x if x >= 3.0 else x * (x + 3.0) / 6.0


@kernel
def hardswish_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    if x <= -3.0:
        return 0.0
    return (2.0 * x + 3.0) / 6.0 if x < 3.0 else 1.0


@kernel
def hardtanh(x: Any, a: Any, b: Any, c: Any) -> Any:
    if x < a:
        return a
    return b if x > b else x


@kernel
def hardtanh_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if x <= a or x >= b else 1.0


@kernel
def clamped_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 if a <= x <= b else 0.0


@kernel
def hardshrink(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if abs(x) <= a else x


@kernel
def softshrink(x: Any, a: Any, b: Any, c: Any) -> Any:
    if abs(x) <= a:
        return 0.0
    return x - a if x > 0 else x + a


@kernel
def shrink_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if abs(x) <= a else 1.0


@kernel
def threshold(x: Any, a: Any, b: Any, c: Any) -> Any:
    return b if x <= a else x


@kernel
def threshold_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 0.0 if x <= a else 1.0


@kernel
def softplus(x: Any, a: Any, b: Any, c: Any) -> Any:
    z = a * x
    if z > b:
        return x
    return math.log1p(math.exp(z)) / a if z < 0 else x + math.log1p(math.exp(-z)) / a


@kernel
def softplus_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 if a * x > b else logistic(a * x)


@kernel
def logsigmoid(x: Any, a: Any, b: Any, c: Any) -> Any:
    return x - math.log1p(math.exp(x)) if x < 0 else -math.log1p(math.exp(-x))


@kernel
def logsigmoid_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return logistic(-x)


@kernel
def tanhshrink(x: Any, a: Any, b: Any, c: Any) -> Any:
    """(x cosh x - sinh x) / cosh x; the series of the numerator has terms of one sign."""
    if not abs(x) < 2.0:
        return x - math.tanh(x)
    power, factorial, total = x, 1.0, 0.0
    for k in range(1, 20):
        power *= x * x
        factorial *= (2.0 * k) * (2.0 * k + 1.0)
        total += power * (2.0 * k) / factorial
    return total / math.cosh(x)


@kernel
def tanhshrink_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return math.tanh(x) * math.tanh(x)


@kernel
def softsign(x: Any, a: Any, b: Any, c: Any) -> Any:
    if abs(x) == math.inf:
        return 1.0 if x > 0 else -1.0
    return x / (1.0 + abs(x))


@kernel
def softsign_slope(x: Any, a: Any, b: Any, c: Any) -> Any:
    return 1.0 / ((1.0 + abs(x)) * (1.0 + abs(x)))


@kernel
def apply(op: Any, out: Array, x: Array, a: Any, b: Any, c: Any) -> None:
    for i in range(out.size):
        out[i] = op(x[i], a, b, c)


@kernel
def apply_slope(op: Any, out: Array, g: Array, x: Array, a: Any, b: Any, c: Any) -> None:
    """A slope of 0 stops every gradient."""
    for i in range(out.size):
        slope = op(x[i], a, b, c)
        out[i] = 0.0 if slope == 0 else g[i] * slope


@kernel
def limited(out: Array, x: Array, low: Array, high: Array, has_low: bool, has_high: bool) -> None:
    """A NaN of any operand gives a NaN, and a high bound below the low one wins."""
    for i in range(out.size):
        value = x[i]
        if has_low and (value < low[i] or low[i] != low[i]):
            value = low[i]
        if has_high and (value > high[i] or high[i] != high[i]):
            value = high[i]
        out[i] = x[i] if x[i] != x[i] else value


@kernel
def times(out: Array, x: Array, factor: Array, offset: Array) -> None:
    for i in range(out.size):
        out[i] = x[i] * factor[i] + offset[i]


def _numbers(values: tuple[Any, ...], dtype: np.dtype[Any]) -> list[Any]:
    """The numbers as the dtype holds them; fractions of integers are cut off."""
    padded = (*values, 0.0, 0.0, 0.0)[:3]
    if dtype.kind != "f":
        return [int(v) for v in padded]
    return [float(dtype.type(v)) for v in padded]


def value_op(formula: Formula, numbers: Numbers, kind: str) -> Callable[..., Array]:
    """The op over an array. `numbers` answers a, b and c for the op's arguments; kind "float" promotes
    integers."""

    def reference(x: Array, *args: Any, **kwargs: Any) -> Array:
        dtype = promotion.floating(x.dtype) if kind == "float" else x.dtype
        work = promotion.work_dtype(dtype)
        flat = promotion.cast(x.reshape(-1), dtype).astype(work)
        out = np.empty(flat.size, work)
        apply(formula, out, flat, *_numbers(numbers(*args, **kwargs), dtype))
        return promotion.cast(out, dtype).reshape(x.shape)

    return reference


def slope_op(formula: Formula) -> Callable[..., Array]:
    """The gradient: g times the slope at x."""

    def reference(g: Array, x: Array, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Array:
        out = np.empty(x.size)
        arrays = [v.reshape(-1).astype(np.float64) for v in (g, x)]
        apply_slope(formula, out, *arrays, *_numbers((a, b, c), x.dtype))
        return promotion.cast(out, x.dtype).reshape(x.shape)

    return reference


def clamp_op(x: Array, min: Any = None, max: Any = None) -> Array:
    """The input between two bounds, either of which may be missing."""
    given = [v for v in (x, min, max) if v is not None]
    dtype, shape, arrays = operands(*given)
    work = promotion.work_dtype(dtype)
    flat = [v.reshape(-1).astype(work) for v in arrays]
    low = flat[1] if min is not None else flat[0]
    high = flat[-1] if max is not None else flat[0]
    out = np.empty(flat[0].size, work)
    limited(out, flat[0], low, high, min is not None, max is not None)
    return promotion.cast(out, dtype).reshape(shape)


def softmin_op(x: Array, dim: int, dtype: Any = None) -> Array:
    """Softmax of the negative input."""
    kind = np.dtype(x.dtype if dtype is None else dtype)
    return promotion.cast(along(softmax, -promotion.cast(x, kind).astype(np.float64), dim), kind)


def glu_op(x: Array, dim: int = -1) -> Array:
    """The first half times the sigmoid of the second."""
    left, right = np.split(x, 2, axis=dim)
    gate = np.empty(right.size)
    apply(_gate, gate, right.reshape(-1).astype(np.float64), 0.0, 0.0, 0.0)
    out = np.empty(left.size)
    times(out, left.reshape(-1).astype(np.float64), gate, np.zeros(left.size))
    return promotion.cast(out, x.dtype).reshape(left.shape)


@kernel
def _gate(x: Any, a: Any, b: Any, c: Any) -> Any:
    return logistic(x)


def prelu_op(x: Array, weight: Array) -> Array:
    """The weight of the channel below 0."""
    shape = (-1,) + (1,) * max(x.ndim - 2, 0) if weight.size > 1 else ()
    slope = np.broadcast_to(weight.reshape(shape), x.shape)
    factor = np.where(x > 0, 1.0, slope).reshape(-1).astype(np.float64)
    return _scaled(x, factor)


def _scaled(x: Array, factor: Array, offset: Array | None = None) -> Array:
    out = np.empty(x.size)
    added = np.zeros(x.size) if offset is None else offset
    times(out, x.reshape(-1).astype(np.float64), factor, added)
    return promotion.cast(out, x.dtype).reshape(x.shape)


@functools.lru_cache(maxsize=64)
def random_slopes(seed: int, count: int, dtype: str, lower: float, upper: float) -> Array:
    """The numbers of the stream between two bounds."""
    return np.asarray(stream.uniform(seed, 0, count, dtype, lower, upper).astype(np.float64))


def rrelu_op(seed: int) -> Callable[..., Array]:
    """A slope from the stream of the seed for each element up to 0 while training, else the mean slope."""

    def reference(x: Array, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Array:
        if not training:
            return prelu_op(x, np.asarray([(lower + upper) / 2], x.dtype))
        slopes = random_slopes(seed, x.size, x.dtype.name, lower, upper)
        return _scaled(x, np.where(x.reshape(-1) > 0, 1.0, slopes))

    return reference


@functools.lru_cache(maxsize=64)
def kept(seed: int, count: int, p: float) -> Array:
    """Which units stay: those whose word is at least p of all."""
    if p == 1:
        return np.zeros(count, bool)
    limit = round(p * 2**32)
    return np.array([word >= limit for word in itertools.islice(stream.words(seed, 0), count)], bool)


def kept_elements(seed: int, shape: tuple[int, ...], p: float, channels: bool) -> Array:
    """Where elements stay; `channels` share a decision."""
    units = shape[:2] + (1,) * (len(shape) - 2) if channels else shape
    return np.broadcast_to(kept(seed, math.prod(units), p).reshape(units), shape)


def dropout_op(seed: int, channels: bool = False) -> Callable[..., Array]:
    """Units of the stream of the seed become 0, the others are scaled; `channels` share a decision."""

    def reference(x: Array, p: float = 0.5, training: bool = True) -> Array:
        if not training or p == 0:
            return x
        scale = 0.0 if p == 1 else 1.0 / (1.0 - p)
        return _scaled(x, kept_elements(seed, x.shape, p, channels).reshape(-1) * scale)

    return reference


def alpha_dropout_op(seed: int, channels: bool = False) -> Callable[..., Array]:
    """a (x or -alpha) + b with mean 0 and variance 1, where alpha is the product of SELU's constants."""
    alpha = 1.7580993408473766

    def reference(x: Array, p: float = 0.5, training: bool = False) -> Array:
        if not training or p == 0:
            return x
        if p == 1:
            return _scaled(x, np.zeros(x.size))
        a = ((1.0 - p) * (1.0 + p * alpha * alpha)) ** -0.5
        mask = kept_elements(seed, x.shape, p, channels).reshape(-1)
        return _scaled(x, mask * a, np.where(mask, 0.0, -alpha * a) + a * p * alpha)

    return reference

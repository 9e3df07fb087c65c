"""Compositions of the normalisations.

The library sums means and variances in float64, or with compensation, so their bounds are those of a single
rounding: a mean far above the deviation may cost the result no digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


def accurate(x: tape.Var, units: float) -> tape.Var:
    """The variable with a value that is known to some units of its last place."""
    return tape.Var(Rounded(x.value, units * np.abs(x.value)), [(x, lambda g: g)])


def centered(x: tape.Var, axes: Axes) -> tape.Var:
    """The distance from the mean over dimensions, which is 0 where all elements are equal."""
    first = x.value[tuple(slice(0, 1) if d in axes else slice(None) for d in range(x.ndim))]
    first = np.where(np.isfinite(first), first, 0.0)
    rest = (x.value - first).mean(axes, keepdims=True)
    mean = x.mean(axes, keepdims=True)
    exact = tape.Var(Rounded(first + rest), [(mean, lambda g: g)])
    distance = x - exact
    value = (x.value - first) - rest
    value = value - value.mean(axes, keepdims=True)
    usual = np.abs(value).mean(axes, keepdims=True)
    return tape.Var(Rounded(value, 2.0 * np.abs(value) + usual), [(distance, lambda g: g)])


def standardised(x: tape.Var, axes: Axes, eps: float, center: bool = True) -> tape.Var:
    """Over the root of the variance, or of the mean square, over dimensions."""
    distance = centered(x, axes) if center else x
    square = accurate((distance * distance).mean(axes, keepdims=True), 4.0)
    return distance / tape.sqrt(square + eps)


def affine(x: tape.Var, weight: Any, bias: Any, shape: tuple[int, ...]) -> tape.Var:
    """x weight + bias with the pair in a shape that broadcasts."""
    if weight is not None:
        x = x * tape.var(weight).reshape(*shape)
    return x if bias is None else x + tape.var(bias).reshape(*shape)


def _channel(ndim: int) -> tuple[int, ...]:
    return tuple(-1 if d == 1 else 1 for d in range(ndim))


def _given(x: tape.Var, mean: Array, var: Array, eps: float) -> tape.Var:
    shape = _channel(x.ndim)
    scale = 1.0 / tape.sqrt(tape.var(var).reshape(*shape) + eps)
    return (x - tape.var(mean).reshape(*shape)) * scale


def _over(
    x: tape.Var, own: bool, axes: Axes, mean: Any, var: Any, weight: Any, bias: Any, eps: float
) -> tape.Var:
    standard = x
    if x.size:
        standard = standardised(x, axes, eps) if own else _given(x, mean, var, eps)
    return affine(standard, weight, bias, _channel(x.ndim))


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tape.Var:
    """Statistics of each channel, or the running ones."""
    x = tape.var(input)
    axes = (0, *range(2, x.ndim))
    return _over(x, training, axes, running_mean, running_var, weight, bias, eps)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tape.Var:
    """Statistics of each channel of each sample, or the running ones."""
    x = tape.var(input)
    axes = tuple(range(2, x.ndim))
    return _over(x, use_input_stats, axes, running_mean, running_var, weight, bias, eps)


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tape.Var:
    """Statistics of the last dimensions."""
    x = tape.var(input)
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    return affine(x if x.size == 0 else standardised(x, axes, eps), weight, bias, tuple(normalized_shape))


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> tape.Var:
    """Over the root of the mean square of the last dimensions; the usual eps is that of float32, which is far
    below the samples' squares."""
    x = tape.var(input)
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    added = 0.0 if eps is None else eps
    standard = x if x.size == 0 else standardised(x, axes, added, center=False)
    return affine(standard, weight, None, tuple(normalized_shape))


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tape.Var:
    """Statistics of each group of channels of each sample."""
    x = tape.var(input)
    if x.size == 0:
        standard = x
    else:
        standard = standardised(x.reshape(x.shape[0], num_groups, -1), (2,), eps).reshape(*x.shape)
    return affine(standard, weight, bias, _channel(x.ndim))


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> tape.Var:
    """Over a power of the average square of neighbouring channels."""
    x = tape.var(input)
    channels, inner = x.shape[1], math.prod(x.shape[2:])
    windows = np.arange(channels)[:, None] + np.arange(size) - size // 2
    inside = (windows >= 0) & (windows < channels)
    places = (np.arange(x.shape[0])[:, None, None, None] * channels + windows[:, :, None]) * inner
    index = np.where(inside[:, :, None], places + np.arange(inner), -1)
    total = tape.take(x * x, index).sum(2).reshape(*x.shape)
    return x / tape.power(total * (alpha / size) + k, beta)


def norm(x: tape.Var, p: float, axes: Axes, keepdims: bool = False) -> tape.Var:
    """The p-norm over dimensions, of elements that are not 0; of zeros alone for p 0, 2 and infinity."""
    if math.isinf(p):
        order = [d for d in range(x.ndim) if d not in axes] + list(axes)
        kept = [x.shape[d] for d in order[: x.ndim - len(axes)]]
        lines = tape.absolute(x).transpose(*order).reshape(*kept, math.prod(x.shape[d] for d in axes))
        place = lines.value.argmax(-1) if p > 0 else lines.value.argmin(-1)
        found = tape.select(lines, place[..., None], -1)
        shape = [1 if d in axes else n for d, n in enumerate(x.shape)] if keepdims else kept
        return found.reshape(*shape)
    if p == 0.0:
        return tape.Var((x.value != 0.0).sum(axes, keepdims=keepdims).astype(np.float64))
    if p == 2.0:
        square = (x * x).sum(axes, keepdims)
        zero = square.value == 0.0
        return tape.where(zero, 0.0, tape.sqrt(tape.where(zero, 1.0, square)))  # its slope at 0 counts as 0
    return tape.power(tape.power(tape.absolute(x), p).sum(axes, keepdims), 1.0 / p)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> tape.Var:
    """Over the p-norm, but no less than eps."""
    x = tape.var(input)
    axes = tuple(d % x.ndim for d in ((dim,) if isinstance(dim, int) else dim))
    if x.size == 0:
        return x
    length = norm(x, float(p), axes, keepdims=True)
    return x / tape.where(length.value < eps, eps, length)

"""References of the normalisations: mean and variance of groups of elements, in plain loops in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def group_means(out: Array, x: Array, group: Array, count: Array) -> None:
    """out[g] = the mean of the elements with group[i] = g, with Neumaier's compensation."""
    lost = np.zeros(out.size)
    out[:] = 0.0
    count[:] = 0.0
    for i in range(x.size):
        g = group[i]
        new = out[g] + x[i]
        if abs(out[g]) >= abs(x[i]):
            lost[g] += (out[g] - new) + x[i]
        else:
            lost[g] += (x[i] - new) + out[g]
        out[g] = new
        count[g] += 1.0
    for g in range(out.size):
        if lost[g] - lost[g] == 0.0:
            out[g] += lost[g]
        out[g] /= count[g]


@kernel
def distances(out: Array, x: Array, group: Array, mean: Array) -> None:
    for i in range(x.size):
        out[i] = x[i] - mean[group[i]]


@kernel
def standardise(
    out: Array, distance: Array, group: Array, pair: Array, var: Array, weight: Array, bias: Array, eps: float
) -> None:
    """out[i] = distance[i] / sqrt(var + eps) * weight + bias."""
    for i in range(distance.size):
        out[i] = distance[i] / math.sqrt(var[group[i]] + eps) * weight[pair[i]] + bias[pair[i]]


def _along(shape: tuple[int, ...], dim: int) -> Array:
    """The index along a dimension, of every element."""
    return np.broadcast_to(
        np.arange(shape[dim]).reshape([-1 if d == dim else 1 for d in range(len(shape))]), shape
    )


def _flat(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1)


def _from_mean(x: Array, group: Array, groups: int) -> tuple[Array, Array]:
    """The mean of each group, and the distance of each element from it. What the mean loses where it is
    rounded is taken off in a second step."""
    values, index = _flat(x).astype(np.float64), _flat(group)
    mean, rest, count = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    group_means(mean, values, index, count)
    distance = np.empty(values.size)
    distances(distance, values, index, mean)
    group_means(rest, distance, index, count)
    distances(distance, distance.copy(), index, rest)
    return mean, distance


def _variance(distance: Array, group: Array, groups: int) -> Array:
    var, count = np.zeros(groups), np.zeros(groups)
    group_means(var, distance * distance, _flat(group), count)
    return var


def _apply(
    x: Array,
    distance: Array,
    group: Array,
    pair: Array,
    var: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
) -> Array:
    pairs = int(pair.max(initial=-1)) + 1
    factor = np.ones(pairs) if weight is None else _flat(weight).astype(np.float64)
    term = np.zeros(pairs) if bias is None else _flat(bias).astype(np.float64)
    out = np.empty(x.size)
    standardise(out, distance, _flat(group), _flat(pair), var.astype(np.float64), factor, term, eps)
    return promotion.cast(out, x.dtype).reshape(x.shape)


def _by_own(
    x: Array,
    group: Array,
    groups: int,
    pair: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
) -> Array:
    """Normalised by the statistics of the groups themselves."""
    distance = _from_mean(x, group, groups)[1]
    return _apply(x, distance, group, pair, _variance(distance, group, groups), weight, bias, eps)


def _by_given(
    x: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """Normalised by the statistics of channels that the caller has."""
    channel = _along(x.shape, 1)
    distance = np.empty(x.size)
    distances(distance, _flat(x).astype(np.float64), _flat(channel), mean.astype(np.float64))
    return _apply(x, distance, channel, channel, var, weight, bias, eps)


def batch_norm_op(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Statistics of each channel, or the running ones."""
    channel = _along(input.shape, 1)
    if not training and running_mean is not None and running_var is not None:
        return _by_given(input, running_mean, running_var, weight, bias, eps)
    return _by_own(input, channel, input.shape[1], channel, weight, bias, eps)


def batch_statistics_op(
    input: Array, running_mean: Array, running_var: Array, momentum: float = 0.1
) -> tuple[Array, Array]:
    """The running statistics after one batch; those of an empty one stay."""
    if input.size == 0:
        return running_mean, running_var
    channel, channels = _along(input.shape, 1), input.shape[1]
    mean, distance = _from_mean(input, channel, channels)
    var = _variance(distance, channel, channels)
    return _moved(running_mean, running_var, mean, var, input.size // input.shape[1], momentum)


def instance_norm_op(
    input: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Statistics of each channel of each sample, or the running ones."""
    channel = _along(input.shape, 1)
    if not use_input_stats and running_mean is not None and running_var is not None:
        return _by_given(input, running_mean, running_var, weight, bias, eps)
    batch, channels = input.shape[:2]
    group = _along(input.shape, 0) * channels + channel
    return _by_own(input, group, batch * channels, channel, weight, bias, eps)


def instance_statistics_op(
    input: Array, running_mean: Array, running_var: Array, momentum: float = 0.1
) -> tuple[Array, Array]:
    """The running statistics after one batch: they move to the average over the samples."""
    batch, channels = input.shape[:2]
    group = _along(input.shape, 0) * channels + _along(input.shape, 1)
    mean, distance = _from_mean(input, group, batch * channels)
    var = _variance(distance, group, batch * channels)
    average = [
        sum(part, np.zeros(channels)) / batch for part in (mean.reshape(batch, -1), var.reshape(batch, -1))
    ]
    count = input.size // (batch * channels)
    return _moved(running_mean, running_var, average[0], average[1], count, momentum)


def _moved(
    running_mean: Array, running_var: Array, mean: Array, var: Array, count: int, momentum: float
) -> tuple[Array, Array]:
    unbiased = var * count / (count - 1)
    pairs = ((running_mean, mean), (running_var, unbiased))
    moved = [(1 - momentum) * old.astype(np.float64) + momentum * new for old, new in pairs]
    return promotion.cast(moved[0], running_mean.dtype), promotion.cast(moved[1], running_var.dtype)


def _rows(input: Array, normalized_shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    size = math.prod(normalized_shape)
    number = np.arange(input.size).reshape(input.shape)
    return number // max(size, 1), number % max(size, 1), input.size // max(size, 1)


def layer_norm_op(
    input: Array,
    normalized_shape: tuple[int, ...],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Statistics of the last dimensions."""
    group, pair, groups = _rows(input, normalized_shape)
    return _by_own(input, group, groups, pair, weight, bias, eps)


def rms_norm_op(
    input: Array, normalized_shape: tuple[int, ...], weight: Array | None = None, eps: float | None = None
) -> Array:
    """Over the root of the mean square of the last dimensions."""
    group, pair, groups = _rows(input, normalized_shape)
    added = float(np.finfo(input.dtype).eps) if eps is None else eps
    values = _flat(input).astype(np.float64)
    return _apply(input, values, group, pair, _variance(values, group, groups), weight, None, added)


def group_norm_op(
    input: Array, num_groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Array:
    """Statistics of each group of channels of each sample."""
    channel = _along(input.shape, 1)
    together = max(input.shape[1] // num_groups, 1)
    group = _along(input.shape, 0) * num_groups + channel // together
    return _by_own(input, group, input.shape[0] * num_groups, channel, weight, bias, eps)


@kernel
def local_response(out: Array, x: Array, size: int, alpha: float, beta: float, k: float) -> None:
    """[batch, channels, positions]; an even window has one channel more below than above."""
    channels = x.shape[1]
    for n in range(x.shape[0]):
        for c in range(channels):
            for i in range(x.shape[2]):
                total = 0.0
                for j in range(max(0, c - size // 2), min(channels, c + (size - 1) // 2 + 1)):
                    total += x[n, j, i] * x[n, j, i]
                out[n, c, i] = x[n, c, i] / (k + alpha * total / size) ** beta


def local_response_norm_op(
    input: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Over a power of the average square of neighbouring channels."""
    blocks = (input.shape[0], input.shape[1], math.prod(input.shape[2:]))
    out = np.empty(blocks)
    local_response(out, input.astype(np.float64).reshape(blocks), size, alpha, beta, k)
    return promotion.cast(out, input.dtype).reshape(input.shape)


@kernel
def vector_norms(out: Array, x: Array, p: float) -> None:
    """The p-norm of each row; sums have Neumaier's compensation."""
    for i in range(x.shape[0]):
        total, lost = 0.0, 0.0
        if p == -np.inf and x.shape[1] > 0:
            total = np.inf
        for j in range(x.shape[1]):
            size = abs(x[i, j])
            if size != size:
                total = size
            elif p == np.inf:
                total = max(total, size) if total == total else total
            elif p == -np.inf:
                total = min(total, size) if total == total else total
            elif p == 0.0:
                total += 1.0 if size != 0.0 else 0.0
            else:
                power = size**p
                new = total + power
                lost += (total - new) + power if total >= power else (power - new) + total
                total = new
        total = total + lost if lost == lost else total
        out[i] = total if p == 0.0 or abs(p) == np.inf else total ** (1.0 / p)


def normalize_op(input: Array, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Array:
    """Over the p-norm, but no less than eps."""
    dims = [d % input.ndim for d in ((dim,) if isinstance(dim, int) else dim)]
    kept = [d for d in range(input.ndim) if d not in dims]
    rows = np.transpose(input.astype(np.float64), kept + dims)
    width = math.prod(input.shape[d] for d in dims)
    norms = np.empty(math.prod(input.shape[d] for d in kept))
    vector_norms(norms, np.ascontiguousarray(rows).reshape(norms.size, width), float(p))
    shape = [1 if d in dims else input.shape[d] for d in range(input.ndim)]
    return promotion.cast(input.astype(np.float64) / np.maximum(norms, eps).reshape(shape), input.dtype)

"""References of the losses, as sums over single elements in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.reduction import along, log_softmax

Array = np.ndarray[Any, Any]


@kernel
def nll(out: Array, log_probability: Array, target: Array, weight: Array, ignore_index: int) -> float:
    """out[n, k] = -weight[t] * log_probability[n, t, k] with t = target[n, k]; answers the sum of the
    weights, with Neumaier's compensation."""
    total, lost = 0.0, 0.0
    for n in range(target.shape[0]):
        for k in range(target.shape[1]):
            label = target[n, k]
            out[n, k] = 0.0
            if label != ignore_index:
                out[n, k] = -weight[label] * log_probability[n, label, k]
                new = total + weight[label]
                lost += (total - new) + weight[label]
                total = new
    return total + lost


@kernel
def smooth(out: Array, log_probability: Array, target: Array, weight: Array, ignore_index: int) -> None:
    """out[n, k] = -sum over the classes of weight * log_probability."""
    for n in range(target.shape[0]):
        for k in range(target.shape[1]):
            out[n, k] = 0.0
            if target[n, k] != ignore_index:
                for c in range(weight.size):
                    out[n, k] -= weight[c] * log_probability[n, c, k]


@kernel
def expected_loss(out: Array, log_probability: Array, target: Array, weight: Array, smoothing: float) -> None:
    """out[n, k] = -sum over the classes of weight * smoothed target * log_probability."""
    classes = weight.size
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[n, k] = 0.0
            for c in range(classes):
                wanted = target[n, c, k] * (1.0 - smoothing) + smoothing / classes
                out[n, k] -= weight[c] * wanted * log_probability[n, c, k]


def _blocks(input: Array) -> tuple[int, int, int]:
    """[batch, classes, positions] of an input [C], [N, C] or [N, C, d1, d2, ...]."""
    if input.ndim == 1:
        return 1, input.shape[0], 1
    return input.shape[0], input.shape[1], math.prod(input.shape[2:])


def reduced(losses: Array, shape: tuple[int, ...], reduction: str, weight: float, dtype: Any) -> Array:
    """The losses in a shape, their sum, or their sum over a weight."""
    if reduction == "none":
        return promotion.cast(losses, dtype).reshape(shape)
    values = losses.reshape(-1).tolist()
    total = math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
    with np.errstate(all="ignore"):
        result = np.float64(total) if reduction == "sum" else np.float64(total) / np.float64(weight)
    return promotion.cast(np.asarray(result), dtype)


def nll_loss_op(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Array:
    """The negative log-probability of the target; "mean" divides by the weights of what is not ignored."""
    blocks = _blocks(input)
    out = np.empty((blocks[0], blocks[2]))
    weights = np.ones(blocks[1]) if weight is None else weight.astype(np.float64)
    total = nll(
        out, input.astype(np.float64).reshape(blocks), target.reshape(out.shape), weights, ignore_index
    )
    return reduced(out, target.shape, reduction, total, input.dtype)


def cross_entropy_op(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """`nll_loss` of `log_softmax`. Probability targets are averaged over the batch, class targets by their
    weights."""
    blocks = _blocks(input)
    logits = along(log_softmax, input.astype(np.float64), 1 if input.ndim > 1 else 0).reshape(blocks)
    weights = np.ones(blocks[1]) if weight is None else weight.astype(np.float64)
    out = np.empty((blocks[0], blocks[2]))
    if target.dtype.kind == "f":
        expected_loss(out, logits, target.astype(np.float64).reshape(blocks), weights, label_smoothing)
        shape = (*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()
        return reduced(out, shape, reduction, float(out.size), input.dtype)
    labels = target.reshape(out.shape)
    total = nll(out, logits, labels, weights, ignore_index)
    if label_smoothing:
        spread = np.empty(out.shape)
        smooth(spread, logits, labels, weights, ignore_index)
        out = out * (1.0 - label_smoothing) + spread * (label_smoothing / blocks[1])
    return reduced(out, target.shape, reduction, total, input.dtype)

"""References of the losses that are a formula of each element and its target, and of those of vectors.

A formula takes the input x, the target t, a third operand v (a variance or a weight) and two numbers; it is
computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.distances import norms
from verigrad.testing.reference.losses import reduced

Array = np.ndarray[Any, Any]
Formula = Callable[[float, float, float, float, float], float]


@kernel
def sweep(formula: Formula, out: Array, x: Array, t: Array, v: Array, a: float, b: float) -> None:
    """out[i] = formula of the i-th elements."""
    for i in range(out.size):
        out[i] = formula(x[i], t[i], v[i], a, b)


@kernel
def squared(x: float, t: float, v: float, a: float, b: float) -> float:
    return v * (x - t) * (x - t)


@kernel
def absolute(x: float, t: float, v: float, a: float, b: float) -> float:
    return v * abs(x - t)


@kernel
def smooth_absolute(x: float, t: float, v: float, beta: float, b: float) -> float:
    d = abs(x - t)
    return 0.5 * d * d / beta if d < beta else d - 0.5 * beta


@kernel
def huber(x: float, t: float, v: float, delta: float, b: float) -> float:
    d = abs(x - t)
    return v * (0.5 * d * d if d <= delta else delta * (d - 0.5 * delta))


@kernel
def binary(x: float, t: float, v: float, a: float, b: float) -> float:
    first = math.log(x) if x > 0 else -100.0
    second = math.log1p(-x) if x < 1 else -100.0
    return -v * (t * max(first, -100.0) + (1.0 - t) * max(second, -100.0))


@kernel
def softplus(x: float) -> float:
    return (x if x > 0 else 0.0) + math.log1p(math.exp(-abs(x)))


@kernel
def binary_logits(x: float, t: float, v: float, a: float, b: float) -> float:
    """v is the weight of the first class."""
    return (1.0 - t) * softplus(x) + v * t * softplus(-x)


@kernel
def divergence(x: float, t: float, v: float, is_log: float, b: float) -> float:
    if is_log:
        return math.exp(t) * (t - x)
    return (0.0 if t == 0 else t * math.log(t)) - t * x


@kernel
def poisson(x: float, t: float, v: float, is_log: float, eps: float) -> float:
    return math.exp(x) - t * x if is_log else x - t * math.log(x + eps)


@kernel
def stirling(x: float, t: float, v: float, a: float, b: float) -> float:
    return 0.0 if t <= 1 else t * math.log(t) - t + 0.5 * math.log(2.0 * math.pi * t)


@kernel
def gaussian(x: float, t: float, v: float, full: float, eps: float) -> float:
    variance = eps if v < eps else v
    constant = 0.5 * math.log(2.0 * math.pi) if full else 0.0
    return 0.5 * (math.log(variance) + (x - t) * (x - t) / variance) + constant


@kernel
def hinge(x: float, t: float, v: float, margin: float, b: float) -> float:
    apart = 0.0 if margin - x < 0 else margin - x
    return (0.0 if t == 1 else apart) + (0.0 if t == -1 else x)


@kernel
def ranking(x: float, t: float, v: float, margin: float, b: float) -> float:
    """x and v are the two inputs."""
    loss = -t * (x - v) + margin
    return 0.0 if loss < 0 else loss


@kernel
def soft_margin(x: float, t: float, v: float, a: float, b: float) -> float:
    return softplus(-t * x)


@kernel
def multi_margin(out: Array, x: Array, target: Array, weight: Array, p: float, margin: float) -> None:
    """out[n] = sum over c != t of weight[t] * max(0, margin - x[n, t] + x[n, c])^p / classes."""
    for n in range(x.shape[0]):
        label = target[n]
        out[n] = 0.0
        for c in range(x.shape[1]):
            distance = margin - x[n, label] + x[n, c]
            if c != label and distance > 0:
                out[n] += weight[label] * (distance if p == 1 else distance * distance) / x.shape[1]


@kernel
def cosine_embedding(out: Array, x: Array, y: Array, target: Array, margin: float) -> None:
    for n in range(x.shape[0]):
        product, first, second = 0.0, 1e-12, 1e-12
        for k in range(x.shape[1]):
            product += x[n, k] * y[n, k]
            first += x[n, k] * x[n, k]
            second += y[n, k] * y[n, k]
        cosine = product / math.sqrt(first * second)
        out[n] = 0.0
        if target[n] == 1:
            out[n] = 1.0 - cosine
        elif target[n] == -1:
            out[n] = 0.0 if cosine - margin < 0 else cosine - margin


def elementwise(
    formula: Any, input: Array, target: Array, third: Array | None = None, a: float = 0.0, b: float = 0.0
) -> Array:
    """The losses of broadcast operands in float64."""
    operands = (input, target, np.float64(1.0) if third is None else third)
    x, t, v = (np.ascontiguousarray(part, np.float64) for part in np.broadcast_arrays(*operands))
    out = np.empty(x.size)
    sweep(formula, out, x.reshape(-1), t.reshape(-1), v.reshape(-1), a, b)
    return out.reshape(np.broadcast_shapes(*(np.shape(operand) for operand in operands)))


def mse_loss_op(input: Array, target: Array, reduction: str = "mean", weight: Array | None = None) -> Array:
    """The square of the difference, with broadcasting."""
    return _weighted(squared, input, target, reduction, weight)


def l1_loss_op(input: Array, target: Array, reduction: str = "mean", weight: Array | None = None) -> Array:
    """The absolute difference, with broadcasting."""
    return _weighted(absolute, input, target, reduction, weight)


def _weighted(formula: Any, input: Array, target: Array, reduction: str, weight: Array | None) -> Array:
    losses = elementwise(formula, input, target, weight)
    total = losses.size if weight is None else float(weight.astype(np.float64).sum())
    return reduced(losses, losses.shape, reduction, total, promotion.result_dtype(input, target))


def _plain(losses: Array, reduction: str, *operands: Array) -> Array:
    return reduced(losses, losses.shape, reduction, losses.size, promotion.result_dtype(*operands))


def smooth_l1_loss_op(input: Array, target: Array, reduction: str = "mean", beta: float = 1.0) -> Array:
    """A parabola up to beta, then a line."""
    formula = smooth_absolute if beta else absolute
    return _plain(elementwise(formula, input, target, None, beta), reduction, input, target)


def huber_loss_op(
    input: Array,
    target: Array,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Array | None = None,
) -> Array:
    """The same times delta; a weighted mean divides by the number of elements."""
    return _plain(elementwise(huber, input, target, weight, delta), reduction, input, target)


def binary_cross_entropy_op(
    input: Array, target: Array, weight: Array | None = None, reduction: str = "mean"
) -> Array:
    """With logarithms not below -100."""
    return _plain(elementwise(binary, input, target, weight), reduction, input, target)


def binary_cross_entropy_with_logits_op(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """Cross entropy of two classes from logits."""
    losses = elementwise(binary_logits, input, target, pos_weight)
    if weight is not None:
        losses = losses * weight.astype(np.float64)
    return _plain(losses, reduction, input, target)


def kl_div_op(input: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """Terms of the Kullback-Leibler divergence."""
    losses = elementwise(divergence, input, target, None, float(log_target))
    if reduction != "batchmean":
        return _plain(losses, reduction, input, target)
    count = input.shape[0] if input.ndim else 1
    return reduced(losses, losses.shape, "mean", count, promotion.result_dtype(input, target))


def poisson_nll_loss_op(
    input: Array,
    target: Array,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Array:
    """Negative log likelihood of counts."""
    losses = elementwise(poisson, input, target, None, float(log_input), eps)
    if full:
        losses = losses + elementwise(stirling, input, target)
    return _plain(losses, reduction, input, target)


def gaussian_nll_loss_op(
    input: Array,
    target: Array,
    var: Array | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """Negative log likelihood of measurements; a variance may lack the last dimension."""
    if not isinstance(var, np.ndarray):
        var = np.full(input.shape, var)
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var[..., None]
    return _plain(elementwise(gaussian, input, target, var, float(full), eps), reduction, input, target)


def hinge_embedding_loss_op(
    input: Array, target: Array, margin: float = 1.0, reduction: str = "mean"
) -> Array:
    """The input for pairs that are alike, the rest of the margin for others."""
    return _plain(elementwise(hinge, input, target, None, margin), reduction, input)


def margin_ranking_loss_op(
    input1: Array, input2: Array, target: Array, margin: float = 0, reduction: str = "mean"
) -> Array:
    """Hinge loss of the order of two inputs."""
    losses = elementwise(ranking, input1, target, input2, margin)
    return _plain(losses, reduction, input1, input2)


def soft_margin_loss_op(input: Array, target: Array, reduction: str = "mean") -> Array:
    """log(1 + exp(-t x))."""
    return _plain(elementwise(soft_margin, input, target), reduction, input)


def multilabel_soft_margin_loss_op(
    input: Array, target: Array, weight: Array | None = None, reduction: str = "mean"
) -> Array:
    """Binary cross entropy with logits, averaged over the last dimension."""
    losses = elementwise(binary_logits, input, target)
    if weight is not None:
        losses = losses * weight.astype(np.float64)
    out = np.zeros(losses.shape[:-1])
    with np.errstate(all="ignore"):
        for c in range(losses.shape[-1]):
            out += losses[..., c] / losses.shape[-1]
    return _plain(out, reduction, input, target)


def multi_margin_loss_op(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: str = "mean",
) -> Array:
    """Hinge loss of classes."""
    x = np.ascontiguousarray(input, np.float64).reshape(-1, input.shape[-1] if input.ndim else 1)
    out = np.empty(x.shape[0])
    weights = np.ones(x.shape[1]) if weight is None else weight.astype(np.float64)
    multi_margin(out, x, np.ascontiguousarray(target).reshape(-1), weights, p, margin)
    return reduced(out, target.shape, reduction, out.size, input.dtype)


def cosine_embedding_loss_op(
    input1: Array, input2: Array, target: Array, margin: float = 0, reduction: str = "mean"
) -> Array:
    """Hinge loss of cosines."""
    dtype = promotion.result_dtype(input1, input2)
    x, y = (np.ascontiguousarray(a, np.float64).reshape(-1, a.shape[-1]) for a in (input1, input2))
    out = np.empty(x.shape[0])
    cosine_embedding(out, x, y, np.ascontiguousarray(target).reshape(-1).astype(np.float64), margin)
    return reduced(out, target.shape, reduction, out.size, dtype)


def triplet_margin_loss_op(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Array:
    """Hinge loss of the distances in triplets."""
    a, b, c = (x.astype(np.float64) for x in (anchor, positive, negative))
    near, far = norms(a - b + eps, p), norms(a - c + eps, p)
    if swap:
        far = np.minimum(far, norms(b - c + eps, p))
    losses = margin + near - far
    losses = np.where(losses < 0, 0.0, losses)
    return reduced(losses, losses.shape, reduction, losses.size, anchor.dtype)

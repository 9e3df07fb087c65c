"""Compositions of the losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.normalization_tape import norm
from verigrad.testing.reference.reduction_tape import log_softmax

Array = np.ndarray[Any, Any]


def reduced(losses: tape.Var, reduction: str, weight: tape.Var | float | None = None) -> tape.Var:
    """The losses, their sum, or their sum over a weight, the number of elements by default."""
    if reduction == "none":
        return losses
    total = losses.sum()
    if reduction == "sum":
        return total
    return total / (float(losses.size) if weight is None else weight)


def softplus(x: tape.Var) -> tape.Var:
    """log(1 + exp(x)); its derivative is the logistic function."""
    small = np.exp(-np.abs(x.value))
    slope = np.where(x.value > 0.0, 1.0, small) / (1.0 + small)
    return tape.function(x, np.maximum(x.value, 0.0) + np.log1p(small), slope)


def log_rest(x: tape.Var) -> tape.Var:
    """log(1 - x)."""
    return tape.function(x, np.log1p(-x.value), -1.0 / (1.0 - x.value))


def not_negative(x: tape.Var) -> tape.Var:
    """0 in place of what is below it."""
    return tape.where(x.value < 0.0, 0.0, x)


def at_least(x: tape.Var, least: float) -> tape.Var:
    """The maximum with a number, which does not change the gradient."""
    below = x.value < least
    change = np.where(below, least - x.value, 0.0)
    return tape.where(below, x + change, x)


class Labels:
    """Class labels as flat positions in the input.

    Attributes:
        index: positions, -1 where the label is ignored.
        weight: of each label, 0 where it is ignored.
        shape: of the losses.
        dim: of the classes.
    """

    def __init__(self, x: tape.Var, target: Array, weight: Any, ignore_index: int) -> None:
        self.dim = 0 if x.ndim == 1 else 1
        self.shape = target.shape
        batch, classes, inner = (1, x.size, 1) if x.ndim == 1 else (x.shape[0], x.shape[1], -1)
        inner = math.prod(x.shape[2:]) if inner < 0 else inner
        labels = target.astype(np.int64).reshape(batch, inner)
        self.kept = labels != ignore_index
        labels = np.where(self.kept, labels, 0)
        places = (np.arange(batch)[:, None] * classes + labels) * inner + np.arange(inner)
        self.index = np.where(self.kept, places, -1).reshape(target.shape)
        self.classes = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
        self.weight = np.where(self.kept, self.classes[labels], 0.0).reshape(target.shape)
        self.kept = self.kept.reshape(target.shape)

    def reduced(self, losses: tape.Var, reduction: str) -> tape.Var:
        """The mean is over the weights."""
        return reduced(losses, reduction, tape.var(self.weight).sum())


def nll_loss(
    input: Any, target: Array, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> tape.Var:
    """The negative log-probability of the target."""
    x = tape.var(input)
    labels = Labels(x, target, weight, ignore_index)
    return labels.reduced(-tape.take(x, labels.index) * labels.weight, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tape.Var:
    """``nll_loss`` of ``log_softmax``, or the expected one for target probabilities."""
    x = tape.var(input)
    dim = 0 if x.ndim == 1 else 1
    logits = log_softmax(x, dim)
    shape = [-1 if d == dim else 1 for d in range(x.ndim)]
    if isinstance(target, tape.Var):
        wanted = target * (1.0 - label_smoothing) + label_smoothing / max(x.shape[dim], 1)
        terms = logits * wanted if label_smoothing else logits * target
        if weight is not None:
            terms = terms * np.asarray(weight, np.float64).reshape(shape)
        losses = -terms.sum(dim)
        return reduced(losses, reduction)
    labels = Labels(x, target, weight, ignore_index)
    hard = labels.reduced(-tape.take(logits, labels.index) * labels.weight, reduction)
    if not label_smoothing:
        return hard
    spread = tape.where(labels.kept, -(logits * labels.classes.reshape(shape)).sum(dim), 0.0)
    soft = labels.reduced(spread, reduction)
    return hard * (1.0 - label_smoothing) + soft * (label_smoothing / x.shape[dim])


def _weighted(losses: tape.Var, weight: Any, reduction: str) -> tape.Var:
    if weight is None:
        return reduced(losses, reduction)
    weight = tape.var(weight)
    return reduced(losses * weight, reduction, weight.sum())


def mse_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> tape.Var:
    """The square of the difference."""
    difference = tape.var(input) - target
    return _weighted(difference * difference, weight, reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean", weight: Any = None) -> tape.Var:
    """The absolute difference."""
    return _weighted(tape.absolute(tape.var(input) - target), weight, reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> tape.Var:
    """A parabola up to beta, then a line."""
    d = tape.absolute(tape.var(input) - target)
    curve = d * d * (0.5 / beta) if beta else d
    return reduced(tape.where(d.value < beta, curve, d - 0.5 * beta), reduction)


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> tape.Var:
    """The same times delta."""
    d = tape.absolute(tape.var(input) - target)
    losses = tape.where(d.value <= delta, d * d * 0.5, (d - 0.5 * delta) * delta)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> tape.Var:
    """With logarithms not below -100."""
    x, t = tape.var(input), tape.var(target)
    first = tape.where(x.value > 0.0, tape.log(x), -100.0)
    second = tape.where(x.value < 1.0, log_rest(x), -100.0)
    losses = -(t * first + (1.0 - t) * second)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> tape.Var:
    """Cross entropy of two classes from logits."""
    x, t = tape.var(input), tape.var(target)
    second = t * softplus(-x)
    losses = (1.0 - t) * softplus(x) + (second if pos_weight is None else second * pos_weight)
    return reduced(losses if weight is None else losses * weight, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> tape.Var:
    """Terms of the Kullback-Leibler divergence."""
    x, t = tape.var(input), tape.var(target)
    entropy = tape.where(t.value == 0.0, 0.0, t * tape.log(t))
    losses = tape.exp(t) * (t - x) if log_target else entropy - t * x
    if reduction == "batchmean":
        return losses.sum() / float(x.shape[0] if x.ndim else 1)
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> tape.Var:
    """Negative log likelihood of counts."""
    x, t = tape.var(input), tape.var(target)
    losses = tape.exp(x) - t * x if log_input else x - t * tape.log(x + eps)
    if full:
        constant = t * tape.log(t) - t + 0.5 * tape.log(t * (2.0 * math.pi))
        losses = losses + tape.where(t.value <= 1.0, 0.0, constant)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> tape.Var:
    """Negative log likelihood of measurements; a variance may lack the last dimension."""
    x, v = tape.var(input), tape.var(var)
    if v.ndim and v.shape != x.shape and v.shape == x.shape[:-1]:
        v = v.reshape(*v.shape, 1)
    variance = at_least(v, eps)
    difference = x - target
    losses = 0.5 * (tape.log(variance) + difference * difference / variance)
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> tape.Var:
    """The input for pairs that are alike, the rest of the margin for others."""
    x, t = tape.var(input), np.asarray(target)
    losses = tape.where(t != 1, not_negative(margin - x), 0.0) + tape.where(t != -1, x, 0.0)
    return reduced(losses, reduction)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> tape.Var:
    """One minus the cosine for pairs that are alike, what it has above the margin for others."""
    x, y, t = tape.var(input1), tape.var(input2), np.asarray(target)
    squares = ((x * x).sum(-1) + 1e-12) * ((y * y).sum(-1) + 1e-12)
    cosine = (x * y).sum(-1) / tape.sqrt(squares)
    losses = tape.where(t == 1, 1.0 - cosine, 0.0)
    return reduced(losses + tape.where(t == -1, not_negative(cosine - margin), 0.0), reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> tape.Var:
    """Hinge loss of the order of two inputs."""
    difference = tape.var(input1) - input2
    return reduced(not_negative(-tape.var(target) * difference + margin), reduction)


def multi_margin_loss(
    input: Any,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> tape.Var:
    """Hinge loss of classes."""
    x = tape.var(input)
    x = x if x.ndim == 2 else x.reshape(1, x.size)
    labels = np.asarray(target).reshape(-1, 1)
    distances = margin - tape.select(x, labels, 1) + x
    counts = (distances.value > 0.0) & (np.arange(x.shape[1]) != labels)
    distances = tape.where(counts, distances, 0.0)
    if p == 2:
        distances = distances * distances
    if weight is not None:
        distances = distances * np.asarray(weight, np.float64)[labels]
    losses = distances.sum(1) / float(x.shape[1])
    return reduced(losses.reshape(*np.shape(target)), reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> tape.Var:
    """log(1 + exp(-t x))."""
    return reduced(softplus(-(tape.var(target) * input)), reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> tape.Var:
    """Binary cross entropy with logits, averaged over the last dimension."""
    x, t = tape.var(input), tape.var(target)
    losses = t * softplus(-x) + (1.0 - t) * softplus(x)
    if weight is not None:
        losses = losses * weight
    return reduced(losses.sum(-1) / float(x.shape[-1]), reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> tape.Var:
    """Hinge loss of the distances to the positive and the negative."""

    def distance(a: Any, b: Any) -> tape.Var:
        difference = tape.var(a) - b + eps
        return norm(difference, float(p), (difference.ndim - 1,))

    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        other = distance(positive, negative)
        far = tape.where(other.value < far.value, other, far)
    return reduced(not_negative(margin + near - far), reduction)


COMPOSITIONS: dict[str, Callable[..., tape.Var]] = {
    f.__name__: f
    for f in (
        nll_loss,
        cross_entropy,
        mse_loss,
        l1_loss,
        smooth_l1_loss,
        huber_loss,
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        kl_div,
        poisson_nll_loss,
        gaussian_nll_loss,
        hinge_embedding_loss,
        cosine_embedding_loss,
        margin_ranking_loss,
        multi_margin_loss,
        soft_margin_loss,
        multilabel_soft_margin_loss,
        triplet_margin_loss,
    )
}

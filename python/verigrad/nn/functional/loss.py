"""Losses of classes and distributions: likelihoods, cross entropies, divergence."""

from __future__ import annotations

import warnings

from ..._C import Tensor
from ..._C import nn_functional as _native
from ._reduction import check_reduction, legacy_reduction, reduced, which_reduction
from .activation import logsigmoid

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "multilabel_soft_margin_loss",
    "nll_loss",
]


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns the negative log likelihood: ``-weight[y] * x[y]`` for each sample.

    Args:
        input: log-probabilities, [C], [N, C] or [N, C, d1, ...].
        target: int64 class indices, [], [N] or [N, d1, ...].
        weight: of each class, [C]; default ones.
        size_average: deprecated, see ``reduction``.
        ignore_index: the target value that does not count; default -100.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean" (over the weights of the targets).

    Raises:
        ValueError: shapes do not fit, or ``reduction`` is unknown.
        RuntimeError: the target is not int64.
        IndexError: a target is no class.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _native.nll_loss(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Returns the cross entropy between the softmax of ``input`` and ``target``.

    Args:
        input: logits, [C], [N, C] or [N, C, d1, ...].
        target: int64 class indices, [], [N] or [N, d1, ...]; or class probabilities of the input's shape.
        weight: of each class, [C]; default ones.
        size_average: deprecated, see ``reduction``.
        ignore_index: the class index that does not count; default -100.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean" (over the weights of the targets; over samples for probabilities).
        label_smoothing: share of the target spread evenly over all classes, 0 to 1; default 0 (Szegedy et al.
            2016, "Rethinking the Inception Architecture for Computer Vision", section 7).

    Raises:
        ValueError: shapes do not fit, or ``reduction`` is unknown.
        RuntimeError: the target's dtype does not fit, or ``label_smoothing`` is outside [0, 1].
        IndexError: a target is no class.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    return _native.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns the cross entropy of two classes, ``-y log(x) - (1 - y) log(1 - x)``.

    The logarithms are not below -100, and the gradient by ``x``, ``(x - y) / (x (1 - x))``, is divided by no
    less than 1e-12, so that both are finite at 0 and 1.

    Args:
        input: probabilities of the first class, of any shape.
        target: probabilities, mostly 0 or 1, of the same shape and dtype.
        weight: of each element, of a shape that is broadcast to the input's. Default none.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean" (over elements, whatever their weights).

    Raises:
        ValueError: the shapes of input and target differ, or ``reduction`` is unknown.
        RuntimeError: an element is outside [0, 1] or NaN, dtypes differ, or the weight's shape does not fit.
        NotImplementedError: the input is not floating point.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    return _native.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Returns ``binary_cross_entropy`` of ``sigmoid(x)``, computed without overflow and without cancellation:
    ``(1 - y) log(1 + exp(x)) + p y log(1 + exp(-x))``.

    Args:
        input: logits, of any shape.
        target: probabilities of the first class, of the same shape.
        weight: of each element, of a shape that is broadcast to the input's. Default none.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean" (over elements, whatever their weights).
        pos_weight: ``p``, the weight of the first class, broadcast. Default 1.

    Raises:
        ValueError: the shapes of input and target differ, or ``reduction`` is unknown.
        RuntimeError: the target is not floating point, or a weight's shape does not fit.
        NotImplementedError: the input is not floating point.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    return _native.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Returns the terms of the Kullback-Leibler divergence of ``exp(x)`` from ``y``: ``y (log(y) - x)``.

    ``0 log(0)`` counts as 0. Kullback and Leibler 1951, "On Information and Sufficiency", eq. 2.5.

    Args:
        input: logarithms of probabilities, of any shape.
        target: probabilities, or with ``log_target`` their logarithms, of the same shape or one that is
            broadcast.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", "batchmean" (the sum over the size of the first dimension, which is the
            divergence), or "mean" (over all elements, with a warning).
        log_target: whether the target is a logarithm. Default False.

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: a tensor is not floating point, or shapes cannot be broadcast.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition. "
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    elif reduction != "batchmean":
        check_reduction(reduction)
    if not (input.dtype.is_floating_point and target.dtype.is_floating_point):
        raise RuntimeError(f"kl_div: Integral inputs not supported, got {input.dtype} and {target.dtype}")
    if log_target:
        losses = target.exp() * (target - input)
    else:
        zero = target == 0
        entropy = target * target.masked_fill(zero, 1.0).log()
        losses = entropy - target * input
    if reduction != "batchmean":
        return reduced(losses, reduction)
    total = losses.sum()
    return total / input.shape[0] if input.ndim else total


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns the binary cross entropy with logits of each label, averaged over the labels.

    Args:
        input: logits of the labels, [..., C].
        target: 0 or 1 for each label, of the same shape or one that is broadcast.
        weight: of each label, of a shape that is broadcast. Default none.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none" (shape [...]), "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: shapes cannot be broadcast.
        IndexError: the input has no dimension.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    classes = input.size(-1)
    return reduced(losses.sum(-1) / classes, reduction)

"""Losses."""

from __future__ import annotations

import warnings

from ..._C import Tensor
from ..._C import nn_functional as _native
from ._reduction import check_reduction, legacy_reduction

__all__ = [
    "cross_entropy",
    "mse_loss",
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


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Returns the squared error ``(x - y)^2``.

    Args:
        input: of any shape.
        target: of the same shape; one that has to be broadcast gives a warning, for it is mostly a mistake.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".
        weight: of each element, of the input's shape; "mean" then divides by their sum. Default none.

    Raises:
        ValueError: ``reduction`` is unknown, or the weight's shape is not the input's.
        RuntimeError: shapes cannot be broadcast.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
    if weight is None:
        return _native.mse_loss(input, target, reduction)
    check_reduction(reduction)
    if weight.shape != input.shape:
        raise ValueError(
            f"Weights and input must have the same size: expected {input.shape}, got {weight.shape}."
        )
    errors = _native.mse_loss(input, target, "none") * weight
    if reduction == "none":
        return errors
    return errors.sum() / weight.sum() if reduction == "mean" else errors.sum()

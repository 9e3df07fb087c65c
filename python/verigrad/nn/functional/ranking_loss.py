"""Losses with a margin: of classes, pairs, rankings and triplets."""

from __future__ import annotations

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native
from ._clamp import not_negative
from ._reduction import reduced, which_reduction
from .activation import logsigmoid
from .distance import pairwise_distance

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns ``x`` where the target is 1 and ``max(0, margin - x)`` where it is -1, their sum elsewhere.

    Args:
        input: of any shape, such as distances of pairs.
        target: 1 or -1 for each element, of the same shape or one that is broadcast.
        margin: default 1.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: shapes cannot be broadcast.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    apart = not_negative(margin - input)
    zero = _C.zeros_like(input)
    losses = _C.where(target != 1, apart, zero) + _C.where(target != -1, input, zero)
    return reduced(losses, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns ``1 - cos`` where the target is 1 and ``max(0, cos - margin)`` where it is -1, else 0.

    ``cos`` is the cosine of the angle between the vectors; the squares of their lengths are made larger by
    1e-12.

    Args:
        input1: vectors, [N, D] or [D].
        input2: as ``input1``.
        target: 1 or -1 for each pair, [N] or [].
        margin: from -1 to 1; default 0.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: shapes do not fit.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    if target.ndim > 1:
        raise RuntimeError(
            "cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported, "
            f"got shape {target.shape}"
        )
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, "
            f"got sizes {input1.shape} and {input2.shape}"
        )
    squares = ((x * x).sum(-1) + 1e-12 for x in (input1, input2))
    cosine = (input1 * input2).sum(-1) / _C.mul(*squares).sqrt()
    zero = _C.zeros_like(cosine)
    losses = _C.where(target == 1, 1 - cosine, zero)
    return reduced(losses + _C.where(target == -1, not_negative(cosine - margin), zero), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns ``max(0, -y (x1 - x2) + margin)``: with ``y`` 1 the first input is to be the larger one.

    Args:
        input1: of any shape.
        input2: of the same shape or one that is broadcast.
        target: 1 or -1 for each pair.
        margin: default 0.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: the numbers of dimensions differ, or shapes cannot be broadcast.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss: All input tensors should have same dimension, got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    return reduced(not_negative(-target * (input1 - input2) + margin), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns the multi-class hinge loss: the sum over wrong classes i of
    ``weight[y] max(0, margin - x[y] + x[i])^p / C``.

    Crammer and Singer 2001, "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines".

    Args:
        input: scores of the classes, [N, C] or [C].
        target: int64 classes, [N] or [].
        p: 1 or 2; default 1.
        margin: default 1.
        weight: of each class, [C]; default ones.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``p`` is neither 1 nor 2, ``weight`` has not one dimension, or ``reduction`` is unknown.
        RuntimeError: shapes or dtypes do not fit, or a target is no class.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must be one-dimensional, got shape {weight.shape}")
    scores, labels = _scores_and_labels(input, target, weight)
    right = _C.arange(scores.shape[1], device=input.device) == labels
    distances = margin - scores.gather(1, labels) + scores
    # PyTorch's comparison: a NaN counts for nothing.
    distances = _C.where((distances > 0) & ~right, distances, _C.zeros_like(distances))
    if p == 2:
        distances = distances * distances
    if weight is not None:
        distances = distances * weight.index_select(0, labels.reshape(-1)).unsqueeze(1)
    losses = distances.sum(1) / scores.shape[1]
    return reduced(losses.reshape(target.shape), reduction)


def _scores_and_labels(input: Tensor, target: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """The arguments of ``multi_margin_loss``, checked, as [N, C] and [N, 1]."""
    name = "multi_margin_loss"
    if input.ndim > 2 or (input.ndim > 0 and input.shape[-1] == 0):
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, got {input.shape}"
        )
    scores = input if input.ndim == 2 else input.reshape(1, -1)
    if target.ndim > 1 or target.numel() != scores.shape[0] or (target.ndim == 0) > (input.ndim < 2):
        raise RuntimeError(
            f"{name}: target tensor should be 1-D with size equal to the number of input samples, "
            f"expected [{scores.shape[0]}] for input {input.shape}, got {target.shape}"
        )
    if target.dtype != _C.int64:
        raise RuntimeError(f"{name}: expected scalar type Long (int64) of target, got {target.dtype}")
    if weight is not None:
        if weight.numel() != scores.shape[1]:
            raise RuntimeError(
                f"{name}: inconsistent weight size, expected {scores.shape[1]}, got {weight.shape}"
            )
        if weight.dtype != input.dtype:
            raise RuntimeError(f"{name}: expected weight of dtype {input.dtype}, got {weight.dtype}")
    _native.check_index(name, target, scores.shape[1], classes=True)
    return scores, target.reshape(-1, 1)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns ``log(1 + exp(-y x))``, computed without overflow.

    Args:
        input: of any shape.
        target: 1 or -1 for each element, of the same shape or one that is broadcast.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: shapes cannot be broadcast, or the input is not floating point.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"soft_margin_loss: expected a floating-point input, got {input.dtype}")
    return reduced(-logsigmoid(target * input), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns ``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d being ``pairwise_distance``.

    Balntas et al. 2016, "Learning shallow convolutional feature descriptors with triplet losses", eq. 2.

    Args:
        anchor: vectors, [N, D] or [D].
        positive: as ``anchor``, to be near.
        negative: as ``anchor``, to be far.
        margin: positive; default 1.
        p: of the norm; default 2.
        eps: added to each component of a difference; default 1e-6.
        swap: use the smaller one of the distances of ``negative`` to ``anchor`` and to ``positive`` (the same
            paper, section 3.3). Default False.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``margin`` is not positive, or ``reduction`` is unknown.
        RuntimeError: the numbers of dimensions differ, or shapes cannot be broadcast.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "triplet_margin_loss: The anchor, positive, and negative tensors are expected to have the same "
            f"number of dimensions, got {anchor.shape}, {positive.shape} and {negative.shape}"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = _C.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(not_negative(margin + near - far), reduction)

"""Losses of numbers: distances to a target, and likelihoods of counts and of measurements."""

from __future__ import annotations

import math

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native
from ._clamp import at_least
from ._reduction import check_reduction, check_weight, reduced, warn_of_broadcast, which_reduction

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


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
    reduction = which_reduction(size_average, reduce, reduction)
    warn_of_broadcast(input, target)
    if weight is None:
        return _native.mse_loss(input, target, reduction)
    check_weight(weight, input)
    return _weighted(_native.mse_loss(input, target, "none"), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Returns the absolute error ``|x - y|``; its gradient is 0 where both are equal.

    Args:
        input: of any shape.
        target: of the same shape; one that has to be broadcast gives a warning.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".
        weight: of each element, of the input's shape; "mean" then divides by their sum. Default none.

    Raises:
        ValueError: ``reduction`` is unknown, or the weight's shape is not the input's.
        RuntimeError: shapes cannot be broadcast; the mean of integers.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    warn_of_broadcast(input, target)
    if weight is not None:
        check_weight(weight, input)
    errors = (input - target).abs()
    return reduced(errors, reduction) if weight is None else _weighted(errors, weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Returns ``0.5 d^2 / beta`` where ``d = |x - y| < beta`` and ``d - 0.5 beta`` elsewhere.

    Girshick 2015, "Fast R-CNN", eq. 3, for ``beta`` 1.

    Args:
        input: of any shape.
        target: of the same shape; one that has to be broadcast gives a warning.
        size_average: deprecated, see ``reduction``.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".
        beta: where the parabola ends; 0 gives ``l1_loss``. Default 1.

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: ``beta`` is negative, or shapes cannot be broadcast.
        NotImplementedError: no tensor is floating point.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    warn_of_broadcast(input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    parabola, line = _parabola_and_line("smooth_l1_loss", input, target, beta)
    return reduced(parabola * (0.5 / beta) + line, reduction)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Returns ``0.5 d^2`` where ``d = |x - y| < delta`` and ``delta (d - 0.5 delta)`` elsewhere.

    Huber 1964, "Robust Estimation of a Location Parameter", section 4.

    Args:
        input: of any shape.
        target: of the same shape; one that has to be broadcast gives a warning.
        reduction: "none", "sum", or "mean".
        delta: where the parabola ends. Default 1.
        weight: of each element, of the input's shape; "mean" divides by their number. Default none.

    Raises:
        ValueError: ``reduction`` is unknown, or the weight's shape is not the input's.
        RuntimeError: ``delta`` is not positive, or shapes cannot be broadcast.
        NotImplementedError: no tensor is floating point.
    """
    check_reduction(reduction)
    warn_of_broadcast(input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}")
    if weight is not None:
        check_weight(weight, input)
    parabola, line = _parabola_and_line("huber_loss", input, target, delta)
    losses = parabola * 0.5 + line * delta
    return reduced(losses if weight is None else losses * weight, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Returns the negative log likelihood of counts under a Poisson distribution, without its constant.

    ``exp(x) - y x``, or with ``log_input=False`` ``x - y log(x + eps)``.

    Args:
        input: the logarithm of the expected count, or with ``log_input=False`` the expected count.
        target: the counts, of the same shape or one that is broadcast.
        log_input: whether the input is a logarithm. Default True.
        full: add Stirling's approximation of the constant where ``y > 1``,
            ``y log(y) - y + 0.5 log(2 pi y)``.
        size_average: deprecated, see ``reduction``.
        eps: keeps the logarithm finite. Default 1e-8.
        reduce: deprecated, see ``reduction``.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: ``reduction`` is unknown.
        RuntimeError: shapes cannot be broadcast.
    """
    reduction = which_reduction(size_average, reduce, reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        small = target <= 1
        count = target.masked_fill(small, 1)  # masked before the logarithm, so that gradients stay finite
        constant = count * count.log() - count + 0.5 * (2 * math.pi * count).log()
        losses = losses + constant.masked_fill(small, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Returns the negative log likelihood of measurements under normal distributions.

    ``0.5 (log(v) + (x - y)^2 / v)`` with ``v = max(var, eps)``. Nix and Weigend 1994, "Estimating the mean
    and variance of the target probability distribution", eq. 4.

    Args:
        input: the expected values.
        target: the measurements, of the same shape or one that is broadcast.
        var: the variances, of the input's shape, or without its last dimension, or with one dimension of 1
            that is broadcast; or one float for all. The maximum with ``eps`` does not change gradients.
        full: add the constant ``0.5 log(2 pi)``. Default False.
        eps: the least variance. Default 1e-6.
        reduction: "none", "sum", or "mean".

    Raises:
        ValueError: a variance is negative or their shape does not fit, or ``reduction`` is unknown.
        TypeError: ``var`` is neither a tensor nor a float.
        RuntimeError: shapes cannot be broadcast.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError(f"gaussian_nll_loss: var has negative entry/entries, got {var}")
        var = _C.full_like(input, var)
    elif not isinstance(var, Tensor):
        raise TypeError(
            f"gaussian_nll_loss: expected var to be a Tensor or a float, got {type(var).__name__}"
        )
    elif (var < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    if var.shape != input.shape:
        other = [y for x, y in zip(input.shape, var.shape, strict=False) if x != y]
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or other != [1]:
            raise ValueError(
                f"gaussian_nll_loss: var is of incorrect size, expected {input.shape}, got {var.shape}"
            )
    check_reduction(reduction)
    variance = at_least(var, eps)
    losses = 0.5 * (variance.log() + (input - target).square() / variance)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


def _parabola_and_line(name: str, input: Tensor, target: Tensor, knee: float) -> tuple[Tensor, Tensor]:
    """``min(d, knee)^2`` and ``max(d - knee, 0)`` of ``d = |input - target|``. Unlike a choice between two
    formulas, their gradients stay finite for an infinite ``d``."""
    distance = (input - target).abs()
    if not distance.dtype.is_floating_point:
        raise NotImplementedError(
            f"{name}: expected floating-point tensors, got {input.dtype} and {target.dtype}"
        )
    far = distance > knee
    near = distance.masked_fill(far, knee)
    # Masked instead of `distance - near`, whose gradient below the knee is a difference of equal terms.
    return near * near, (distance - knee).masked_fill(~far, 0.0)


def _weighted(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)

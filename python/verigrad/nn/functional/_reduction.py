"""What the losses share: the argument ``reduction``, the deprecated flags, the warning of broadcasting."""

from __future__ import annotations

import warnings

from ..._C import Tensor


def check_reduction(reduction: str) -> None:
    """Raises ValueError unless ``reduction`` is one of those that losses know."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def legacy_reduction(size_average: bool | None, reduce: bool | None, stacklevel: int = 3) -> str:
    """The reduction that the deprecated flags of PyTorch's losses stand for, with a warning."""
    reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
        stacklevel=stacklevel,
    )
    return reduction


def which_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction of a call of a loss, from all three arguments.

    Raises:
        ValueError: ``reduction`` is unknown.
    """
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce, 4)
    check_reduction(reduction)
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their mean or their sum."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    """Warns the caller of a loss whose target has another shape than its input."""
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
            "This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def check_weight(weight: Tensor, input: Tensor) -> None:
    """Raises ValueError unless there is one weight for each element."""
    if weight.shape != input.shape:
        raise ValueError(
            f"Weights and input must have the same size: expected {input.shape}, got {weight.shape}."
        )

"""The argument ``reduction`` of the losses."""

from __future__ import annotations

import warnings


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

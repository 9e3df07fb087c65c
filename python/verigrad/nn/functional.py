"""Functions behind the layers; they hold no state."""

from __future__ import annotations

import warnings

from .. import _C
from .._C import Tensor, sigmoid, tanh
from .._C import nn_functional as _native

__all__ = [
    "cross_entropy",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "relu",
    "relu_",
    "sigmoid",
    "softmax",
    "tanh",
]

linear = _native.linear


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Returns ``max(0, x)`` of each element; with ``inplace`` in the input itself."""
    return relu_(input) if inplace else _C.relu(input)


def relu_(input: Tensor) -> Tensor:
    """Replaces each element by ``max(0, x)`` and returns the input.

    Raises:
        RuntimeError: the input is a leaf that requires grad.
    """
    return input.relu_()


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _C.dtype | None = None
) -> Tensor:
    """Returns ``exp(x_i) / sum_j exp(x_j)`` along ``dim``, of the input's shape.

    Args:
        input: of any shape.
        dim: the dimension that sums to 1. Leaving it out is deprecated: it then is 0 for 0, 1 and 3
            dimensions and 1 for others, with a warning.
        dtype: cast the input to it first; default none.

    Raises:
        IndexError: ``dim`` is out of range.
    """
    if dim is None:
        dim = _implicit_dim("softmax", input, _stacklevel)
    return _C.softmax(input, dim, dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _C.dtype | None = None
) -> Tensor:
    """Returns the logarithm of the softmax along ``dim``, computed without overflow; see ``softmax``.

    Raises:
        IndexError: ``dim`` is out of range.
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input, _stacklevel)
    return _C.log_softmax(input, dim, dtype)


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


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1

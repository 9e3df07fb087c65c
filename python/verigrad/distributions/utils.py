"""What distributions share: broadcasting, probabilities and logits, attributes made when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .._types import finfo
from ..autograd import enable_grad

__all__ = [
    "broadcast_all",
    "cholesky",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "solve_lower",
    "sum_rightmost",
]


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers take dtype and device of the first tensor.

    Raises:
        ValueError: a value is neither.
        RuntimeError: the shapes do not broadcast.
    """
    for value in values:
        if not isinstance(value, Tensor | int | float):
            raise ValueError(
                f"Input arguments must all be instances of Number or Tensor, got {type(value).__name__}"
            )
    like = next((value for value in values if isinstance(value, Tensor)), None)
    options: dict[str, Any] = {"dtype": _C.get_default_dtype()}
    if like is not None:
        options = {"dtype": like.dtype, "device": like.device}
    tensors = [value if isinstance(value, Tensor) else _C.tensor(value, **options) for value in values]
    return tuple(_C.broadcast_tensors(*tensors))


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept away from 0 and 1 by the dtype's epsilon."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log-odds (*is_binary*), or of logarithms up to a constant along the last dimension."""
    return _C.sigmoid(logits) if is_binary else _C.softmax(logits, -1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The reverse of `logits_to_probs`; probabilities are clamped first."""
    clamped = clamp_probs(probs)
    return _C.log(clamped) - _C.log1p(-clamped) if is_binary else _C.log(clamped)


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """The sum over so many of the last dimensions."""
    return value if dims == 0 else value.sum(tuple(range(-dims, 0)))


class lazy_property:
    """An attribute that is made by a function when it is asked for, and then kept."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Tensor:
        if instance is None:
            return self  # type: ignore[return-value]
        with enable_grad():
            value: Tensor = self._function(instance)
        instance.__dict__[self._function.__name__] = value
        return value


# -- triangular matrices: of the sizes that distributions have, a column at a time ---------------------------


def cholesky(matrix: Tensor) -> Tensor:
    """The lower triangular L with L L^T = matrix, [..., n, n]; gradients flow to both triangles alike.

    NaN from the first pivot on that is not positive: where the matrix is not positive definite.
    """
    size = matrix.shape[-1]
    rest = (matrix + matrix.mT) / 2
    columns = []
    for k in range(size):
        column = rest[..., :, 0] / rest[..., :1, 0].sqrt()
        before = _C.zeros((*matrix.shape[:-2], k), dtype=matrix.dtype, device=matrix.device)
        columns.append(_C.cat([before, column], -1))
        tail = column[..., 1:]
        rest = rest[..., 1:, 1:] - tail.unsqueeze(-1) * tail.unsqueeze(-2)
    return _C.stack(columns, -1) if columns else matrix


def solve_lower(lower: Tensor, right: Tensor) -> Tensor:
    """x with lower x = right, by forward substitution: [..., n, n] and [..., n, m], which broadcast."""
    rows: list[Tensor] = []
    for i in range(lower.shape[-1]):
        row = right[..., i, :]
        if rows:
            row = row - (lower[..., i, :i].unsqueeze(-1) * _C.stack(rows, -2)).sum(-2)
        rows.append(row / lower[..., i, i].unsqueeze(-1))
    return _C.stack(rows, -2)

"""Activation functions."""

from __future__ import annotations

import warnings

from ... import _C
from ..._C import Tensor, sigmoid, tanh

__all__ = [
    "log_softmax",
    "relu",
    "relu_",
    "sigmoid",
    "softmax",
    "tanh",
]


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


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1

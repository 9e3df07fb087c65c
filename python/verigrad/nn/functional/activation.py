"""Activation functions."""

from __future__ import annotations

import warnings

from ... import _C
from ..._C import Tensor, sigmoid, tanh
from ..._C import nn_functional as _native

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

celu = _native.celu
elu = _native.elu
gelu = _native.gelu
glu = _native.glu
hardshrink = _native.hardshrink
hardsigmoid = _native.hardsigmoid
hardswish = _native.hardswish
hardtanh = _native.hardtanh
leaky_relu = _native.leaky_relu
logsigmoid = _native.logsigmoid
mish = _native.mish
prelu = _native.prelu
relu6 = _native.relu6
rrelu = _native.rrelu
selu = _native.selu
silu = _native.silu
softplus = _native.softplus
softshrink = _native.softshrink
softsign = _native.softsign
tanhshrink = _native.tanhshrink
threshold = _native.threshold


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Returns ``max(0, x)`` of each element; with ``inplace`` in the input itself."""
    return relu_(input) if inplace else _C.relu(input)


def relu_(input: Tensor) -> Tensor:
    """Replaces each element by ``max(0, x)`` and returns the input.

    Raises:
        RuntimeError: the input is a leaf that requires grad.
    """
    return input.relu_()


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``celu`` in the input itself."""
    return celu(input, alpha, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``elu`` in the input itself."""
    return elu(input, alpha, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``hardtanh`` in the input itself."""
    return hardtanh(input, min_val, max_val, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``leaky_relu`` in the input itself."""
    return leaky_relu(input, negative_slope, True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """``rrelu`` in the input itself."""
    return rrelu(input, lower, upper, training, True)


def selu_(input: Tensor) -> Tensor:
    """``selu`` in the input itself."""
    return selu(input, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """``threshold`` in the input itself."""
    return _native.threshold(input, threshold, value, True)


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


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: _C.dtype | None = None
) -> Tensor:
    """Returns the softmax of ``-x`` along ``dim``; see ``softmax``.

    Raises:
        IndexError: ``dim`` is out of range.
    """
    if dim is None:
        dim = _implicit_dim("softmin", input, _stacklevel)
    return _C.softmax(-input, dim, dtype)


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1

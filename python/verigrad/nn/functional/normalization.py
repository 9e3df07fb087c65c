"""Normalisation."""

from __future__ import annotations

import math

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]

batch_norm = _native.batch_norm
group_norm = _native.group_norm
instance_norm = _native.instance_norm
layer_norm = _native.layer_norm
rms_norm = _native.rms_norm


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divides each element by ``(k + alpha * average)^beta``, the average over the squares of ``size``
    neighbouring channels.

    Channels before the first and after the last count as 0. This is the normalisation of Krizhevsky et al.
    2012, "ImageNet classification with deep convolutional neural networks", section 3.3, with PyTorch's
    average in place of the sum. An even ``size`` reaches one channel further down than up.

    Args:
        input: [N, C, ...] of at least 3 dimensions.
        size: number of channels.
        alpha: factor of the average; default 1e-4.
        beta: exponent; default 0.75.
        k: what is added to the average; default 1.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: ``size`` is not positive.
        TypeError: ``size`` is no integer.
    """
    if input.ndim < 3:
        raise ValueError(
            f"local_response_norm: Expected 3D or higher dimensionality input (got {input.ndim} dimensions), "
            f"shape {list(input.shape)}"
        )
    if not isinstance(size, int):
        raise TypeError(f"local_response_norm: expected size to be an int, got {type(size).__name__}")
    if size <= 0:
        raise RuntimeError(f"local_response_norm: kernel size should be greater than zero, but got {size}")
    channels = input.shape[1]
    before, after = min(size // 2, channels), min((size - 1) // 2, channels)
    squares = input * input
    edge = list(input.shape)
    parts = []
    if before:
        edge[1] = before
        parts.append(_C.zeros(edge, dtype=input.dtype, device=input.device))
    parts.append(squares)
    if after:
        edge[1] = after
        parts.append(_C.zeros(edge, dtype=input.dtype, device=input.device))
    padded = _C.cat(parts, 1) if len(parts) > 1 else squares
    total = padded.narrow(1, 0, channels)
    for first in range(1, before + after + 1):
        total = total + padded.narrow(1, first, channels)
    return input / (total * (alpha / size) + k) ** beta


def normalize(input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """Divides by the p-norm over ``dim``: ``x / max(norm(x), eps)``.

    Args:
        input: of a floating-point dtype.
        p: order of the norm, also 0 (the number of elements that are not 0), ``inf`` and ``-inf``; default 2.
        dim: dimension, or several; default 1.
        eps: what a smaller norm counts as; default 1e-12.

    The gradient of the norm of zeros is 0. There is no argument ``out``.

    Raises:
        IndexError: there is no dimension ``dim``.
        RuntimeError: the dtype is not floating point, or an infinite norm goes over a size of 0.
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"normalize: Expected a floating point tensor as input. Got {input.dtype}")
    norm = _norm(input, float(p), dim)
    return input / _C.maximum(norm, _C.full_like(norm.detach(), eps))


def _norm(x: Tensor, p: float, dim: int | tuple[int, ...]) -> Tensor:
    """The p-norm with ``keepdim``. Roots and powers leave out zeros, where their slope is infinite."""
    if math.isinf(p):
        return x.abs().amax(dim, keepdim=True) if p > 0 else x.abs().amin(dim, keepdim=True)
    if p == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim=True)
    if p == 1:
        return x.abs().sum(dim, keepdim=True)
    zero = x.detach() == 0
    if p == 2:
        powers = x * x
    elif p > 0:
        powers = (x.abs().masked_fill(zero, 1.0) ** p).masked_fill(zero, 0.0)
    else:
        powers = x.abs() ** p
    total = powers.sum(dim, keepdim=True)
    none = total.detach() == 0
    filled = total.masked_fill(none, 1.0)
    root = filled.sqrt() if p == 2 else filled ** (1.0 / p)
    return root.masked_fill(none, 0.0 if p > 0 else math.inf)

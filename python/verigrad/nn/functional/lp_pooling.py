"""Pooling by norms: the p-norm of each window, ``(sum x^p)^(1/p)``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..._C import Tensor
from .pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]

_Size = int | Sequence[int]


def _norms(
    dims: int,
    means: Callable[..., Tensor],
    maxima: Callable[..., Any],
    input: Tensor,
    norm_type: float,
    kernel_size: _Size,
    stride: _Size | None,
    ceil_mode: bool,
) -> Tensor:
    if not isinstance(norm_type, int | float):
        raise TypeError(f"lp_pool{dims}d: expected norm_type to be a number, got {type(norm_type).__name__}")
    if math.isinf(norm_type):
        if norm_type > 0:
            greatest: Tensor = maxima(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
            return greatest
        least: Tensor = maxima(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        return -least
    if norm_type == 0:
        raise ZeroDivisionError(f"lp_pool{dims}d: expected a norm_type other than 0, got {norm_type}")
    each = list(kernel_size) if isinstance(kernel_size, Sequence) else [kernel_size] * dims
    if len(each) != dims:
        raise ValueError(
            f"lp_pool{dims}d: expected kernel_size to be an int or {dims} ints, got {len(each)} of them"
        )
    mean = means(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    # Without a gradient where the sum is 0, as in PyTorch.
    elements = float(math.prod(each))
    return (mean.masked_fill(mean == 0, 0.0) * elements).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: _Size,
    stride: _Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Returns ``(sum x^p)^(1/p)`` over each window of a signal. Where the sum is 0 the gradient is 0.

    Args:
        input: [N, C, L] or [C, L]; N may be 0.
        norm_type: p. Infinity answers the greatest absolute value, its negative the least one.
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        ceil_mode: whether the last window may reach beyond the input; its sum is then scaled as if it had
            all of its elements. Default False.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the input, or an argument is out of
            its range.
        ValueError: ``kernel_size`` has another number of entries.
        ZeroDivisionError: ``norm_type`` is 0.
        TypeError: an argument is no number.
    """
    return _norms(1, avg_pool1d, max_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: _Size,
    stride: _Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Returns ``(sum x^p)^(1/p)`` over each window of an image: ``lp_pool1d`` for [N, C, H, W] or [C, H, W].

    ``kernel_size`` and ``stride`` are height and width, or one number for both.
    """
    return _norms(2, avg_pool2d, max_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: _Size,
    stride: _Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Returns ``(sum x^p)^(1/p)`` over each window of a volume: ``lp_pool1d`` for [N, C, D, H, W] or
    [C, D, H, W].

    ``kernel_size`` and ``stride`` are depth, height and width, or one number for all.
    """
    return _norms(3, avg_pool3d, max_pool3d, input, norm_type, kernel_size, stride, ceil_mode)

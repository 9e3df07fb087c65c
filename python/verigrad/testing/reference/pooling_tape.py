"""Pooling over the tape's variables.

A mean is a product with a matrix of zeros and ones for each dimension; a maximum is the element at the place
that the reference names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import pooling as ref
from verigrad.testing.reference import tape

Array = np.ndarray[Any, Any]


def maximum(with_indices: Callable[..., Any], dims: int) -> Callable[..., tape.Var]:
    """The composition of a function whose reference answers the places of the maxima as well."""

    def composition(input: Any, *args: Any, **kwargs: Any) -> tape.Var:
        x = tape.var(input)
        kwargs.pop("return_indices", None)
        index = with_indices(x.value, *args, **kwargs)[1]
        lead, plane = x.shape[:-dims], math.prod(x.shape[-dims:])
        first = np.arange(math.prod(lead)).reshape(*lead, *(1,) * dims) * plane
        return tape.take(x, index + first)

    return composition


def _means(dims: int, input: Any, axes: list[tuple[Array, Array]], divisor: int | None) -> tape.Var:
    """Sums over windows, [out, in] zeros and ones, over the counts of both dimensions."""
    x = tape.var(input)
    if dims == 1:
        axes = [(np.ones((1, 1)), np.ones(1)), *axes]
    (rows, high), (columns, wide) = axes
    planes = x.reshape(math.prod(x.shape[:-dims]), rows.shape[1], columns.shape[1])
    sums = tape.einsum("nhj,ih->nij", tape.einsum("nhw,jw->nhj", planes, columns), rows)
    out = sums / (high[:, None] * wide if divisor is None else float(divisor))
    return out.reshape(*x.shape[:-dims], *out.shape[3 - dims :])


def average(
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tape.Var:
    """``avg_pool1d`` and ``avg_pool2d``."""
    shape = tape.var(input).shape
    axes = []
    for d in range(2 - dims, 2):
        size, room = ref.both(kernel_size, dims, 1)[d], shape[d - 2]
        step, before = ref.both(stride or kernel_size, dims, 1)[d], ref.both(padding, dims, 0)[d]
        count = ref.windows(room, size, step, before, 1, ceil_mode)
        start = np.arange(count)[:, None] * step - before
        at = np.arange(-before, room + before)
        inside = (at >= start) & (at < start + size)
        window = inside[:, before : before + room].astype(np.float64)
        axes.append((window, (inside if count_include_pad else window).sum(1)))
    return _means(dims, input, axes, divisor_override)


def adaptive_average(dims: int, input: Any, output_size: Any) -> tape.Var:
    """``adaptive_avg_pool1d`` and ``adaptive_avg_pool2d``."""
    shape = tape.var(input).shape[-dims:]
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * dims
    axes = []
    for room, size in zip(shape, sizes, strict=True):
        i = np.arange(room if size is None else size)[:, None]
        at = np.arange(room)
        window = (at >= i * room // len(i)) & (at * len(i) < (i + 1) * room) if len(i) else i * at
        axes.append((window.astype(np.float64), window.sum(1)))
    return _means(dims, input, axes, None)

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
from verigrad.testing.reference import pooling_volumes as volumes
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


def _means_of_volumes(
    input: tape.Var, axes: list[tuple[Array, Array, int, Array]], divisor: int | None
) -> tape.Var:
    """The mean of the means along each dimension, or sums over a divisor."""
    out = input.reshape(math.prod(input.shape[:-3]), *input.shape[-3:])
    for d, letters in ((2, "ndhw,ow->ndho"), (1, "ndhw,oh->ndow"), (0, "ndhw,od->nohw")):
        start, end, _, count = axes[d]
        at = np.arange(out.shape[d + 1])
        window = ((at >= start[:, None]) & (at < end[:, None])).astype(np.float64)
        shape = [1] * 4
        shape[d + 1] = len(count)
        out = tape.einsum(letters, out, window)
        out = out / count.reshape(shape).astype(np.float64) if divisor is None else out
    out = out if divisor is None else out / float(divisor)
    return out.reshape(*input.shape[:-3], *out.shape[1:])


def average_of_volumes(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tape.Var:
    """``avg_pool3d``."""
    x = tape.var(input)
    axes = volumes.spans(x.shape[-3:], kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    return _means_of_volumes(x, axes, divisor_override)


def adaptive_average_of_volumes(input: Any, output_size: Any) -> tape.Var:
    """``adaptive_avg_pool3d``."""
    x = tape.var(input)
    return _means_of_volumes(x, volumes.adaptive_spans(x.shape[-3:], output_size), None)


def norm(
    dims: int,
    input: Any,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> tape.Var:
    """``lp_pool1d`` to ``lp_pool3d`` of a finite norm."""
    x = tape.var(input)
    sizes = volumes.volume_windows(kernel_size, dims, 1)
    steps = volumes.volume_windows(stride if stride else kernel_size, dims, 1)
    powers = tape.power(x, norm_type).reshape(*x.shape[:-dims], *(1,) * (3 - dims), *x.shape[-dims:])
    axes = volumes.spans(powers.shape[-3:], sizes, steps, 0, 1, ceil_mode)
    mean = _means_of_volumes(powers, axes, None)
    out = tape.power(mean * float(math.prod(sizes)), 1.0 / norm_type)
    return out.reshape(*x.shape[:-dims], *out.shape[-dims:])


def unpool(dims: int, input: Any, indices: Array, *args: Any, **kwargs: Any) -> tape.Var:
    """``max_unpool1d`` to ``max_unpool3d``."""
    x = tape.var(input)
    shape = volumes.unpooled_shape(dims, x.shape, *args, **kwargs)
    planes = math.prod(x.shape[:-dims])
    first = np.arange(planes).reshape(*x.shape[:-dims], *(1,) * dims) * math.prod(shape[-dims:])
    places = np.asarray(indices, np.int64) + first
    # What is overwritten takes no part.
    last = np.full(math.prod(shape), -1)
    order = np.arange(places.size)
    last[places.reshape(-1)] = order
    kept = np.where(last[places.reshape(-1)] == order, places.reshape(-1), -1)
    return tape.scatter(x, kept.reshape(places.shape), shape)

"""References of pooling in three dimensions, of norms of windows, and of maxima that are put back.

Every window is a loop over its elements, in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import pooling, promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def pooled(
    out: Array, place: Array, a: Array, starts: Array, ends: Array, steps: Array, counts: Array, mean: bool
) -> None:
    """out[n, i, j, k]: the sum over a window divided by `counts`, or its greatest element: the first of
    equals, the last NaN. Window i of dimension d reads starts[d, i] and every steps[d]-th one below ends[d,
    i]."""
    deep, high, wide = a.shape[1], a.shape[2], a.shape[3]
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for k in range(out.shape[3]):
                    total, best, found = 0.0, 0.0, -1
                    for z in range(starts[0, i], ends[0, i], steps[0]):
                        if not 0 <= z < deep:
                            continue
                        frame = 0.0  # frames apart, which rounds less
                        for y in range(starts[1, j], ends[1, j], steps[1]):
                            if not 0 <= y < high:
                                continue
                            for x in range(starts[2, k], ends[2, k], steps[2]):
                                if not 0 <= x < wide:
                                    continue
                                value = a[n, z, y, x]
                                frame += value
                                if found < 0 or value > best or value != value:
                                    best = value
                                    found = (z * high + y) * wide + x
                        total += frame
                    out[n, i, j, k] = total / (counts[0, i] * counts[1, j] * counts[2, k]) if mean else best
                    place[n, i, j, k] = found


def each(value: Any) -> tuple[int, ...]:
    """A number for each of depth, height and width."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * 3 if len(values) == 1 else values


def spans(
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    include_pad: bool = True,
) -> list[tuple[Array, Array, int, Array]]:
    """For each dimension the windows' starts, ends, step and number of elements that count."""
    found = []
    sizes, steps, pads, apart = (
        each(v) for v in (kernel_size, stride if stride else kernel_size, padding, dilation)
    )
    for d in range(3):
        room = shape[d]
        number = pooling.windows(room, sizes[d], steps[d], pads[d], apart[d], ceil_mode)
        start = np.arange(number) * steps[d] - pads[d]
        end = start + (sizes[d] - 1) * apart[d] + 1
        low, high = (start, room + pads[d]) if include_pad else (np.maximum(start, 0), room)
        found.append((start, end, apart[d], np.minimum(end, high) - low))
    return found


def adaptive_spans(shape: tuple[int, ...], output_size: Any) -> list[tuple[Array, Array, int, Array]]:
    """As `spans`, from floor(i in / out) to ceil((i + 1) in / out)."""
    found = []
    for room, size in zip(shape, each(output_size), strict=True):
        i = np.arange(room if size is None else size)
        start = i * room // max(len(i), 1)
        end = -(-(i + 1) * room // max(len(i), 1))
        found.append((start, end, 1, end - start))
    return found


def _rows(parts: list[Any]) -> Array:
    """Rows of different lengths as one array."""
    rows = np.zeros((3, max(1, *(len(p) for p in parts))), np.int64)
    for row, part in zip(rows, parts, strict=True):
        row[: len(part)] = part
    return rows


def _run(input: Array, axes: list[tuple[Array, Array, int, Array]], mean: bool) -> tuple[Array, Array]:
    sizes = tuple(len(axis[0]) for axis in axes)
    volumes = input.reshape(math.prod(input.shape[:-3]), *input.shape[-3:])
    out = np.zeros((volumes.shape[0], *sizes))
    place = np.zeros(out.shape, np.int64)
    starts, ends, counts = (_rows([axis[i] for axis in axes]) for i in (0, 1, 3))
    steps = np.array([axis[2] for axis in axes])
    pooled(out, place, volumes.astype(np.float64), starts, ends, steps, counts, mean)
    shape = input.shape[:-3] + sizes
    if mean and input.dtype.kind != "f":
        out = np.trunc(out)
    return promotion.cast(out, input.dtype).reshape(shape), place.reshape(shape)


def max_pool3d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest elements, with their positions if wanted."""
    axes = spans(input.shape[-3:], kernel_size, stride, padding, dilation, ceil_mode)
    result = _run(input, axes, False)
    return result if return_indices else result[0]


def max_pool3d_with_indices_op(*args: Any, **kwargs: Any) -> Any:
    """The greatest elements and their positions."""
    return max_pool3d_op(*args, **{**kwargs, "return_indices": True})


def avg_pool3d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The means, or sums over another divisor."""
    axes = spans(input.shape[-3:], kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    if divisor_override:
        for d, (start, end, step, count) in enumerate(axes):
            axes[d] = (start, end, step, np.full_like(count, divisor_override if d == 0 else 1))
    return _run(input, axes, True)[0]


def adaptive_avg_pool3d_op(input: Array, output_size: Any) -> Array:
    """The means of windows that cover the volume."""
    return _run(input, adaptive_spans(input.shape[-3:], output_size), True)[0]


def adaptive_max_pool3d_op(input: Array, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest elements of windows that cover the volume."""
    result = _run(input, adaptive_spans(input.shape[-3:], output_size), False)
    return result if return_indices else result[0]


def adaptive_max_pool3d_with_indices_op(input: Array, output_size: Any, return_indices: bool = True) -> Any:
    """The greatest elements and their positions, in any case."""
    return adaptive_max_pool3d_op(input, output_size, True)


def as_volume(array: Array, dims: int) -> Array:
    """The input with spatial dimensions of size 1 in front of its own, so that there are three."""
    return array.reshape(*array.shape[:-dims], *(1,) * (3 - dims), *array.shape[-dims:])


def volume_windows(value: Any, dims: int, neutral: int) -> tuple[int, ...]:
    """The same of an argument."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return (neutral,) * (3 - dims) + (values * dims if len(values) == 1 else values)


def lp_pool(
    dims: int,
    input: Array,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Array:
    """The p-th root of the mean of p-th powers times the number of elements."""
    sizes = volume_windows(kernel_size, dims, 1)
    steps = volume_windows(stride if stride else kernel_size, dims, 1)
    volume = as_volume(input, dims).astype(np.float64)
    axes = spans(volume.shape[-3:], sizes, steps, 0, 1, ceil_mode)
    if math.isinf(norm_type):
        sign = math.copysign(1.0, norm_type)
        out = sign * _run(sign * np.abs(volume), axes, False)[0]
    else:
        with np.errstate(invalid="ignore"):
            mean = _run(volume**norm_type, axes, True)[0]
            out = (mean * math.prod(sizes)) ** (1.0 / norm_type)
    return promotion.cast(out.reshape(*input.shape[:-dims], *out.shape[-dims:]), input.dtype)


def lp_pool1d_op(*args: Any, **kwargs: Any) -> Array:
    """Of signals."""
    return lp_pool(1, *args, **kwargs)


def lp_pool2d_op(*args: Any, **kwargs: Any) -> Array:
    """Of images."""
    return lp_pool(2, *args, **kwargs)


def lp_pool3d_op(*args: Any, **kwargs: Any) -> Array:
    """Of volumes."""
    return lp_pool(3, *args, **kwargs)


def unpooled_shape(
    dims: int,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> tuple[int, ...]:
    """The shape of what the maxima came from."""
    if output_size is not None:
        return (*shape[:-dims], *tuple(output_size)[-dims:])
    sizes, steps, pads = (
        volume_windows(v, dims, 1)[-dims:] for v in (kernel_size, stride or kernel_size, padding)
    )
    own = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(shape[-dims:], steps, sizes, pads, strict=True)]
    return (*shape[:-dims], *own)


def max_unpool(dims: int, input: Array, indices: Array, *args: Any, **kwargs: Any) -> Array:
    """Zeros, with the elements one after the other at their places."""
    shape = unpooled_shape(dims, input.shape, *args, **kwargs)
    planes = math.prod(input.shape[:-dims])
    out = np.zeros((planes, math.prod(shape[-dims:])), input.dtype)
    elements = math.prod(input.shape[-dims:])
    values, places = input.reshape(planes, elements), indices.reshape(planes, elements)
    for n in range(planes):
        for value, place in zip(values[n], places[n], strict=True):
            out[n, place] = value
    return out.reshape(shape)


def max_unpool1d_op(*args: Any, **kwargs: Any) -> Array:
    """Of signals."""
    return max_unpool(1, *args, **kwargs)


def max_unpool2d_op(*args: Any, **kwargs: Any) -> Array:
    """Of images."""
    return max_unpool(2, *args, **kwargs)


def max_unpool3d_op(*args: Any, **kwargs: Any) -> Array:
    """Of volumes."""
    return max_unpool(3, *args, **kwargs)

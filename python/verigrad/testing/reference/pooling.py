"""References of pooling: every window is a loop over its elements, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def greatest(out: Array, place: Array, a: Array, kernel_size: Array, step: Array) -> None:
    """out[n, i, j] = max over r, c of a[n, ...], where step = stride, padding and dilation of both
    dimensions. The first of equals; the last NaN."""
    high, wide = a.shape[1], a.shape[2]
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                found = -1
                for r in range(kernel_size[0]):
                    for c in range(kernel_size[1]):
                        y = i * step[0, 0] - step[1, 0] + r * step[2, 0]
                        x = j * step[0, 1] - step[1, 1] + c * step[2, 1]
                        if 0 <= y < high and 0 <= x < wide:
                            value = a[n, y, x]
                            if found < 0 or value > out[n, i, j] or value != value:
                                out[n, i, j] = value
                                found = y * wide + x
                place[n, i, j] = found


@kernel
def average(out: Array, a: Array, kernel_size: Array, step: Array, include_pad: bool, divisor: int) -> None:
    """out[n, i, j] = the sum of a window over its number of elements, or over `divisor` unless that is 0."""
    high, wide = a.shape[1], a.shape[2]
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = 0.0
                inside = 0
                padded = 0
                for r in range(kernel_size[0]):
                    row = 0.0  # rows apart, which rounds less
                    for c in range(kernel_size[1]):
                        y = i * step[0, 0] - step[1, 0] + r
                        x = j * step[0, 1] - step[1, 1] + c
                        if y < high + step[1, 0] and x < wide + step[1, 1]:
                            padded += 1
                            if 0 <= y < high and 0 <= x < wide:
                                row += a[n, y, x]
                                inside += 1
                    total += row
                count = divisor if divisor != 0 else padded if include_pad else inside
                out[n, i, j] = total / count


@kernel
def adaptive(out: Array, place: Array, a: Array, mean: bool) -> None:
    """Windows from floor(i in / out) to ceil((i + 1) in / out)."""
    high, wide = a.shape[1], a.shape[2]
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            top = i * high // out.shape[1]
            bottom = -((-(i + 1) * high) // out.shape[1])
            for j in range(out.shape[2]):
                left = j * wide // out.shape[2]
                right = -((-(j + 1) * wide) // out.shape[2])
                total = 0.0
                found = -1
                best = 0.0
                for y in range(top, bottom):
                    row = 0.0
                    for x in range(left, right):
                        value = a[n, y, x]
                        row += value
                        if found < 0 or value > best or value != value:
                            best = value
                            found = y * wide + x
                    total += row
                out[n, i, j] = total / ((bottom - top) * (right - left)) if mean else best
                place[n, i, j] = found


def both(value: Any, dims: int, neutral: int) -> tuple[int, int]:
    """A number for each of height and width."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    if dims == 1:
        return neutral, values[0]
    return (values[0], values[-1])


def _planes(input: Array, dims: int) -> Array:
    high = input.shape[-2] if dims == 2 else 1
    return input.reshape(math.prod(input.shape[:-dims]), high, input.shape[-1])


def windows(room: int, kernel_size: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Counts the windows that fit: floor or ceil of the last start, which lies inside of the input or the
    padding before it."""
    last = room + 2 * padding - dilation * (kernel_size - 1) - 1
    count = 0
    while count * stride <= last or (
        ceil_mode and count * stride < last + stride and count * stride < room + padding
    ):
        count += 1
    return count


def _max_pool(
    dims: int,
    input: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    planes = _planes(input, dims)
    kernel_sizes = both(kernel_size, dims, 1)
    step = [
        both(stride if stride else kernel_size, dims, 1),
        both(padding, dims, 0),
        both(dilation, dims, 1),
    ]
    sizes = [
        windows(planes.shape[d + 1], kernel_sizes[d], step[0][d], step[1][d], step[2][d], ceil_mode)
        for d in (0, 1)
    ]
    work = np.float64 if input.dtype.kind == "f" else np.int64
    out = np.zeros((planes.shape[0], *sizes), work)
    place = np.zeros(out.shape, np.int64)
    greatest(out, place, planes.astype(work), np.array(kernel_sizes), np.array(step))
    shape = input.shape[:-dims] + tuple(sizes[2 - dims :])
    return promotion.cast(out, input.dtype).reshape(shape), place.reshape(shape)


def max_pool1d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest elements, with their positions if wanted."""
    result = _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return result if return_indices else result[0]


def max_pool2d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest elements, with their positions if wanted."""
    result = _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return result if return_indices else result[0]


def max_pool1d_with_indices_op(*args: Any, **kwargs: Any) -> Any:
    """The greatest elements and their positions."""
    return max_pool1d_op(*args, **{**kwargs, "return_indices": True})


def max_pool2d_with_indices_op(*args: Any, **kwargs: Any) -> Any:
    """The greatest elements and their positions."""
    return max_pool2d_op(*args, **{**kwargs, "return_indices": True})


def _avg_pool(
    dims: int,
    input: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int,
) -> Array:
    planes = _planes(input, dims)
    kernel_sizes = both(kernel_size, dims, 1)
    step = [both(stride if stride else kernel_size, dims, 1), both(padding, dims, 0)]
    sizes = [
        windows(planes.shape[d + 1], kernel_sizes[d], step[0][d], step[1][d], 1, ceil_mode) for d in (0, 1)
    ]
    out = np.zeros((planes.shape[0], *sizes))
    average(
        out, planes.astype(np.float64), np.array(kernel_sizes), np.array(step), count_include_pad, divisor
    )
    if input.dtype.kind != "f":
        out = np.trunc(out)
    return promotion.cast(out, input.dtype).reshape(input.shape[:-dims] + tuple(sizes[2 - dims :]))


def avg_pool1d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The means."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, 0)


def avg_pool2d_op(
    input: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The means, or sums over another divisor."""
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override or 0
    )


def _adaptive(dims: int, input: Array, output_size: Any, mean: bool) -> tuple[Array, Array]:
    planes = _planes(input, dims)
    given = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * dims
    sizes = [own if size is None else size for size, own in zip(given, input.shape[-dims:], strict=True)]
    out = np.zeros((planes.shape[0], *([1, *sizes][-2:])))
    place = np.zeros(out.shape, np.int64)
    if out.size:
        adaptive(out, place, planes.astype(np.float64), mean)
    shape = input.shape[:-dims] + tuple(sizes)
    return promotion.cast(out, input.dtype).reshape(shape), place.reshape(shape)


def adaptive_avg_pool1d_op(input: Array, output_size: Any) -> Array:
    """The means of windows that cover the signal."""
    return _adaptive(1, input, output_size, True)[0]


def adaptive_avg_pool2d_op(input: Array, output_size: Any) -> Array:
    """The means of windows that cover the image."""
    return _adaptive(2, input, output_size, True)[0]


def adaptive_max_pool1d_op(input: Array, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest elements of windows that cover the signal."""
    result = _adaptive(1, input, output_size, False)
    return result if return_indices else result[0]


def adaptive_max_pool2d_op(input: Array, output_size: Any, return_indices: bool = False) -> Any:
    """The greatest elements of windows that cover the image."""
    result = _adaptive(2, input, output_size, False)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices_op(input: Array, output_size: Any) -> Any:
    """The greatest elements and their positions."""
    return _adaptive(1, input, output_size, False)


def adaptive_max_pool2d_with_indices_op(input: Array, output_size: Any) -> Any:
    """The greatest elements and their positions."""
    return _adaptive(2, input, output_size, False)

"""References of the functions that make tensors, and of conversions from Python data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.elementwise import copy_op, fill

Array = np.ndarray[Any, Any]


@kernel
def range_(out: Array, start: Any, step: Any) -> None:
    """out[i] = start + i * step."""
    for i in range(out.size):
        out[i] = start + i * step


@kernel
def eye(out: Array) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = 1 if i == j else 0


def full_op(size: Sequence[int], fill_value: Any, *, dtype: Any = None) -> Array:
    """One value everywhere; its own dtype unless another is given."""
    target = promotion.scalar_dtype(fill_value) if dtype is None else np.dtype(dtype)
    out = np.empty(math.prod(size), target)
    fill(out, promotion.cast(np.asarray(fill_value), target)[()])
    return out.reshape(tuple(size))


def _filled(value: float, sizes: Sequence[Any], dtype: Any) -> Array:
    shape = list(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else list(sizes)
    return full_op(shape, value, dtype=promotion.DEFAULT_FLOAT if dtype is None else dtype)


def zeros_op(*size: Any, dtype: Any = None) -> Array:
    """Zeros."""
    return _filled(0.0, size, dtype)


def ones_op(*size: Any, dtype: Any = None) -> Array:
    """Ones."""
    return _filled(1.0, size, dtype)


def full_like_op(a: Array, fill_value: Any, *, dtype: Any = None) -> Array:
    """One value in the shape and dtype of a tensor."""
    return full_op(a.shape, fill_value, dtype=a.dtype if dtype is None else dtype)


def new_full_op(a: Array, size: Sequence[int], fill_value: Any, *, dtype: Any = None) -> Array:
    """One value, in the dtype of a tensor."""
    return full_op(size, fill_value, dtype=a.dtype if dtype is None else dtype)


def new_op(
    value: float, a: Array, *sizes: Any, size: Sequence[int] | None = None, dtype: Any = None
) -> Array:
    """The same with sizes as of `zeros`."""
    return _filled(value, (size,) if size is not None else sizes, a.dtype if dtype is None else dtype)


def zeros_like_op(a: Array, *, dtype: Any = None) -> Array:
    """Zeros in the shape and dtype of a tensor."""
    return full_like_op(a, 0, dtype=dtype)


def ones_like_op(a: Array, *, dtype: Any = None) -> Array:
    """Ones in the shape and dtype of a tensor."""
    return full_like_op(a, 1, dtype=dtype)


def arange_op(*bounds: Any, dtype: Any = None) -> Array:
    """start, start + step, ... without the end."""
    start, end, step = (
        (0, bounds[0], 1) if len(bounds) == 1 else (bounds if len(bounds) == 3 else (*bounds, 1))
    )
    target = np.dtype(dtype) if dtype is not None else promotion.result_dtype(start, end, step)
    if target == np.int64:  # truncates all bounds; other integers count by those given
        start, end, step = int(start), int(end), int(step)
    count = max(0, math.ceil((end - start) / step))
    if target.kind in "iu":
        start, step = int(start), int(step)
    out = np.empty(count, promotion.work_dtype(target))
    range_(out, out.dtype.type(start), out.dtype.type(step))
    return promotion.cast(out, target)


def linspace_op(start: float, end: float, steps: int, *, dtype: Any = None) -> Array:
    """`steps` numbers at equal distances, both ends included; the first half counted from the start.

    Integers lie between the truncated ends and are truncated themselves.
    """
    target = np.dtype(promotion.DEFAULT_FLOAT if dtype is None else dtype)
    if target.kind in "iu":
        start, end = int(start), int(end)
    out = np.empty(steps)
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = 1 if steps == 1 else steps // 2
    range_(out[:half], float(start), step)
    back = np.empty(steps - half)
    range_(back, float(end), -step)
    out[half:] = back[::-1]
    return promotion.cast(out, target)


def eye_op(n: int, m: int | None = None, *, dtype: Any = None) -> Array:
    """Ones on the diagonal."""
    out = np.empty((n, n if m is None else m), promotion.DEFAULT_FLOAT if dtype is None else dtype)
    eye(out)
    return out


def tensor_op(data: Any, *, dtype: Any = None) -> Array:
    """Nested lists, numbers and arrays. Python's floats have the default dtype, integers are int64."""
    if isinstance(data, np.ndarray | np.generic):
        return copy_op(np.asarray(data), data.dtype if dtype is None else dtype)
    shape: list[int] = []
    level = data
    while isinstance(level, list | tuple):
        shape.append(len(level))
        level = level[0] if level else None
    flat = _flat(data)
    if dtype is not None:
        target = np.dtype(dtype)
    elif flat:
        target = promotion.result_dtype(*flat)
    else:
        target = promotion.DEFAULT_FLOAT
    out = np.empty(len(flat), target)
    for i, value in enumerate(flat):
        out[i] = promotion.cast(np.asarray(value), target)[()]
    return out.reshape(shape)


def _flat(data: Any) -> list[Any]:
    if isinstance(data, list | tuple):
        return [value for part in data for value in _flat(part)]
    return [data]

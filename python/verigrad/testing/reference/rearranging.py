"""References of elements in another order, repeated, on diagonals and in windows: numpy's functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _numbers(numbers: Sequence[Any]) -> tuple[int, ...]:
    """Of f(1, 2) and of f((1, 2))."""
    return tuple(numbers[0]) if len(numbers) == 1 and not isinstance(numbers[0], int) else tuple(numbers)


def _several(dims: int | Sequence[int]) -> tuple[int, ...]:
    return (dims,) if isinstance(dims, int) else tuple(dims)


def repeat_op(a: Array, *numbers: Any, repeats: Sequence[int] | None = None) -> Array:
    """Copies of the whole along each dimension."""
    return np.tile(a, _numbers(numbers) if repeats is None else tuple(repeats))


def repeat_interleave_op(
    a: Array, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Array:
    """Each slice so many times; of one tensor alone, positions."""
    if repeats is None:
        return np.repeat(np.arange(a.size), a).astype(a.dtype)
    array = a.reshape(-1) if dim is None or a.ndim == 0 else a
    return np.repeat(array, repeats, 0 if dim is None else dim)


def flip_op(a: Array, *dims: Any) -> Array:
    """The order of some dimensions reversed."""
    return a.copy() if a.ndim == 0 else np.flip(a, _numbers(dims)).copy()


def roll_op(a: Array, shifts: Any, dims: Any = ()) -> Array:
    """Elements moved on along dimensions, or along all of them as a row."""
    along = _several(dims)
    return np.roll(a, shifts, along) if along else np.roll(a, shifts)


def rot90_op(a: Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> Array:
    """A plane turned by quarters."""
    return np.rot90(a, k, (dims[0], dims[1])).copy()


def movedim_op(a: Array, source: Any, destination: Any) -> Array:
    """Dimensions at other places."""
    return a if a.ndim == 0 else np.moveaxis(a, _several(source), _several(destination))


def unflatten_op(a: Array, dim: int, sizes: Sequence[int]) -> Array:
    """A dimension as several."""
    d = dim % a.ndim
    known = int(np.prod([s for s in sizes if s != -1]))
    parts = [a.shape[d] // known if s == -1 else s for s in sizes]
    return a.reshape((*a.shape[:d], *parts, *a.shape[d + 1 :]))


def adjoint_op(a: Array) -> Array:
    """The last two dimensions swapped."""
    return a if a.ndim == 0 else np.swapaxes(a, -1, -2)


def windows_op(a: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of a dimension, at every step-th place."""
    if a.ndim == 0:
        return a.reshape(1)[:size]
    d = dimension % a.ndim
    seen = np.lib.stride_tricks.sliding_window_view(a, size, d)
    return seen[(slice(None),) * d + (slice(None, None, step),)]


def broadcast_op(*arrays: Array) -> tuple[Array, ...]:
    """Every array in the common shape."""
    return tuple(np.broadcast_arrays(*arrays))


def at_least(ndim: int, *arrays: Any) -> Any:
    """numpy's functions of that name."""
    function = (np.atleast_1d, np.atleast_2d, np.atleast_3d)[ndim - 1]
    if len(arrays) == 1 and isinstance(arrays[0], np.ndarray | np.generic):
        return function(arrays[0])
    several = arrays[0] if len(arrays) == 1 else arrays
    return tuple(function(a) for a in several)


def meshgrid_op(*arrays: Any, indexing: str | None = None) -> tuple[Array, ...]:
    """Coordinates of a grid."""
    several = arrays[0] if len(arrays) == 1 and isinstance(arrays[0], list | tuple) else arrays
    return tuple(np.meshgrid(*several, indexing="xy" if indexing == "xy" else "ij"))


def diag_embed_op(a: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """The last dimension on the diagonal of two new ones."""
    size = a.shape[-1] + abs(offset)
    rank = a.ndim + 1
    out = np.zeros((*a.shape[:-1], size, size), a.dtype)
    for i in range(a.shape[-1]):
        out[..., i + max(-offset, 0), i + max(offset, 0)] = a[..., i]
    return np.moveaxis(out, (-2, -1), (dim1 % rank, dim2 % rank))


def triangle_indices(lower: bool, row: int, col: int, offset: int = 0, *, dtype: Any = np.int64) -> Array:
    """Rows and columns of a triangle, one element after the other."""
    inside = [
        (i, j) for i in range(row) for j in range(col) if (j - i <= offset if lower else j - i >= offset)
    ]
    return np.array(inside, dtype).reshape(-1, 2).T


def select_scatter_op(a: Array, src: Array, dim: int, index: int) -> Array:
    """A slice of a dimension replaced."""
    out = a.copy()
    np.moveaxis(out, dim, 0)[index] = src
    return out


def slice_scatter_op(
    a: Array, src: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    """Slices of a dimension replaced."""
    out = a.copy()
    np.moveaxis(out, dim, 0)[slice(start, end, step)] = np.moveaxis(src, dim, 0)
    return out


def diagonal_scatter_op(a: Array, src: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """A diagonal replaced."""
    out = a.copy()
    planes = np.moveaxis(out, (dim1, dim2), (-2, -1))
    for i in range(src.shape[-1]):
        planes[..., i + max(-offset, 0), i + max(offset, 0)] = src[..., i]
    return out

"""References of views, joins, indexing and assignment.

A view is a shape, strides and an offset over the row-major elements of the input: `strided` reads them one by
one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.elementwise import copy_op

Array = np.ndarray[Any, Any]


@kernel
def strided(out: Array, a: Array, shape: Array, strides: Array, offset: int) -> None:
    """out, row by row, from element offset + sum(i[d] * strides[d]) of `a`."""
    for i in range(out.size):
        rest = i
        position = offset
        for d in range(len(shape) - 1, -1, -1):
            position += (rest % shape[d]) * strides[d]
            rest //= shape[d]
        out[i] = a[position]


@kernel
def gather(out: Array, a: Array, index: Array) -> None:
    """out[i, j, k] = a[i, index[i, j, k], k]."""
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            for k in range(index.shape[2]):
                out[i, j, k] = a[i, index[i, j, k], k]


@kernel
def scatter_add(out: Array, a: Array, index: Array) -> None:
    """out[i, index[i, j, k], k] += a[i, j, k]."""
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            for k in range(index.shape[2]):
                out[i, index[i, j, k], k] += a[i, j, k]


@kernel
def index_select(out: Array, a: Array, index: Array) -> None:
    """out[o, i, k] = a[o, index[i], k]."""
    for o in range(a.shape[0]):
        for i in range(index.size):
            for k in range(a.shape[2]):
                out[o, i, k] = a[o, index[i], k]


@kernel
def index_add(out: Array, a: Array, index: Array) -> None:
    """out[o, index[i], k] += a[o, i, k]."""
    for o in range(a.shape[0]):
        for i in range(index.size):
            for k in range(a.shape[2]):
                out[o, index[i], k] += a[o, i, k]


def row_major(shape: Sequence[int]) -> list[int]:
    """The strides of a contiguous tensor, in elements."""
    return [math.prod(shape[d + 1 :]) for d in range(len(shape))]


def view_of(a: Array, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> Array:
    """The elements that a view of the contiguous `a` sees."""
    out = np.empty(math.prod(shape), a.dtype)
    if out.size:
        strided(out, a.reshape(-1), np.array(shape, np.int64), np.array(strides, np.int64), offset)
    return out.reshape(tuple(shape))


def _sizes(sizes: Sequence[Any]) -> list[int]:
    return list(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else list(sizes)


def reshape_op(a: Array, *sizes: Any) -> Array:
    """The same elements, row by row, in another shape; one size may be -1."""
    shape = _sizes(sizes)
    if -1 in shape:
        shape[shape.index(-1)] = a.size // math.prod(s for s in shape if s != -1)
    return view_of(a, shape, row_major(shape))


def view_as_op(a: Array, other: Array) -> Array:
    """`reshape` to the shape of the other tensor."""
    return view_of(a, other.shape, row_major(other.shape))


def flatten_op(a: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The dimensions from `start_dim` to `end_dim` as one."""
    if a.ndim == 0:
        return view_of(a, [1], [1])
    first, last = start_dim % a.ndim, end_dim % a.ndim
    shape = [*a.shape[:first], math.prod(a.shape[first : last + 1]), *a.shape[last + 1 :]]
    return view_of(a, shape, row_major(shape))


def permute_op(a: Array, *dims: Any) -> Array:
    """Dimension d of the result is dimension dims[d] of the input."""
    order = [d % max(a.ndim, 1) for d in _sizes(dims)]
    strides = row_major(a.shape)
    return view_of(a, [a.shape[d] for d in order], [strides[d] for d in order])


def transpose_op(a: Array, dim0: int, dim1: int) -> Array:
    """Two dimensions swapped."""
    order = list(range(a.ndim))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute_op(a, order)


def t_op(a: Array) -> Array:
    """The transpose of a matrix; vectors stay."""
    return transpose_op(a, 0, 1) if a.ndim == 2 else view_of(a, a.shape, row_major(a.shape))


def unsqueeze_op(a: Array, dim: int) -> Array:
    """A dimension of size 1 inserted."""
    shape = list(a.shape)
    shape.insert(dim % (a.ndim + 1), 1)
    return view_of(a, shape, row_major(shape))


def squeeze_op(a: Array, dim: int | Sequence[int] | None = None) -> Array:
    """Dimensions of size 1 removed: all, or those given."""
    dims = range(a.ndim) if dim is None else ([dim] if isinstance(dim, int) else dim)
    chosen = {d % max(a.ndim, 1) for d in dims}
    shape = [s for d, s in enumerate(a.shape) if not (d in chosen and s == 1)]
    return view_of(a, shape, row_major(shape))


def expand_op(a: Array, *sizes: Any) -> Array:
    """Dimensions of size 1 repeated without a copy; new ones are put in front, -1 keeps a size."""
    target = _sizes(sizes)
    own = [1] * (len(target) - a.ndim) + list(a.shape)
    strides = [0] * (len(target) - a.ndim) + row_major(a.shape)
    shape = [o if t == -1 else t for o, t in zip(own, target, strict=True)]
    return view_of(a, shape, [0 if o == 1 else s for o, s in zip(own, strides, strict=True)])


def expand_as_op(a: Array, other: Array) -> Array:
    """`expand` to the shape of the other tensor."""
    return expand_op(a, list(other.shape))


def select_op(a: Array, dim: int, index: int) -> Array:
    """One slice of a dimension, which goes away."""
    d = dim % a.ndim
    strides = row_major(a.shape)
    shape = list(a.shape)
    offset = (index % shape[d]) * strides[d]
    del shape[d], strides[d]
    return view_of(a, shape, strides, offset)


def narrow_op(a: Array, dim: int, start: int, length: int) -> Array:
    """`length` slices of a dimension from `start` on."""
    d = dim % a.ndim
    strides = row_major(a.shape)
    shape = list(a.shape)
    offset = (start + shape[d] if start < 0 else start) * strides[d]
    shape[d] = length
    return view_of(a, shape, strides, offset)


def unbind_op(a: Array, dim: int = 0) -> tuple[Array, ...]:
    """Every slice of a dimension."""
    return tuple(select_op(a, dim, i) for i in range(a.shape[dim]))


def same_op(a: Array) -> Array:
    """The same elements."""
    return view_of(a, a.shape, row_major(a.shape))


def cat_op(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors one after another along a dimension; an empty vector adds nothing."""
    dtype = promotion.result_dtype(*tensors)
    parts = [promotion.cast(t, dtype) for t in tensors if t.shape != (0,)] or [
        promotion.cast(tensors[0], dtype)
    ]
    d = dim % parts[0].ndim
    shape = list(parts[0].shape)
    shape[d] = sum(p.shape[d] for p in parts)
    out = np.empty(shape, dtype)
    before: tuple[Any, ...] = (slice(None),) * d
    for i in range(shape[d]):
        at, rest = 0, i
        while rest >= parts[at].shape[d]:
            rest -= parts[at].shape[d]
            at += 1
        out[(*before, i)] = parts[at][(*before, rest)]
    return out


def stack_op(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors along a new dimension."""
    d = dim % (tensors[0].ndim + 1)
    return cat_op([unsqueeze_op(t, d) for t in tensors], d)


def _blocks(shape: Sequence[int], dim: int) -> tuple[int, int, int]:
    if not shape:
        return 1, 1, 1
    d = dim % len(shape)
    return math.prod(shape[:d]), shape[d], math.prod(shape[d + 1 :])


def _aligned(a: Array, index: Array, dim: int) -> Array:
    """`a` cut to the size of `index` in every dimension but `dim`, as [outer, size, inner]."""
    if a.ndim == 0:
        return a.reshape(1, 1, 1)
    d = dim % a.ndim
    cut = a[tuple(slice(None) if i == d else slice(0, s) for i, s in enumerate(index.shape))]
    return np.ascontiguousarray(cut).reshape(_blocks(cut.shape, dim))


def gather_op(a: Array, dim: int, index: Array) -> Array:
    """Element by element along `dim`: the index says from where."""
    out = np.empty(_blocks(index.shape, dim), a.dtype)
    if out.size:
        gather(out, _aligned(a, index, dim), index.reshape(out.shape))
    return out.reshape(index.shape)


def scatter_add_op(a: Array, dim: int, index: Array, src: Array) -> Array:
    """Element by element along `dim`: the index says where to add."""
    if index.size == 0:
        return a.copy()
    whole, source, places = (x.reshape(x.shape or (1,)) for x in (a, src, index))
    work = promotion.work_dtype(a.dtype)
    d = dim % whole.ndim
    window = tuple(slice(None) if i == d else slice(0, s) for i, s in enumerate(places.shape))
    out = _aligned(whole, places, d).astype(work)
    blocks = _blocks(places.shape, d)
    part = source[tuple(slice(0, s) for s in places.shape)].astype(work).reshape(blocks)
    scatter_add(out, part, places.reshape(blocks))
    result = whole.copy()
    result[window] = promotion.cast(out, a.dtype).reshape(result[window].shape)
    return result.reshape(a.shape)


def index_select_op(a: Array, dim: int, index: Array) -> Array:
    """The slices of `dim` that the index names."""
    blocks = _blocks(a.shape, dim)
    out = np.empty((blocks[0], index.size, blocks[2]), a.dtype)
    index_select(out, a.reshape(blocks), index.reshape(-1))
    if a.ndim == 0:
        return out.reshape(())
    d = dim % a.ndim
    return out.reshape((*a.shape[:d], index.size, *a.shape[d + 1 :]))


def index_add_op(a: Array, dim: int, index: Array, source: Array, *, alpha: float = 1) -> Array:
    """The slices of `source` added to those slices of `dim` that the index names."""
    blocks = _blocks(a.shape, dim)
    work = promotion.work_dtype(a.dtype)
    out = a.astype(work).reshape(blocks)
    part = source.astype(work).reshape((blocks[0], index.size, blocks[2])) * work.type(alpha)
    index_add(out, part, index.reshape(-1))
    return promotion.cast(out, a.dtype).reshape(a.shape)


def index_copy_op(a: Array, dim: int, index: Array, source: Array) -> Array:
    """Those slices of `dim` that the index names replaced by the slices of `source`."""
    blocks = _blocks(a.shape, dim)
    out = a.copy().reshape(blocks)
    part = source.reshape((blocks[0], index.size, blocks[2]))
    for i, row in enumerate(index.reshape(-1)):
        out[:, row, :] = part[:, i, :]
    return out.reshape(a.shape)


def getitem_op(a: Array, key: Any) -> Array:
    """Indexing, by the positions that numpy's rules give, read one by one."""
    positions = _positions(a, key)
    out = np.empty((1, positions.size, 1), a.dtype)
    gather(out, a.reshape(1, -1, 1), np.ascontiguousarray(positions).reshape(1, -1, 1))
    return out.reshape(np.shape(positions))


def setitem_op(a: Array, key: Any, value: Any) -> Array:
    """Assignment, by the positions that numpy's rules give."""
    positions = _positions(a, key)
    value = np.asarray(value)
    while value.ndim > np.ndim(positions) and value.shape[0] == 1:
        value = value[0]
    values = np.broadcast_to(copy_op(value, a.dtype), np.shape(positions)).reshape(-1)
    out = a.copy().reshape(-1)
    out[np.reshape(positions, -1)] = values
    return out.reshape(a.shape)


def _positions(a: Array, key: Any) -> Array:
    """The row-major positions of the elements. Numbers are taken first, for numpy would broadcast them with
    the index tensors; a list is an index tensor and a 0-d index tensor a number."""
    parts = [np.asarray(p) if isinstance(p, list) else p for p in (key if isinstance(key, tuple) else (key,))]
    parts = [int(p) if isinstance(p, np.ndarray) and p.ndim == 0 else p for p in parts]
    used = sum(
        p.ndim if isinstance(p, np.ndarray) and p.dtype == bool else int(p is not None)
        for p in parts
        if p is not ...
    )
    fill = [slice(None)] * (a.ndim - used)
    at = next((i for i, p in enumerate(parts) if p is ...), None)
    parts = [*parts, *fill] if at is None else [*parts[:at], *fill, *parts[at + 1 :]]
    numbers: list[Any] = []
    for p in parts:
        width = p.ndim if isinstance(p, np.ndarray) and p.dtype == bool else int(p is not None)
        numbers += [p] if isinstance(p, int) else [slice(None)] * width
    rest = tuple(p for p in parts if not isinstance(p, int))
    taken: Array = np.arange(a.size, dtype=np.int64).reshape(a.shape)[tuple(numbers)][rest]
    return taken


def masked_fill_op(a: Array, mask: Array, value: Any) -> Array:
    """The value where the mask holds."""
    value = np.asarray(value)
    shape = np.broadcast_shapes(a.shape, mask.shape)
    spread, chosen = np.broadcast_to(a, shape), np.broadcast_to(mask, shape)
    out = spread.copy()
    out[chosen] = promotion.cast(value, a.dtype)[()]
    return out

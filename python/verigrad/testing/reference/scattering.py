"""References of writing and reading by index and by mask, one element at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference.elementwise import copy_op

Array = np.ndarray[Any, Any]


def _stored(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number or an array as the dtype holds it."""
    return copy_op(np.asarray(value), dtype)


def _scattered(a: Array, dim: int, index: Array, src: Any, combine: Callable[[Any, Any], Any]) -> Array:
    """combine(there, what comes), in the order of the index."""
    out = a.reshape(a.shape or (1,)).copy()
    places = index.reshape(index.shape or (1,))
    value = np.asarray(src).reshape(np.shape(src) or (1,))
    d = dim % out.ndim
    with np.errstate(all="ignore"):
        for at in np.ndindex(*places.shape):
            to = (*at[:d], int(places[at]), *at[d + 1 :])
            out[to] = combine(out[to], value[at])
    return out.reshape(a.shape)


def _source(a: Array, index: Array, src: Any) -> Any:
    """The source; a number stands for one of that number everywhere."""
    return src if isinstance(src, np.ndarray) else np.broadcast_to(_stored(src, a.dtype), index.shape)


def scatter_op(
    a: Array, dim: int, index: Array, src: Any = None, *, value: Any = None, reduce: str = ""
) -> Array:
    """Elements replaced, added to or multiplied."""
    source = _source(a, index, value if src is None else src)
    if reduce:
        return scatter_reduce_op(a, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])
    return _scattered(a, dim, index, source, lambda _, b: b)


def _combine(reduce: str, dtype: np.dtype[Any]) -> Callable[[Any, Any], Any]:
    if dtype.kind == "b":
        return {"sum": np.logical_or, "prod": np.logical_and, "amax": np.logical_or, "amin": np.logical_and}[
            reduce
        ]
    return {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[
        reduce
    ]


def scatter_reduce_op(
    a: Array, dim: int, index: Array, src: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """Elements combined with those that come to them; in float64, but for the extrema."""
    if index.size == 0:
        return a.copy()
    work = promotion.work_dtype(a.dtype) if a.dtype.kind != "b" else a.dtype
    start = a.astype(work)
    count = _scattered(np.full(a.shape, int(include_self)), dim, index, np.ones(index.shape, int), np.add)
    if not include_self:
        hit = _scattered(np.zeros(a.shape, int), dim, index, np.ones(index.shape, int), np.add) > 0
        least, greatest = (-np.inf, np.inf) if work.kind == "f" else (False, True)
        if work.kind in "iu":
            least, greatest = np.iinfo(work).min, np.iinfo(work).max
        identity = {"sum": 0, "mean": 0, "prod": 1, "amax": least, "amin": greatest}[reduce]
        start = np.where(hit, np.asarray(identity, work), start)
    combine = _combine(reduce, a.dtype)
    out = _scattered(start, dim, index, src.astype(work), combine)
    if reduce == "mean":
        count = np.maximum(count, 1)
        out = out / count if a.dtype.kind == "f" else promotion.cast(out, a.dtype) // count
    return promotion.cast(np.asarray(out), a.dtype)


def take_op(a: Array, index: Array) -> Array:
    """Elements by their number."""
    return a.reshape(-1)[index]


def take_along_dim_op(a: Array, indices: Array, dim: int | None = None) -> Array:
    """numpy.take_along_axis with broadcasting in the other dimensions."""
    if dim is None:
        return a.reshape(-1)[indices.reshape(-1)]
    if a.ndim == 0:
        return a.reshape(1)[indices]
    d = dim % a.ndim
    shape = np.broadcast_shapes(
        tuple(1 if i == d else n for i, n in enumerate(a.shape)),
        tuple(1 if i == d else n for i, n in enumerate(indices.shape)),
    )
    wide = np.broadcast_to(a, tuple(a.shape[d] if i == d else n for i, n in enumerate(shape)))
    at = np.broadcast_to(indices, tuple(indices.shape[d] if i == d else n for i, n in enumerate(shape)))
    return np.take_along_axis(wide, at, d)


def put_op(a: Array, index: Array, source: Array, accumulate: bool = False) -> Array:
    """Elements written by their number."""
    out = a.reshape(-1).astype(promotion.work_dtype(a.dtype)) if accumulate else a.reshape(-1).copy()
    if accumulate:
        np.add.at(out, index.reshape(-1), source.reshape(-1).astype(out.dtype))
    else:
        out[index.reshape(-1)] = source.reshape(-1)  # of equal indices the last one stays
    return promotion.cast(out, a.dtype).reshape(a.shape)


def index_fill_op(a: Array, dim: int, index: Array, value: Any) -> Array:
    """Slices filled."""
    out = a.reshape(a.shape or (1,)).copy()
    np.moveaxis(out, dim, 0)[index.reshape(-1)] = _stored(value, a.dtype)
    return out.reshape(a.shape)


def index_put_op(a: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False) -> Array:
    """Assignment by index tensors, element by element."""
    key = tuple(slice(None) if i is None else i for i in indices)
    places = np.arange(a.size).reshape(a.shape)[key]
    return put_op(a, places, np.broadcast_to(values, places.shape), accumulate)


def masked_select_op(a: Array, mask: Array) -> Array:
    """The elements where the mask holds."""
    shape = np.broadcast_shapes(a.shape, mask.shape)
    return np.asarray(np.broadcast_to(a, shape)[np.broadcast_to(mask, shape)])


def masked_scatter_op(a: Array, mask: Array, source: Array) -> Array:
    """The first elements of the source where the mask holds."""
    shape = np.broadcast_shapes(a.shape, mask.shape)
    out, where = np.broadcast_to(a, shape).copy(), np.broadcast_to(mask, shape)
    out[where] = source.reshape(-1)[: int(where.sum())]
    return out

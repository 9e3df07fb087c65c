"""References of scans, sorting and counting: numpy's stable sort, and loops over lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Array]


def _running(function: Any) -> Any:
    def reference(a: Array, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> Array:
        d = dim if axis is None else axis
        target = (
            np.dtype(dtype) if dtype is not None else a.dtype if a.dtype.kind == "f" else np.dtype("int64")
        )
        work = np.longdouble if target.kind == "f" else np.int64
        x = promotion.cast(a, target).astype(work)
        return promotion.cast(function(x, axis=d) if a.ndim else x, target)

    return reference


cumsum_op = _running(np.cumsum)
cumprod_op = _running(np.cumprod)


def logcumsumexp_op(a: Array, dim: int | None = None, *, axis: int | None = None) -> Array:
    """The running logarithm of the sum of exponentials, each beside the greatest one so far."""
    d = int((dim if axis is None else axis) or 0)
    x = np.moveaxis(a.reshape(1) if a.ndim == 0 else a, d, -1).astype(np.longdouble)
    out = np.empty_like(x)
    with np.errstate(all="ignore"):
        top, total = np.full(x.shape[:-1], -np.inf, np.longdouble), np.zeros(x.shape[:-1], np.longdouble)
        for i in range(x.shape[-1]):
            now = np.maximum(top, x[..., i])
            kept = np.where(top == now, total, total * np.exp(top - now))
            total = kept + np.where(x[..., i] == now, 1.0, np.exp(x[..., i] - now))
            top = now
            out[..., i] = top + np.log(total)
    return promotion.cast(np.moveaxis(out, -1, d).reshape(a.shape), a.dtype)


@kernel
def _extremes(values: Array, index: Array, a: Array, greatest: bool) -> None:
    """The extreme of each line so far, and the last place that has it; NaN from the first on."""
    for i in range(a.shape[0]):
        best = 0
        for j in range(a.shape[1]):
            x, y = a[i, j], a[i, best]
            if x != x or (y == y and (x >= y if greatest else x <= y)):
                best = j
            values[i, j] = a[i, best]
            index[i, j] = best


def _running_extreme(greatest: bool) -> Any:
    def reference(a: Array, dim: int | None = None, *, axis: int | None = None) -> Pair:
        d = int((dim if axis is None else axis) or 0)
        x = np.moveaxis(a.reshape(1) if a.ndim == 0 else a, d, -1)
        lines = np.ascontiguousarray(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
        lines = lines.astype(promotion.work_dtype(a.dtype))
        found = np.zeros(lines.shape, lines.dtype), np.zeros(lines.shape, np.int64)
        _extremes(*found, lines, greatest)
        values, index = (np.moveaxis(v.reshape(x.shape), -1, d).reshape(a.shape) for v in found)
        return promotion.cast(values, a.dtype), index.astype(np.int64)

    return reference


cummax_op = _running_extreme(True)
cummin_op = _running_extreme(False)


def order(a: Array, dim: int = -1, descending: bool = False) -> Array:
    """Where the sorted elements stand; equal ones keep their order, and NaN is the greatest."""
    if a.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.asarray(np.argsort(a, axis=dim, kind="stable"), np.int64)
    back = np.flip(np.argsort(np.flip(a, dim), axis=dim, kind="stable"), dim)
    return np.asarray(a.shape[dim] - 1 - back, np.int64)


def pick(a: Array, index: Array, dim: int) -> Array:
    """The elements there."""
    return a if a.ndim == 0 else np.take_along_axis(a, index, dim)


def sort_op(a: Array, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> Pair:
    """Values and places."""
    index = order(a, dim, descending)
    return pick(a, index, dim), index


def argsort_op(a: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The places alone."""
    return order(a, dim, descending)


def msort_op(a: Array) -> Array:
    """The values along the first dimension."""
    return sort_op(a, 0)[0]


def topk_index(a: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Array:
    """The first of the sorted places."""
    found = order(a, dim, largest)
    return found if a.ndim == 0 else np.take(found, range(k), dim)


def topk_op(a: Array, *args: Any, **kwargs: Any) -> Pair:
    """Values and places."""
    index = topk_index(a, *args, **kwargs)
    return pick(a, index, kwargs.get("dim", args[1] if len(args) > 1 else -1)), index


def kth_index(a: Array, k: int, dim: int = -1, keepdim: bool = False) -> Array:
    """The k-th of the sorted places, which stays as a dimension of one element."""
    found = order(a, dim)
    return found if a.ndim == 0 else np.take(found, [k - 1], dim)


def kthvalue_op(a: Array, k: int, dim: int = -1, keepdim: bool = False) -> Pair:
    """Value and place."""
    return _picked(a, kth_index(a, k, dim), dim, keepdim)


def _picked(a: Array, index: Array, dim: int, keepdim: bool) -> Pair:
    values = pick(a, index, dim)
    return (values, index) if keepdim or a.ndim == 0 else (values.squeeze(dim), index.squeeze(dim))


def median_index(a: Array, dim: int, ignore_nan: bool = False) -> Array:
    """The lower place in the middle; the first NaN where there is one, unless they are left out."""
    if a.ndim == 0:
        return np.zeros((), np.int64)
    found = order(a, dim)
    n = a.shape[dim]
    nan = np.isnan(a) if a.dtype.kind == "f" else np.zeros(a.shape, bool)
    there = n - nan.sum(dim, keepdims=True)
    middle = np.full(there.shape, (n - 1) // 2)
    place = np.maximum(there - 1, 0) // 2 if ignore_nan else np.where(there < n, there, middle)
    return np.asarray(np.take_along_axis(found, place, dim))


def _median(ignore_nan: bool) -> Any:
    def reference(
        a: Array,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        axis: int | None = None,
        keepdims: bool = False,
    ) -> Any:
        d = dim if axis is None else axis
        if d is not None:
            return _picked(a, median_index(a, d, ignore_nan), d, keepdim or keepdims)
        if a.size == 0:
            return np.asarray(np.nan, a.dtype)
        flat = a.reshape(-1)
        return np.asarray(flat[median_index(flat, 0, ignore_nan)[0]])

    return reference


median_op = _median(False)
nanmedian_op = _median(True)


def ranks_of(lines: Array, q: Array, interpolation: str, ignore_nan: bool) -> tuple[Array, Array, Array]:
    """For each quantile of each sorted line the places below and above, and the share of the upper one."""
    n = lines.shape[-1]
    there = n - np.isnan(lines).sum(-1)[..., None]
    last = np.maximum(there - 1, 0) if ignore_nan else np.full(there.shape, n - 1)
    rank = np.broadcast_to(q.reshape(-1) * last, (*lines.shape[:-1], q.size)).astype(np.float64)
    if not ignore_nan:
        rank = np.where(there < n, n - 1, rank)
    below, above = np.floor(rank).astype(np.int64), np.ceil(rank).astype(np.int64)
    share = {"linear": rank - below, "lower": 0 * rank, "higher": 0 * rank + 1, "midpoint": 0 * rank + 0.5}
    if interpolation == "nearest":
        near = np.round(rank).astype(np.int64)
        return near, near, 0 * rank
    return below, above, share[interpolation]


def quantile_lines(a: Array, dim: int | None) -> Array:
    """Where the elements of the lines stand in the flat array, with the lines last."""
    places = np.arange(a.size).reshape(a.shape)
    return places.reshape(-1) if dim is None or a.ndim == 0 else np.moveaxis(places, dim, -1)


def quantile_shape(a: Array, q: Array, dim: int | None, keepdim: bool) -> tuple[int, ...]:
    """Of the result."""
    gone = range(a.ndim) if dim is None else [dim % a.ndim] if a.ndim else []
    kept = [1 if d in gone else n for d, n in enumerate(a.shape) if keepdim or d not in gone]
    return (*q.shape, *kept)


def _quantile(ignore_nan: bool) -> Any:
    def reference(
        a: Array, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> Array:
        levels = np.asarray(q, a.dtype)
        lines = np.sort(a.reshape(-1)[quantile_lines(a, dim)].astype(np.float64), -1)
        below, above, share = ranks_of(lines, levels, interpolation, ignore_nan)
        low, high = np.take_along_axis(lines, below, -1), np.take_along_axis(lines, above, -1)
        found = np.where(below == above, low, low + share * (high - low))
        found = np.moveaxis(found, -1, 0).reshape(quantile_shape(a, levels, dim, keepdim))
        return promotion.cast(found, a.dtype)

    return reference


quantile_op = _quantile(False)
nanquantile_op = _quantile(True)


def unique_op(
    a: Array,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """numpy's; each NaN is its own."""
    values, inverse, counts = np.unique(
        a, return_inverse=True, return_counts=True, axis=None if a.ndim == 0 else dim, equal_nan=False
    )
    parts = [values]
    if return_inverse:
        parts.append(inverse.reshape(a.shape if dim is None else -1).astype(np.int64))
    if return_counts:
        parts.append(counts.astype(np.int64))
    return parts[0] if len(parts) == 1 else tuple(parts)


def unique_consecutive_op(
    a: Array, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One after the other."""
    rows = a.reshape(-1) if dim is None else np.moveaxis(a, dim, 0)
    firsts: list[int] = []
    inverse: list[int] = []
    for i in range(len(rows)):
        if i == 0 or not np.array_equal(rows[i], rows[i - 1]):
            firsts.append(i)
        inverse.append(len(firsts) - 1)
    values = rows[firsts] if dim is None else np.moveaxis(rows[firsts], 0, dim)
    parts = [values]
    if return_inverse:
        parts.append(np.array(inverse, np.int64).reshape(a.shape if dim is None else -1))
    if return_counts:
        parts.append(np.diff([*firsts, len(rows)]).astype(np.int64) if firsts else np.zeros(0, np.int64))
    return parts[0] if len(parts) == 1 else tuple(parts)


def bincount_op(a: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """numpy's."""
    if a.size == 0:
        return np.zeros(minlength, np.int64)
    w = None if weights is None else weights.astype(np.float64)
    found = np.bincount(a.astype(np.int64), w, minlength)
    if weights is None:
        return found.astype(np.int64)
    return found.astype(np.float32 if weights.dtype == np.float32 else np.float64)


def histc_op(a: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """numpy's histogram."""
    x = a.reshape(-1).astype(np.float64)
    low, high = (min, max) if min != max or not x.size else (float(x.min()), float(x.max()))
    low, high = (low - 1, high + 1) if low == high else (low, high)
    counts, _ = np.histogram(x[~np.isnan(x)], bins, (low, high))
    return counts.astype(a.dtype)


@kernel
def _places(out: Array, rows: Array, sorter: Array, values: Array, right: bool) -> None:
    """One after the other."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            place = 0
            while place < rows.shape[1]:
                x = rows[i, sorter[i, place]]
                if x > values[i, j] if right else x >= values[i, j]:
                    break
                place += 1
            out[i, j] = place


def searchsorted_op(
    rows: Array,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Array | None = None,
) -> Array:
    """The first element of a row that is not less, or that is greater."""
    x = np.asarray(values)
    lines = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1])
    own = (
        np.broadcast_to(np.arange(rows.shape[-1]), lines.shape)
        if sorter is None
        else sorter.reshape(lines.shape)
    )
    wanted = x.reshape(len(lines), x.size // max(len(lines), 1))
    out = np.zeros(wanted.shape, np.int64)
    work = np.float64 if "f" in (rows.dtype.kind, x.dtype.kind) else np.int64
    _places(out, lines.astype(work), np.ascontiguousarray(own), wanted.astype(work), right or side == "right")
    return out.reshape(x.shape).astype(np.int32 if out_int32 else np.int64)


def bucketize_op(values: Any, boundaries: Array, *, out_int32: bool = False, right: bool = False) -> Array:
    """The same with one row."""
    return searchsorted_op(boundaries, values, out_int32=out_int32, right=right)

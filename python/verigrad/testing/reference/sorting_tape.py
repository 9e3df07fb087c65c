"""Compositions of scans and of what is picked by order."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import sorting as ref
from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded

Array = np.ndarray[Any, Any]


def _sums(x: Rounded, dim: int, reverse: bool) -> Rounded:
    """Running sums; each counts the magnitudes that were added."""

    def run(v: Array) -> Array:
        return np.flip(np.cumsum(np.flip(v, dim), dim), dim) if reverse else np.cumsum(v, dim)

    return Rounded(run(x.value), run(np.array(x.error)) + run(np.abs(x.value)))


def cumsum(a: Any, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> tape.Var:
    """Running sums, whose gradients are sums from the other end."""
    x = tape.var(a)
    d = int((dim if axis is None else axis) or 0)
    if x.ndim == 0:
        return tape.var(x * 1.0)
    return tape.Var(_sums(x.r, d, False), [(x, lambda g: _sums(g, d, True))])


def cumprod(a: Any, dim: int | None = None, *, axis: int | None = None, dtype: Any = None) -> tape.Var:
    """Running products. The derivative of the i-th by the j-th is the product of the others up to i."""
    x = tape.var(a)
    d = int((dim if axis is None else axis) or 0)
    if x.ndim == 0:
        return tape.var(x * 1.0)
    lines = np.moveaxis(x.value, d, -1)
    n = lines.shape[-1]
    # slopes[..., i, j]: the running product with a one in the place of j.
    others = np.where(np.eye(n, dtype=bool), 1.0, lines[..., None, :])  # [..., j, k]
    slopes = np.swapaxes(np.cumprod(others, -1), -1, -2) * np.tri(n)
    slopes = np.where(np.tri(n) > 0, slopes, 0.0)
    growth = np.arange(n) + 2.0
    value = np.cumprod(x.value, d)
    shape = [1] * x.ndim
    shape[d] = n

    def pull(g: Rounded) -> Rounded:
        up, error = np.moveaxis(g.value, d, -1), np.moveaxis(np.array(g.error), d, -1)
        total = np.einsum("...i,...ij->...j", up, slopes)
        bound = np.einsum("...i,...ij->...j", np.abs(up) * growth + error, np.abs(slopes))
        return Rounded(np.moveaxis(total, -1, d), np.moveaxis(bound, -1, d))

    return tape.Var(Rounded(value, growth.reshape(shape) * np.abs(value)), [(x, pull)])


def logcumsumexp(a: Any, dim: int | None = None, *, axis: int | None = None) -> tape.Var:
    """Running logarithms y of sums of exponentials; the i-th has the share e^(x_i - y_j) in the j-th."""
    x = tape.var(a)
    d = int((dim if axis is None else axis) or 0)
    if x.ndim == 0:
        return tape.var(x * 1.0)
    value = np.asarray(ref.logcumsumexp_op(x.value, d), np.float64)
    lines, ends = np.moveaxis(x.value, d, -1), np.moveaxis(value, d, -1)
    n = lines.shape[-1]
    # The greatest term so far is exact; the logarithm is of at most the number of terms.
    error = 2.0 * np.abs(value) + np.moveaxis(
        np.broadcast_to(np.log(np.arange(n) + 1.0) + 4.0, ends.shape), -1, d
    )

    def pull(g: Rounded) -> Rounded:
        up, doubt = np.moveaxis(g.value, d, -1), np.moveaxis(np.array(g.error), d, -1)
        total, bound = np.zeros_like(lines), np.zeros_like(lines)
        with np.errstate(all="ignore"):
            for i in range(n):
                share = np.exp(lines[..., i, None] - ends[..., i:])
                # The exponents are differences of rounded numbers.
                noise = 8.0 + 2.0 * (np.abs(lines[..., i, None]) + np.abs(ends[..., i:])) + (n - i)
                total[..., i] = (share * up[..., i:]).sum(-1)
                bound[..., i] = (share * (np.abs(up[..., i:]) * noise + doubt[..., i:])).sum(-1)
        return Rounded(np.moveaxis(total, -1, d), np.moveaxis(bound, -1, d))

    return tape.Var(Rounded(value, error), [(x, pull)])


def _at(x: tape.Var, index: Array, dim: int) -> tape.Var:
    """The elements at places along a dimension."""
    return x if x.ndim == 0 else tape.select(x, index, dim)


def cummax(a: Any, dim: int | None = None, *, axis: int | None = None) -> tape.Var:
    """The greatest so far."""
    x = tape.var(a)
    d = int((dim if axis is None else axis) or 0)
    return _at(x, ref.cummax_op(x.value, d)[1], d)


def cummin(a: Any, dim: int | None = None, *, axis: int | None = None) -> tape.Var:
    """The least so far."""
    x = tape.var(a)
    d = int((dim if axis is None else axis) or 0)
    return _at(x, ref.cummin_op(x.value, d)[1], d)


def sort(a: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> tape.Var:
    """The elements in order."""
    x = tape.var(a)
    return _at(x, ref.order(x.value, dim, descending), dim)


def msort(a: Any) -> tape.Var:
    """The same along the first dimension."""
    return sort(a, 0)


def topk(a: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tape.Var:
    """The first of them."""
    x = tape.var(a)
    return _at(x, ref.topk_index(x.value, k, dim, largest), dim)


def _one(x: tape.Var, index: Array, dim: int, keepdim: bool) -> tape.Var:
    found = _at(x, index, dim)
    if keepdim or x.ndim == 0:
        return found
    return found.reshape(*(n for d, n in enumerate(found.shape) if d != dim % x.ndim))


def kthvalue(a: Any, k: int, dim: int = -1, keepdim: bool = False) -> tape.Var:
    """One of them."""
    x = tape.var(a)
    return _one(x, ref.kth_index(x.value, k, dim), dim, keepdim)


def _median(ignore_nan: bool) -> Any:
    def composition(
        a: Any,
        dim: int | None = None,
        keepdim: bool = False,
        *,
        axis: int | None = None,
        keepdims: bool = False,
    ) -> tape.Var:
        x = tape.var(a)
        d = dim if axis is None else axis
        if d is not None:
            return _one(x, ref.median_index(x.value, d, ignore_nan), d, keepdim or keepdims)
        if x.size == 0:
            return tape.var(x.sum() + np.nan)
        flat = x.reshape(x.size)
        middle = flat.value[ref.median_index(flat.value, 0, ignore_nan)[0]]
        chosen = (flat.value == middle) | (np.isnan(flat.value) & np.isnan(middle))
        places = np.flatnonzero(chosen)
        return tape.var(tape.take(flat, places).sum() / float(len(places)))

    return composition


median = _median(False)
nanmedian = _median(True)


def _quantile(ignore_nan: bool) -> Any:
    def composition(
        a: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> tape.Var:
        x, levels = tape.var(a), tape.var(q)
        places = ref.quantile_lines(x.value, dim)
        flat = x.value.reshape(-1)
        places = np.take_along_axis(places, np.argsort(flat[places], -1, kind="stable"), -1)
        # A level is a number of the dtype of the tensor.
        lines = flat[places]
        below, above, share = ref.ranks_of(lines, np.asarray(levels.value), interpolation, ignore_nan)
        low = tape.take(x, np.take_along_axis(places, below, -1))
        high = tape.take(x, np.take_along_axis(places, above, -1))
        weight = tape.var(share)
        if interpolation == "linear":
            there = lines.shape[-1] - np.isnan(lines).sum(-1)[..., None]
            last = np.maximum(there - 1, 0) if ignore_nan else np.full(there.shape, lines.shape[-1] - 1)
            weight = tape.var(levels.reshape(levels.size) * last.astype(np.float64)) - below.astype(
                np.float64
            )
        found = tape.where(below == above, low, low + (high - low) * weight)
        order = (found.ndim - 1, *range(found.ndim - 1))
        return found.transpose(*order).reshape(*ref.quantile_shape(x.value, levels.value, dim, keepdim))

    return composition


quantile = _quantile(False)
nanquantile = _quantile(True)

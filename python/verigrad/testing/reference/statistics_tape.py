"""Compositions of moments, norms and the other reductions that are composed of sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.reduction import Dim, reduced_dims
from verigrad.testing.reference.reduction_tape import extremum

GREATEST, LEAST = extremum(np.argmax, shared=True), extremum(np.argmin, shared=True)


def count(x: tape.Var, axes: tuple[int, ...]) -> int:
    """How many elements become one."""
    return math.prod(x.shape[d] for d in axes)


def _moment(
    a: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Any = None,
    keepdims: bool = False,
) -> tuple[tape.Var, tape.Var]:
    """Variance and mean."""
    x = tape.var(a)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = reduced_dims(x.ndim, dim if axis is None else axis)
    keepdim = keepdim or keepdims
    correction = float(unbiased) if correction is None else correction
    n = count(x, axes)
    d = x - x.sum(axes, True) / float(n)
    freedom = max(n - correction, 0.0)
    with np.errstate(all="ignore"):
        return (d * d).sum(axes, keepdim) / freedom, x.sum(axes, keepdim) / float(n)


def var(*args: Any, **kwargs: Any) -> tape.Var:
    """Squares of distances to the mean."""
    return _moment(*args, **kwargs)[0]


def std(*args: Any, **kwargs: Any) -> tape.Var:
    """Its root."""
    return tape.sqrt(var(*args, **kwargs))


def var_mean(*args: Any, **kwargs: Any) -> tuple[tape.Var, tape.Var]:
    """Both."""
    return _moment(*args, **kwargs)


def std_mean(*args: Any, **kwargs: Any) -> tuple[tape.Var, tape.Var]:
    """Both."""
    v, m = _moment(*args, **kwargs)
    return tape.sqrt(v), m


def cov(a: Any, *, correction: float = 1, fweights: Any = None, aweights: Any = None) -> tape.Var:
    """Weighted products of the distances of rows to their means."""
    x = tape.var(a)
    x = x.reshape(1, x.size) if x.ndim < 2 else x
    n = x.shape[1]
    worth = None if aweights is None else tape.var(aweights).reshape(n)
    w = tape.var(np.ones(n) if fweights is None else np.asarray(fweights, np.float64).reshape(n))
    w = w if worth is None else w * worth
    total = w.sum()
    d = x - (x * w).sum(1, True) / total
    lost = tape.var(float(correction)) if worth is None else (w * worth).sum() / total * float(correction)
    freedom = tape.maximum(total - lost, 0.0)
    out = tape.matmul(d, (d * w).swap()) / freedom
    return out.reshape(*(k for k in out.shape if k != 1))


def corrcoef(a: Any) -> tape.Var:
    """Covariances over the product of the deviations."""
    c = cov(a)
    if c.ndim == 0:
        return c / c
    n = c.shape[0]
    spread = tape.sqrt(tape.take(c, np.arange(n) * (n + 1)))
    found = c / spread.reshape(n, 1) / spread
    # Rounding leaves ones a little above or below 1: the gradient of what is limited is 0.
    return tape.where(np.abs(found.value) > 1, np.sign(found.value), found)


def logsumexp(
    a: Any, dim: Dim = None, keepdim: bool = False, axis: Dim = None, keepdims: bool = False
) -> tape.Var:
    """The logarithm of the sum of powers, less and plus the greatest element."""
    x = tape.var(a)
    dim, keepdim = (dim if axis is None else axis), keepdim or keepdims
    axes = reduced_dims(x.ndim, dim)
    top = x.value.max(axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isinf(top), 0.0, top)
    out = tape.log(tape.exp(x - top).sum(axes, True)) + top
    return out if keepdim else out.reshape(*(n for d, n in enumerate(x.shape) if d not in axes))


def aminmax(a: Any, *, dim: int | None = None, keepdim: bool = False) -> tuple[tape.Var, tape.Var]:
    """The least and the greatest."""
    return LEAST(a, dim, keepdim), GREATEST(a, dim, keepdim)


def nansum(a: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> tape.Var:
    """The sum with 0 in place of NaN."""
    x = tape.var(a)
    return tape.where(np.isnan(x.value), 0.0, x).sum(reduced_dims(x.ndim, dim), keepdim)


def nanmean(a: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> tape.Var:
    """The same over the number of those that are not."""
    x = tape.var(a)
    there = (~np.isnan(x.value)).sum(reduced_dims(x.ndim, dim), keepdims=keepdim)
    with np.errstate(all="ignore"):
        return tape.var(nansum(a, dim, keepdim) / there.astype(np.float64))


def trace(a: Any) -> tape.Var:
    """The sum of the diagonal."""
    x = tape.var(a)
    n, m = x.shape
    return tape.take(x, np.arange(min(n, m)) * (m + 1)).sum()


def vector_norm(
    a: Any, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> tape.Var:
    """The root of the sum of powers of magnitudes, and its limits."""
    x = tape.var(a)
    axes = reduced_dims(x.ndim, dim)
    size = tape.absolute(x)
    if ord == 0:
        count = (x.value != 0).sum(axes, keepdims=keepdim).astype(np.float64)
        return tape.var((x * 0.0).sum(axes, keepdim) + count)
    if math.isinf(ord):
        return (GREATEST if ord > 0 else LEAST)(size, axes, keepdim)
    if ord == 2:
        return tape.sqrt((x * x).sum(axes, keepdim))
    return tape.power(tape.power(size, float(ord)).sum(axes, keepdim), 1.0 / ord)


def matrix_norm(
    a: Any, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> tape.Var:
    """The root of the sum of squares, or the extreme sum of magnitudes."""
    if ord == "fro":
        return vector_norm(a, 2, dim, keepdim)
    x = tape.var(a)
    first, second = (d % x.ndim for d in dim)
    summed, chosen = (second, first) if math.isinf(float(ord)) else (first, second)
    sums = tape.absolute(x).sum(summed, True)
    shape = [1 if d in (first, second) else n for d, n in enumerate(x.shape)]
    kept = [n for d, n in enumerate(x.shape) if d not in (first, second)]
    if sums.size == 0 and not math.prod(x.shape[d] for d in (first, second)):
        return sums.sum((first, second)).reshape(*(shape if keepdim else kept))
    return (GREATEST if float(ord) > 0 else LEAST)(sums, chosen, True).reshape(*(shape if keepdim else kept))


def linalg_norm(
    a: Any, ord: float | str | None = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> tape.Var:
    """Of a matrix where an order is given and two dimensions are meant."""
    over = (0, 1) if dim is None and a.ndim == 2 else dim
    if ord is not None and isinstance(over, tuple | list) and len(over) == 2:
        return matrix_norm(a, ord, over, keepdim)
    return vector_norm(a, 2 if ord is None else float(ord), dim, keepdim)


def norm(a: Any, p: Any = "fro", dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> tape.Var:
    """The vector norm, 2 unless `p` is a number."""
    return vector_norm(a, 2 if p is None or p == "fro" else float(p), dim, keepdim)


def dist(a: Any, b: Any, p: float = 2) -> tape.Var:
    """The norm of the difference."""
    return vector_norm(tape.var(a) - b, p)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "if_necessary") -> tape.Var:
    """The norms of the differences of all rows; for many rows from their squares and products."""
    a, b = tape.var(x1), tape.var(x2)
    rows, others, size = a.shape[-2], b.shape[-2], a.shape[-1]
    large = compute_mode.endswith("if_necessary") and max(rows, others) > 25
    if p == 2 and (large or compute_mode == "use_mm_for_euclid_dist"):
        squares = (a * a).sum(-1, True) + (b * b).sum(-1, True).swap()
        return tape.sqrt(squares - tape.matmul(a, b.swap()) * 2.0)
    if size == 0:
        return tape.matmul(a, b.swap())
    left = a.reshape(*a.shape[:-2], rows, 1, size)
    return vector_norm(left - b.reshape(*b.shape[:-2], 1, others, size), p, -1)

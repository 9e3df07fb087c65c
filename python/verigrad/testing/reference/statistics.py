"""References of moments, norms and the other reductions that are composed of sums.

Lines are the rows of a matrix, in float64; sums are compensated.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.reduction import (
    Array,
    Dim,
    amax_op,
    amin_op,
    reduce_max,
    reduce_min,
    reduce_sum,
    reduced_dims,
    rows,
    sum_of_powers,
)

Order = float | str | None


def _lines(a: Array, dim: Dim) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    matrix, shape, full = rows(a, dim)
    return matrix.astype(np.float64), shape, full


def _total(matrix: Array) -> Array:
    out = np.zeros(matrix.shape[0])
    reduce_sum(out, np.ascontiguousarray(matrix))
    return out


def _moment(
    a: Array,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Array:
    """The variance in float64. `dim` may be `unbiased`, as the only argument."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dim, keepdim = (dim if axis is None else axis), keepdim or keepdims
    correction = float(unbiased) if correction is None else correction
    matrix, shape, full = _lines(a, dim)
    n = matrix.shape[1]
    with np.errstate(all="ignore"):
        distances = matrix - matrix[:, :1]
        distances = distances - _total(distances)[:, None] / np.float64(n)
        found = _total(distances * distances) / np.float64(max(n - correction, 0.0))
    return found.reshape(full if keepdim else shape)


def var_op(a: Array, *args: Any, **kwargs: Any) -> Array:
    """Squared distances to the mean over the number of elements less the correction."""
    return promotion.cast(_moment(a, *args, **kwargs), a.dtype)


def std_op(a: Array, *args: Any, **kwargs: Any) -> Array:
    """Its root."""
    return promotion.cast(np.sqrt(_moment(a, *args, **kwargs)), a.dtype)


def _mean(a: Array, *args: Any, **kwargs: Any) -> Array:
    dim = kwargs.get("dim", kwargs.get("axis", args[0] if args else None))
    dim = None if isinstance(dim, bool) else dim
    keep = kwargs.get("keepdim", kwargs.get("keepdims", len(args) > 2 and args[2]))
    matrix, shape, full = _lines(a, dim)
    with np.errstate(all="ignore"):
        found = _total(matrix) / np.float64(matrix.shape[1])
    return promotion.cast(found.reshape(full if keep else shape), a.dtype)


def var_mean_op(a: Array, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
    """Both."""
    return var_op(a, *args, **kwargs), _mean(a, *args, **kwargs)


def std_mean_op(a: Array, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
    """Both."""
    return std_op(a, *args, **kwargs), _mean(a, *args, **kwargs)


def cov_op(
    a: Array, *, correction: float = 1, fweights: Array | None = None, aweights: Array | None = None
) -> Array:
    """Pairs of rows, one sum of products each; observations count by their weights."""
    x = np.atleast_2d(a.astype(np.float64)) if a.ndim else a.astype(np.float64).reshape(1, 1)
    n = x.shape[1]
    counts = np.ones(n) if fweights is None else fweights.astype(np.float64).reshape(n)
    worth = np.ones(n) if aweights is None else aweights.astype(np.float64).reshape(n)
    w = counts * worth
    with np.errstate(all="ignore"):
        d = x - (_total(x * w) / w.sum())[:, None]
        lost = correction if aweights is None else correction * (w * worth).sum() / w.sum()
        freedom = np.float64(max(w.sum() - lost, 0.0))
        found = np.array([_total(row * d * w) for row in d]).reshape(len(x), len(x)) / freedom
    return promotion.cast(np.squeeze(found), promotion.floating(a.dtype))


def corrcoef_op(a: Array) -> Array:
    """Covariances of rows of deviation 1."""
    c = cov_op(a.astype(np.float64))
    with np.errstate(all="ignore"):
        found = c / c if c.ndim == 0 else c / np.sqrt(np.outer(np.diag(c), np.diag(c)))
    return promotion.cast(np.clip(found, -1, 1), promotion.floating(a.dtype))


def logsumexp_op(a: Array, dim: Dim, keepdim: bool = False) -> Array:
    """The greatest of a line, and the logarithm of the sum of powers less it."""
    dtype = promotion.floating(a.dtype)
    matrix, shape, full = _lines(promotion.cast(a, dtype), dim)
    out = np.full(matrix.shape[0], -np.inf)
    for i, line in enumerate(matrix):
        top = line.max(initial=-np.inf)
        out[i] = top + math.log(sum_of_powers(line, top)) if math.isfinite(top) else top
    return promotion.cast(out.reshape(full if keepdim else shape), dtype)


def count_nonzero_op(a: Array, dim: Dim = None) -> Array:
    """How many are not 0."""
    matrix, shape, _ = rows(a, dim)
    return np.array([sum(bool(x) for x in line) for line in matrix], np.int64).reshape(shape)


def aminmax_op(a: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """The least and the greatest."""
    return amin_op(a, dim, keepdim), amax_op(a, dim, keepdim)


def nansum_op(a: Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum with 0 in place of NaN."""
    target = np.dtype(dtype) if dtype is not None else a.dtype if a.dtype.kind == "f" else np.dtype("int64")
    clean = np.where(np.isnan(a), 0, a) if a.dtype.kind == "f" else a
    matrix, shape, full = rows(promotion.cast(clean, target), dim)
    out = np.zeros(matrix.shape[0], promotion.work_dtype(target))
    reduce_sum(out, promotion.cast(matrix, out.dtype))
    return promotion.cast(out.reshape(full if keepdim else shape), target)


def nanmean_op(a: Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The mean of what is not NaN."""
    target = np.dtype(a.dtype if dtype is None else dtype)
    matrix, shape, full = _lines(promotion.cast(a, target), dim)
    there = ~np.isnan(matrix)
    with np.errstate(all="ignore"):
        found = _total(np.where(there, matrix, 0.0)) / there.sum(1)
    return promotion.cast(found.reshape(full if keepdim else shape), target)


def trace_op(a: Array) -> Array:
    """The sum of the diagonal, in a loop."""
    target = a.dtype if a.dtype.kind == "f" else np.dtype("int64")
    total = _total(np.array([[float(a[i, i]) for i in range(min(a.shape))]]))[0]
    return promotion.cast(np.asarray(total), target)


@kernel
def _power_sum(out: Array, a: Array, p: float) -> None:
    """sum |a|^p by rows, compensated."""
    for i in range(a.shape[0]):
        total, lost = 0.0, 0.0
        for j in range(a.shape[1]):
            term = abs(a[i, j]) ** p
            new = total + term
            lost += (total - new) + term if total >= term else (term - new) + total
            total = new
        out[i] = total + lost if lost - lost == 0 else total


def vector_norm_op(
    a: Array, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """The root of the sum of powers of magnitudes, and its limits."""
    target = np.dtype(a.dtype if dtype is None else dtype)
    matrix, shape, full = _lines(promotion.cast(a, target), dim)
    out = np.zeros(matrix.shape[0])
    with np.errstate(all="ignore"):
        if ord == 0:
            out = (matrix != 0).sum(1).astype(np.float64)
        elif math.isinf(ord):
            (reduce_max if ord > 0 else reduce_min)(out, np.abs(matrix))
        else:
            _power_sum(out, matrix, float(ord))
            out = out ** (1.0 / ord)
    return promotion.cast(out.reshape(full if keepdim else shape), target)


def matrix_norm_op(
    a: Array, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """The root of the sum of squares, or the extreme sum of magnitudes of a row or column."""
    if ord == "fro":
        return vector_norm_op(a, 2, dim, keepdim, dtype=dtype)
    target = np.dtype(a.dtype if dtype is None else dtype)
    first, second = (d % a.ndim for d in dim)
    summed, chosen = (second, first) if math.isinf(float(ord)) else (first, second)
    sums = np.abs(a.astype(np.float64)).sum(summed, keepdims=True)
    found = sums.max(chosen, initial=0.0) if float(ord) > 0 else sums.min(chosen)
    shape = [1 if d in (first, second) else n for d, n in enumerate(a.shape)]
    kept = [n for d, n in enumerate(a.shape) if d not in (first, second)]
    return promotion.cast(found.reshape(shape if keepdim else kept), target)


def linalg_norm_op(
    a: Array, ord: Order = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """Of a matrix where an order is given and two dimensions are meant."""
    over = (0, 1) if dim is None and a.ndim == 2 else dim
    if ord is not None and isinstance(over, tuple | list) and len(over) == 2:
        return matrix_norm_op(a, ord, over, keepdim, dtype=dtype)
    return vector_norm_op(a, 2 if ord is None else float(ord), dim, keepdim, dtype=dtype)


def norm_op(a: Array, p: Order = "fro", dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Array:
    """The vector norm, 2 unless `p` is a number."""
    return vector_norm_op(a, 2 if p is None or p == "fro" else float(p), dim, keepdim, dtype=dtype)


def dist_op(a: Array, b: Array, p: float = 2) -> Array:
    """The norm of the difference."""
    target = promotion.result_dtype(a, b)
    difference = a.astype(np.float64) - b.astype(np.float64)
    return promotion.cast(vector_norm_op(difference, p), target)


@kernel
def _distances(out: Array, a: Array, b: Array, p: float) -> None:
    """out[n, i, j]: the distance of row i of a[n] to row j of b[n]."""
    for n in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                total = 0.0
                for k in range(a.shape[2]):
                    d = abs(a[n, i, k] - b[n, j, k])
                    if p == 0:
                        total += 1.0 if d != 0 else 0.0
                    elif p == np.inf:
                        total = d if d > total or d != d else total
                    else:
                        total += d**p
                out[n, i, j] = total if p == 0 or p == np.inf else total ** (1.0 / p)


def cdist_op(x1: Array, x2: Array, p: float = 2.0, compute_mode: str = "") -> Array:
    """Loops over the rows of both and their components."""
    lead = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    count = math.prod(lead)
    a, b = (
        np.broadcast_to(x, lead + x.shape[-2:]).astype(np.float64).reshape(count, *x.shape[-2:])
        for x in (x1, x2)
    )
    out = np.zeros((count, a.shape[1], b.shape[1]))
    _distances(out, a, b, float(p))
    return promotion.cast(out.reshape(*lead, a.shape[1], b.shape[1]), x1.dtype)


def reduced_size(a: Array, dim: Any) -> int:
    """How many elements become one."""
    return math.prod(a.shape[d] for d in reduced_dims(a.ndim, dim))

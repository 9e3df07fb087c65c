"""References of the reducing kernels: reduce, arg_reduce and softmax.

The loops see a matrix of kept rows and reduced columns, like the kernels, or [outer, size, inner] for
softmax. Sums and products of floating-point numbers are accumulated in float64, those of integers in int64
with wrap-around.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.elementwise import binary_op, maximum, minimum

Array = np.ndarray[Any, Any]
Dim = int | Sequence[int] | None


@kernel
def reduce_sum(out: Array, a: Array) -> None:
    """With Neumaier's compensation, so that it is far closer to the exact sum than any plain order of
    adding."""
    for i in range(a.shape[0]):
        total = out.dtype.type(0)
        lost = out.dtype.type(0)
        for j in range(a.shape[1]):
            new = total + a[i, j]
            if abs(total) >= abs(a[i, j]):
                lost += (total - new) + a[i, j]
            else:
                lost += (a[i, j] - new) + total
            total = new
        out[i] = total + lost if lost - lost == 0 else total


@kernel
def reduce_prod(out: Array, a: Array) -> None:
    for i in range(a.shape[0]):
        total = out.dtype.type(1)
        for j in range(a.shape[1]):
            total *= a[i, j]
        out[i] = total


@kernel
def reduce_max(out: Array, a: Array) -> None:
    for i in range(a.shape[0]):
        out[i] = a[i, 0]
        for j in range(1, a.shape[1]):
            if a[i, j] > out[i] or a[i, j] != a[i, j]:
                out[i] = a[i, j]


@kernel
def reduce_min(out: Array, a: Array) -> None:
    for i in range(a.shape[0]):
        out[i] = a[i, 0]
        for j in range(1, a.shape[1]):
            if a[i, j] < out[i] or a[i, j] != a[i, j]:
                out[i] = a[i, j]


@kernel
def reduce_all(out: Array, a: Array) -> None:
    for i in range(a.shape[0]):
        out[i] = True
        for j in range(a.shape[1]):
            if a[i, j] == 0:
                out[i] = False


@kernel
def reduce_any(out: Array, a: Array) -> None:
    for i in range(a.shape[0]):
        out[i] = False
        for j in range(a.shape[1]):
            if a[i, j] != 0:
                out[i] = True


@kernel
def argmax(out: Array, a: Array) -> None:
    """The position of the first NaN, else of the first of the greatest."""
    for i in range(a.shape[0]):
        best = 0
        for j in range(1, a.shape[1]):
            if a[i, best] == a[i, best] and (a[i, j] > a[i, best] or a[i, j] != a[i, j]):
                best = j
        out[i] = best


@kernel
def argmin(out: Array, a: Array) -> None:
    """The position of the first NaN, else of the first of the least."""
    for i in range(a.shape[0]):
        best = 0
        for j in range(1, a.shape[1]):
            if a[i, best] == a[i, best] and (a[i, j] < a[i, best] or a[i, j] != a[i, j]):
                best = j
        out[i] = best


@kernel
def sum_of_powers(a: Array, top: float) -> float:
    """The sum of exp(a - top), with Neumaier's compensation."""
    total, lost = 0.0, 0.0
    for j in range(a.size):
        power = math.exp(a[j] - top)
        new = total + power
        lost += (total - new) + power if total >= power else (power - new) + total
        total = new
    return total + lost


@kernel
def log_softmax(out: Array, a: Array) -> None:
    for o in range(a.shape[0]):
        for k in range(a.shape[2]):
            top = a[o, 0, k]
            for j in range(1, a.shape[1]):
                top = max(top, a[o, j, k])
            total = sum_of_powers(a[o, :, k], top)
            for j in range(a.shape[1]):
                out[o, j, k] = a[o, j, k] - top - math.log(total)


@kernel
def softmax(out: Array, a: Array) -> None:
    for o in range(a.shape[0]):
        for k in range(a.shape[2]):
            top = a[o, 0, k]
            for j in range(1, a.shape[1]):
                top = max(top, a[o, j, k])
            total = sum_of_powers(a[o, :, k], top)
            for j in range(a.shape[1]):
                out[o, j, k] = math.exp(a[o, j, k] - top) / total


def reduced_dims(ndim: int, dim: Dim) -> tuple[int, ...]:
    """The reduced dimensions, not negative and sorted; all of them for None and for an empty list."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return tuple(sorted(d % max(ndim, 1) for d in dims if ndim))


def rows(a: Array, dim: Dim) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """The matrix [kept, reduced], the kept shape, and the kept shape with ones for what is reduced."""
    dims = reduced_dims(a.ndim, dim)
    kept = tuple(d for d in range(a.ndim) if d not in dims)
    shape = tuple(a.shape[d] for d in kept)
    full = tuple(1 if d in dims else a.shape[d] for d in range(a.ndim))
    count = math.prod(shape)
    matrix = a.transpose(kept + dims).reshape(count, math.prod(a.shape[d] for d in dims))
    return np.ascontiguousarray(matrix), shape, full


def _reduce(formula: Callable[..., None], a: Array, dim: Dim, keepdim: bool, dtype: Any, work: Any) -> Array:
    matrix, shape, full = rows(a, dim)
    out = np.zeros(matrix.shape[0], work)
    formula(out, promotion.cast(matrix, work))
    return promotion.cast(out, dtype).reshape(full if keepdim else shape)


def _accumulated(formula: Callable[..., None]) -> Callable[..., Array]:
    def reference(a: Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
        target = (
            np.dtype(dtype) if dtype is not None else (a.dtype if a.dtype.kind == "f" else np.dtype("int64"))
        )
        return _reduce(formula, promotion.cast(a, target), dim, keepdim, target, promotion.work_dtype(target))

    return reference


sum_op = _accumulated(reduce_sum)
prod_op = _accumulated(reduce_prod)


def mean_op(a: Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum over the number of elements; NaN for none."""
    target = np.dtype(a.dtype if dtype is None else dtype)
    total = _reduce(reduce_sum, promotion.cast(a, target), dim, keepdim, np.float64, np.float64)
    count = math.prod(a.shape[d] for d in reduced_dims(a.ndim, dim))
    with np.errstate(all="ignore"):
        return promotion.cast(np.asarray(total / np.float64(count)), target)


def _extremum(
    values: Callable[..., None], index: Callable[..., None], pair: Callable[..., Any]
) -> Callable[..., Any]:
    def reference(a: Array, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, np.ndarray):
            return binary_op(pair, "same")(a, dim)
        if dim is None:
            return _reduce(values, a, None, False, a.dtype, promotion.work_dtype(a.dtype))
        picked = _reduce(values, a, dim, keepdim, a.dtype, promotion.work_dtype(a.dtype))
        return picked, _argument(index, a, dim, keepdim)

    return reference


def _argument(index: Callable[..., None], a: Array, dim: int | None, keepdim: bool) -> Array:
    matrix, shape, full = rows(a, dim)
    out = np.zeros(matrix.shape[0], np.int64)
    index(out, promotion.cast(matrix, promotion.work_dtype(a.dtype)))
    return out.reshape(full if keepdim else shape)


max_op = _extremum(reduce_max, argmax, maximum)
min_op = _extremum(reduce_min, argmin, minimum)


def amax_op(a: Array, dim: Dim = (), keepdim: bool = False) -> Array:
    """The greatest; NaN if there is one."""
    return _reduce(reduce_max, a, dim, keepdim, a.dtype, promotion.work_dtype(a.dtype))


def amin_op(a: Array, dim: Dim = (), keepdim: bool = False) -> Array:
    """The least; NaN if there is one."""
    return _reduce(reduce_min, a, dim, keepdim, a.dtype, promotion.work_dtype(a.dtype))


def argmax_op(a: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """Where the greatest is, counted row by row over everything if no dimension is given."""
    return _argument(argmax, a, dim, keepdim)


def argmin_op(a: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """Where the least is, counted row by row over everything if no dimension is given."""
    return _argument(argmin, a, dim, keepdim)


def _truth(formula: Callable[..., None]) -> Callable[..., Array]:
    def reference(a: Array, dim: Dim = None, keepdim: bool = False) -> Array:
        dtype = "uint8" if a.dtype == np.uint8 else "bool"
        return _reduce(formula, a != 0, dim, keepdim, dtype, np.bool_)

    return reference


all_op = _truth(reduce_all)
any_op = _truth(reduce_any)


def along(formula: Callable[..., None], a: Array, dim: int, dtype: Any = None) -> Array:
    """A formula over [outer, size, inner] applied along `dim`, computed in float64."""
    target = np.dtype(a.dtype if dtype is None else dtype)
    d = dim % max(a.ndim, 1)
    shape = a.shape if a.ndim else (1,)
    blocks = (math.prod(shape[:d]), shape[d], math.prod(shape[d + 1 :]))
    flat = promotion.cast(a, target).astype(np.float64).reshape(blocks)
    out = np.empty(blocks)
    if out.size:
        with np.errstate(all="ignore"):
            formula(out, flat)
    return promotion.cast(out, target).reshape(a.shape)


def softmax_op(a: Array, dim: int, dtype: Any = None) -> Array:
    """exp(a) over its sum along `dim`."""
    return along(softmax, a, dim, dtype)


def log_softmax_op(a: Array, dim: int, dtype: Any = None) -> Array:
    """The logarithm of softmax."""
    return along(log_softmax, a, dim, dtype)

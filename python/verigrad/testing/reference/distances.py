"""References of the distances, as sums over single components in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def p_norm(out: Array, x: Array, p: float) -> None:
    """out[i] = the p-norm of row i; of no component it is 0."""
    for i in range(x.shape[0]):
        total = 0.0
        if p == -math.inf:
            total = math.inf
        for j in range(x.shape[1]):
            size = abs(x[i, j])
            if p == 0:
                total += 1.0 if size != 0 else 0.0
            elif p == math.inf:
                total = size if size > total or size != size else total
            elif p == -math.inf:
                total = size if size < total or size != size else total
            else:
                total += size**p
        out[i] = total if p == 0 or math.isinf(p) else total ** (1.0 / p)


@kernel
def cosine(out: Array, x: Array, y: Array, eps: float) -> None:
    """out[i] = the cosine between rows i, with lengths of at least eps."""
    for i in range(x.shape[0]):
        product, first, second = 0.0, 0.0, 0.0
        for j in range(x.shape[1]):
            product += x[i, j] * y[i, j]
            first += x[i, j] * x[i, j]
            second += y[i, j] * y[i, j]
        out[i] = product / (max(math.sqrt(first), eps) * max(math.sqrt(second), eps))


def norms(x: Array, p: float) -> Array:
    """The p-norms along the last dimension of a float64 array."""
    rows = np.ascontiguousarray(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
    out = np.empty(rows.shape[0])
    p_norm(out, rows, float(p))
    return out.reshape(x.shape[:-1])


def pairwise_distance_op(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Array:
    """The p-norm of the difference."""
    dtype = promotion.result_dtype(x1, x2, eps)
    difference = x1.astype(np.float64) - x2.astype(np.float64) + eps
    result = norms(difference, p)
    return promotion.cast(result[..., None] if keepdim else result, dtype)


def cosine_similarity_op(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between vectors along `dim` of the broadcast shape."""
    dtype = promotion.result_dtype(x1, x2)
    pair = np.broadcast_arrays(x1, x2)
    a, b = (np.moveaxis(np.atleast_1d(x), dim, -1).astype(np.float64) for x in pair)
    rows = (math.prod(a.shape[:-1]), a.shape[-1])
    out = np.empty(rows[0])
    cosine(out, np.ascontiguousarray(a).reshape(rows), np.ascontiguousarray(b).reshape(rows), eps)
    return promotion.cast(out.reshape(a.shape[:-1]), dtype)

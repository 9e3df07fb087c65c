"""References of the products that sum over pairs of dimensions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference.linalg import matmul_op

Array = np.ndarray[Any, Any]


def _wide(x: Array) -> Array:
    return x.astype(promotion.work_dtype(x.dtype))


def inner_op(a: Array, b: Array) -> Array:
    """Every row of a with every row of b."""
    if a.ndim == 0 or b.ndim == 0:
        return promotion.cast(_wide(a) * _wide(b), promotion.result_dtype(a, b))
    columns = b.reshape(int(np.prod(b.shape[:-1])), b.shape[-1]).T
    return matmul_op(a, columns).reshape(a.shape[:-1] + b.shape[:-1])


def outer_op(a: Array, b: Array) -> Array:
    """Every pair."""
    return promotion.cast(np.multiply.outer(_wide(a), _wide(b)), promotion.result_dtype(a, b))


def vecdot_op(x: Array, y: Array, *, dim: int = -1) -> Array:
    """The sum of the products along a dimension."""
    return promotion.cast((_wide(x) * _wide(y)).sum(dim), x.dtype)


def kron_op(a: Array, b: Array) -> Array:
    """numpy's."""
    return promotion.cast(np.asarray(np.kron(_wide(a), _wide(b))), promotion.result_dtype(a, b))


def _factor(value: Any, dtype: np.dtype[Any]) -> Any:
    """A factor of integers loses its fraction."""
    return float(value) if dtype.kind == "f" else int(value)


def _added(self: Array, product: Array, beta: Any, alpha: Any, dtype: np.dtype[Any]) -> Array:
    left = 0 if beta == 0 else _factor(beta, dtype) * _wide(self)
    found = left + _factor(alpha, dtype) * _wide(product)
    return promotion.cast(np.broadcast_to(found, product.shape), dtype)


def addmm_op(self: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """A product of matrices, of a matrix and a vector, or of batches; the factors after it."""
    return _added(self, matmul_op(_wide(a), _wide(b)), beta, alpha, self.dtype)


def addbmm_op(self: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """The sum of the products."""
    return _added(self, matmul_op(_wide(a), _wide(b)).sum(0), beta, alpha, self.dtype)


def addr_op(self: Array, a: Array, b: Array, *, beta: Any = 1, alpha: Any = 1) -> Array:
    """The outer product."""
    dtype = promotion.result_dtype(self, a, b)
    if dtype.kind == "b":
        found = np.multiply.outer(a, b) & bool(alpha)
        return np.asarray(np.broadcast_to(found | (self & bool(beta)), found.shape))
    return _added(self, np.multiply.outer(_wide(a), _wide(b)), beta, alpha, dtype)


def tensordot_op(a: Array, b: Array, dims: Any = 2) -> Array:
    """numpy's, where a dimension of one element meets each of the other's."""
    if isinstance(dims, np.ndarray):
        dims = dims.tolist()
    if not isinstance(dims, int):
        for i, j in zip(*dims, strict=True):
            n = max(a.shape[i], b.shape[j])
            a = np.repeat(a, n, i) if a.shape[i] == 1 else a
            b = np.repeat(b, n, j) if b.shape[j] == 1 else b
    return promotion.cast(np.asarray(np.tensordot(_wide(a), _wide(b), dims)), a.dtype)


def einsum_op(*args: Any) -> Array:
    """numpy's."""
    if isinstance(args[0], str) and isinstance(args[1], list):
        args = (args[0], *args[1])
    operands = [x for x in args if isinstance(x, np.ndarray)]
    dtype = promotion.result_dtype(*operands)
    found = np.einsum(*(_wide(x) if isinstance(x, np.ndarray) else x for x in args), optimize=False)
    return promotion.cast(np.asarray(found), dtype)


def multi_dot_op(matrices: Sequence[Array]) -> Array:
    """From the left to the right."""
    found = functools.reduce(matmul_op, [_wide(m) for m in matrices])
    return promotion.cast(np.asarray(found), matrices[0].dtype)


def chain_matmul_op(*matrices: Array) -> Array:
    """The same."""
    return multi_dot_op(matrices)


def matrix_power_op(a: Array, n: int) -> Array:
    """Multiplied n times."""
    one = np.broadcast_to(np.eye(a.shape[-1], dtype=promotion.work_dtype(a.dtype)), a.shape)
    return promotion.cast(functools.reduce(matmul_op, [_wide(a)] * n, np.ascontiguousarray(one)), a.dtype)


def cross_op(a: Array, b: Array, dim: int | None = None) -> Array:
    """The three differences of two products."""
    d = a.shape.index(3) if dim is None else dim
    x, y = (np.moveaxis(_wide(v), d, 0) for v in (a, b))
    pairs = ((1, 2), (2, 0), (0, 1))
    found = np.stack(np.broadcast_arrays(*(x[i] * y[j] - x[j] * y[i] for i, j in pairs)))
    return promotion.cast(np.moveaxis(found, 0, d), a.dtype)


def linalg_cross_op(a: Array, b: Array, *, dim: int = -1) -> Array:
    """The same, along the last dimension unless another is given."""
    return cross_op(a, b, dim)

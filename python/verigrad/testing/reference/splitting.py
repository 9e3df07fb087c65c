"""References of parts of a tensor, and of tensors put together: slices and assignments of numpy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference.indexing import cat_op

Array = np.ndarray[Any, Any]


def _cut(a: Array, edges: Sequence[tuple[int | None, int | None]], dim: int) -> tuple[Array, ...]:
    lead = (slice(None),) * (dim % a.ndim)
    return tuple(a[(*lead, slice(first, last))] for first, last in edges)


def split_op(a: Array, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    """Parts of a size, or of several sizes."""
    n, size = a.shape[dim], split_size_or_sections
    sizes = (
        [min(size, n - i) for i in range(0, n, size)] or [0]
        if isinstance(size, int) and size
        else size or [0]
    )
    ends = np.cumsum([0, *(sizes if isinstance(sizes, Sequence) else [sizes])]).tolist()
    return _cut(a, list(itertools.pairwise(ends)), dim)


def chunk_op(a: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """Parts of equal size but the last."""
    n = a.shape[dim]
    return split_op(a, [0] * chunks if n == 0 else -(-n // chunks), dim)


def tensor_split_op(a: Array, where: Any, dim: int = 0) -> tuple[Array, ...]:
    """Nearly equal parts, or the parts around indices."""
    if np.ndim(where) == 0:
        count, n = int(where), a.shape[dim]
        return split_op(a, [n // count + (i < n % count) for i in range(count)], dim)
    cuts = [int(i) for i in where]
    return _cut(a, list(zip([None, *cuts], [*cuts, None], strict=True)), dim)


def split_along(axis: int, a: Array, where: Any) -> tuple[Array, ...]:
    """numpy's hsplit, vsplit and dsplit."""
    return tensor_split_op(a, where, 0 if a.ndim == 1 else axis)


def stack_along(axis: int, tensors: Sequence[Array]) -> Array:
    """numpy's hstack, vstack and dstack, with promotion."""
    at_least = (np.atleast_2d, np.atleast_1d, np.atleast_3d)[axis]
    wide = [at_least(t) for t in tensors]
    return cat_op(wide, 0 if wide[0].ndim == 1 else axis)


def column_stack_op(tensors: Sequence[Array]) -> Array:
    """Vectors and numbers as columns."""
    return stack_along(1, [t.reshape(t.size, 1) if t.ndim <= 1 else t for t in tensors])


def block_diag_op(*tensors: Array) -> Array:
    """Matrices on the diagonal."""
    if not tensors:
        return np.zeros((1, 0), np.float32)
    blocks = [np.atleast_2d(t) for t in tensors]
    dtype = promotion.result_dtype(*tensors)
    out = np.zeros(np.sum([b.shape for b in blocks], 0), dtype)
    row = column = 0
    for block in blocks:
        height, width = block.shape
        out[row : row + height, column : column + width] = promotion.cast(block, dtype)
        row, column = row + height, column + width
    return out


def cartesian_prod_op(*tensors: Array) -> Array:
    """Every choice of one element each."""
    if len(tensors) == 1:
        return tensors[0]
    rows = list(itertools.product(*(t.tolist() for t in tensors)))
    return np.array(rows, tensors[0].dtype).reshape(len(rows), len(tensors))


def combinations_op(a: Array, r: int = 2, with_replacement: bool = False) -> Array:
    """Every choice of r elements."""
    if r == 0:
        return np.zeros(0, a.dtype)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(a.size), r))
    return a[np.array(rows, np.int64).reshape(-1, r)]

"""References of embeddings, bags of them and one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.distances import norms

Array = np.ndarray[Any, Any]


@kernel
def rows(out: Array, table: Array, index: Array) -> None:
    """out[i] = table[index[i]]."""
    for i in range(index.size):
        for j in range(table.shape[1]):
            out[i, j] = table[index[i], j]


@kernel
def bags(
    out: Array, table: Array, index: Array, offsets: Array, factors: Array, padding: int, mode: int
) -> None:
    """out[b] = sum (0), mean (1) or maximum (2) of factors[i] * table[index[i]] for offsets[b] <= i <
    offsets[b + 1] with index[i] != padding."""
    for b in range(out.shape[0]):
        for j in range(table.shape[1]):
            total, count = 0.0, 0
            for i in range(offsets[b], offsets[b + 1]):
                if index[i] != padding:
                    value = factors[i] * table[index[i], j]
                    if mode == 2:
                        total = value if count == 0 or value > total else total
                    else:
                        total += value
                    count += 1
            out[b, j] = total / count if mode == 1 and count > 0 else total


@kernel
def hot(out: Array, index: Array) -> None:
    """out[i, index[i]] = 1, and 0 elsewhere."""
    for i in range(index.size):
        for j in range(out.shape[1]):
            out[i, j] = 1 if index[i] == j else 0


def shortened(table: Array, index: Array, max_norm: float | None, norm_type: float) -> Array:
    """The table with the rows of the index no longer than `max_norm`; the sum is taken in float64, the row
    is multiplied in its own dtype."""
    table = np.array(table)
    if max_norm is not None:
        for i in sorted(set(index.reshape(-1).tolist())):
            length = float(norms(table[i : i + 1].astype(np.float64), norm_type)[0])
            if length > max_norm:
                table[i] = table[i] * table.dtype.type(max_norm / (length + 1e-7))
    return table


def embedding_op(
    input: Array,
    weight: Array,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Array:
    """Rows of the table; the other arguments matter to gradients only."""
    table = shortened(weight, input, max_norm, norm_type)
    out = np.empty((input.size, table.shape[1]), table.dtype)
    rows(out, np.ascontiguousarray(table), np.ascontiguousarray(input).reshape(-1))
    return out.reshape(*input.shape, table.shape[1])


def embedding_bag_op(
    input: Array,
    weight: Array,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Array | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array:
    """Reduced rows of each bag."""
    if offsets is None:
        bounds = np.arange(input.shape[0] + 1, dtype=np.int64) * input.shape[1]
    else:
        bounds = offsets.astype(np.int64)
        if not include_last_offset:
            bounds = np.append(bounds, input.size)
    index = np.ascontiguousarray(input).reshape(-1).astype(np.int64)
    table = shortened(weight, index, max_norm, norm_type)
    factors = np.ones(index.size) if per_sample_weights is None else per_sample_weights.astype(np.float64)
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    out = np.empty((bounds.size - 1, weight.shape[1]))
    number = ("sum", "mean", "max").index(mode)
    bags(out, table.astype(np.float64), index, bounds, factors.reshape(-1), padding, number)
    return promotion.cast(out, weight.dtype)


def one_hot_op(input: Array, num_classes: int = -1) -> Array:
    """Vectors that are 1 in one place."""
    count = int(input.max()) + 1 if num_classes == -1 else num_classes
    out = np.empty((input.size, count), np.int64)
    hot(out, np.ascontiguousarray(input).reshape(-1))
    return out.reshape(*input.shape, count)

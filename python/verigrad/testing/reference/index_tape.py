"""Additions by index and embeddings over the tape's variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded, collect

Array = np.ndarray[Any, Any]


def scatter_add(a: Any, dim: int, index: Array, src: Any) -> tape.Var:
    """``scatter_add``."""
    a, src = tape.var(a), tape.var(src)
    shape, index = a.shape or (1,), index.reshape(index.shape or (1,))
    at: list[Array] = list(np.indices(index.shape))
    at[dim] = index
    part = src.reshape(*(src.shape or (1,)))[tuple(slice(0, n) for n in index.shape)]
    places = np.asarray(np.ravel_multi_index(tuple(at), shape))
    out: tape.Var = a + tape.scatter(part, places, shape).reshape(*a.shape)
    return out


def index_add(a: Any, dim: int, index: Array, source: Any, *, alpha: float = 1) -> tape.Var:
    """``index_add``."""
    a, source = tape.var(a), tape.var(source)
    places = np.take(np.arange(a.size).reshape(a.shape), index, dim)
    part = source if alpha == 1 else source * float(alpha)
    out: tape.Var = a + tape.scatter(part, places, a.shape)
    return out


def _rows(weight: tape.Var, index: Array, padding: int | None, by_frequency: bool) -> tape.Var:
    """weight[index], whose gradient leaves out the padding and is divided by how often a row is taken."""
    width = weight.shape[1]
    places = index[:, None] * width + np.arange(width)
    kept = np.ones(index.size) if padding is None else index != padding % weight.shape[0]
    times = np.bincount(index, minlength=weight.shape[0])[index] if by_frequency else None

    def pull(g: Rounded) -> Rounded:
        g = g.moved(lambda a: np.where(kept[:, None] != 0, a, 0.0))
        g = g if times is None else g / times[:, None]
        return collect(g, places, weight.size).moved(lambda a: a.reshape(weight.shape))

    return tape.Var(tape.take(weight, places).r, [(weight, pull)])


def embedding(
    input: Array,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> tape.Var:
    """``embedding`` without ``max_norm``."""
    table = tape.var(weight)
    out = _rows(table, input.reshape(-1).astype(np.int64), padding_idx, scale_grad_by_freq)
    return out.reshape(*input.shape, table.shape[1])


def embedding_bag(
    input: Array,
    weight: Any,
    offsets: Array | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tape.Var:
    """``embedding_bag`` without ``max_norm``."""
    table = tape.var(weight)
    index = input.reshape(-1).astype(np.int64)
    begins = np.arange(input.shape[0]) * input.shape[1] if offsets is None else offsets
    count = begins.size - int(include_last_offset)
    bag = np.searchsorted(begins[:count], np.arange(index.size), "right") - 1
    if include_last_offset:
        bag = np.where(np.arange(index.size) < begins[-1], bag, -1)
    if padding_idx is not None:
        bag = np.where(index == padding_idx % table.shape[0], -1, bag)
    kept = np.flatnonzero(bag >= 0)
    bag, width = bag[kept], table.shape[1]
    rows = _rows(table, index[kept], None, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * tape.take(tape.var(per_sample_weights), kept).reshape(-1, 1)
    if mode == "max":
        best = np.full((count, width), -1)
        for i, b in enumerate(bag):
            now = np.where(best[b] < 0, -np.inf, rows.value[best[b], np.arange(width)])
            best[b] = np.where(rows.value[i] > now, i, best[b])
        return tape.take(rows, np.where(best < 0, -1, best * width + np.arange(width)))
    sums = tape.scatter(rows, bag[:, None] * width + np.arange(width), (count, width))
    if mode == "sum":
        return sums
    return sums / np.maximum(np.bincount(bag, minlength=count), 1)[:, None]

"""Writing by index and embeddings over the tape's variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def put(a: Any, index: Array, source: Any, accumulate: bool = False) -> tape.Var:
    """``put``: of several elements for one place the last one counts."""
    a, source = tape.var(a), tape.var(source)
    at = index.reshape(-1) % max(a.size, 1)
    if not accumulate:
        last = {int(place): i for i, place in enumerate(at)}
        kept = np.array(sorted(last.values()), np.int64)
        at, source = at[kept], tape.take(source, kept)
        free = np.ones(a.size)
        free[at] = 0.0
        a = a * free.reshape(a.shape)
    out: tape.Var = a + tape.scatter(source.reshape(at.size), at, (a.size,)).reshape(*a.shape)
    return out


def index_put(a: Any, indices: Sequence[Array | None], values: Any, accumulate: bool = False) -> tape.Var:
    """``index_put``."""
    a = tape.var(a)
    key = tuple(slice(None) if i is None else i for i in indices)
    places = np.arange(a.size).reshape(a.shape)[key]
    return put(a, places, tape.var(values).expand(*places.shape), accumulate)


def scatter(
    a: Any, dim: int, index: Array, src: Any = None, *, value: Any = None, reduce: str = ""
) -> tape.Var:
    """``scatter``."""
    source = value if src is None else src
    if not isinstance(source, tape.Var):
        source = tape.Var(np.broadcast_to(np.float64(source), index.shape))
    if reduce:
        return scatter_reduce(a, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])
    a = tape.var(a)
    places = _places(a, dim, index)
    part = source.reshape(*(source.shape or (1,)))[tuple(slice(0, n) for n in places.shape)]
    return put(a, places, part)


def _places(a: tape.Var, dim: int, index: Array) -> Array:
    """The flat positions of what a scatter writes."""
    shape, index = a.shape or (1,), index.reshape(index.shape or (1,))
    at: list[Array] = list(np.indices(index.shape))
    at[dim] = index
    return np.asarray(np.ravel_multi_index(tuple(at), shape))


def scatter_reduce(
    a: Any, dim: int, index: Array, src: Any, reduce: str, *, include_self: bool = True
) -> tape.Var:
    """``scatter_reduce``: slice after slice of the source, each of which meets a place at most once."""
    a = tape.var(a)
    shape = a.shape or (1,)
    wide, d = a.reshape(*shape), dim % len(shape)
    places = _places(a, dim, index)
    part = tape.var(src).reshape(*(tape.var(src).shape or (1,)))[tuple(slice(0, n) for n in places.shape)]
    count = np.zeros(int(np.prod(shape)))
    np.add.at(count, places.reshape(-1), 1.0)
    hit = count.reshape(shape) > 0
    identity = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -np.inf, "amin": np.inf}[reduce]
    out = wide if include_self else tape.where(hit, identity, wide)
    combines: dict[str, Callable[[Any, Any], Any]] = {
        "sum": lambda x, y: x + y,
        "mean": lambda x, y: x + y,
        "prod": lambda x, y: x * y,
        "amax": tape.maximum,
        "amin": lambda x, y: -tape.maximum(-x, -y),
    }
    combine = combines[reduce]
    for k in range(places.shape[d]):
        key = (slice(None),) * d + (slice(k, k + 1),)
        met = np.zeros(int(np.prod(shape)), bool)
        met[places[key].reshape(-1)] = True
        come = tape.scatter(part[key], places[key], shape)
        together = combine(out, come)
        out = tape.where(met.reshape(shape), together, out)
    if reduce == "mean":
        out = out / np.maximum(count.reshape(shape) + float(include_self), 1.0)
    return out.reshape(*a.shape)

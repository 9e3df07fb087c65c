"""Samples of the normalisations at the bounds of their kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from verigrad.testing.samples import Const, Sample, Sampler, call


def running(s: Sampler, channels: int) -> tuple[Const, Const]:
    """A running mean and a running variance."""
    return Const(s.array(channels)), Const(s.array(channels, low=0.5, high=2.0))


# Sizes on both sides of what the kernels of normalize*.{h,cpp} cut their work by.
BATCHES: tuple[tuple[int, ...], ...] = (
    (33, 129),  # 128 columns together, a total every 32 rows
    (32, 128),
    (65, 26, 5),  # 25 channels of 5 columns
    (3, 9, 16),  # the last size of the columns
    (3, 9, 17),  # the first of the channels; 16 lanes, or 8 for three sums
    (5, 3, 103),  # 512 elements, over several pieces
    (2, 2, 511),
    (3, 2, 512),
    (3, 2, 1027),
    (519, 131),
    (7, 9, 37, 31),
)
INSTANCES: tuple[tuple[int, ...], ...] = ((3, 3, 16), (5, 2, 17), (2, 3, 511), (1, 2, 1029), (7, 9, 37, 31))
LAYERS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((15, 7), 1),
    ((16, 37), 1),
    ((64, 512), 1),  # a whole chunk of rows
    ((17, 8), 1),  # 16 rows whose shares lie in the elements' type
    ((33, 19), 1),
    ((5, 511), 1),
    ((3, 1027), 1),
    ((3, 5, 103), 2),
    ((521, 133), 1),  # chunks of 246 rows
    ((3, 24_001), 1),
)
GROUPS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((17, 6), 2),  # rows with an affine pair for each element
    ((35, 34), 2),
    ((5, 6, 17), 3),
    ((3, 4, 257), 2),
    ((2, 6, 13), 6),
    ((521, 134), 2),
    ((7, 9, 37, 31), 3),
)


def pairs_of(s: Sampler, *size: int) -> Iterator[dict[str, Any]]:
    """Weight and bias, both, one and none."""
    for weight in (True, False):
        for bias in (True, False):
            yield {"weight": s.array(*size) if weight else None, "bias": s.array(*size) if bias else None}


def batch_bounds(s: Sampler) -> Iterator[Sample]:
    """Planes and columns, with statistics of their own and running ones."""
    for shape in BATCHES:
        c = shape[1]
        for training in (True, False):
            yield call(s.array(*shape), *running(s, c), s.array(c), s.array(c), training=training)
    for shape in ((67, 3), (3, 2, 515)):
        for pair in pairs_of(s, shape[1]):
            for training in (True, False):
                yield call(s.array(*shape), *running(s, shape[1]), training=training, **pair)


def statistics_bounds(s: Sampler) -> Iterator[Sample]:
    """The running statistics of the same."""
    for shape in BATCHES:
        yield call(s.array(*shape), *running(s, shape[1]), grad=False)


def instance_bounds(s: Sampler) -> Iterator[Sample]:
    """Planes, with statistics of their own and running ones."""
    for shape in INSTANCES:
        c = shape[1]
        yield call(s.array(*shape), None, None, s.array(c), s.array(c))
    yield call(s.array(5, 2, 515), *running(s, 2), s.array(2), s.array(2), use_input_stats=False)
    for pair in pairs_of(s, 3):
        yield call(s.array(3, 3, 515), **pair)


def instance_statistics_bounds(s: Sampler) -> Iterator[Sample]:
    """The running statistics of the same."""
    for shape in INSTANCES:
        yield call(s.array(*shape), *running(s, shape[1]), grad=False)


def group_bounds(s: Sampler) -> Iterator[Sample]:
    """Images, and vectors with an affine pair for each element."""
    for shape, groups in GROUPS:
        yield call(s.array(*shape), groups, s.array(shape[1]), s.array(shape[1]))
    for shape in ((19, 6), (5, 6, 19)):
        for pair in pairs_of(s, 6):
            yield call(s.array(*shape), 2, **pair)


def layer_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows."""
    for shape, count in LAYERS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), s.array(*size))
    for pair in pairs_of(s, 515):
        yield call(s.array(19, 515), (515,), **pair)
    yield call(s.array(4109, 515), (515,), s.array(515), s.array(515), vary=False, note="64 chunks")


def rms_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows."""
    for shape, count in LAYERS:
        yield call(s.array(*shape), shape[-count:], s.array(*shape[-count:]))
    yield call(s.array(19, 515), (515,), eps=1e-3)


def response_bounds(s: Sampler) -> Iterator[Sample]:
    """Images that are split between threads."""
    yield call(s.array(3, 7, 33), 3, alpha=0.5)
    yield call(s.array(5, 11, 71, 71), 4, alpha=0.5)


def direction_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows and columns of the reduction, split between threads."""
    for shape, dim in (((3, 33), 1), ((67, 5), 0), ((701, 379), 1), ((701, 379), 0)):
        yield call(s.array(*shape, gap=0.4), dim=dim)
    yield call(s.array(5, 33, gap=0.4), 3.0)
    yield call(s.array(67, 5, low=-0.1, high=0.1), eps=0.5, note="below eps")
    yield call(s.array(5, 67, low=-0.1, high=0.1), dim=0, eps=0.5, note="below eps")

"""Records of the elementwise functions of three tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, ErrorInput, OpSpec, bad
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import formulas, slopes
from verigrad.testing.samples import LENGTHS, SHARED, Array, Same, Sample, Sampler, call

Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
TRIPLES: tuple[Shapes, ...] = (
    ((), (), ()),
    ((5,), (5,), (5,)),
    ((0,), (1,), (0,)),
    ((3, 4), (3, 4), (3, 4)),
    ((3, 4), (4,), (3, 1)),
    ((2, 1, 4), (3, 1), ()),
    ((4,), (3, 1), (2, 1, 1)),
    ((2, 0, 3), (3,), (1, 1, 3)),
    ((1,), (2, 2), (2, 1)),
)
LARGE: tuple[Shapes, ...] = (
    *(((n,), (n,), (n,)) for n in LENGTHS),
    ((3, 67), (67,), (3, 1)),
    (SHARED[0], SHARED[0], SHARED[0]),
    (SHARED[0], (521,), (601, 1)),
)
MATRIX = np.zeros((2, 3))
MISMATCH = bad(RuntimeError, "3.*4", MATRIX, np.zeros((2, 4)), MATRIX)
NO_TENSOR = bad(TypeError, ".", MATRIX, 2.0, MATRIX)


def weights(s: Sampler, shape: tuple[int, ...]) -> Array:
    """On both sides of a half, where the formula changes, and beyond 0 and 1."""
    x = s.array(*shape, low=-0.8, high=1.4)
    near = (np.abs(x - 0.5) < 0.02) | (np.abs(x + 0.5) < 0.02)
    return np.where(near, x + x.dtype.type(0.05), x).astype(s.dtype)


def lerp_samples(s: Sampler) -> Iterator[Sample]:
    """Tensors and numbers as weights, a weight of another dtype, the ends, edge values."""
    for a, b, c in TRIPLES:
        yield call(s.array(*a), s.array(*b), weights(s, c))
    for number in (0.25, 0.75, 0, 1, 2, -1.5, True):
        yield call(s.array(3, 4), s.array(3, 4), number)
    yield call(s.array(3, 4), s.array(4), 0.75)
    other = np.array(0.25, "float64" if s.dtype.itemsize == 4 else "float32")
    yield call(s.array(2, 3), s.array(2, 3), other, grad=False, note="a weight of another dtype")
    yield call(s.array(2, 3), s.array(3), np.array(1), grad=False, note="a whole weight")
    yield call(s.array(2, 3), Same(0), weights(s, (2, 3)), grad=False, note="the same tensor twice")
    yield call(s.array(37, 41), s.array(37, 41), weights(s, (41,)), grad=False)
    x, y = s.array(64, low=-1e3, high=1e3), s.array(64)
    yield call(x, y, np.ones(64, s.dtype), grad=False, note="at the end")
    edges = s.edges()
    yield call(edges, np.roll(edges, 1), weights(s, edges.shape), grad=False, note="edge values")


def large_lerp(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors, numbers and tensors as weights; matrices that threads share."""
    for a, b, c in LARGE:
        yield call(s.array(*a), s.array(*b), weights(s, c))
    for number in (0.25, 0.75):
        for shape in ((67,), SHARED[0]):
            yield call(s.array(*shape), s.array(*shape), number)


def sums(gap: float) -> Callable[[Sampler], Iterator[Sample]]:
    """Broadcast triples, values, tensors of other dtypes, the same tensor again, edge values.

    Args:
        gap: distance of the last tensor from zero.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b, c in TRIPLES:
            yield call(s.array(*a), s.array(*b), s.array(*c, gap=gap))
        for value in (2, -3, 1) if not s.floating else (2, 0.75, -1.5, 0, True):
            yield call(s.array(3, 4), s.array(4), s.array(3, 1, gap=gap), value=value)
        for other in ("float32", "float64"):
            tensors = s.array(3, dtype=other), s.array(2, 1, dtype=other, gap=0.5)
            yield call(s.array(2, 3), *tensors, grad=False)
            yield call(s.array(2, 3), *tensors, grad=False, value=0.5)
        yield call(s.array(2, 3), s.array(dtype="float64"), s.array(2, 3, gap=gap), grad=False, note="0-d")
        yield call(s.array(2, 3, gap=gap), Same(0), Same(0), grad=False, note="the same tensor")
        yield call(s.array(37, 41), s.array(41), s.array(37, 41, gap=gap), grad=False)
        edges = s.edges()
        if s.floating:
            yield call(edges, np.roll(edges, 1), np.roll(edges, 5), grad=False, note="edge values")

    return samples


def large_sums(gap: float) -> Callable[[Sampler], Iterator[Sample]]:
    """Tails of vectors; matrices that threads share."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b, c in LARGE:
            yield call(s.array(*a), s.array(*b), s.array(*c, gap=gap), value=2)

    return samples


CANCELS: dict[str, Any] = {"scale": "bound", "tolerance": 1.0}
INTEGERS = np.array([1, 2])


def added(name: str, gap: float, dtypes: tuple[str, ...], *errors: ErrorInput) -> OpSpec:
    """A record of a tensor to which one made of two others is added; `gap` as in `sums`."""
    return OpSpec(
        name,
        ref.ternary_op(getattr(formulas, name)),
        sums(gap),
        composition=getattr(slopes, name),
        method=name,
        inplace=f"{name}_",
        out=True,
        boundary=large_sums(gap),
        dtypes=dtypes,
        errors=(MISMATCH, NO_TENSOR, *errors),
        **CANCELS,
    )


SPECS = (
    OpSpec(
        "lerp",
        ref.ternary_op(formulas.lerp),
        lerp_samples,
        composition=slopes.lerp,
        method="lerp",
        inplace="lerp_",
        out=True,
        boundary=large_lerp,
        dtypes=FLOATING,
        errors=(
            MISMATCH,
            NO_TENSOR,
            bad(NotImplementedError, "floating-point dtype, got int64", INTEGERS, INTEGERS, 0.5),
            bad(RuntimeError, "expected dtype float.*`end`", MATRIX, np.zeros((2, 3), np.float32), 0.5),
            bad(RuntimeError, "expected dtype float.*`weight`", MATRIX, MATRIX, np.zeros(3, np.float32)),
        ),
        **CANCELS,
    ),
    added(
        "addcmul",
        0.0,
        NUMERIC,
        bad(NotImplementedError, "numeric dtype, got bool", *[np.array([True, False])] * 3),
    ),
    added(
        "addcdiv",
        0.5,
        FLOATING,
        bad(RuntimeError, "Integer division", INTEGERS, INTEGERS, INTEGERS),
        bad(RuntimeError, "Integer division", MATRIX, np.zeros(3, np.int64), np.ones(3, bool)),
    ),
)

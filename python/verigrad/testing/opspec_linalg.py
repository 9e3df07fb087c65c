"""Records of the matrix products."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, OpSpec, bad
from verigrad.testing.reference import linalg as ref
from verigrad.testing.samples import Same, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
STACK = np.arange(12.0).reshape(2, 2, 3)
WIDER = bad(RuntimeError, "shape|size|multipl", MATRIX, MATRIX)
MIXED = bad(RuntimeError, "dtype", MATRIX, np.ones((3, 2), np.float32))
ACCUMULATION = "sums in another order round differently; the error is relative to the sum of absolute values"


def products(*pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> Callable[[Sampler], Iterator[Sample]]:
    """Operands of these shapes, and one pair that takes several tiles."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b in pairs:
            yield call(s.array(*a), s.array(*b))
        lead = pairs[0][0][:-2]
        yield call(s.array(*lead, 67, 41), s.array(*lead, 41, 35), grad=False, note="several tiles")
        yield call(s.array(*lead, 1, 300), s.array(*lead, 300, 1), grad=False, note="long sum")
        yield call(s.array(*lead, 3, 3), Same(0), note="the same tensor twice")

    return samples


def large_products(*lead: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Products that are split between threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        yield call(s.array(*lead, 301, 257), s.array(*lead, 257, 203))
        yield call(s.array(*lead, 900, 40), s.array(*lead, 40, 31))

    return samples


def product(
    name: str, samples: Callable[[Sampler], Iterator[Sample]], *errors: Any, **options: Any
) -> OpSpec:
    """A record of a product."""
    return OpSpec(
        name,
        ref.matmul_op,
        samples,
        method=name,
        dtypes=NUMERIC,
        scale="inputs",
        tolerance=64,
        reason=ACCUMULATION,
        errors=errors,
        **options,
    )


def linear_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, further leading dimensions, with and without bias."""
    for shape in ((3,), (0, 3), (1, 3), (2, 3), (5, 3), (2, 4, 3), (2, 0, 3)):
        yield call(s.array(*shape), s.array(4, 3), s.array(4))
        yield call(s.array(*shape), s.array(4, 3))
    yield call(s.array(2, 3), s.array(4, 3), bias=s.array(4))
    yield call(s.array(2, 3), s.array(1, 3), s.array(1))
    yield call(s.array(2, 0), s.array(4, 0), s.array(4))
    yield call(s.array(67, 41), s.array(35, 41), s.array(35), grad=False, note="several tiles")


def bilinear_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, further leading dimensions, with and without bias."""
    for lead in ((), (0,), (1,), (2,), (5,), (2, 4), (2, 0)):
        yield call(s.array(*lead, 3), s.array(*lead, 4), s.array(2, 3, 4), s.array(2))
        yield call(s.array(*lead, 3), s.array(*lead, 4), s.array(2, 3, 4))
    yield call(s.array(2, 1), s.array(2, 1), s.array(1, 1, 1), bias=s.array(1))
    yield call(s.array(2, 3), s.array(2, 3), s.array(2, 3, 3), note="equal sizes")
    yield call(s.array(33, 17), s.array(33, 19), s.array(5, 17, 19), s.array(5), grad=False)


def large_linear(s: Sampler) -> Iterator[Sample]:
    """A layer that is split between threads."""
    yield call(s.array(301, 257), s.array(203, 257), s.array(203))


SPECS = (
    product(
        "matmul",
        products(
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3,)),
            ((2, 2, 3), (3, 2)),
            ((2, 3), (2, 3, 2)),
            ((2, 1, 2, 3), (3, 3, 2)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((2, 0, 3), (2, 3, 1)),
            ((0, 2, 3), (0, 3, 2)),
            ((1, 1), (1, 1)),
        ),
        WIDER,
        MIXED,
        bad(RuntimeError, "1D|dimension|scalar", np.array(1.0), MATRIX),
        bad(RuntimeError, ".", STACK, np.ones((3, 3, 2))),
        operator=operator.matmul,
        boundary=large_products(),
    ),
    product(
        "mm",
        products(((2, 3), (3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 3), (3, 1))),
        WIDER,
        MIXED,
        bad(RuntimeError, "matri|2D", STACK, MATRIX),
        boundary=large_products(),
    ),
    product(
        "bmm",
        products(
            ((2, 2, 3), (2, 3, 4)), ((0, 2, 3), (0, 3, 2)), ((2, 2, 0), (2, 0, 3)), ((1, 1, 3), (1, 3, 1))
        ),
        bad(RuntimeError, "shape|size|3D", STACK, np.ones((3, 3, 2))),
        bad(RuntimeError, "3D", MATRIX, MATRIX),
        boundary=large_products(3),
    ),
    OpSpec(
        "linear",
        ref.linear_op,
        linear_samples,
        function="nn.functional.linear",
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason=ACCUMULATION,
        boundary=large_linear,
        errors=(
            bad(RuntimeError, "shape|size|multipl", MATRIX, np.ones((4, 2))),
            bad(RuntimeError, "dtype", MATRIX, np.ones((4, 3), np.float32)),
            bad(RuntimeError, ".", MATRIX, np.ones((4, 3)), np.ones(3)),
        ),
    ),
    OpSpec(
        "bilinear",
        ref.bilinear_op,
        bilinear_samples,
        function="nn.functional.bilinear",
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason=ACCUMULATION,
        registered=False,
        errors=(
            bad(RuntimeError, "batch", MATRIX, np.ones((3, 4)), np.ones((5, 3, 4))),
            bad(RuntimeError, "dimension", MATRIX, np.ones((1, 2, 4)), np.ones((5, 3, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((3, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((5, 4, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((5, 3, 3))),
            bad(RuntimeError, "bias", MATRIX, np.ones((2, 4)), np.ones((5, 3, 4)), np.ones(4)),
            bad(RuntimeError, "bias", MATRIX, np.ones((2, 4)), np.ones((5, 3, 4)), np.ones(1)),
            bad(RuntimeError, "dtype", MATRIX, np.ones((2, 4), np.float32), np.ones((5, 3, 4))),
        ),
    ),
)

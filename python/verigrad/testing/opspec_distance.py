"""Records of the distances between vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from verigrad.testing.opspec import FLOATING, Kink, OpSpec, bad
from verigrad.testing.reference import distance_tape as parts
from verigrad.testing.reference import distances as ref
from verigrad.testing.samples import Const, Sample, Sampler, call

X = np.ones((2, 3))
WIDE = np.ones((2, 4))
ROOT = "a sum of squares, its root and a quotient round in turn"
POINTS = np.array([[1.0, 0.0, -2.0], [0.0, 0.0, 0.0]])
ORIGIN = Const(np.zeros((2, 3)))


def cosine_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, every dimension, broadcasting, vectors of length 0. Mostly at acute angles: a
    product that cancels has no digits."""

    def draw(*shape: int) -> np.ndarray:
        return s.array(*shape, low=-0.5, high=3)

    for batch in (0, 1, 2, 5):
        yield call(draw(batch, 4), draw(batch, 4))
    yield call(draw(4), draw(4), dim=0)
    for dim in (0, 1, 2, -1, -3):
        yield call(draw(2, 3, 4), draw(2, 3, 4), dim=dim)
    yield call(draw(3, 4), draw(4), note="broadcast")
    yield call(draw(4), draw(2, 3, 4), dim=-1, note="broadcast")
    yield call(draw(3, 1, 4), draw(1, 2, 4), dim=2, note="broadcast")
    yield call(draw(2, 3), draw(2, 3), eps=1e-3)
    yield call(draw(2, 3), Const(np.array([[1, 2, 3], [3, 2, 1]])), note="whole numbers")
    yield call(draw(2, 0), draw(2, 0), note="no components", grad=False)
    yield call(np.zeros((2, 3), s.dtype), draw(2, 3), grad=False, note="length 0")
    tiny = draw(2, 3) * s.dtype.type(1e-9)
    yield call(tiny, draw(2, 3), grad=False, note="shorter than eps")
    yield call(np.array([[1, np.nan], [np.inf, 1]], s.dtype), draw(2, 2), grad=False, note="NaN")
    yield call(draw(64, 33), draw(64, 33), grad=False)


def pairwise_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, all kinds of norms, broadcasting."""

    def far(*shape: int) -> np.ndarray:
        return s.distinct(*shape, low=2, high=5)

    def near(*shape: int) -> np.ndarray:
        return s.array(*shape, low=-0.0625, high=0.0625)

    for batch in (0, 1, 2, 5):
        yield call(far(batch, 4), near(batch, 4))
    yield call(far(4), near(4))
    yield call(far(2, 3, 4), near(2, 3, 4))
    for p in (0.5, 1.0, 1.5, 2.0, 3.0, -1.0):
        yield call(far(3, 4), near(3, 4), p=p)
        yield call(far(3, 4), near(3, 4), p, 0.125, True)
    for p in (math.inf, -math.inf):
        points = far(3, 4), np.zeros((3, 4), s.dtype)
        yield call(*points, p=p, vary=False)
        yield call(*points, p=p, keepdim=True, vary=False)
    yield call(far(3, 4), near(3, 4), p=0.0, grad=False)
    yield call(near(3, 4), near(3, 4), p=0.0, eps=0.0, grad=False)
    yield call(far(3, 4), near(4), note="broadcast")
    yield call(far(3, 1, 4), near(2, 4), note="broadcast")
    yield call(s.array(2, 0), s.array(2, 0), note="no components", grad=False)
    for p in (1.0, 2.0, 3.0, math.inf):
        special = np.array([[1, np.nan, 2], [np.inf, 1, 2], [0, 0, 0]], s.dtype)
        yield call(special, np.zeros((3, 3), s.dtype), p=p, eps=0.0, grad=False, note="NaN, infinity and 0")
    yield call(far(64, 33), near(64, 33), grad=False)


def cosine_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows and columns longer than a vector; more than one thread takes."""
    for shape, dim in (((19, 67), 1), ((67, 19), 0), ((2, 1_031), 1), ((701, 379), 1)):
        yield call(s.array(*shape), s.array(*shape), dim=dim)
    x = s.array(701, 379)
    yield call(x, x + s.array(701, 379, low=-1, high=1), note="similar ones")


def pairwise_bounds(s: Sampler) -> Iterator[Sample]:
    """The same, for every kind of norm."""
    for p in (1.0, 1.5, 2.0, 3.0, math.inf):
        yield call(
            s.distinct(19, 67, low=2, high=5), s.array(19, 67, low=-0.0001, high=0.0001), p=p, vary=False
        )
    yield call(s.array(701, 379, low=2, high=5), s.array(701, 379, low=-0.5, high=0.5))
    x = s.array(67, 5)
    yield call(x, x.copy(), eps=0.0, vary=False, note="no distance")


SPECS = (
    OpSpec(
        "cosine_similarity",
        ref.cosine_similarity_op,
        cosine_samples,
        function="nn.functional.cosine_similarity",
        dtypes=FLOATING,
        composition=parts.cosine_similarity,
        boundary=cosine_bounds,
        scale="bound",
        registered=False,
        errors=(
            bad(RuntimeError, "size|shape", X, WIDE),
            bad(RuntimeError, "floating", Const(np.array([[1]])), Const(np.array([[1]]))),
            bad(IndexError, "[Dd]imension", X, X, dim=2),
            bad(IndexError, "[Dd]imension", X[0], X[0]),
        ),
        kinks=(Kink((np.zeros((1, 2)), np.array([[3.0, 4.0]])), ([[0.6e8, 0.8e8]], [[0, 0]])),),
    ),
    OpSpec(
        "pairwise_distance",
        ref.pairwise_distance_op,
        pairwise_samples,
        function="nn.functional.pairwise_distance",
        dtypes=FLOATING,
        composition=parts.pairwise_distance,
        boundary=pairwise_bounds,
        tolerance=32,
        reason=ROOT,
        registered=False,
        errors=(
            bad(RuntimeError, "size|shape", X, WIDE),
            bad(RuntimeError, "empty|component", np.ones((2, 0)), np.ones((2, 0)), p=math.inf),
        ),
        kinks=tuple(
            Kink((POINTS, ORIGIN), (grad,), {"p": p, "eps": 0.0})
            for p, grad in (
                (0.5, [[1 + 2**0.5, 0, -(1 + 0.5**0.5)], [0, 0, 0]]),
                (1.0, [[1, 0, -1], [0, 0, 0]]),
                (2.0, [[0.2**0.5, 0, -(0.8**0.5)], [0, 0, 0]]),
                (math.inf, [[0, 0, -1], [0, 0, 0]]),
            )
        ),
    ),
)

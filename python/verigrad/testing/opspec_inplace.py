"""Records of what exists in place only. The in-place forms of other operations belong to the records of
those."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import OpSpec, bad
from verigrad.testing.opspec_shape import method
from verigrad.testing.reference import elementwise, slopes
from verigrad.testing.samples import Const, Same, Sample, Sampler, call

MATRIX = np.zeros((2, 3))
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (37, 41))


def copied(s: Sampler) -> Iterator[Sample]:
    """Sources of the same and of a broadcast shape, of every other dtype, and the tensor itself."""
    for a, b in (((), ()), ((5,), (5,)), ((0,), (1,)), ((3, 4), (4,)), ((3, 4), (3, 1)), ((2, 3), ())):
        yield call(s.array(*a), s.array(*b))
    yield call(s.array(37, 41), s.array(37, 41), grad=False)
    for dtype in ("bool", "uint8", "int64", "float32", "float64"):
        if dtype != s.dtype.name:
            yield call(s.array(2, 3, low=0), Const(s.array(2, 3, low=0, dtype=dtype)), note=f"from {dtype}")
    yield call(s.array(2, 3), Same(0), grad=False, note="itself")


def filled(s: Sampler) -> Iterator[Sample]:
    """Numbers of every kind and 0-d tensors."""
    for shape in SHAPES:
        yield call(s.array(*shape), 3, grad=shape != (37, 41))
    yield call(s.array(2, 3), 2.5)
    yield call(s.array(2, 3), True)
    yield call(s.array(2, 3), s.array())
    if s.floating:
        yield call(s.array(2, 3), float("inf"), grad=False)


def zeroed(s: Sampler) -> Iterator[Sample]:
    """Every shape."""
    for shape in SHAPES:
        yield call(s.array(*shape), grad=shape != (37, 41))


def copied_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors, blocks of 16 of a transposed matrix; more elements than one thread takes; rows
    between others, of either side."""
    for shape in ((35, 67), (516, 521)):
        yield call(s.array(*shape), s.array(*shape))
        yield call(s.array(*shape), s.array(shape[1]))
    yield call(s.array(67), s.array(67))


def filled_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for shape in ((35, 67), (516, 521), (521, 516), (601, 521)):
        yield call(s.array(*shape), s.array())


def zeroed_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for shape in ((35, 67), (516, 521)):
        yield call(s.array(*shape))


def copy_reference(a: Any, b: Any) -> Any:
    """The source in the place of the tensor."""
    return np.broadcast_to(elementwise.copy_op(b, a.dtype), a.shape)


EXACT: dict[str, Any] = {"mutates": 1, "view": None, "tolerance": 0.0}
SHAPE = bad(RuntimeError, "shape|size|expand", MATRIX, np.zeros(4))

SPECS = (
    OpSpec(
        "copy_",
        copy_reference,
        copied,
        composition=slopes.filled,
        boundary=copied_bounds,
        function=method("copy_"),
        errors=(SHAPE, bad(RuntimeError, "shape|expand|size", MATRIX, np.zeros((2, *MATRIX.shape)))),
        zero_inputs=("input 0",),
        **EXACT,
    ),
    OpSpec(
        "fill_",
        elementwise.fill_op,
        filled,
        composition=slopes.filled,
        boundary=filled_bounds,
        function=method("fill_"),
        zero_inputs=("input 0",),
        errors=(
            bad(RuntimeError, "0-dim", MATRIX, np.zeros(2)),
            bad(TypeError, ".", MATRIX, "a"),
            bad(RuntimeError, "without overflow", np.zeros(2, np.int32), 2**31),
        ),
        **EXACT,
    ),
    OpSpec(
        "zero_",
        lambda a: elementwise.fill_op(a, 0),
        zeroed,
        composition=lambda a: slopes.filled(a, 0.0),
        boundary=zeroed_bounds,
        function=method("zero_"),
        zero_gradient="the old values are lost",
        **EXACT,
    ),
)

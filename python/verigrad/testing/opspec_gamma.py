"""Records of the gamma function's relatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_unary import INF, NAN, kink
from verigrad.testing.reference import gamma as ref
from verigrad.testing.reference import slopes, tape
from verigrad.testing.samples import LENGTHS, PAIRS, SHAPES, SHARED, WIDE_SHAPES, Sample, Sampler, call

# Both sides of what the formulas change at (kernels/gamma_functions.h), and of whole numbers.
SWITCHES = np.array([0.5, 0.96, 1.0, 1.4616321449683622, 1.5, 1.96, 2.0, 2.5, 10.0, 10.96, 12.0, 13.0, 14.0])
# Between the poles, away from the zeros of lgamma and digamma.
BELOW = -np.array([0.04, 0.3, 1.25, 2.3, 3.75, 7.4, 12.2])


def around(points: Any, dtype: Any) -> Any:
    """The points and their neighbours in the dtype."""
    x = np.asarray(points, dtype)
    return np.concatenate([x, np.nextafter(x, -INF, dtype=x.dtype), np.nextafter(x, INF, dtype=x.dtype)])


def arguments(s: Sampler, *shape: int) -> Any:
    """From small to beyond the last switch, no two formulas alone."""
    low, high = (0.15, 16.0) if s.floating else (1, 16)
    return s.array(*shape, low=low, high=high)


def draws(*numbers: Any, peer: bool = True) -> Any:
    """Every shape, vectors, negative arguments, switches and edge values, for each number."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for i, number in enumerate(numbers):
            for shape in SHAPES if i == 0 else ((), (3, 4), (0, 3)):
                yield call(arguments(s, *shape), *number)
            yield call(arguments(s, *WIDE_SHAPES[i % 2]), *number, grad=False)
            if s.floating:
                yield call(BELOW.astype(s.dtype), *number, grad=not number, peer=False, note="below 0")
                near = around(SWITCHES, s.dtype)
                yield call(near, *number, grad=False, peer=False, note="switches")
            yield call(s.edges(), *number, grad=False, peer=peer, note="edge values")
        for shape in WIDE_SHAPES:
            yield call(arguments(s, *shape), *numbers[0], grad=False)

    return samples


def large(*numbers: Any) -> Any:
    """Vectors around the lengths of the processor's, and matrices that are split between threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for length in LENGTHS:
            yield call(arguments(s, length), *numbers[0])
        for number in numbers:
            yield call(arguments(s, 5, 67), *number)
        yield call(arguments(s, *SHARED[0]), *numbers[0])

    return samples


def polygamma_tape(x: Any, n: int) -> tape.Var:
    """polygamma(n + 1) is the derivative."""
    x = tape.var(x)
    with np.errstate(all="ignore"):
        value = np.asarray(ref.polygamma_op(x.value, n), np.float64)
        return tape.function(x, value, slopes.result(ref.polygamma_op(x.value, n + 1)))


def zeta_tape(s: Any, q: Any) -> tape.Var:
    """-s zeta(s + 1, q) by q."""
    q, a = tape.var(q), np.asarray(s.value if isinstance(s, tape.Var) else s, np.float64)
    a, b = np.broadcast_arrays(a, q.value)
    with np.errstate(all="ignore"):
        value = slopes.result(np.asarray(ref.zeta_op(a, b), np.float64))
        slope = slopes.result(np.asarray(ref.zeta_op(a + 1.0, b), np.float64)) * -a
    return tape.elementwise(value, (q,), (slope,))


def zetas(s: Sampler) -> Iterator[Sample]:
    """Whole first arguments, whose gradient nobody asks for; others without gradients; numbers; poles."""
    for a, b in PAIRS:
        yield call(s.array(*a, low=2, high=6, dtype="int64"), arguments(s, *b))
    yield call(s.array(37, 41, low=1.1, high=12.0), arguments(s, 41), grad=False)
    yield call(s.array(1037, low=1.1, high=12.0), arguments(s, 1037), grad=False)
    yield call(3, arguments(s, 2, 3))
    yield call(1.5, arguments(s, 0))
    yield call(s.array(2, 3, low=1.5, high=6.0), 2.5, grad=False)
    if s.floating:
        first = np.repeat(np.array([2, 3, 4, 1, 0, 30, 60]), BELOW.size)
        yield call(first, np.tile(BELOW, 7).astype(s.dtype), grad=False, peer=False, note="below 0")
        near = around(SWITCHES, s.dtype)
        yield call(2.0, near, grad=False, peer=False, note="switches")
        values = np.array([0.5, 1.0, 2.0, 2.5, NAN, 0.0, -1.0], s.dtype)
        others = np.array([0.5, 1.0, 0.0, -1.0, -1.5, NAN, 40.0, 1e30, INF], s.dtype)
        grid = np.repeat(values, others.size), np.tile(others, values.size)
        yield call(*grid, grad=False, peer=False, note="edge values")


def large_zetas(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; a matrix that threads share."""
    for shape in ((67,), (35, 67), SHARED[0]):
        yield call(s.array(*shape, low=2, high=6, dtype="int64"), arguments(s, *shape))


SPECS = (
    OpSpec(
        "lgamma",
        ref.lgamma_op,
        draws(()),
        method="lgamma",
        inplace="lgamma_",
        out=True,
        boundary=large(()),
        composition=slopes.unary("lgamma", ref.lgamma_op),
        kinks=kink((1.0, 0.0, -1.0, INF), (-0.57721566490153286, -INF, NAN, INF)),
    ),
    OpSpec(
        "digamma",
        ref.digamma_op,
        draws(()),
        method="digamma",
        inplace="digamma_",
        out=True,
        boundary=large(()),
        composition=slopes.unary("digamma", ref.digamma_op),
        kinks=kink((1.0, INF), (np.pi**2 / 6, 0.0)),
    ),
    OpSpec(
        "polygamma",
        ref.polygamma_op,
        draws((1,), (0,), (2,), (5,), peer=False),
        function=lambda lib, x, n: lib.get("polygamma")(n, x),
        method="polygamma",
        inplace="polygamma_",
        boundary=large((1,), (3,)),
        composition=polygamma_tape,
        tolerance=8.0,
        reason="a product, and the sum of ten powers and a series",
        errors=(
            bad(RuntimeError, "negative n", np.ones(2), -1),
            bad(TypeError, ".", np.ones(2), 1.5),
        ),
    ),
    OpSpec(
        "zeta",
        ref.zeta_op,
        zetas,
        function=lambda lib, s, q: lib.get("special.zeta")(s, q),
        dtypes=FLOATING,
        boundary=large_zetas,
        composition=zeta_tape,
        tolerance=8.0,
        reason="a power, and the sum of ten others and a series",
    ),
)

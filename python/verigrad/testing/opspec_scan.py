"""Records of running results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around
from verigrad.testing.opspec import FLOATING, Kink, OpSpec, bad
from verigrad.testing.opspec_reduce import MATRIX
from verigrad.testing.opspec_sorting import LINES, NAN, OUT_OF_RANGE, TIED, different
from verigrad.testing.reference import sorting as ref
from verigrad.testing.reference import sorting_tape as parts
from verigrad.testing.samples import D, Sample, Sampler, call

NO_DIM = bad(TypeError, ".", MATRIX)


def factors(s: Sampler, *shape: int) -> Any:
    """Numbers near one of either sign."""
    x = s.array(*shape, low=0.8, high=1.2)
    return x if s.dtype.kind in "bu" else (x * s.rng.choice([-1, 1], shape)).astype(s.dtype)


def scans(draw: Callable[..., Any], cast: bool = False) -> Callable[[Sampler], Iterator[Sample]]:
    """Every dimension, sizes 0 and 1, numpy's name of it, and edge values."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, dim in LINES:
            yield call(draw(s, *shape), dim)
        for shape, dim in (((0,), 0), ((2, 0), 1), ((0, 2), 1), ((2, 0, 3), 0)):
            yield call(draw(s, *shape), dim, grad=False)
        yield call(draw(s, 2, 3), dim=-1)
        yield call(draw(s, 2, 3), axis=0)
        yield call(draw(s, 7, 2), 0)
        if cast:
            yield call(draw(s, 2, 3), 1, dtype=D("float64"))
            yield call(draw(s, 2, 3), 1, dtype=D("int32"), grad=False)
        if s.floating:
            values = np.array([[1, np.inf, 2], [1, NAN, 3], [-np.inf, -0.0, 0.0], [2, 2, 2]], s.dtype)
            yield call(values, 1, grad=False, note="edge values")
            yield call(values, 0, grad=False, note="edge values")

    return samples


def scan_bounds(draw: Callable[..., Any]) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows and blocks of columns; more lines than one thread takes, along both dimensions."""

    def samples(s: Sampler) -> Iterator[Sample]:
        yield call(draw(s, 3, 67), 1)
        for rows in around("scan_rows"):
            yield call(draw(s, rows, 5), 1)
        for columns in around("scan_columns"):
            yield call(draw(s, 7, columns), 0)
        yield call(draw(s, 301, 67), 1, vary=False)
        yield call(draw(s, 3, 4099), 1, vary=False)
        yield call(draw(s, 33_001, 17), 1, vary=False)
        yield call(draw(s, 17, 33_001), 0, vary=False)

    return samples


def scan(name: str, reference: Any, draw: Callable[..., Any], **options: Any) -> OpSpec:
    """A record of a running result."""
    return OpSpec(
        name,
        reference,
        scans(draw, cast=name in ("cumsum", "cumprod")),
        method=name,
        composition=getattr(parts, name),
        boundary=scan_bounds(draw),
        **{"errors": (OUT_OF_RANGE, NO_DIM, bad(TypeError, ".", MATRIX, "0")), **options},
    )


SPECS = (
    scan("cumsum", ref.cumsum_op, lambda s, *n: s.array(*n), scale="bound", inplace="cumsum_", out=True),
    scan(
        "logcumsumexp",
        ref.logcumsumexp_op,
        lambda s, *n: s.array(*n),
        scale="bound",
        out=True,
        dtypes=FLOATING,
        kinks=(
            Kink((np.array([1.0, -np.inf, 1.0]), 0), ([2.5, 0.0, 0.5],)),
            Kink((np.array([0.0, 800.0, 1600.0]), 0), ([1.0, 1.0, 1.0],)),
        ),
        errors=(
            OUT_OF_RANGE,
            bad(NotImplementedError, "floating-point dtype, got int64", np.array([1, 2]), 0),
        ),
    ),
    scan(
        "cumprod",
        ref.cumprod_op,
        factors,
        scale="bound",
        inplace="cumprod_",
        out=True,
        kinks=(
            Kink((np.array([1.0, 0.0, 2.0, 0.0]), 0), ([1.0, 3.0, 0.0, 0.0],)),
            Kink((np.array([0.0, 2.0, 3.0]), 0), ([9.0, 0.0, 0.0],)),
        ),
    ),
    scan(
        "cummax",
        ref.cummax_op,
        different,
        tolerance=0.0,
        ties=True,
        kinks=(Kink((TIED[::-1].copy(), 0), ([4.0, 0.0, 0.0, 0.0],)), Kink((TIED, 0), ([1.0] * 4,))),
    ),
    scan(
        "cummin",
        ref.cummin_op,
        different,
        tolerance=0.0,
        ties=True,
        kinks=(Kink((np.array([2.0, 2.0, 1.0, 3.0]), 0), ([1.0, 1.0, 2.0, 0.0],)),),
    ),
)

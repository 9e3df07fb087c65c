"""Records of clamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.opspec_activation import NAN, Row, at, away, bounds, kink, large_slope, slope_samples
from verigrad.testing.reference import activation as ref
from verigrad.testing.reference import activation_tape as tapes
from verigrad.testing.samples import SHAPES, Array, Const, Sample, Sampler, call


def clamp_samples(s: Sampler) -> Iterator[Sample]:
    """Numbers and tensors, one bound or two, broadcast, NaN, the greater bound first, edge values."""
    for shape in SHAPES:
        yield call(away(s.array(*shape), (-1.0, 2.0)), 0 if s.dtype.kind == "u" else -1, 2)
    x = away(s.array(3, 4), (-1.0, 1.25))
    for arguments in ({"min": 1}, {"max": 1}, {"min": None, "max": 2}, {"min": 2, "max": 1}):
        yield call(away(s.array(3, 4), (1.0, 2.0)), **arguments)
    yield call(x, min=1.25)
    yield call(x, 0.25, 1.25, grad=False)
    low, high = s.array(3, 4, low=0, high=1), s.array(3, 4, low=1, high=2)
    if s.floating:
        x = np.where(np.abs(x - low) < 0.05, low + 0.1, x)
        x = np.where(np.abs(x - high) < 0.05, high + 0.1, x).astype(s.dtype)
        high = np.where(high < low + 0.05, low + 0.05, high).astype(s.dtype)
    yield call(x, low, high)
    yield call(x, min=low)
    yield call(x, max=high)
    # PyTorch does not sum its gradient of a broadcast input: "output with shape doesn't match".
    bounded = s.array(3, 1, low=0, high=1), s.array(low=1, high=2)
    yield call(s.array(2, 1, 4, low=3, high=9), *bounded, peer=False)
    yield call(s.array(0, 3), s.array(3), s.array(1, 3))
    yield call(s.array(37, 41), s.array(41), grad=False)
    yield call(s.edges(), 0, 3, grad=False, note="edge values")
    if s.floating:
        yield call(s.edges(), float("nan"), 1.0, grad=False, note="NaN")
        yield call(s.edges(), Const(np.array(NAN, s.dtype)), grad=False, note="NaN")


def one_bound(s: Sampler) -> Iterator[Sample]:
    """A number and tensors, edge values."""
    for shape in SHAPES:
        yield call(away(s.array(*shape), (1.0,)), 1)
    yield call(away(s.array(3, 4), (1.25,)), 1.25)
    x, y = s.array(3, 4), s.array(4)
    yield call(np.where(np.abs(x - y) < 0.05, x + x.dtype.type(1), x), y)
    yield call(s.array(2, 1, low=3, high=5), s.array(3, low=0, high=2))
    yield call(s.edges(), 1, grad=False, note="edge values")


def apart(x: Array, bound: Array) -> Array:
    """Numbers that keep away from a bound."""
    return np.where(np.abs(x - bound) < 0.01, bound + 0.02, x).astype(x.dtype) if x.dtype.kind == "f" else x


def large_clamp(s: Sampler) -> Iterator[Sample]:
    """Numbers and tensors as bounds; more elements than one thread takes."""
    for shape in ((37, 67), (516, 521)):
        yield call(away(s.array(*shape), (0.0, 2.0)), 0, 2)
        low, high = s.array(shape[1], low=-2, high=0), s.array(shape[0], 1, low=0.5, high=2)
        yield call(apart(apart(s.array(*shape), low), high), low, high)
    yield call(away(s.array(1037), (1.0,)), max=1)


def large_bound(s: Sampler) -> Iterator[Sample]:
    """A number and a tensor as bound; more elements than one thread takes."""
    for shape in ((37, 67), (516, 521)):
        bound = s.array(shape[1])
        yield call(away(s.array(*shape), (1.0,)), 1)
        yield call(apart(s.array(*shape), bound), bound)


CLAMP: dict[str, Any] = {"dtypes": NUMERIC, "tolerance": 0.0}
INCLUSIVE = kink((-1.0, 1.0, 0.0, 2.0, NAN), (1.0, 1.0, 1.0, 0.0, 0.0), min=-1.0, max=1.0)
TENSORS = Kink((at(1.0, 2.0, 3.0, 0.0), at(1.0, 1.0, 1.0, 1.0), at(2.0, 2.0, 2.0, 2.0)),
               ([1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]))  # fmt: skip
CROSSED = Kink((at(1.0), at(2.0), at(0.0)), ([0.0], [0.0], [1.0]))

ROW = Row("clamp", ref.hardtanh, ref.clamped_slope, lambda: (-1.0, 2.0), corners=bounds)

SPECS = (
    OpSpec(
        "clamped_backward",
        ref.slope_op(ref.clamped_slope),
        slope_samples(ROW),
        composition=tapes.gradient("clamp"),
        boundary=large_slope(ROW),
        function="_C._gradients.clamped_backward",
        dtypes=FLOATING,
        tolerance=0.0,
        zero_inputs=("input 1",),
        errors=(bad(RuntimeError, "shape", np.zeros(2), np.zeros(3)),),
    ),
    OpSpec(
        "clamp",
        ref.clamp_op,
        clamp_samples,
        composition=tapes.clamp,
        method="clamp",
        inplace="clamp_",
        out=True,
        boundary=large_clamp,
        kinks=(INCLUSIVE, TENSORS, CROSSED),
        errors=(
            bad(RuntimeError, "None", np.zeros(2)),
            bad(RuntimeError, "size|shape|broadcast", np.zeros((2, 3)), np.zeros(4)),
            bad(TypeError, ".", np.zeros(2), "a"),
            bad(RuntimeError, "without overflow", np.zeros(2, np.uint8), 0, 300),
            bad(RuntimeError, "without overflow", np.zeros(2, np.float32), 1e300),
        ),
        **CLAMP,
    ),
    OpSpec(
        "clamp_min",
        lambda x, bound: ref.clamp_op(x, min=bound),
        one_bound,
        composition=lambda x, bound: tapes.clamp(x, min=bound),
        method="clamp_min",
        inplace="clamp_min_",
        out=True,
        boundary=large_bound,
        kinks=(Kink((at(1.0, -1.0, 2.0),), ([1.0, 0.0, 1.0],), {"min": 1.0}),),
        errors=(bad(TypeError, ".", np.zeros(2), "a"),),
        **CLAMP,
    ),
    OpSpec(
        "clamp_max",
        lambda x, bound: ref.clamp_op(x, max=bound),
        one_bound,
        composition=lambda x, bound: tapes.clamp(x, max=bound),
        method="clamp_max",
        inplace="clamp_max_",
        out=True,
        boundary=large_bound,
        kinks=(Kink((at(1.0, -1.0, 2.0),), ([1.0, 1.0, 0.0],), {"max": 1.0}),),
        errors=(bad(TypeError, ".", np.zeros(2), "a"),),
        **CLAMP,
    ),
)

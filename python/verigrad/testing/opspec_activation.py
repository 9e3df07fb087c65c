"""Records of the activation functions. An activation is one row of ``ROWS``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, ErrorInput, Kink, OpSpec, bad
from verigrad.testing.reference import activation as ref
from verigrad.testing.reference import activation_tape as tapes
from verigrad.testing.samples import SHAPES, WIDE_SHAPES, Sample, Sampler, call

NAN, INF = np.nan, np.inf
SELU = (1.7580993408473766, 1.0507009873554805)  # alpha times scale, scale
INTEGERS = np.array([1, 2])
SEED = 20_250_711
Options = Mapping[str, Any]
SHRINKS = "float64 subtracts from 1 on, where the difference is a quarter of x"
TAIL = "the logarithm of the tail falls with x^2, which magnifies the rounding of x / sqrt(2)"


@dataclass(frozen=True)
class Row:
    """An activation.

    Attributes:
        name: of the function.
        value, slope: the scalar references.
        numbers: a, b and c from the function's options.
        options: further sets of options.
        corners: the kinks, from the options; samples of gradient checks keep away from them.
        native: name of the row in activation.def.
        kind: "same" keeps the dtype, "float" promotes integers.
        inplace: how the in-place form is written: "option", "function" (a name with an underscore) or "".
        required: options that have no default.
        wide: bound of long vectors.
        low: least value of the other samples, where PyTorch is accurate too.
        peer: whether PyTorch is accurate at all.
        limits: whether PyTorch has NaN where the limit at infinity exists.
        kinks: inputs, options, and the gradients there.
        errors: calls that must fail.
        forward, backward: attributes of the records of the function and of its gradient.
    """

    name: str
    value: ref.Formula
    slope: ref.Formula
    numbers: ref.Numbers = lambda: ()
    options: tuple[Options, ...] = ()
    corners: Callable[..., tuple[float, ...]] = lambda *_: ()
    native: str = ""
    kind: str = "same"
    inplace: str = ""
    limits: bool = False
    required: Options = field(default_factory=dict)
    wide: float = 9.0
    low: float = -5.0
    peer: bool = True
    kinks: tuple[Kink, ...] = ()
    errors: tuple[ErrorInput, ...] = ()
    dtypes: tuple[str, ...] = FLOATING
    forward: Options = field(default_factory=dict)
    backward: Options = field(default_factory=dict)

    @property
    def sets(self) -> tuple[Options, ...]:
        """All sets of options, the usual one first."""
        return (self.required, *self.options)


def away(values: np.ndarray, corners: tuple[float, ...], gap: float = 0.1) -> np.ndarray:
    """The values with those near a corner moved up to `gap` beyond it."""
    if values.dtype.kind != "f":
        return values
    for corner in corners:
        values = np.where(np.abs(values - corner) < gap, corner + gap, values).astype(values.dtype)
    return values


def draw(row: Row, s: Sampler, shape: tuple[int, ...], options: Options) -> np.ndarray:
    """Values on both sides of all corners, and near none."""
    return away(s.array(*shape, low=row.low, high=7.0), row.corners(*row.numbers(**options)))


def value_samples(row: Row) -> Callable[[Sampler], Iterator[Sample]]:
    """Every shape, every set of options, long vectors, edge values."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in SHAPES:
            yield call(draw(row, s, shape, row.required), peer=row.peer, **row.required)
        for options in row.options:
            for shape in ((), (3, 4), (0, 3)):
                yield call(draw(row, s, shape, options), **options)
            yield call(s.edges(), grad=False, peer=not row.limits, note="edge values", **options)
        for shape in WIDE_SHAPES:
            wide = s.array(*shape, low=-row.wide, high=row.wide)
            yield call(wide, grad=False, peer=row.peer and row.low <= -5.0, **row.required)
        yield call(s.edges(), grad=False, peer=not row.limits, note="edge values", **row.required)

    return samples


def large_value(row: Row) -> Callable[[Sampler], Iterator[Sample]]:
    """Tails of vectors with all options; shapes that are split between threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for options in row.sets:
            yield call(draw(row, s, (1037,), options), **options)
        yield call(draw(row, s, (516, 521), row.required), **row.required)

    return samples


def slope_samples(row: Row) -> Callable[[Sampler], Iterator[Sample]]:
    """Incoming gradients and inputs of the same shape, and the numbers of the row."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for i, options in enumerate(row.sets):
            numbers = row.numbers(**options)
            for shape in ((), (1,), (5,), (0,), (3, 4), (2, 3, 4)) if i == 0 else ((3, 4),):
                yield call(s.array(*shape), draw(row, s, shape, options), *numbers)
            yield call(s.array(37, 41), s.array(37, 41, low=-9.0, high=9.0), *numbers, grad=False)
            edges = s.edges()
            yield call(np.ones_like(edges), edges, *numbers, grad=False, note="edge values")

    return samples


def large_slope(row: Row) -> Callable[[Sampler], Iterator[Sample]]:
    """Tails of vectors with all options; shapes that are split between threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for options in row.sets:
            yield call(s.array(37, 67), draw(row, s, (37, 67), options), *row.numbers(**options))
        numbers = row.numbers(**row.required)
        yield call(s.array(516, 521), draw(row, s, (516, 521), row.required), *numbers)
        near = [corner + side for corner in row.corners(*numbers) for side in (-5e-4, 5e-4)]
        for x in [*(np.full(67, value) for value in near), np.resize(near, 516 * 521 if near else 0)]:
            yield call(s.array(x.size), x.astype(s.dtype), *numbers, vary=False, note="near the corners")

    return samples


def in_place(row: Row) -> Callable[..., Any]:
    """The in-place form as a function."""

    def function(lib: Library, x: Any, **options: Any) -> Any:
        if row.inplace == "function":
            return lib.get(f"nn.functional.{row.name}_")(x, **options)
        return lib.get(f"nn.functional.{row.name}")(x, inplace=True, **options)

    return function


def in_place_samples(row: Row) -> Callable[[Sampler], Iterator[Sample]]:
    """A few shapes for every set of options."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for options in row.sets:
            for shape in ((), (0, 3), (3, 4)):
                # PyTorch refuses a negative slope here.
                yield call(
                    draw(row, s, shape, options), peer=options.get("negative_slope", 0) >= 0, **options
                )

    return samples


def specs(row: Row) -> Iterator[OpSpec]:
    """The records of the function, its in-place form and its gradient."""
    reference = ref.value_op(row.value, row.numbers, row.kind)
    name = f"nn.functional.{row.name}"
    common: dict[str, Any] = {
        "dtypes": row.dtypes,
        "boundary": large_value(row),
        "composition": tapes.value(row.name, reference, row.numbers),
        **row.forward,
    }
    yield OpSpec(
        row.name,
        reference,
        value_samples(row),
        function=name,
        kinks=row.kinks,
        errors=(*row.errors, bad(TypeError, ".", "x", peer=False, **row.required)),
        **common,
    )
    if row.inplace:
        yield OpSpec(
            f"{row.name}_",
            reference,
            in_place_samples(row),
            function=in_place(row),
            mutates=1,
            view=None,
            registered=False,
            errors=tuple(call for call in row.errors if len(call.args) == 1),
            **common,
        )
    if row.native:
        yield OpSpec(
            f"{row.native}_backward",
            ref.slope_op(row.slope),
            slope_samples(row),
            function=f"_C._gradients.{row.native}_backward",
            dtypes=FLOATING,
            boundary=large_slope(row),
            composition=tapes.gradient(row.name),
            errors=(bad(RuntimeError, "shape", np.zeros(2), np.zeros(3)),),
            **row.backward,
        )


REFUSES_INTEGERS = (bad(NotImplementedError, "int|Long", INTEGERS),)
EXACT: Options = {"tolerance": 0.0}
FLAT: Options = {"tolerance": 0.0, "zero_inputs": ("input 1",)}
CANCELS: Options = {"scale": "bound", "tolerance": 1.0}


def at(*values: float) -> np.ndarray:
    """Points of a kink."""
    return np.array(values)


def kink(x: tuple[float, ...], grads: tuple[float, ...], **options: Any) -> Kink:
    """Exact gradients at some points."""
    return Kink((at(*x),), (list(grads),), options)


def zero(*_: Any) -> tuple[float, ...]:
    """A corner at 0."""
    return (0.0,)


def bounds(a: float, b: float) -> tuple[float, ...]:
    """Corners at both bounds."""
    return (a, b)


def gap(a: float) -> tuple[float, ...]:
    """Corners at the ends of a gap."""
    return (-a, a)


ROWS = (
    Row(
        "leaky_relu", ref.leaky_relu, ref.leaky_relu_slope, lambda negative_slope=0.01: (negative_slope,),
        ({"negative_slope": 0.25}, {"negative_slope": 0.0}, {"negative_slope": -0.5}),
        zero, "leaky_relu", inplace="function", errors=REFUSES_INTEGERS, backward={**FLAT, "tolerance": 2.0},
        kinks=(kink((0.0, -0.0, 1.0, -1.0, NAN), (0.01, 0.01, 1.0, 0.01, 0.01)),),
    ),
    Row(
        "elu", ref.elu, ref.elu_slope, lambda alpha=1.0: (alpha, 1.0, 1.0), ({"alpha": 1.5},),
        zero, "elu", inplace="function", errors=REFUSES_INTEGERS,
        kinks=(kink((0.0, -0.0, 2.0, NAN), (1.5, 1.5, 1.0, 1.0), alpha=1.5),),
    ),
    Row(
        "selu", ref.elu, ref.elu_slope, lambda: (*SELU, 1.0), (), zero, inplace="function",
        errors=REFUSES_INTEGERS, kinks=(kink((0.0, -0.0, 2.0, NAN), (SELU[0], SELU[0], SELU[1], SELU[1])),),
    ),
    Row(
        "celu", ref.elu, ref.elu_slope, lambda alpha=1.0: (alpha, 1.0, 1.0 / alpha), ({"alpha": 0.5},),
        zero, "celu", inplace="function",
        errors=(*REFUSES_INTEGERS, bad(RuntimeError, "alpha", np.zeros(2), alpha=0.0)),
        kinks=(kink((0.0, -0.0, 2.0, NAN), (1.0, 1.0, 1.0, 1.0), alpha=2.0),),
    ),
    Row(
        "silu", ref.silu, ref.silu_slope, native="silu", inplace="option", limits=True,
        errors=REFUSES_INTEGERS, backward=CANCELS,
    ),
    Row(
        "mish", ref.mish, ref.mish_slope, native="mish", inplace="option", limits=True,
        errors=REFUSES_INTEGERS, backward=CANCELS,
    ),
    Row(
        "hardswish", ref.hardswish, ref.hardswish_slope, corners=bounds, native="hardswish",
        numbers=lambda: (-3.0, 3.0), inplace="option", limits=True, errors=REFUSES_INTEGERS, backward=CANCELS,
        kinks=(kink((-3.0, 3.0, -4.0, 4.0, NAN), (0.0, 1.0, 0.0, 1.0, 1.0)),),
    ),
    Row(
        "hardsigmoid", ref.hardsigmoid, ref.hardsigmoid_slope, lambda: (-3.0, 3.0), corners=bounds,
        native="hardsigmoid", inplace="option", errors=REFUSES_INTEGERS,
        backward={"zero_inputs": ("input 1",)},
        kinks=(kink((-3.0, 3.0, 4.0, NAN), (0.0, 0.0, 0.0, 0.0)),),
    ),
    Row(
        "hardtanh", ref.hardtanh, ref.hardtanh_slope, lambda min_val=-1.0, max_val=1.0: (min_val, max_val),
        ({"min_val": 0.0, "max_val": 2.0},), bounds, "hardtanh", inplace="function", forward=EXACT,
        backward=FLAT,
        kinks=(kink((-1.0, 1.0, 0.0, 2.0, NAN), (0.0, 0.0, 1.0, 0.0, 1.0)),),
        errors=(
            bad(ValueError, "min_val", np.zeros(2), 2.0, 1.0),
            bad(RuntimeError, "unsigned", np.array([1], np.uint8)),
            bad(RuntimeError, "[Bb]ool", np.array([True])),
        ),
    ),
    Row(
        "relu6", ref.hardtanh, ref.hardtanh_slope, lambda: (0.0, 6.0), corners=bounds, inplace="option",
        dtypes=NUMERIC, forward=EXACT, kinks=(kink((0.0, -0.0, 6.0, 1.0, NAN), (0.0, 0.0, 0.0, 1.0, 1.0)),),
    ),
    Row(
        "hardshrink", ref.hardshrink, ref.shrink_slope, lambda lambd=0.5: (lambd,), ({"lambd": 1.25},
        {"lambd": 0.0}),
        gap, "hardshrink", errors=REFUSES_INTEGERS, forward=EXACT, backward=FLAT,
        kinks=(kink((0.5, -0.5, 0.0, 1.0, NAN), (0.0, 0.0, 0.0, 1.0, 1.0)),),
    ),
    Row(
        "softshrink", ref.softshrink, ref.shrink_slope, lambda lambd=0.5: (lambd,), ({"lambd": 1.25},
        {"lambd": 0.0}),
        gap, "softshrink", forward=EXACT, backward=FLAT,
        errors=(*REFUSES_INTEGERS, bad(RuntimeError, "lambda", np.zeros(2), -0.5)),
        kinks=(kink((0.5, -0.5, 0.0, 1.0, NAN), (0.0, 0.0, 0.0, 1.0, 1.0)),),
    ),
    Row(
        "threshold", ref.threshold, ref.threshold_slope, lambda threshold, value: (threshold, value),
        ({"threshold": -1.0, "value": 2.0},), lambda a, b: (a,), "thresholded", inplace="function",
        required={"threshold": 0.5, "value": -0.25}, dtypes=NUMERIC[1:], forward=EXACT, backward=FLAT,
        kinks=(kink((0.5, 0.75, 0.0, NAN), (0.0, 1.0, 0.0, 1.0), threshold=0.5, value=2.0),),
        errors=(bad(NotImplementedError, "[Bb]ool", np.array([True]), 0.5, 1.0), bad(TypeError, ".",
        np.zeros(2))),
    ),
    Row(
        "softplus", ref.softplus, ref.softplus_slope, lambda beta=1.0, threshold=20.0: (beta, threshold),
        ({"beta": 2.0, "threshold": 3.0}, {"beta": 0.5, "threshold": 1000.0}), lambda a, b: (b / a,),
        "softplus",
        errors=REFUSES_INTEGERS,
        kinks=(kink((1.5, 2.0, -INF, INF), (1.0 / (1.0 + np.exp(-3.0)), 1.0, 0.0, 1.0), beta=2.0,
        threshold=3.0),),
    ),
    Row("logsigmoid", ref.logsigmoid, ref.logsigmoid_slope, native="logsigmoid", errors=REFUSES_INTEGERS),
    Row(
        "tanhshrink", ref.tanhshrink, ref.tanhshrink_slope, native="tanhshrink", kind="float", limits=True,
        dtypes=ALL_DTYPES, peer=False, forward={"tolerance": 8.0, "reason": SHRINKS},
    ),
    Row(
        "softsign", ref.softsign, ref.softsign_slope, corners=zero, native="softsign", kind="float",
        limits=True,
        dtypes=NUMERIC, kinks=(kink((0.0, -0.0, 1.0), (1.0, 1.0, 0.25)),),
    ),
)  # fmt: skip

GELU = (
    Row(
        "gelu", ref.gelu, ref.gelu_slope, lambda approximate="none": (), native="gelu", limits=True,
        errors=(*REFUSES_INTEGERS, bad(RuntimeError, "none|tanh", np.zeros(2), approximate="erf")),
        forward={"tolerance": 32.0, "reason": TAIL}, backward=CANCELS, wide=5.0, low=-2.0,
    ),
    Row(
        "gelu_tanh", ref.gelu_tanh, ref.gelu_tanh_slope, native="gelu_tanh", limits=True,
        backward={**CANCELS, "gradient_tolerance": 4.0},
        wide=5.0, low=-2.0,
    ),
)  # fmt: skip


def gelu_specs() -> Iterator[OpSpec]:
    """gelu and its approximation, which is an option of the same function."""
    exact, tanh = GELU
    yield from specs(exact)
    approximation, gradient = specs(tanh)
    yield OpSpec(
        "gelu(approximate='tanh')",
        approximation.reference,
        approximation.samples,
        function=lambda lib, x: lib.get("nn.functional.gelu")(x, approximate="tanh"),
        dtypes=FLOATING,
        boundary=approximation.boundary,
        composition=approximation.composition,
        registered=False,
        tolerance=32.0,
        reason="the logarithm of the tail falls with x^3, which magnifies the rounding of u",
    )
    yield gradient


# ---- those with other arguments ---------------------------------------------------------------------------


def glu_samples(s: Sampler) -> Iterator[Sample]:
    """Every dimension, sizes 0 and 2, edge values."""
    for shape, dim in (
        ((4,), -1), ((2,), 0), ((0,), 0), ((6, 3), 0), ((3, 4), -1), ((2, 4, 3), 1), ((0, 4), 1), ((1, 2), -1)
    ):  # fmt: skip
        yield call(s.array(*shape), dim)
    yield call(s.array(3, 4))
    yield call(s.array(37, 82), grad=False)
    edges = s.edges()
    yield call(np.concatenate([edges, edges[::-1]]), grad=False, peer=False, note="edge values")


def large_glu(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    yield call(s.array(37, 134))
    yield call(s.array(516, 1042))
    yield call(s.array(1042, 516), 0)


def prelu_samples(s: Sampler) -> Iterator[Sample]:
    """One weight and one for each channel, batches of 0, 1, 2 and n, edge values."""
    for shape, count in (
        ((), 1), ((5,), 1), ((0,), 1), ((3, 4), 1), ((3, 4), 4), ((1, 2), 2), ((0, 3), 3), ((2, 3, 4), 3),
        ((2, 2, 3, 2), 2), ((5, 1, 2), 1),
    ):  # fmt: skip
        yield call(s.array(*shape, gap=0.1), s.array(count, low=-0.5, high=0.5))
    yield call(s.array(3, 4, gap=0.1), s.array())
    yield call(s.array(37, 41), s.array(41), grad=False)
    edges = s.edges()
    yield call(edges[edges != -np.inf], np.array([0.25], s.dtype), grad=False, note="edge values")


def large_prelu(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    yield call(s.array(37, 67, gap=0.1), s.array(67))
    yield call(s.array(5, 3, 131, gap=0.1), s.array(3))
    yield call(s.array(1037, gap=0.1), s.array(1))
    yield call(s.array(516, 521, gap=0.1), s.array(521))


def rrelu_function(lib: Library, x: Any, **options: Any) -> Any:
    """rrelu with the default generator at a known place."""
    return seeded(lib, lambda: lib.get("nn.functional.rrelu")(x, **options))


def rrelu_inplace(lib: Library, x: Any, **options: Any) -> Any:
    """rrelu_ with the default generator at a known place."""
    return seeded(lib, lambda: lib.get("nn.functional.rrelu_")(x, **options))


def seeded(lib: Library, function: Callable[[], Any]) -> Any:
    """The function's answer with the default generator at the start of a stream; its place is restored."""
    kept = lib.get_rng_state()
    lib.get("manual_seed")(SEED)
    try:
        return function()
    finally:
        lib.set_rng_state(kept)


def rrelu_samples(s: Sampler) -> Iterator[Sample]:
    """Training, whose slopes are those of the stream, and evaluation; bounds."""
    for shape in SHAPES:
        yield call(s.array(*shape, gap=0.1))
        yield call(s.array(*shape, gap=0.1), training=True, peer=False)
    yield call(s.array(3, 4, gap=0.1), lower=0.5, upper=0.5, training=True)
    yield call(s.array(3, 4, gap=0.1), lower=-0.5, upper=0.75, training=True, peer=False)
    yield call(s.array(3, 4, gap=0.1), lower=-0.5, upper=0.75)
    yield call(s.array(37, 41), training=True, grad=False, peer=False)


def large_rrelu(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    yield call(s.array(37, 67, gap=0.1))
    yield call(s.array(260, 257, gap=0.1), training=True, peer=False)
    yield call(s.array(516, 521, gap=0.1))


def large_softmin(s: Sampler) -> Iterator[Sample]:
    """Long rows and columns, more of them than one thread takes."""
    yield call(s.array(3, 1057), 1)
    yield call(s.array(37, 129), 0)
    yield call(s.array(701, 379), 1)


def softmin_samples(s: Sampler) -> Iterator[Sample]:
    """Every dimension, a dtype, large values."""
    for shape, dim in (((), 0), ((1,), 0), ((5,), -1), ((0, 3), 1), ((3, 4), 0), ((2, 3, 4), 1)):
        yield call(s.array(*shape), dim, grad=shape not in ((), (1,)))
    yield call(s.array(3, 5) * s.dtype.type(200), -1, grad=False, note="large values")


SPECS = (
    *(spec for row in ROWS for spec in specs(row)),
    *gelu_specs(),
    OpSpec(
        "glu",
        ref.glu_op,
        glu_samples,
        composition=tapes.glu,
        function="nn.functional.glu",
        dtypes=FLOATING,
        boundary=large_glu,
        errors=(
            bad(RuntimeError, "even", np.zeros(3)),
            bad(RuntimeError, "scalars", np.array(1.0)),
            bad(IndexError, "[Dd]im", np.zeros(4), 1),
            bad(NotImplementedError, "int|Long", INTEGERS),
        ),
    ),
    OpSpec(
        "prelu",
        ref.prelu_op,
        prelu_samples,
        composition=tapes.prelu,
        function="nn.functional.prelu",
        dtypes=FLOATING,
        boundary=large_prelu,
        kinks=(Kink((at(0.0, -0.0, 1.0, -2.0), at(0.25)), ([0.25, 0.25, 1.0, 0.25], [-2.0])),),
        errors=(
            bad(NotImplementedError, "int|Long", np.zeros(2, np.int64), np.zeros(1, np.int64)),
            bad(RuntimeError, "channel", np.zeros((2, 3)), np.zeros(2)),
            bad(RuntimeError, "zero-dim", np.array(1.0), np.zeros(2)),
            bad(RuntimeError, "ndim", np.zeros((2, 3)), np.zeros((3, 1))),
            bad(RuntimeError, "promoting", np.zeros((2, 3)), np.zeros(3, np.float32)),
        ),
    ),
    OpSpec(
        "rrelu",
        ref.rrelu_op(SEED),
        rrelu_samples,
        composition=tapes.rrelu(SEED),
        function=rrelu_function,
        dtypes=FLOATING,
        boundary=large_rrelu,
        kinks=(Kink((at(0.0, -0.0, 1.0),), ([11 / 48, 11 / 48, 1.0],)),),
        errors=(
            bad(RuntimeError, "finite", np.zeros(2), lower=0.1, upper=math.inf, peer=False),
            bad(RuntimeError, "finite", np.zeros(2), lower=math.nan, upper=0.1, peer=False),
            bad(RuntimeError, "[Ll]ower", np.zeros(2), lower=0.5, upper=0.25, training=True),
            bad(NotImplementedError, "int|Long", INTEGERS, training=True),
        ),
    ),
    OpSpec(
        "rrelu_",
        ref.rrelu_op(SEED),
        rrelu_samples,
        composition=tapes.rrelu(SEED),
        function=rrelu_inplace,
        boundary=large_rrelu,
        dtypes=FLOATING,
        mutates=1,
        view=None,
        registered=False,
    ),
    OpSpec(
        "softmin",
        ref.softmin_op,
        softmin_samples,
        composition=tapes.softmin,
        scale="bound",
        tolerance=1.0,
        boundary=large_softmin,
        function="nn.functional.softmin",
        dtypes=FLOATING,
        registered=False,
        errors=(bad(IndexError, "[Dd]im", np.zeros(4), 1),),
    ),
)

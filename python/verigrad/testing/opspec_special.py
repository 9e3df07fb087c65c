"""Records of elementwise functions that take numbers besides their tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_unary import INF, NAN, kink
from verigrad.testing.reference import activation, activation_tape, formulas, slopes, tape
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.samples import SHAPES, SHARED, WIDE_SHAPES, Sample, Sampler, call


def numbered(
    name: str | None,
    row: str,
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    kind: str,
    numbers: Callable[..., tuple[float, ...]],
    options: tuple[dict[str, Any], ...],
    draw: Callable[..., Any],
    forward: dict[str, Any],
    backward: dict[str, Any],
) -> Iterator[OpSpec]:
    """The records of a function that has numbers, and of its gradient.

    Args:
        name: the function; none for its gradient alone.
        row: its row in activation.def.
        pair: the scalar references of the function and of its derivative.
        kind: "same" keeps the dtype, "float" promotes integers.
        numbers: those of the row, from the options of a call.
        options: the sets of options to try; the first is none.
        draw: an array of a shape where the function is smooth with given options.
        forward, backward: attributes of the records.
    """
    reference = activation.value_op(pair[0], numbers, kind)

    def samples(s: Sampler) -> Iterator[Sample]:
        for i, given in enumerate(options):
            for shape in SHAPES if i == 0 else ((), (3, 4), (0, 3)):
                yield call(draw(s, shape, given), **given)
            # PyTorch's logarithm of a quotient near 1 is not accurate.
            yield call(draw(s, (37, 41), given), grad=False, peer=False, **given)
            yield call(s.edges(), grad=False, note="edge values", **given)

    def boundary(s: Sampler) -> Iterator[Sample]:
        for given in options:
            yield call(draw(s, (1037,), given), **given)
        yield call(draw(s, (516, 521), {}))

    def slope_samples(s: Sampler) -> Iterator[Sample]:
        for given in options:
            for shape in ((), (5,), (0,), (3, 4)):
                yield call(s.array(*shape), draw(s, shape, given), *numbers(**given))
            edges = s.edges()
            yield call(np.ones_like(edges), edges, *numbers(**given), grad=False, note="edge values")

    def slope_boundary(s: Sampler) -> Iterator[Sample]:
        for shape in ((37, 67), (516, 521)):
            yield call(s.array(*shape), draw(s, shape, {}), *numbers())

    if name is not None:
        yield OpSpec(
            name,
            reference,
            samples,
            method=name,
            inplace=f"{name}_",
            out=True,
            boundary=boundary,
            composition=activation_tape.value(row, reference, numbers),
            **forward,
        )
    yield OpSpec(
        f"{row}_backward",
        activation.slope_op(pair[1]),
        slope_samples,
        function=f"_C._gradients.{row}_backward",
        dtypes=FLOATING,
        boundary=slope_boundary,
        composition=activation_tape.gradient(row),
        errors=(bad(RuntimeError, "shape", np.zeros(2), np.zeros(3)),),
        **backward,
    )


def nan_to_num_op(
    x: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """The numbers in place of what is not finite, or the dtype's largest."""
    if x.dtype.kind != "f":
        return x
    most = float(np.finfo(x.dtype).max)
    chosen = (nan or 0.0, most if posinf is None else posinf, -most if neginf is None else neginf)
    return activation.value_op(formulas.nan_to_num, lambda: chosen, "same")(x)


def nan_to_num_tape(x: Any, *args: Any, **kwargs: Any) -> tape.Var:
    """The input where it is finite."""
    value = nan_to_num_op(tape.var(x).value, *args, **kwargs)
    return tape.function(x, value, np.isfinite(tape.var(x).value).astype(np.float64))


def special_samples(s: Sampler) -> Iterator[Sample]:
    """Every shape, NaN and infinities with and without numbers for them."""
    for shape in SHAPES:
        yield call(s.array(*shape))
    yield call(s.array(3, 4), 1.5, 2, -3.0)
    yield call(s.array(3, 4), nan=0.25)
    yield call(s.array(37, 41), grad=False)
    options: tuple[dict[str, Any], ...] = ({"nan": 0.75}, {"posinf": 2.0}, {"neginf": -7.0})
    for given in ({}, *options, {"nan": NAN, "posinf": INF}):
        yield call(s.edges(), grad=False, note="edge values", **given)


def large_special(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; matrices that threads share."""
    for shape in ((1037,), (516, 521)):
        yield call(s.array(*shape))


def unit(s: Sampler, shape: tuple[int, ...], given: dict[str, Any]) -> Any:
    """Numbers in (0, 1) and, where they are limited, outside; none near a limit."""
    if not s.floating:
        return s.array(*shape, low=0, high=1)
    eps = given.get("eps") or -1.0
    x = s.array(*shape, low=0.02, high=0.98) if eps < 0 else s.array(*shape, low=-0.2, high=1.2)
    for limit in (eps, 1.0 - eps) if eps >= 0 else ():
        x = np.where(np.abs(x - limit) < 0.01, limit + 0.02, x).astype(s.dtype)
    return x


def smooth(s: Sampler, shape: tuple[int, ...], given: dict[str, Any]) -> Any:
    """Any numbers."""
    return s.array(*shape)


def filled(s: Sampler) -> Iterator[Sample]:
    """Numbers of every kind and 0-d tensors of any dtype."""
    for shape in (*SHAPES, *WIDE_SHAPES):
        yield call(s.array(*shape), 3, grad=shape not in WIDE_SHAPES)
    yield call(s.array(2, 3), 2.5)
    yield call(s.array(2, 3), True)
    yield call(s.array(2, 3), s.array())
    yield call(s.array(2, 3), s.array(low=0, dtype="float64"))
    yield call(s.array(2, 3), s.array(low=0, dtype="int32"))


def large_filled(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for shape in ((35, 67), (516, 521), (601, 521)):
        yield call(s.array(*shape), s.array())


def float_power_inplace(s: Sampler) -> Iterator[Sample]:
    """A tensor and a number as the exponent."""
    bases: dict[str, Any] = {"low": 0.4, "high": 2.5}
    exponents: dict[str, Any] = {"low": -2.0, "high": 2.5}
    for a, b in (((), ()), ((5,), (5,)), ((0,), (1,)), ((3, 4), (4,))):
        yield call(s.array(*a, **bases), s.array(*b, **exponents))
    for number in (2, 0.5):
        yield call(s.array(2, 3, **bases), number)


def large_float_powers(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; a matrix that threads share."""
    for shape in ((67,), (35, 67), SHARED[0]):
        yield call(s.array(*shape, low=0.4, high=2.5), s.array(*shape, low=-2.0, high=2.5))


SPECS = (
    *numbered(
        "logit",
        "logit",
        (formulas.logit, formulas.logit_slope),
        "float",
        lambda eps=None: (-1.0 if eps is None or eps < 0 else eps,),
        ({}, {"eps": 0.125}, {"eps": -1.0}),
        unit,
        {
            "kinks": (
                *kink((0.0, 1.0, -1.0, 0.5, NAN), (INF, INF, NAN, 4.0, NAN)),
                *kink((0.0, 0.125, 0.875, 1.0, NAN), (0.0, 64 / 7, 64 / 7, 0.0, NAN), eps=0.125),
            ),
            "errors": (bad(TypeError, ".", np.zeros(2), "a"),),
        },
        {},
    ),
    OpSpec(
        "nan_to_num",
        nan_to_num_op,
        special_samples,
        method="nan_to_num",
        inplace="nan_to_num_",
        out=True,
        boundary=large_special,
        composition=nan_to_num_tape,
        tolerance=0.0,
        kinks=kink((NAN, INF, -INF, 1.0), (0.0, 0.0, 0.0, 1.0)),
        errors=(bad(TypeError, ".", np.zeros(2), "a"),),
    ),
    *numbered(
        None,
        "nan_to_num",
        (formulas.nan_to_num, formulas.nan_to_num_slope),
        "same",
        lambda: (0.5, 1.5, -1.5),
        ({},),
        smooth,
        {},
        {"tolerance": 0.0, "zero_inputs": ("input 1",)},
    ),
    *numbered(
        None,
        "round_digits",
        (formulas.nan_to_num, formulas.flat_slope),
        "same",
        lambda: (10.0, 1.0),
        ({},),
        smooth,
        {},
        {"tolerance": 0.0, "zero_gradient": "the slope of a step"},
    ),
    OpSpec(
        "fill",
        ref.fill_op,
        filled,
        composition=slopes.filled,
        tolerance=0.0,
        boundary=large_filled,
        zero_inputs=("input 0",),
        errors=(
            bad(RuntimeError, "0-dim", np.zeros((2, 3)), np.zeros(2)),
            bad(TypeError, ".", np.zeros((2, 3)), "a"),
            bad(RuntimeError, "without overflow", np.zeros(2, np.int32), 2**31),
        ),
    ),
    OpSpec(
        "float_power_",
        ref.float_power_op,
        float_power_inplace,
        function=lambda lib, x, exponent: x.float_power_(exponent),
        composition=slopes.power,
        boundary=large_float_powers,
        dtypes=("float64",),
        mutates=1,
        view=None,
        errors=(bad(RuntimeError, "float_power_", np.ones(2, np.float32), 2),),
    ),
)

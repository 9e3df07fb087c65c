"""Records of the elementwise functions of one tensor. A new one is one row of ``SPECS``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around
from verigrad.testing.opspec import ALL_DTYPES, FLOATING, INTEGRAL, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import formulas, slopes, tape
from verigrad.testing.samples import (
    LENGTHS,
    SHAPES,
    SHARED,
    WIDE_SHAPES,
    Sample,
    Sampler,
    both,
    call,
    large_unary,
    unary_samples,
)

BOOLS = np.array([True, False])
WHOLE = np.array([1, 2])
NAN, INF = np.nan, np.inf
INPLACE = {"inplace": "PyTorch has no derivative of the form in place"}
NO_BOOLS = (bad(NotImplementedError, "numeric dtype, got bool", BOOLS),)
NO_INTEGERS = (bad(NotImplementedError, "floating-point dtype, got int64", WHOLE),)


def unary(
    name: str,
    formula: Callable[..., Any],
    kind: str,
    low: float = -3.0,
    high: float = 3.0,
    gap: float = 0.0,
    edges: bool = True,
    **options: Any,
) -> OpSpec:
    """A record.

    Args:
        name: the operation.
        formula: the scalar reference.
        kind: "same" keeps the dtype, "float" promotes integers, "bool" answers yes or no.
        low, high, gap: range of the samples and their distance from zero.
        edges: whether infinities, NaN and extremes are tried.
        options: further attributes of the record.
    """
    exact = {} if kind == "float" else {"tolerance": 0.0}
    reference = ref.unary_op(formula, kind)
    if kind != "bool":
        options.setdefault("inplace", f"{name}_")
        options.setdefault("composition", slopes.unary(name, reference))
    return OpSpec(
        name,
        reference,
        unary_samples(low, high, gap, edges),
        boundary=large_unary(low, high, gap),
        **{
            "method": name,
            "out": "function" not in options,
            "order": 0 if kind == "bool" else 2,
            **exact,
            **options,
        },
    )


def kink(x: tuple[float, ...], slope: tuple[float, ...], **options: Any) -> tuple[Kink, ...]:
    """The gradients at some points."""
    return (Kink((np.array(x),), (list(slope),), options),)


def between_steps(s: Sampler, *shape: int) -> Any:
    """Numbers that are not near a whole one or a half."""
    if not s.floating:
        return s.array(*shape)
    offset = s.rng.uniform(0.1, 0.4, shape) + 0.5 * s.rng.integers(0, 2, shape)
    return (s.rng.integers(-3, 3, shape) + offset).astype(s.dtype)


def angles(s: Sampler) -> Iterator[Sample]:
    """Angles of many turns, and among them some for which the fast formula of a block is not enough."""
    if not s.floating:
        return
    for size in around("rare_block"):
        turns, beside = s.rng.integers(-500_000, 500_000, size), s.rng.uniform(0.1, 0.7, size)
        x = (0.5 * np.pi * turns + beside).astype(s.dtype)
        yield call(x, grad=False, peer=False)
        x[size // 3], x[-1] = 3.0e6, -1.0e20
        yield call(x, grad=False, peer=False)


def angle(name: str, formula: Callable[..., Any], limit: float = 3.0, **options: Any) -> OpSpec:
    """A record of a function of an angle; other samples than these reach up to the limit."""
    found = unary(name, formula, "float", low=-limit, high=limit, **options)
    return replace(found, boundary=both(large_unary(-limit, limit), angles))


def steep(name: str, formula: Callable[..., Any]) -> OpSpec:
    """A record of a function that grows until it is infinite, with arguments up to there."""
    found = unary(name, formula, "float")
    end = {np.dtype(np.float32): 89.41, np.dtype(np.float64): 710.47}

    def far(s: Sampler) -> Iterator[Sample]:
        if s.floating:
            last = end[s.dtype]
            beside = np.array([last - 0.7, last - 0.01, last + 0.01, last + 0.7, last + 9])
            x = np.concatenate([s.rng.uniform(0, last, 130), beside]).astype(s.dtype)
            yield call(np.concatenate([x, -x]), grad=False)

    return replace(found, boundary=both(large_unary(), far))


def step_samples(s: Sampler) -> Iterator[Sample]:
    """Every shape, long vectors, halves, edge values."""
    for shape in SHAPES:
        yield call(between_steps(s, *shape))
    for shape in WIDE_SHAPES:
        yield call(s.array(*shape), grad=False)
    if s.floating:
        halves = [*np.arange(-4.0, 4.5, 0.5), 2.0**23 - 0.5, 2.0**52 - 0.5]
        yield call(np.array(halves, s.dtype), grad=False)
    yield call(s.edges(), grad=False, note="edge values")


def large_steps(s: Sampler) -> Iterator[Sample]:
    """Vectors around the lengths of the processor's, and matrices that are split between threads."""
    for shape in (*((n,) for n in LENGTHS), (5, 67), *SHARED):
        yield call(between_steps(s, *shape))


def step(name: str, formula: Callable[..., Any], **options: Any) -> OpSpec:
    """A record of a function to whole numbers."""
    found = unary(
        name,
        formula,
        "same",
        dtypes=NUMERIC,
        zero_gradient="constant between the jumps",
        kinks=kink((1.0, 0.5, -1.5, INF), (0.0, 0.0, 0.0, 0.0)),
        errors=NO_BOOLS,
    )
    return replace(found, samples=step_samples, boundary=large_steps, **options)


def decimal_samples(s: Sampler) -> Iterator[Sample]:
    """Digits behind the point and before it."""
    yield from step_samples(s)
    if not s.floating:
        return
    for decimals in (1, 3, -1, -2):
        step = 10.0**-decimals
        for shape in ((), (3, 4), (0, 3), (37, 41)):
            x = (between_steps(s, *shape) * step).astype(s.dtype)
            yield call(x, grad=step > 0.01, decimals=decimals)  # differences would cross finer steps
        yield call(s.edges(), grad=False, note="edge values", decimals=decimals)
    yield call(s.array(7), decimals=0)


def large_decimals(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; matrices that threads share."""
    for decimals in (2, -1) if s.floating else ():
        for shape in ((67,), (516, 521)):
            yield call((between_steps(s, *shape) * 10.0**-decimals).astype(s.dtype), decimals=decimals)


def quiet(x: Any) -> Any:
    """The input itself."""
    return x


SPECS = (
    unary(
        "neg",
        ref.neg,
        "same",
        dtypes=NUMERIC,
        operator=operator.neg,
        errors=(bad(RuntimeError, "numeric dtype, got bool", BOOLS),),
    ),
    unary(
        "abs",
        ref.abs_,
        "same",
        gap=0.1,
        dtypes=NUMERIC,
        operator=abs,
        errors=NO_BOOLS,
        kinks=(Kink((np.array([0.0, -0.0, -2.0]),), ([0.0, 0.0, -1.0],)),),
    ),
    unary(
        "sign",
        ref.sign,
        "same",
        gap=0.1,
        zero_gradient="constant between the jumps",
        kinks=(Kink((np.array([0.0, 2.0]),), ([0.0, 0.0],)),),
    ),
    step("ceil", formulas.ceil),
    step("floor", formulas.floor),
    step("trunc", formulas.trunc),
    replace(
        step("round", formulas.round_),
        reference=formulas.round_op,
        samples=decimal_samples,
        boundary=both(large_steps, large_decimals),
        composition=lambda x, decimals=0: tape.Var(formulas.round_op(tape.var(x).value, decimals=decimals)),
        errors=(
            *NO_BOOLS,
            bad(NotImplementedError, "floating-point dtype, got int64", WHOLE, decimals=1),
            bad(TypeError, ".", np.zeros(2), decimals=0.5),
            bad(TypeError, ".", np.zeros(2), 2),
        ),
    ),
    replace(
        unary(
            "frac",
            formulas.frac,
            "same",
            dtypes=FLOATING,
            errors=(*NO_INTEGERS, bad(NotImplementedError, "floating-point dtype, got bool", BOOLS)),
            kinks=kink((1.0, -1.5), (1.0, 1.0)),
        ),
        samples=step_samples,
        boundary=large_steps,
        serial="backward: the incoming gradient is the answer",
    ),
    OpSpec(
        "positive",
        quiet,
        unary_samples(),
        method="positive",
        operator=operator.pos,
        dtypes=NUMERIC,
        tolerance=0.0,
        view=True,
        composition=lambda x: tape.var(x) * 1.0,
        boundary=large_unary(),
        serial="returns the input",
        errors=(bad(RuntimeError, "bool", BOOLS),),
    ),
    unary("exp", ref.exp, "float"),
    unary("log", ref.log, "float", low=0.3, high=6.0),
    unary("exp2", ref.exp2, "float"),
    unary("expm1", ref.expm1, "float"),
    unary("log2", ref.log2, "float", low=0.3, high=6.0),
    unary("log10", ref.log10, "float", low=0.3, high=6.0),
    unary("log1p", ref.log1p, "float", low=-0.7, high=6.0),
    angle("sin", ref.sin),
    angle("cos", ref.cos),
    angle("tan", formulas.tan, 1.4, kinks=kink((INF, 0.0), (NAN, 1.0))),
    unary("asin", formulas.asin, "float", low=-0.9, high=0.9, kinks=kink((1.0, -1.0, 2.0), (INF, INF, NAN))),
    unary(
        "acos", formulas.acos, "float", low=-0.9, high=0.9, kinks=kink((1.0, -1.0, 2.0), (-INF, -INF, NAN))
    ),
    unary("atan", formulas.atan, "float", kinks=kink((INF, 0.0), (0.0, 1.0))),
    steep("sinh", formulas.sinh),
    steep("cosh", formulas.cosh),
    unary("asinh", formulas.asinh, "float", differs=INPLACE, kinks=kink((INF, 0.0), (0.0, 1.0))),
    unary(
        "acosh",
        formulas.acosh,
        "float",
        low=1.2,
        high=6.0,
        differs=INPLACE,
        kinks=kink((1.0, 0.5), (INF, NAN)),
    ),
    unary(
        "atanh",
        formulas.atanh,
        "float",
        low=-0.9,
        high=0.9,
        kinks=kink((1.0, -1.0, 2.0), (INF, INF, -1 / 3)),
        differs=INPLACE,
    ),
    unary("deg2rad", formulas.deg2rad, "float"),
    unary("rad2deg", formulas.rad2deg, "float"),
    unary(
        "sqrt",
        ref.sqrt,
        "float",
        tolerance=0.0,
        low=0.3,
        high=6.0,
        kinks=(Kink((np.array([0.0, 4.0]),), ([np.inf, 0.25],)),),
    ),
    unary(
        "rsqrt",
        ref.rsqrt,
        "float",
        low=0.3,
        high=6.0,
        kinks=(Kink((np.array([0.0, 4.0]),), ([-np.inf, -0.0625],)),),
    ),
    unary(
        "square",
        ref.square,
        "same",
        dtypes=NUMERIC,
        errors=(bad(NotImplementedError, "numeric dtype, got bool", BOOLS, peer=False),),
    ),
    unary("erf", ref.erf, "float"),
    unary("erfc", ref.erfc, "float"),
    unary(
        "erfinv",
        formulas.erfinv,
        "float",
        low=-0.95,
        high=0.95,
        kinks=kink((1.0, 0.0, -1.0, 2.0), (INF, 0.5 * np.sqrt(np.pi), INF, NAN)),
    ),
    unary("reciprocal", ref.reciprocal, "float", tolerance=0.0, gap=0.4),
    unary("tanh", ref.tanh, "float"),
    unary("sigmoid", ref.sigmoid, "float"),
    unary(
        "relu",
        ref.relu,
        "same",
        out=False,
        gap=0.1,
        dtypes=NUMERIC,
        kinks=(Kink((np.array([0.0, -0.0, 1.0, -1.0]),), ([0.0, 0.0, 1.0, 0.0],)),),
        errors=(bad(RuntimeError, "numeric dtype, got bool", BOOLS),),
    ),
    unary("isnan", ref.isnan, "bool", dtypes=ALL_DTYPES, out=False),
    unary("isinf", ref.isinf, "bool", dtypes=ALL_DTYPES, out=False),
    unary("isfinite", ref.isfinite, "bool", dtypes=ALL_DTYPES, out=False),
    unary("isposinf", formulas.isposinf, "bool", dtypes=ALL_DTYPES),
    unary("isneginf", formulas.isneginf, "bool", dtypes=ALL_DTYPES),
    unary("signbit", formulas.signbit, "bool", dtypes=ALL_DTYPES),
    unary("logical_not", ref.logical_not, "bool", dtypes=ALL_DTYPES, inplace="logical_not_"),
    OpSpec(
        "bitwise_not",
        formulas.bitwise_not_op,
        unary_samples(),
        method="bitwise_not",
        operator=operator.invert,
        inplace="bitwise_not_",
        out=True,
        boundary=large_unary(),
        dtypes=("bool", *INTEGRAL),
        order=0,
        tolerance=0.0,
        errors=(bad(NotImplementedError, "integer or bool dtype, got float64", np.zeros(2)),),
    ),
)

"""Records of the elementwise functions of two broadcast tensors. A new one is one row of ``SPECS``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around, value
from verigrad.testing.opspec import (
    FLOATING,
    NUMERIC,
    USUAL_TOLERANCE,
    Kink,
    OpSpec,
    bad,
)
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import formulas, slopes
from verigrad.testing.samples import (
    LENGTHS,
    PAIRS,
    SHARED,
    Const,
    Same,
    Sample,
    Sampler,
    binary_samples,
    both,
    call,
)

BOOLS = np.array([True, False])
LEFT, RIGHT = np.zeros((2, 3)), np.zeros((2, 4))
MISMATCH = bad(RuntimeError, "3.*4", LEFT, RIGHT)
WRONG_TYPE = bad(TypeError, ".", LEFT, "two")
TWO_BOOLS = bad(NotImplementedError, "numeric dtype, got bool", BOOLS, BOOLS)
A_NUMBER = bad(TypeError, ".", LEFT, 2.0)
NO_INTEGERS = bad(NotImplementedError, "floating-point dtype, got int64", np.array([1]), np.array([2]))
AWAY: Mapping[str, Any] = {"gap": 0.4}


def large_binary(
    left: Mapping[str, Any] | None = None, right: Mapping[str, Any] | None = None
) -> Callable[[Sampler], Iterator[Sample]]:
    """Vectors around the lengths of the processor's, broadcast ones too; operands that threads share."""
    vectors = [((n,), (n,)) for n in LENGTHS]
    broadcast = [((3, 67), ()), ((3, 67), (67,)), ((3, 1), (3, 67)), ((), (70,)), ((67, 3), (67, 1))]
    shared = [(SHARED[0], SHARED[0]), (SHARED[0], (521,)), ((601, 1), SHARED[0]), (SHARED[1], SHARED[1])]

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b in (*vectors, *broadcast, *shared):
            yield call(s.array(*a, **(left or {})), s.array(*b, **(right or {})))

    return samples


def conversions(*patterns: tuple[tuple[int, ...], tuple[int, ...]]) -> Callable[[Sampler], Iterator[Sample]]:
    """Operands of two dtypes, one of which is converted first, where each converted element decides; the
    long ones are cut for threads.

    Args:
        patterns: numbers of both operands, repeated.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        other = "int64" if s.floating else "float32"
        for n in (67, 4 * 65536 + 67) if s.floating else (67,):
            for left, right in patterns:
                one, two = np.resize(left, n), np.resize(right, n)
                for a, b in ((s.dtype.name, other), (other, s.dtype.name)):
                    yield call(one.astype(a), two.astype(b), grad=False, vary=False, note="two dtypes")

    return samples


MULTIPLES = ((3, 6, -6), (3, 3, 3)), ((6, -6, 6), (2, -3, 3))


def binary(
    name: str,
    formula: Callable[..., Any],
    kind: str,
    *,
    left: Mapping[str, Any] | None = None,
    right: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    errors: tuple[Any, ...] = (),
    **options: Any,
) -> OpSpec:
    """A record.

    Args:
        name: the operation.
        formula: the scalar reference.
        kind: "same" is the promoted dtype, "float" promotes integers, "bool" answers yes or no.
        left, right: range of the operands, as keywords of ``Sampler.array``.
        sampling: further keywords of ``binary_samples``.
        errors: calls that must fail, besides a mismatch of shapes and an operand that is no number.
        options: further attributes of the record.
    """
    choices = {"reflected": "operator" in options, **(sampling or {})}
    chosen: dict[str, Any] = {
        "reference": ref.binary_op(formula, kind),
        "samples": binary_samples(left, right, **choices),
        "boundary": large_binary(left, right),
        "composition": slopes.BINARY.get(name),
        "method": name,
        "out": True,
        "order": 0 if kind == "bool" else 2,
        "tolerance": 0.0,
        "errors": (MISMATCH, WRONG_TYPE, *errors),
    }
    return OpSpec(name, **{**chosen, **options})


def pair(name: str, formula: Callable[..., Any], kind: str, **options: Any) -> OpSpec:
    """A record of an operation that takes no numbers."""
    sampling = {"scalars": (), **options.pop("sampling", {})}
    errors = (A_NUMBER, *options.pop("errors", ()))
    return binary(name, formula, kind, sampling=sampling, errors=errors, **options)


def division_samples(s: Sampler) -> Iterator[Sample]:
    """Quotients that are no whole numbers, of either sign, and integers that are never divided by zero."""
    for a, b in PAIRS:
        divisor = s.array(*b, gap=0.5)
        if s.floating:
            whole = s.rng.integers(-3, 4, a).astype(s.dtype) + s.rng.uniform(0.2, 0.8, a).astype(s.dtype)
            scale = divisor.reshape(-1)[:1] if divisor.size else np.ones(1, s.dtype)
            divisor = np.full(b, scale[0], s.dtype)
            yield call((whole * scale[0]).astype(s.dtype).reshape(a), divisor)
        else:
            yield call(s.array(*a, low=-20, high=20), divisor)
    yield call(s.array(1037, low=-20, high=20), s.array(1037, gap=0.7), grad=False)
    yield call(s.array(2, 3, low=-20, high=20), 3, grad=False)
    yield call(s.array(2, 3, low=-20, high=20), 0.75, grad=False)
    yield call(7, s.array(2, 3, gap=0.7), form="operator", grad=False)
    yield call(s.array(2, 3), s.array(3, dtype="float64", gap=0.7), grad=False)
    yield call(s.array(2, 3, gap=0.5), Same(0), grad=False, note="the same tensor twice")
    if s.floating:
        values = s.edges()
        values = values[np.abs(values) != np.finfo(s.dtype).tiny]  # the quotient would overflow
        yield call(
            np.repeat(values, values.size), np.tile(values, values.size), grad=False, note="edge values"
        )


def without_operator(
    part: Callable[[Sampler], Iterator[Sample]],
) -> Callable[[Sampler], Iterator[Sample]]:
    """The samples that are not calls of Python's operator."""

    def samples(s: Sampler) -> Iterator[Sample]:
        return (sample for sample in part(s) if sample.form != "operator")

    return samples


def pow_samples(s: Sampler) -> Iterator[Sample]:
    """Positive bases to any power, small integers to powers that are not negative; Python numbers on both
    sides."""
    exponents = {"low": -2.0, "high": 2.5} if s.floating else {"low": 0, "high": 5}
    bases = {"low": 0.4, "high": 2.5} if s.floating else {"low": -3, "high": 3}
    for a, b in PAIRS:
        yield call(s.array(*a, **bases), s.array(*b, **exponents))
    for number in (2, 3, 1, 0, 0.5):
        yield call(s.array(2, 3, **bases), number, grad=number not in (0, 1) or not s.floating)
        yield call(s.array(0, **bases), number)
    if s.floating:
        yield call(s.array(2, 3, low=-2.0, high=2.0, gap=0.3), 2, note="negative bases")
        yield call(s.array(2, 3, low=-2.0, high=2.0, gap=0.3), -3, note="negative bases")
        yield call(
            s.array(2, 3, low=-2.0, high=2.0, gap=0.3),
            Const(np.full((3,), 3, s.dtype)),
            note="negative bases",
        )
        values = s.edges()
        yield call(
            np.repeat(values, values.size), np.tile(values, values.size), grad=False, note="edge values"
        )
    else:
        yield call(
            s.array(9, low=-1, high=2), s.array(9, low=-3, high=3), grad=False, note="negative exponents"
        )
    yield call(2, s.array(2, 3, **exponents))
    yield call(0.5, s.array(2, 3, **exponents))
    yield call(2, s.array(2, 3, **exponents), form="operator")
    yield call(2.5, s.array(2, 3, **exponents), form="operator")
    yield call(s.array(2, 3, **bases), Same(0), note="the same tensor twice")
    yield call(s.array(1037, **bases), s.array(1037, **exponents), grad=False)


def float_power_samples(s: Sampler) -> Iterator[Sample]:
    """Positive bases to any power; Python numbers on both sides; every dtype."""
    bases: dict[str, Any] = {"low": 0.4, "high": 2.5}
    exponents: dict[str, Any] = {"low": -2.0, "high": 2.5}
    for a, b in PAIRS:
        yield call(s.array(*a, **bases), s.array(*b, **exponents))
    for number in (2, -1, 0.5, True):
        yield call(s.array(2, 3, **bases), number)
    yield call(2.5, s.array(2, 3, **exponents))
    yield call(2, s.array(2, 3, **exponents))
    yield call(s.array(1037, **bases), s.array(1037, **exponents), grad=False)


def powers_of_zero(s: Sampler) -> Iterator[Sample]:
    """Zero as the base and as the exponent, where the gradient is a number of its own."""
    for n in (67, 4 * 65536 + 67):
        yield call(
            np.resize([2.0, 0.0, 0.5], n).astype(s.dtype),
            np.resize([0.0, 2.0, 1.5], n).astype(s.dtype),
            vary=False,
        )


def with_alpha(sampling: Mapping[str, Any]) -> Callable[[Sampler], Iterator[Sample]]:
    """The usual samples, and the factor `alpha` of the second operand."""

    def samples(s: Sampler) -> Iterator[Sample]:
        yield from binary_samples(**{"reflected": True, **sampling})(s)
        if s.dtype.kind != "b":
            yield call(s.array(2, 3), s.array(3), alpha=2)
            yield call(s.array(2, 3), 3, alpha=2)
        if s.floating:
            yield call(s.array(2, 3), s.array(2, 3), alpha=-0.5)

    return samples


def gradient_kernel(
    name: str, formula: Callable[..., Any], kind: str, range_: Mapping[str, Any], **options: Any
) -> OpSpec:
    """A record of the gradient of a unary operation, which is an operation of its own."""
    return binary(
        name,
        formula,
        kind,
        right=range_,
        sampling={"scalars": (), "mixed": (), "edges": False, "same": False},
        function=f"_C._gradients.{name}",
        method=None,
        out=False,
        errors=(),
        **options,
    )


def rounded_divisions(s: Sampler) -> Iterator[Sample]:
    """Quotients as they are and rounded; the divisors of bool are true."""
    yield from binary_samples(right=AWAY, reflected=True)(s)
    if s.dtype.kind == "b":
        return
    for mode in (None, "trunc", "floor"):
        for sample in without_operator(division_samples)(s) if mode else ():
            yield replace(sample, kwargs={"rounding_mode": mode})
        yield call(3.5 if s.floating else 7, s.array(2, 3, gap=0.7), rounding_mode=mode, grad=False)


def rare_quotients(s: Sampler) -> Iterator[Sample]:
    """Floats whose quotients are whole or nearly so, alone and beside those that the fast formula refuses."""
    if not s.floating:
        return
    block = value("rare_block")
    b = (s.rng.uniform(0.5, 3.0, 3 * block) * s.rng.choice([-1, 1], 3 * block)).astype(s.dtype)
    a = (b * s.rng.integers(-(2**20), 2**20, b.size)).astype(s.dtype)
    a[::3] = np.nextafter(a[::3], s.dtype.type(np.inf))
    for size in (*around("rare_block"), 2 * block + 3):
        yield call(a[:size], b[:size], vary=False, grad=False, note="nearly whole quotients")
    least = np.finfo(s.dtype).smallest_subnormal
    for x, y in (
        *(
            (np.inf, 2.0),
            (3.0, np.inf),
            (-3.0, np.inf),
            (np.nan, 1.0),
            (1.0, np.nan),
            (2.0, 0.0),
            (-0.0, 3.0),
        ),
        *((2.0**28, 1.0), (2.0**28 - 32, 1.0), (1e9, 0.7), (1e30, 3.0), (-1e30, 3.0), (7 * least, 3 * least)),
    ):
        one, other = a.copy(), b.copy()
        one[block + 7], other[block + 7] = x, y
        yield call(one, other, vary=False, grad=False, note="a rare one among others")
    yield call(a, np.asarray(0.7, s.dtype), vary=False, grad=False)
    yield call(np.asarray(7.5, s.dtype), b, vary=False, grad=False)


def large_rounded(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; matrices that threads share."""
    for mode in ("trunc", "floor") if s.dtype.kind != "b" else ():
        for shape in ((67,), SHARED[0]):
            whole = s.rng.integers(0 if s.dtype.kind == "u" else -3, 4, shape) + 0.5
            yield call((2 * whole).astype(s.dtype), np.full(shape, 2, s.dtype), rounding_mode=mode)


def reflected_samples(s: Sampler) -> Iterator[Sample]:
    """The usual ones, and the factor of the first operand."""
    yield from binary_samples()(s)
    yield call(s.array(2, 3), s.array(3), alpha=2)
    yield call(s.array(2, 3), 3, alpha=2)
    if s.floating:
        yield call(s.array(2, 3), s.array(2, 3), alpha=-0.5)


def xlogy_samples(s: Sampler) -> Iterator[Sample]:
    """A number on either side, zeros."""
    left: dict[str, Any] = {"gap": 0.1}
    right: dict[str, Any] = {"low": 0.4, "high": 3.0}
    yield from binary_samples(left, right, scalars=(2, 0.75, True))(s)
    yield call(2.5, s.array(2, 3, **right))
    yield call(2, s.array(2, 3, **right))
    yield call(0.0, s.array(2, 3, **right), grad=False)


NOUGHT = np.array([0.0])
QUOTIENTS = (Kink((np.array([1.0, 0.0]), np.array([0.0, 2.0])), ([np.inf, 0.5], [-np.inf, 0.0])),)
TIES = (Kink((np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, -5.0])), ([0.5, 0.0, 1.0], [0.5, 1.0, 0.0])),)
SPECS = (
    binary(
        "add",
        ref.add,
        "same",
        operator=operator.add,
        inplace="add_",
        reference=ref.add_op,
        samples=with_alpha({"scalars": (2, 0.75, True)}),
    ),
    binary(
        "sub",
        ref.sub,
        "same",
        operator=operator.sub,
        inplace="sub_",
        dtypes=NUMERIC,
        reference=ref.sub_op,
        samples=with_alpha({}),
        errors=(
            bad(RuntimeError, "bool", BOOLS, BOOLS),
            bad(RuntimeError, "bool", BOOLS, 1),
            bad(RuntimeError, "bool", np.zeros(2), True),
            bad(RuntimeError, "bool", np.zeros(2), BOOLS),
        ),
    ),
    binary(
        "mul", ref.mul, "same", operator=operator.mul, inplace="mul_", sampling={"scalars": (2, -0.75, True)}
    ),
    binary(
        "div",
        ref.div,
        "float",
        operator=operator.truediv,
        inplace="div_",
        right=AWAY,
        reference=ref.div_op,
        samples=rounded_divisions,
        boundary=both(large_binary(right=AWAY), large_rounded),
        kinks=QUOTIENTS,
        errors=(
            bad(RuntimeError, "rounding_mode.*'up'", LEFT, LEFT, rounding_mode="up"),
            bad(TypeError, ".", LEFT, LEFT, "trunc"),
            bad(RuntimeError, "[Zz]ero", np.array([1, 2]), np.array([1, 0]), rounding_mode="trunc"),
            bad(RuntimeError, "[Zz]ero", np.array([1, 2]), 0, rounding_mode="floor"),
            bad(NotImplementedError, "bool", BOOLS, BOOLS, rounding_mode="trunc"),
        ),
    ),
    binary("true_divide", ref.div, "float", inplace="true_divide_", right=AWAY, kinks=QUOTIENTS),
    binary(
        "rsub",
        ref.sub,
        "same",
        method=None,
        out=False,
        dtypes=NUMERIC,
        reference=ref.rsub_op,
        samples=reflected_samples,
        errors=(
            bad(RuntimeError, "bool", BOOLS, BOOLS),
            bad(RuntimeError, "bool", np.zeros(2), True),
            bad(RuntimeError, "alpha", np.array([1]), 2, alpha=0.5),
        ),
    ),
    binary(
        "floor_divide",
        ref.floor_divide,
        "same",
        operator=operator.floordiv,
        inplace="floor_divide_",
        order=0,
        differs={"flags": "PyTorch's result requires a gradient, which then raises NotImplementedError"},
        dtypes=NUMERIC,
        samples=division_samples,
        boundary=both(large_binary(right=AWAY), conversions(*MULTIPLES), rare_quotients),
        errors=(
            bad(RuntimeError, "[Zz]ero", np.array([1, 2]), np.array([1, 0])),
            bad(RuntimeError, "[Zz]ero", np.array([1, 2]), 0),
            TWO_BOOLS,
        ),
    ),
    binary(
        "remainder",
        ref.remainder,
        "same",
        tolerance=USUAL_TOLERANCE,
        operator=operator.mod,
        inplace="remainder_",
        dtypes=NUMERIC,
        samples=division_samples,
        boundary=both(large_binary(right=AWAY), rare_quotients),
        errors=(bad(RuntimeError, "[Zz]ero", np.array([1, 2]), np.array([1, 0])), TWO_BOOLS),
    ),
    binary(
        "pow",
        ref.pow_,
        "same",
        tolerance=USUAL_TOLERANCE,
        operator=operator.pow,
        inplace="pow_",
        dtypes=NUMERIC,
        samples=pow_samples,
        boundary=both(large_binary({"low": 0.4, "high": 2.5}, {"low": 0.0, "high": 3.0}), powers_of_zero),
        errors=(bad(RuntimeError, "negative", np.array([1, 2]), -1), TWO_BOOLS),
        kinks=(
            Kink(
                (np.array([0.0, 0.0, 2.0]), np.array([2.0, 1.0, 3.0])),
                ([0.0, 1.0, 12.0], [0.0, 0.0, 8 * np.log(2)]),
            ),
            Kink((NOUGHT, 0), ([0.0],)),
            Kink((NOUGHT, 1), ([1.0],)),
            Kink((NOUGHT, 2), ([0.0],)),
            Kink((NOUGHT, NOUGHT), ([0.0], [0.0])),
        ),
    ),
    binary(
        "fmod",
        formulas.fmod,
        "same",
        inplace="fmod_",
        dtypes=NUMERIC,
        samples=without_operator(division_samples),
        boundary=both(large_binary(right=AWAY), rare_quotients),
        kinks=(
            Kink(
                (np.array([5.0, -5.0, 5.0]), np.array([3.0, 3.0, 0.0])),
                ([1.0, 1.0, 1.0], [-1.0, 1.0, -np.inf]),
            ),
        ),
        errors=(bad(RuntimeError, "[Zz]ero", np.array([1, 2]), np.array([1, 0])), TWO_BOOLS),
    ),
    binary(
        "float_power",
        ref.pow_,
        "same",
        tolerance=USUAL_TOLERANCE,
        reference=ref.float_power_op,
        samples=float_power_samples,
        boundary=large_binary({"low": 0.4, "high": 2.5}, {"low": 0.0, "high": 3.0}),
        errors=(bad(TypeError, ".", 2, 3),),
    ),
    binary(
        "xlogy",
        formulas.xlogy,
        "float",
        tolerance=USUAL_TOLERANCE,
        inplace="xlogy_",
        samples=xlogy_samples,
        boundary=large_binary({"gap": 0.1}, {"low": 0.4, "high": 3.0}),
        kinks=(
            Kink(
                (np.array([0.0, 0.0, 2.0, 0.0, 1.0]), np.array([0.0, -1.0, 3.0, 2.0, 0.0])),
                ([0.0, 0.0, np.log(3.0), np.log(2.0), -np.inf], [np.nan, 0.0, 2 / 3, 0.0, np.inf]),
            ),
            Kink((np.array([0.0, 1.0]), -1.0), ([0.0, np.nan],)),
        ),
        errors=(bad(TypeError, ".", 2, 3),),
    ),
    binary(
        "copysign",
        formulas.copysign,
        "float",
        inplace="copysign_",
        left={"gap": 0.1},
        right={"gap": 0.1},
        sampling={"scalars": (2, -0.75, True)},
        zero_inputs=("input 1",),
        kinks=(
            Kink(
                (np.array([1.0, 0.0, -0.0, np.nan]), np.array([-1.0, 1.0, -1.0, 1.0])),
                ([-1.0, 0.0, 0.0, np.nan], [0.0, 0.0, 0.0, 0.0]),
            ),
        ),
    ),
    pair(
        "atan2",
        formulas.atan2,
        "float",
        tolerance=USUAL_TOLERANCE,
        inplace="atan2_",
        left=AWAY,
        right=AWAY,
        kinks=(
            Kink(
                (np.array([0.0, 1.0, 0.0, np.inf]), np.array([0.0, 0.0, -1.0, np.inf])),
                ([0.0, 0.0, -1.0, np.nan], [0.0, -1.0, 0.0, np.nan]),
            ),
        ),
    ),
    pair(
        "hypot",
        formulas.hypot,
        "same",
        tolerance=USUAL_TOLERANCE,
        inplace="hypot_",
        left=AWAY,
        right=AWAY,
        dtypes=FLOATING,
        kinks=(Kink((np.array([0.0, 3.0]), np.array([0.0, 4.0])), ([np.nan, 0.6], [np.nan, 0.8])),),
        errors=(NO_INTEGERS,),
    ),
    *(
        pair(
            name,
            getattr(formulas, name),
            "same",
            dtypes=FLOATING,
            scale="bound",
            tolerance=1.0,
            kinks=(
                Kink(
                    (np.array([1.0, np.inf, -np.inf, np.inf]), np.array([1.0, np.inf, -np.inf, -np.inf])),
                    ([0.5, np.nan, np.nan, 1.0], [0.5, np.nan, np.nan, 0.0]),
                ),
            ),
            errors=(NO_INTEGERS,),
        )
        for name in ("logaddexp", "logaddexp2")
    ),
    *(
        pair(
            name,
            getattr(formulas, name),
            "same",
            sampling={"apart": 0.05},
            kinks=(
                Kink(
                    (np.array([1.0, np.nan, 1.0, np.nan]), np.array([1.0, 1.0, np.nan, np.nan])),
                    ([1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]),
                ),
            ),
        )
        for name in ("fmax", "fmin")
    ),
    binary("maximum", ref.maximum, "same", sampling={"apart": 0.05, "scalars": ()}, kinks=TIES),
    binary(
        "minimum",
        ref.minimum,
        "same",
        sampling={"apart": 0.05, "scalars": ()},
        kinks=(Kink(TIES[0].args, ([0.5, 1.0, 0.0], [0.5, 0.0, 1.0])),),
    ),
    gradient_kernel(
        "threshold_backward",
        ref.threshold_backward,
        "same",
        {"gap": 0.1},
        dtypes=FLOATING,
        zero_inputs=("input 1",),
    ),
    gradient_kernel(
        "tanh_backward",
        ref.tanh_backward,
        "float",
        {"low": -0.9, "high": 0.9},
        tolerance=USUAL_TOLERANCE,
        dtypes=FLOATING,
    ),
    gradient_kernel(
        "sigmoid_backward",
        ref.sigmoid_backward,
        "float",
        {"low": 0.1, "high": 0.9},
        tolerance=USUAL_TOLERANCE,
        dtypes=FLOATING,
    ),
)

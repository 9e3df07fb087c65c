"""Records of the elementwise functions of two broadcast tensors. A new one is one row of ``SPECS``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, USUAL_TOLERANCE, Kink, OpSpec, bad
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import slopes
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
TWO_BOOLS = bad(RuntimeError, "two bool tensors", BOOLS, BOOLS, peer=False)
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


RELATIONS = ((2, 1, 3), (2, 1, 3)), ((2, 1, 3), (1, 2, 3)), ((1, 2, 4), (2, 1, 3))
MULTIPLES = ((3, 6, -6), (3, 3, 3)), ((6, -6, 6), (2, -3, 3))
TRUTHS = ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((0, 1), (0, 0)), ((1, 0), (0, 0))


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
        "order": 0 if kind == "bool" else 2,
        "tolerance": 0.0,
        "errors": (MISMATCH, WRONG_TYPE, *errors),
    }
    return OpSpec(name, **{**chosen, **options})


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
        errors=(),
        **options,
    )


def bitwise(symbol: str, formula: Callable[..., Any], function: Callable[..., Any]) -> OpSpec:
    """A record of an operator that takes bool tensors only."""
    return OpSpec(
        symbol,
        ref.binary_op(formula, "same"),
        binary_samples(scalars=(True,), mixed=(), edges=False),
        boundary=large_binary(),
        order=0,
        tolerance=0.0,
        function=lambda lib, a, b: function(a, b),
        dtypes=("bool",),
        registered=False,
    )


NOUGHT = np.array([0.0])
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
        errors=(bad(RuntimeError, "bool", BOOLS, BOOLS),),
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
        aliases=("true_divide",),
        kinks=(Kink((np.array([1.0, 0.0]), np.array([0.0, 2.0])), ([np.inf, 0.5], [-np.inf, 0.0])),),
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
        boundary=both(large_binary(right=AWAY), conversions(*MULTIPLES)),
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
        boundary=large_binary(right=AWAY),
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
    binary("maximum", ref.maximum, "same", sampling={"apart": 0.05, "scalars": ()}, kinks=TIES),
    binary(
        "minimum",
        ref.minimum,
        "same",
        sampling={"apart": 0.05, "scalars": ()},
        kinks=(Kink(TIES[0].args, ([0.5, 1.0, 0.0], [0.5, 0.0, 1.0])),),
    ),
    *(
        binary(
            name,
            getattr(ref, name),
            "bool",
            operator=getattr(operator, name),
            dtypes=ALL_DTYPES,
            sampling={"scalars": (1, 0.75, True)},
            boundary=both(large_binary(), conversions(*RELATIONS)),
        )
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
    ),
    *(
        binary(
            name,
            getattr(ref, name),
            "bool",
            sampling={"scalars": ()},
            dtypes=ALL_DTYPES,
            boundary=both(large_binary(), conversions(*TRUTHS)),
        )
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    bitwise("&", ref.logical_and, operator.and_),
    bitwise("|", ref.logical_or, operator.or_),
    bitwise("^", ref.logical_xor, operator.xor),
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

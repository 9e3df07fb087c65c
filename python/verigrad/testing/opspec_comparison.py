"""Records of comparisons, and of what is done with truth values and bits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, INTEGRAL, OpSpec, bad
from verigrad.testing.opspec_binary import BOOLS, LEFT, binary, conversions, large_binary, pair
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import formulas
from verigrad.testing.samples import PAIRS, SHARED, Sample, Sampler, binary_samples, both, call

RELATIONS = ((2, 1, 3), (2, 1, 3)), ((2, 1, 3), (1, 2, 3)), ((1, 2, 4), (2, 1, 3))
TRUTHS = ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((0, 1), (0, 0)), ((1, 0), (0, 0))


def large_heaviside(s: Sampler) -> Iterator[Sample]:
    """Zeros among the other numbers."""
    for n in (67, 4 * 65536 + 67):
        yield call(np.resize([1, 0, 0, 2, 0], n).astype(s.dtype), s.array(n), grad=False)


def bitwise(name: str, formula: Callable[..., Any], function: Callable[..., Any], **options: Any) -> OpSpec:
    """A record of an operation on the bits of integers, and of bool but for shifts."""
    whole, longer = np.zeros((2, 3), np.int64), np.zeros((2, 4), np.int64)
    return OpSpec(
        name,
        ref.binary_op(formula, "same"),
        **{
            "samples": binary_samples(scalars=(2, True), mixed=("int64", "uint8"), reflected=True),
            "boundary": large_binary(),
            "method": name,
            "operator": function,
            "inplace": f"{name}_",
            "out": True,
            "dtypes": ("bool", *INTEGRAL),
            "order": 0,
            "tolerance": 0.0,
            "errors": (
                bad(RuntimeError, "3.*4", whole, longer),
                bad(TypeError, ".", whole, "two"),
                bad(TypeError, ".", 2, 3),
                bad(NotImplementedError, "integer", LEFT, LEFT),
                bad(NotImplementedError, "integer", whole, 1.5),
            ),
            **options,
        },
    )


def shift_samples(s: Sampler) -> Iterator[Sample]:
    """Any numbers by any number of bits: fewer than none, all of them, more."""
    bits = s.dtype.itemsize * 8
    least = 0 if s.dtype.kind == "u" else -2
    for a, b in PAIRS:
        yield call(s.array(*a, low=-100, high=100), s.array(*b, low=least, high=bits + 1))
    yield call(s.array(1037, low=-100, high=100), s.array(1037, low=0, high=bits))
    for number in (0, 3, 70, True):
        yield call(s.array(2, 3), number)
    yield call(5, s.array(2, 3, low=0), form="operator")
    yield call(s.array(2, 3), s.array(3, low=0, dtype="int64"))
    edges = s.edges()
    by = np.array([0, 1, bits - 1, bits, 64 if bits < 64 else 65], s.dtype)
    yield call(np.repeat(edges, by.size), np.tile(by, edges.size), note="edge values")


def large_shift(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors, broadcast; matrices that threads share."""
    for a, b in (
        ((67,), (67,)),
        ((3, 67), (67,)),
        ((3, 67), ()),
        (SHARED[0], SHARED[0]),
        (SHARED[0], (521,)),
    ):
        yield call(s.array(*a, low=-100, high=100), s.array(*b, low=0, high=9))


SPECS = (
    pair(
        "heaviside",
        formulas.heaviside,
        "same",
        inplace="heaviside_",
        order=0,
        sampling={"mixed": ()},
        boundary=both(large_binary(), large_heaviside),
        differs={"flags": "PyTorch's result requires a gradient, which then raises RuntimeError"},
        errors=(bad(RuntimeError, "same dtype|different dtypes", LEFT, np.zeros(3, np.float32)),),
    ),
    *(
        binary(
            name,
            getattr(ref, name),
            "bool",
            operator=getattr(operator, name),
            dtypes=ALL_DTYPES,
            inplace=f"{name}_",
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
            inplace=f"{name}_",
            sampling={"scalars": ()},
            dtypes=ALL_DTYPES,
            boundary=both(large_binary(), conversions(*TRUTHS)),
        )
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    bitwise("bitwise_and", formulas.bitwise_and, operator.and_),
    bitwise("bitwise_or", formulas.bitwise_or, operator.or_),
    bitwise("bitwise_xor", formulas.bitwise_xor, operator.xor),
    *(
        bitwise(
            name,
            formula,
            function,
            samples=shift_samples,
            boundary=large_shift,
            dtypes=INTEGRAL,
            errors=(
                bad(RuntimeError, "3.*4", np.zeros((2, 3), np.int64), np.zeros((2, 4), np.int64)),
                bad(TypeError, ".", np.zeros(2, np.int64), "two"),
                bad(TypeError, ".", 2, 3),
                bad(NotImplementedError, "an integer dtype, got float64", LEFT, LEFT),
                bad(NotImplementedError, "an integer dtype, got bool", BOOLS, BOOLS),
            ),
        )
        for name, formula, function in (
            ("bitwise_left_shift", formulas.left_shift, operator.lshift),
            ("bitwise_right_shift", formulas.right_shift, operator.rshift),
        )
    ),
)

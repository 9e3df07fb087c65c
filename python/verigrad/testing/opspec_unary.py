"""Records of the elementwise functions of one tensor. A new one is one row of ``SPECS``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.reference import elementwise as ref
from verigrad.testing.reference import slopes
from verigrad.testing.samples import large_unary, unary_samples

BOOLS = np.array([True, False])


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
        **{"method": name, "order": 0 if kind == "bool" else 2, **exact, **options},
    )


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
    unary("exp", ref.exp, "float"),
    unary("log", ref.log, "float", low=0.3, high=6.0),
    unary("exp2", ref.exp2, "float"),
    unary("expm1", ref.expm1, "float"),
    unary("log2", ref.log2, "float", low=0.3, high=6.0),
    unary("log10", ref.log10, "float", low=0.3, high=6.0),
    unary("log1p", ref.log1p, "float", low=-0.7, high=6.0),
    unary("sin", ref.sin, "float"),
    unary("cos", ref.cos, "float"),
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
        errors=(bad(RuntimeError, "numeric dtype, got bool", BOOLS, peer=False),),
    ),
    unary("erf", ref.erf, "float"),
    unary("erfc", ref.erfc, "float"),
    unary("reciprocal", ref.reciprocal, "float", tolerance=0.0, gap=0.4),
    unary("tanh", ref.tanh, "float"),
    unary("sigmoid", ref.sigmoid, "float"),
    unary(
        "relu",
        ref.relu,
        "same",
        gap=0.1,
        dtypes=NUMERIC,
        kinks=(Kink((np.array([0.0, -0.0, 1.0, -1.0]),), ([0.0, 0.0, 1.0, 0.0],)),),
        errors=(bad(RuntimeError, "numeric dtype, got bool", BOOLS),),
    ),
    unary("isnan", ref.isnan, "bool", dtypes=ALL_DTYPES),
    unary("isinf", ref.isinf, "bool", dtypes=ALL_DTYPES),
    unary("isfinite", ref.isfinite, "bool", dtypes=ALL_DTYPES),
    unary("logical_not", ref.logical_not, "bool", dtypes=ALL_DTYPES),
)

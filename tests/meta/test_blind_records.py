"""A record whose true gradients are too small to judge by is refused: a wrong gradient would pass it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from verigrad.testing.calls import CheckError
from verigrad.testing.differentiation import Coverage, gradient_checks, refuse_blind
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec
from verigrad.testing.reference import tape
from verigrad.testing.samples import call
from verigrad.testing.verify import verify_record

LIB = Library("verigrad")


def measured(spec: OpSpec) -> Coverage:
    """What the gradient checks of a record saw."""
    coverage = Coverage()
    for check in gradient_checks(spec, LIB, coverage):
        check.run()
    return coverage


def tiny(lib: Library, x: Any) -> Any:
    """exp(x - 60): gradients of 1e-26, beside a constant of 1 whose rounding hides them."""
    return (x - 60.0).exp() + 1.0


PLANTED = OpSpec("planted", lambda x: np.exp(x - 60.0) + 1.0, lambda s: iter([call(s.array(3, 4)),
        call(s.array(5))]),
                 composition=lambda x: tape.exp(x - 60.0) + 1.0, serial="nothing is long",
                 function=tiny, dtypes=("float64",))  # fmt: skip


def test_gradients_below_the_tolerance_are_refused() -> None:
    coverage = measured(PLANTED)
    assert coverage.seen == {"input 0"} and not coverage.informed
    with pytest.raises(
        CheckError, match="planted: expected samples with gradients above the tolerance, got none for input 0"
    ):
        refuse_blind(PLANTED, coverage)
    result = verify_record(PLANTED, LIB)
    assert [f.kind for f in result.failures] == ["record"]


def test_one_input_out_of_sight_is_refused_by_name() -> None:
    spec = OpSpec("planted", lambda a, b: a + 1e-30 * b, lambda s: iter([call(s.array(3), s.array(3))]),
                  function=lambda lib, a, b: a + b * 1e-30, dtypes=("float64",))  # fmt: skip
    with pytest.raises(CheckError, match="none for input 1;"):
        refuse_blind(spec, measured(spec))
    refuse_blind(replace(spec, zero_inputs=("input 1",)), measured(spec))


def test_only_empty_samples_are_refused() -> None:
    spec = OpSpec("planted", lambda x: x * 2, lambda s: iter([call(s.array(0)), call(s.array(0, 3))]),
                  function=lambda lib, x: x * 2.0, dtypes=("float64",))  # fmt: skip
    with pytest.raises(CheckError, match="above the tolerance"):
        refuse_blind(spec, measured(spec))


def test_no_floating_point_sample_is_refused() -> None:
    spec = OpSpec("planted", lambda x: x * 2, lambda s: iter([call(np.ones(3, np.int64))]),
                  function=lambda lib, x: x * 2, dtypes=("float64",))  # fmt: skip
    with pytest.raises(CheckError, match="a sample with a floating-point input"):
        refuse_blind(spec, measured(spec))


def test_a_gradient_said_to_be_zero_must_be() -> None:
    spec = OpSpec("planted", lambda x: x * 2, lambda s: iter([call(s.array(3))]), function=lambda lib,
                  x: x * 2.0,
                  dtypes=("float64",), zero_gradient="it is not")  # fmt: skip
    with pytest.raises(CheckError, match=r"expected zero gradients \(it is not\), got others for input 0"):
        refuse_blind(spec, measured(spec))

"""A gradient that is wrong only while the backward pass is recorded makes the verification fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing.calls import CheckError
from verigrad.testing.gradients import Problem, projection_check
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec
from verigrad.testing.samples import call
from verigrad.testing.verify import verify_record

LIB = Library("verigrad")


def square(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """x^2, whose gradient is changed while create_graph=True records it."""

    def function(lib: Library, x: Any) -> Any:
        same = x * 1.0
        if same.requires_grad:
            same.register_hook(lambda g: change(g) if vg.is_grad_enabled() else None)
        return same * same

    return function


def record(change: Callable[[Any], Any]) -> OpSpec:
    return OpSpec("planted", lambda x: x * x, lambda s: iter([call(s.array(3, 4)), call(s.array(1))]),
                  composition=lambda x: x * x, serial="nothing is long",
                  function=square(change), dtypes=("float64",))  # fmt: skip


def test_a_constant_is_noticed() -> None:
    """Second derivatives are right, and so is the gradient as long as nobody records it."""
    result = verify_record(record(lambda g: g + 1e-3), LIB)
    assert {f.kind for f in result.failures} == {"gradient"}
    assert (
        "planted: expected the same gradient for input 0 with create_graph=True" in result.failures[0].message
    )


@pytest.mark.parametrize("change", [lambda g: g * (1 + 1e-5), lambda g: -g, lambda g: g * 0.0])
def test_other_gradients_are_noticed(change: Callable[[Any], Any]) -> None:
    problem = Problem("planted", LIB, lambda x: square(change)(LIB, x), [np.arange(1.0, 7.0)])
    with pytest.raises(CheckError, match="expected the same gradient for input 0 with create_graph=True"):
        projection_check(problem)


def test_the_right_gradient_passes() -> None:
    assert not verify_record(record(lambda g: g + 0.0), LIB).failures

"""Derivatives of every operation: finite differences to second order, every element against reverse mode over
the record's composition, and the exact values at kinks."""

from __future__ import annotations

import pytest

from verigrad.testing.backward import element_checks, training_dtypes
from verigrad.testing.differentiation import Coverage, gradient_checks, kink_checks, refuse_blind
from verigrad.testing.library import Library
from verigrad.testing.opspec import records, records_on

LIB = Library("verigrad")
HERE = records_on(LIB.device)
DIFFERENTIABLE = [name for name, spec in HERE.items() if spec.order > 0]
WITH_KINKS = [name for name, spec in HERE.items() if spec.kinks]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_finite_differences(name: str) -> None:
    spec, coverage = records()[name], Coverage()
    for check in gradient_checks(spec, LIB, coverage):
        check.run()
    refuse_blind(spec, coverage)
    assert coverage.checks


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_elements(name: str) -> None:
    spec, coverage = records()[name], Coverage()
    for check in element_checks(spec, LIB, coverage):
        check.run()
    assert coverage.dtypes == set(training_dtypes(spec))


@pytest.mark.parametrize("name", WITH_KINKS)
def test_kinks(name: str) -> None:
    for check in kink_checks(records()[name], LIB):
        check.run()


def test_registry_and_records_agree_on_what_can_be_differentiated() -> None:
    registered = LIB.get("_C._testing.registered_ops")()
    for name, spec in records().items():
        if spec.registered:
            assert registered[name]["differentiable"] == (spec.order > 0), name

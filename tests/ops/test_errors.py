"""Calls that must fail: type and text, nothing changed, and the type that PyTorch raises."""

from __future__ import annotations

import warnings

import pytest

from verigrad.testing.failing import error_checks, raised
from verigrad.testing.library import Library
from verigrad.testing.opspec import records, records_on

LIB = Library("verigrad")
WITH_ERRORS = [name for name, spec in records_on(LIB.device).items() if spec.errors]
# Gradients that are operations of their own, and the warp of images, have no public name in PyTorch.
OWN = {name for name in WITH_ERRORS if name.endswith("_backward")} | {"affine_image"}


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_type_and_text(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mse_loss warns of the sizes before it fails, as PyTorch does
        for check in error_checks(records()[name], LIB):
            check.run()


@pytest.mark.parametrize("name", [name for name in WITH_ERRORS if name not in OWN])
def test_type_is_that_of_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    lib, spec = Library("torch"), records()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in spec.errors:
            if call.peer:
                assert type(raised(spec, lib, call, untouched=False)) is call.error, call.label

"""Faults that differences over small tensors do not see: one element, one dtype, one level, one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from verigrad.testing.backward import element_checks, element_error
from verigrad.testing.calls import CheckError
from verigrad.testing.crossing import boundary_checks, refuse_uncut
from verigrad.testing.differentiation import Coverage
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded
from verigrad.testing.samples import call

LIB = Library("verigrad")
EPS = float(np.finfo(np.float32).eps)


def double(lib: Library, x: Any) -> Any:
    return x * 2.0


def planted(function: Callable[..., Any], **options: Any) -> OpSpec:
    """A record of x -> 2 x that calls `function`."""
    chosen: dict[str, Any] = {
        "function": function,
        "dtypes": ("float32", "float64"),
        "composition": lambda x: tape.var(x) * 2.0,
        "boundary": lambda s: iter([call(s.array(601, 521))]),
    }
    return OpSpec("planted", lambda x: x * x.dtype.type(2), lambda s: iter([call(s.array(3, 5))]),
                  **{**chosen, **options})  # fmt: skip


def failures(spec: OpSpec) -> set[tuple[str, str]]:
    """Kinds and dtypes of the checks that fail."""
    coverage, found = Coverage(), set()
    for check in (*element_checks(spec, LIB, coverage), *boundary_checks(spec, LIB, coverage)):
        try:
            check.run()
        except CheckError:
            found.add((check.kind, check.dtype))
    return found


def test_a_right_record_passes() -> None:
    assert failures(planted(double)) == set()


def test_a_gradient_that_is_lost_where_the_other_input_is_a_constant() -> None:
    def function(lib: Library, x: Any, y: Any) -> Any:
        return x + (y if x.requires_grad else y.detach() + 0.0 * y)

    spec = OpSpec(
        "planted",
        lambda x, y: x + y,
        lambda s: iter([call(s.array(3, 5), s.array(3, 5))]),
        function=function,
        dtypes=("float32",),
        composition=lambda x, y: tape.var(x) + y,
    )
    assert failures(spec) == {("alone", "float32")}
    assert failures(replace(spec, function=lambda lib, x, y: x + y)) == set()


def test_one_element_of_a_float32_gradient() -> None:
    """The last element of large tensors alone, and in float32 alone."""

    def function(lib: Library, x: Any) -> Any:
        y = x * 2.0
        if x.numel() > 100 and x.dtype == lib.dtype("float32") and x.requires_grad:
            y.register_hook(lambda g: g + g * lib.from_numpy(_last(tuple(g.shape))))
        return y

    assert failures(planted(function)) == {("element", "float32"), ("threads", "float32")}


def _last(shape: tuple[int, ...]) -> np.ndarray:
    values = np.zeros(shape, np.float32)
    values.reshape(-1)[-1] = 1e-5
    return values


def test_a_level_of_vector_code() -> None:
    testing = LIB.get("_C._testing")

    def function(lib: Library, x: Any) -> Any:
        return x * (2.0 if testing.simd_level() != "baseline" else 2.001)

    found = failures(planted(function))
    assert ("boundary", "float32") in found and ("element", "float32") not in found


def test_a_number_of_threads() -> None:
    def function(lib: Library, x: Any) -> Any:
        return x * (2.0 if lib.get("get_num_threads")() != 3 else 2.0 + 1e-6)

    assert failures(planted(function)) == {("threads", "float32")}


def test_a_wrong_composition() -> None:
    assert ("composition", "float64") in failures(planted(double, composition=lambda x: tape.var(x) * 2.001))
    with pytest.raises(CheckError, match="expected a composition"):
        next(c for c in element_checks(planted(double, composition=None), LIB, Coverage())).run()


def test_a_composition_of_another_shape() -> None:
    spec = planted(double, composition=lambda x: tape.var(x).sum(0))
    checks = list(element_checks(spec, LIB, Coverage()))
    for check in checks:
        with pytest.raises(CheckError, match="expected (a composition with results of shapes|shape)"):
            check.run()


def test_a_record_that_is_never_cut_says_why() -> None:
    small = planted(double, boundary=lambda s: iter([call(s.array(9))]))
    coverage = Coverage()
    for check in boundary_checks(small, LIB, coverage):
        check.run()
    with pytest.raises(CheckError, match="forward loops are cut for threads"):
        refuse_uncut(small, coverage)
    refuse_uncut(replace(small, serial="nothing is long"), coverage)
    coverage.cut_forward = 1
    with pytest.raises(CheckError, match="backward loops are cut"):
        refuse_uncut(small, coverage)


def test_the_error_of_an_element_is_over_its_own_bound() -> None:
    wanted = Rounded(np.array([1e6, 1e-6]), np.array([1e6, 1e-6]))
    got = np.array([1e6, 1e-6 * (1 + 64 * EPS)], np.float32)
    with pytest.raises(CheckError, match=r"at \[1\]: expected .* times its error bound, tolerance 1"):
        element_error(got, wanted, 1.0, "gradient")
    assert element_error(got[:1], Rounded(wanted.value[:1]), 1.0, "gradient") < 1.0
    special = np.array([np.nan, np.inf], np.float32)
    assert element_error(special, Rounded(special), 1.0, "gradient") == 0.0
    with pytest.raises(CheckError):
        element_error(np.array([np.nan], np.float32), Rounded(np.array([1.0])), 1.0, "gradient")


def test_every_differentiable_record_has_a_composition() -> None:
    without = [n for n, s in records().items() if s.order and s.composition is None]
    assert not without, without


def test_a_bound_that_is_not_finite_allows_nothing() -> None:
    for bound in (np.inf, np.nan):
        with pytest.raises(CheckError):
            element_error(np.array([2.0], np.float32), Rounded(np.array([1.0]), bound), 1.0, "gradient")

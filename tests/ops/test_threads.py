"""Same bits for any number of threads, at every level of vector code, for results and gradients of large
inputs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import verigrad as vg
from verigrad.testing.crossing import boundary_checks
from verigrad.testing.differentiation import Coverage
from verigrad.testing.forward import forward_check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import records

LIB = Library("verigrad")
LEVELS = ("baseline", "avx2", "avx512")
AVAILABLE = LEVELS[: LEVELS.index(LIB.get("_C._testing.max_simd_level")()) + 1]
LARGE = [name for name, spec in records().items() if spec.boundary is not None]


@pytest.mark.parametrize("kind", ["threads", "boundary"])
@pytest.mark.parametrize("name", LARGE)
def test_large_results_are_right_and_the_same_for_any_number_of_threads(name: str, kind: str) -> None:
    found = [check for check in boundary_checks(records()[name], LIB, Coverage()) if check.kind == kind]
    for check in found:
        check.run()
    assert found or not records()[name].compare


@pytest.mark.parametrize("level", AVAILABLE[:-1])
@pytest.mark.parametrize("name", [name for name, spec in records().items() if spec.compare])
def test_results_at_lower_levels_of_vector_code(name: str, level: str) -> None:
    vg._C._testing.set_simd_level(level)
    spec = records()[name]
    for dtype in spec.dtypes:
        for sample in spec.sample(dtype):
            forward_check(replace(spec, view=None), LIB, sample)()


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="avx"):
        vg._C._testing.set_simd_level("avx3")


def test_the_checks_cover_every_level_up_to_the_processors() -> None:
    assert LIB.get("_C._testing.max_simd_level")() == AVAILABLE[-1]
    assert any(True for _ in forward_checks(records()["exp"], LIB, ("float32",)))

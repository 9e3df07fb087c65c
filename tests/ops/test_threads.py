"""Results and gradients at the boundaries of the kernels: right at every level of vector code, and the same
bits for any number of threads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

import verigrad as vg
from verigrad.testing.crossing import boundary_checks, levels, refuse_uncut
from verigrad.testing.differentiation import Coverage
from verigrad.testing.forward import forward_check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import records, records_on

LIB = Library("verigrad")
AVAILABLE = levels(LIB)
HERE = records_on(LIB.device)


@pytest.mark.parametrize("name", [name for name, spec in HERE.items() if spec.boundary is not None])
def test_boundaries(name: str) -> None:
    spec, coverage = records()[name], Coverage()
    texts = []
    for check in boundary_checks(spec, LIB, coverage):
        try:
            check.run()
        except Exception as error:
            texts.append(f"{check.kind} {check.dtype} {check.label}: {type(error).__name__}: {error}")
    assert not texts, "\n".join(texts[:5])
    if LIB.device == "cpu":
        refuse_uncut(spec, coverage)


@pytest.mark.parametrize("level", AVAILABLE[:-1])
@pytest.mark.parametrize("name", [name for name, spec in HERE.items() if spec.compare])
def test_results_at_lower_levels_of_vector_code(name: str, level: str) -> None:
    vg._C._testing.set_simd_level(level)
    spec = records()[name]
    for dtype in spec.dtypes:
        for sample in spec.sample(dtype):
            forward_check(replace(spec, view=None), LIB, sample)()


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="avx"):
        vg._C._testing.set_simd_level("avx3")


@pytest.mark.host("a device has no levels of vector code")
def test_the_checks_cover_every_level_up_to_the_processors() -> None:
    assert LIB.get("_C._testing.max_simd_level")() == AVAILABLE[-1]
    assert any(True for _ in forward_checks(records()["exp"], LIB, ("float32",)))


def test_a_process_whose_threads_have_gone_to_sleep_ends() -> None:
    program = (
        "import time, verigrad as vg\n"
        "vg.set_num_threads(3)\n"
        "x = vg.ones(2_000_000).exp().sum()\n"
        "time.sleep(0.1)\n"
        "print(round(x.item() / 2_000_000, 3))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "2.718\n"

"""What all tests share: settings of hypothesis, and a library that every test leaves as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

import verigrad

# The same examples in every run, and no limit of time: the tests also run under sanitizers.
hypothesis.settings.register_profile(
    "verigrad", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("verigrad")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Restores what is global: random numbers, threads, vector code, planted faults."""
    testing = verigrad._C._testing
    state, threads, level = verigrad.get_rng_state(), verigrad.get_num_threads(), testing.simd_level()
    yield
    testing.clear_faults()
    testing.set_simd_level(level)
    verigrad.set_num_threads(threads)
    verigrad.set_rng_state(state)
    verigrad.set_default_dtype(verigrad.float32)

"""Same bits for any number of threads, at every level of vector code, for results and gradients of large
inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad.testing.calls import prepare, tensors
from verigrad.testing.forward import forward_check, forward_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.samples import Sample, Sampler

LIB = Library("verigrad")
LEVELS = ("baseline", "avx2", "avx512")
AVAILABLE = LEVELS[: LEVELS.index(LIB.get("_C._testing.max_simd_level")()) + 1]
LARGE = [name for name, spec in records().items() if spec.boundary is not None]
THREADS = (1, 2, 3)


def large_samples(spec: OpSpec) -> Iterator[Sample]:
    """The large samples in float32, or in the first dtype that the record has."""
    assert spec.boundary is not None
    dtype = "float32" if "float32" in spec.dtypes else spec.dtypes[0]
    yield from spec.boundary(Sampler(spec.name, dtype))


def bits(spec: OpSpec, sample: Sample) -> list[bytes]:
    """Results and gradients of one call."""
    call = prepare(LIB, sample)
    smooth = [leaf.tensor.requires_grad_(True) for leaf in call.leaves if leaf.differentiable and spec.order]
    outputs = tensors(LIB, spec.bind(LIB)(*call.args, **call.kwargs))
    found = [LIB.to_numpy(t).tobytes() for t in outputs]
    recorded = [o for o in outputs if o.requires_grad]
    if recorded:
        incoming = [
            LIB.from_numpy(np.cos(np.arange(o.numel())).astype("float32").reshape(tuple(o.shape)))
            for o in recorded
        ]
        found += [LIB.to_numpy(g).tobytes() for g in LIB.grad(recorded, smooth, incoming) if g is not None]
    return found


@pytest.mark.parametrize("level", AVAILABLE)
@pytest.mark.parametrize("name", LARGE)
def test_same_bits_for_any_number_of_threads(name: str, level: str) -> None:
    vg._C._testing.set_simd_level(level)
    for sample in large_samples(records()[name]):
        found: list[Any] = []
        for threads in THREADS:
            vg.set_num_threads(threads)
            found.append(bits(records()[name], sample))
        assert found[0] == found[1] == found[2], sample.label


@pytest.mark.parametrize("level", AVAILABLE)
@pytest.mark.parametrize("name", LARGE)
def test_large_results_are_right(name: str, level: str) -> None:
    vg._C._testing.set_simd_level(level)
    vg.set_num_threads(2)
    spec = records()[name]
    for sample in large_samples(spec):
        forward_check(replace(spec, view=None), LIB, sample)()


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

"""Flags of libraries that are not used, and the one that is."""

from __future__ import annotations

import importlib

import pytest

import verigrad as vg
from verigrad import backends


@pytest.mark.parametrize("name", ["cudnn", "mkl", "mkldnn", "mps", "openmp"])
def test_libraries_that_are_not_used(name: str) -> None:
    module = importlib.import_module(f"verigrad.backends.{name}")
    assert module is getattr(backends, name) and not module.is_available()


def test_flags_of_cudnn_keep_what_they_are_told() -> None:
    cudnn = backends.cudnn
    assert cudnn.enabled and not cudnn.benchmark and not cudnn.deterministic and cudnn.version() is None
    with cudnn.flags(enabled=False, deterministic=True):
        assert not cudnn.enabled and cudnn.deterministic
    assert cudnn.enabled and not cudnn.deterministic
    cudnn.benchmark = True
    assert cudnn.set_flags(benchmark=False) == {"benchmark": True}
    with pytest.raises(TypeError, match="got 'fast'"):
        cudnn.set_flags(fast=True)
    assert not cudnn.is_acceptable(vg.ones(1))


def test_allow_tf32_is_the_precision_of_products() -> None:
    assert not backends.cuda.matmul.allow_tf32
    try:
        backends.cuda.matmul.allow_tf32 = True
        assert vg.get_float32_matmul_precision() == "high" and backends.cuda.matmul.allow_tf32
    finally:
        backends.cuda.matmul.allow_tf32 = False
    assert vg.get_float32_matmul_precision() == "highest"
    with pytest.raises(TypeError, match="allow_tf32"):
        backends.cuda.matmul.allow_tf32 = 1  # type: ignore[assignment]


def test_what_there_is() -> None:
    assert backends.cuda.is_built() == vg.cuda.is_available()
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    vg._C._testing.set_simd_level("baseline")
    assert backends.cpu.get_cpu_capability() == "DEFAULT"
    assert not backends.mps.is_built()

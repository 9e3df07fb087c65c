"""The verifier on a CUDA device, real or emulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verigrad import cuda
from verigrad.testing.library import Library
from verigrad.testing.opspec import records
from verigrad.testing.verify import run, verify_record

pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)


@pytest.mark.parametrize(
    "name", ["exp", "sub", "sum", "softmax", "mm", "gather", "rand", "zeros", "max_pool1d", "sgd"]
)
def test_an_operation_passes_on_the_device(name):
    assert run(op=name, progress=False, quick=True, jobs=1, device="cuda") == 0


def test_results_and_gradients_of_the_device_are_compared():
    """An operation that is wrong on the device alone fails there, in results, elements and differences."""

    def wrong(lib, x):
        return x.exp() * (1.01 if x.is_cuda else 1.0)

    spec = records()["exp"]
    broken = replace(spec, function=wrong, method=None, inplace=None, dtypes=("float32", "float64"))
    with Library("verigrad", "cuda").as_default() as lib:
        found = verify_record(broken, lib, most_failures=10_000)
    kinds = {failure.kind for failure in found.failures}
    assert {"forward", "element", "boundary"} <= kinds  # differences are those of the function itself
    assert not verify_record(
        broken, Library("verigrad"), wanted=lambda check: check.kind == "forward"
    ).failures


def test_what_only_the_cpu_has_is_listed(capsys):
    assert run(op="numpy", progress=False, jobs=1, device="cuda") == 0
    assert "not checked on cuda: numpy (the memory of an array is the CPU's)" in capsys.readouterr().out

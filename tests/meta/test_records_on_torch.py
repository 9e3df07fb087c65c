"""The records are checked on PyTorch first: a record that PyTorch fails is a wrong record."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from verigrad.testing.differentiation import kink_checks, problem_of
from verigrad.testing.forward import forms, forward_check, inplace_sample
from verigrad.testing.gradients import projection_check
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.verify import extra_checks

# The fused gradients of verigrad have no public name in PyTorch.
OWN = {"threshold_backward", "tanh_backward", "sigmoid_backward"}
NAMES = [name for name in records() if name not in OWN]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_pytorch_passes(name: str) -> None:
    torch = pytest.importorskip("torch")
    from verigrad.testing.library import Library

    lib, spec = Library("torch"), records()[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(spec, lib)
    finally:
        torch.set_num_threads(threads)


def check(spec: OpSpec, lib: object) -> None:
    """Base samples and forms in every dtype, first order of each smooth sample, kinks, and the record's own
    checks."""
    from verigrad.testing.library import Library

    assert isinstance(lib, Library)
    for dtype in spec.dtypes:
        for sample in spec.sample(dtype):
            if sample.peer:
                for variant in (sample, *forms(spec, sample)):
                    forward_check(spec, lib, variant)()
    for own in extra_checks(spec, lib):
        own.run()
    if spec.order:
        for sample in spec.sample("float64"):
            if sample.grad and sample.peer:
                for variant in (sample, inplace_sample(spec, sample)):
                    problem = (
                        problem_of(spec, lib, replace(variant, vary=False)) if variant is not None else None
                    )
                    if problem is not None and (variant is sample or variant.grad):
                        projection_check(problem, directions=1)
        for kink in kink_checks(spec, lib):
            kink.run()

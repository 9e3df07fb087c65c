"""The records are checked on PyTorch first: a record that PyTorch fails is a wrong record."""

from __future__ import annotations

import pytest

from verigrad.testing.differentiation import kink_checks, problem_of
from verigrad.testing.forward import flag_check, forms, forward_check, inplace_sample
from verigrad.testing.gradients import projection_check
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, records
from verigrad.testing.verify import extra_checks

# The fused gradients of verigrad have no public name in PyTorch, images are not warped in pixels there; its
# digamma loses digits near the root, and its trigamma has nine.
ABSENT = ("affine_image", "digamma", "polygamma")
NAMES = [name for name in records() if not name.endswith("_backward") and name not in ABSENT]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_pytorch_passes(name: str) -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        check(records()[name], Library("torch"))
    finally:
        torch.set_num_threads(threads)


def check(spec: OpSpec, lib: Library) -> None:
    """Samples and forms in every dtype, flags, first order, kinks, and the record's own checks."""
    for dtype in spec.dtypes:
        for sample in spec.sample(dtype):
            if sample.peer:
                for variant in (sample, *forms(spec, sample)):
                    forward_check(spec, lib, variant)()
    for own in (*extra_checks(spec, lib), *kink_checks(spec, lib)):
        own.run()
    smooth = [
        s for dtype in spec.dtypes if dtype == "float64" for s in spec.sample(dtype) if s.grad and s.peer
    ]
    smooth = [s for s in smooth if problem_of(spec, lib, s) is not None]
    if smooth and "flags" not in spec.differs:
        flag_check(spec, lib, smooth[0])()
    if spec.order:
        places = [p for s in smooth if (p := inplace_sample(spec, s)) is not None and p.grad]
        for sample in (*smooth, *(places if "inplace" not in spec.differs else ())):
            problem = problem_of(spec, lib, sample)
            if problem is not None:
                projection_check(problem, directions=1)

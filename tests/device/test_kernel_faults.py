"""Wrong elements of any CUDA kernel make the verification on the device fail; see
tests/meta/test_kernel_faults.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.meta.test_kernel_faults import RECORD_OF_SLOT

import verigrad
from verigrad import cuda
from verigrad.testing import verify
from verigrad.testing.kernel_faults import (
    TESTING,
    backward_outcomes,
    differentiated,
    forward_outcomes,
    lines,
    read,
)
from verigrad.testing.library import Library
from verigrad.testing.measures import emulated, values
from verigrad.testing.opspec import records

pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)

# Made by `python -m verigrad.testing.kernel_faults tests/device/unnoticed_faults.txt cuda` on the emulation.
LISTED = read(Path(__file__).with_name("unnoticed_faults.txt"))
RECORDS = sorted(set(RECORD_OF_SLOT.values()))
# Of the slot "normalize" a record that is cheaper than that of the results.
GRADIENTS = [name for name in RECORDS if differentiated(records()[name]) and name != "batch_norm"] + [
    "rms_norm"
]


def listed(name: str, which: str) -> list[str]:
    """The lines of a record in the list."""
    return [line for line in LISTED if line.startswith(f"{which} {name.replace(' ', '_')} ")]


@pytest.mark.skipif(not emulated(), reason="a real device's grids are larger than the samples")
@pytest.mark.parametrize(
    ("which", "outcomes", "name"),
    [
        *(("forward", forward_outcomes, name) for name in RECORDS),
        *(("gradient", backward_outcomes, name) for name in GRADIENTS),
    ],
)
def test_a_record_of_each_slot_notices_every_kind_of_fault(
    which: str, outcomes: Callable[..., Any], name: str
) -> None:
    found = outcomes(records()[name], Library("verigrad", "cuda"))
    assert lines(name, which, found) == listed(name, which)
    if which == "forward":
        slots = {slot for slot, record in RECORD_OF_SLOT.items() if record == name}
        assert slots <= {slot for (slot, _), noticed in found.items() if noticed}


def test_each_fault_that_is_not_noticed_has_a_record_and_a_reason() -> None:
    known = {name.replace(" ", "_") for name in records()}
    for line, reason in LISTED.items():
        assert line.split()[1] in known
        assert len(reason.split()) > 2, line


def test_verify_notices_a_planted_fault(capsys: pytest.CaptureFixture[str]) -> None:
    TESTING.plant_kernel_fault("unary", "lane", device="cuda")
    assert verify.run("sigmoid", progress=False, jobs=1, quick=True, device="cuda") == 1
    assert verify.run("sigmoid", progress=False, jobs=1, quick=True, device="cpu") == 0
    assert "FAILED" in capsys.readouterr().out


def spoiled(kind: str, x: verigrad.Tensor) -> list[int]:
    """Where exp of zeros is not one."""
    TESTING.plant_kernel_fault("unary", kind, device="cuda")
    wrong = np.flatnonzero(x.exp().cpu().numpy() != 1).tolist()
    TESTING.clear_faults()
    return wrong


def test_every_kind_spoils_what_its_name_says() -> None:
    threads, warp = values()["cuda_threads"], values()["cuda_warp"]
    count = 4 * threads + 7
    zeros = verigrad.zeros(count, device="cuda")
    block = list(range(2 * threads, 3 * threads))
    wanted = {
        "none": [],
        "first": [0],
        "last": [count - 1],
        "tail": [4 * threads],
        "middle": [count // 2],
        "lane": list(range(warp // 2 + 1, count, warp)),
        "chunk": [],
        "block": block,
        "double": block,
    }
    assert list(wanted) == TESTING.kernel_fault_kinds()
    for kind, places in wanted.items():
        assert spoiled(kind, zeros) == places, kind
    # Columns that lie apart: elements are counted row by row, what lies between them stays.
    TESTING.plant_kernel_fault("fill", "lane", device="cuda")
    wide = zeros[: 2 * warp].reshape(warp, 2)
    wide[:, 1].fill_(1)
    wide[:, 1].fill_(1)
    assert TESTING.kernel_calls() == {"fill": (2, warp, 0, 0)}  # fewer than two warps
    TESTING.clear_faults()
    TESTING.plant_kernel_fault("fill", "last", device="cuda")
    wide[:, 1].fill_(1)
    TESTING.clear_faults()
    right = np.array([[0, 1]] * warp, np.float32)
    assert np.argwhere(wide.cpu().numpy() != right).tolist() == [[warp - 1, 1]]


@pytest.mark.skipif(not emulated(), reason="a real device's grids are larger than memory for a test")
def test_a_chunk_is_what_the_threads_of_a_grid_come_back_for() -> None:
    grid = values()["cuda_grid_blocks"] * values()["cuda_threads"]
    assert spoiled("chunk", verigrad.zeros(grid + 5, device="cuda")) == list(range(grid, grid + 5))
    assert spoiled("chunk", verigrad.zeros(grid, device="cuda")) == []


def test_a_skipped_block_of_a_sum_is_what_it_was() -> None:
    threads = values()["cuda_threads"]
    TESTING.plant_kernel_fault("index_add", "block", device="cuda")
    count = 3 * threads
    index = verigrad.arange(count, device="cuda")
    ones = verigrad.ones(count, device="cuda")
    found = verigrad.full((count,), 2.0, device="cuda").index_add(0, index, ones)
    TESTING.clear_faults()
    assert found.tolist() == [3.0] * threads + [2.0] * threads + [3.0] * threads


def test_faults_are_on_one_device_at_a_time() -> None:
    TESTING.plant_kernel_fault("unary", "none", device="cuda")
    with pytest.raises(ValueError, match="expected device cuda:0, which has faults, got cpu"):
        TESTING.plant_kernel_fault("unary", device="cpu")
    verigrad.zeros(3).exp()
    assert TESTING.kernel_calls() == {"unary": (0, 0, 0, 0)}

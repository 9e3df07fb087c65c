"""Wrong elements of any native kernel make the verification fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from verigrad.testing import verify
from verigrad.testing.kernel_faults import (
    backward_outcomes,
    differentiated,
    forward_outcomes,
    lines,
    read,
)
from verigrad.testing.library import Library
from verigrad.testing.opspec import records

LIB = Library("verigrad")
TESTING = LIB.get("_C._testing")
# A record that uses the slot, so that the proof is quick. The test below demands an entry for every slot.
RECORD_OF_SLOT = {
    "unary": "exp", "binary": "add", "ternary": "lerp", "where": "where", "copy": "clone", "fill": "ones",
    "reduce": "sum", "arg_reduce": "argmax", "gemm": "mm", "softmax": "softmax", "gather": "gather",
    "scatter_add": "scatter_add", "index_select": "index_select", "index_add": "index_add",
    "positions": "__getitem__", "nonzero": "nonzero", "random": "rand", "range": "arange", "update": "adam",
    "convolution": "conv1d", "pool": "adaptive_max_pool1d", "normalize": "batch_norm",
    "warp": "affine_image", "activation": "elu", "columns": "fold", "scan": "cumsum", "sort": "sort",
    "search": "searchsorted", "recurrent": "recurrent_layer",
    "attention": "scaled_dot_product_attention",
}  # fmt: skip


LISTED = read(Path(__file__).with_name("unnoticed_faults.txt"))


def listed(name: str, which: str) -> list[str]:
    """The lines of a record in the list."""
    start = f"{which} {name.replace(' ', '_')} "
    return [line for line in LISTED if line.startswith(start)]


def test_every_slot_has_a_record() -> None:
    assert set(TESTING.kernel_slots()) == set(RECORD_OF_SLOT)
    assert set(RECORD_OF_SLOT.values()) <= records().keys()


@pytest.mark.parametrize("slot", TESTING.kernel_slots())
def test_a_planted_fault_fails_the_verification(slot: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = RECORD_OF_SLOT[slot]
    assert verify.run(name, progress=False) == 0
    TESTING.plant_kernel_fault(slot)
    assert verify.run(name, progress=False) == 1
    TESTING.clear_faults()
    text = capsys.readouterr().out
    assert "FAILED" in text and "expected" in text and "got" in text


@pytest.mark.parametrize("slot", TESTING.kernel_slots())
def test_every_dtype_of_the_record_feels_it(slot: str) -> None:
    spec = records()[RECORD_OF_SLOT[slot]]
    TESTING.plant_kernel_fault(slot, "last")  # the first integer may be 0, which stays
    for dtype in spec.dtypes:
        result = verify.verify_record(
            spec, LIB, 1, lambda c, d=dtype: c.dtype == d and c.kind in ("forward", "extra")
        )
        assert result.failures, dtype


@pytest.mark.parametrize("name", records())
def test_every_record_notices_every_kind_of_fault_in_its_kernels(name: str) -> None:
    assert lines(name, "forward", forward_outcomes(records()[name])) == listed(name, "forward")


@pytest.mark.parametrize("name", [name for name, spec in records().items() if differentiated(spec)])
def test_every_gradient_notices_every_kind_of_fault_in_its_kernels(name: str) -> None:
    assert lines(name, "gradient", backward_outcomes(records()[name])) == listed(name, "gradient")


def test_each_fault_that_is_not_noticed_has_a_record_and_a_reason() -> None:
    known = {name.replace(" ", "_") for name in records()}
    for line, reason in LISTED.items():
        assert line.split()[1] in known
        assert len(reason.split()) > 2, line


def test_every_kind_spoils_what_its_name_says() -> None:
    ones = LIB.from_numpy(np.zeros(100, np.float32))
    block = list(range(48, 64))
    wanted = {
        "none": [],
        "first": [0],
        "last": [99],
        "tail": [96],
        "middle": [50],
        "lane": list(range(5, 100, 8)),
        "chunk": [],
        "block": block,
        "double": block,
    }
    assert list(wanted) == TESTING.kernel_fault_kinds()
    for kind, places in wanted.items():
        TESTING.plant_kernel_fault("unary", kind)
        values = LIB.to_numpy(ones.exp())
        assert TESTING.kernel_calls() == {"unary": (1, 100, 0, int(bool(places)))}
        TESTING.clear_faults()
        assert np.flatnonzero(values != 1).tolist() == places, kind
    TESTING.plant_kernel_fault("unary", "chunk")
    values = LIB.to_numpy(LIB.from_numpy(np.zeros(300_007, np.float32)).exp())
    TESTING.clear_faults()
    assert np.flatnonzero(values != 1).tolist() == list(range(150_003, 300_007))


def test_a_skipped_block_of_a_sum_is_what_it_was() -> None:
    TESTING.plant_kernel_fault("index_add", "block")
    index = LIB.from_numpy(np.arange(60))
    found = LIB.from_numpy(np.full(60, 2.0)).index_add(0, index, LIB.from_numpy(np.ones(60)))
    TESTING.clear_faults()
    assert LIB.to_numpy(found).tolist() == [3.0] * 16 + [2.0] * 16 + [3.0] * 28


def test_an_unknown_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="slot"):
        TESTING.plant_kernel_fault("convolve")
    with pytest.raises(ValueError, match="none, first, last, tail, middle, lane, chunk, block or double"):
        TESTING.plant_kernel_fault("unary", "other")

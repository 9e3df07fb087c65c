"""One wrong element of any native kernel makes the verification fail."""

from __future__ import annotations

import pytest

from verigrad.testing import verify
from verigrad.testing.library import Library
from verigrad.testing.opspec import records

LIB = Library("verigrad")
TESTING = LIB.get("_C._testing")
# A record that uses the slot, so that the proof is quick. The test below demands an entry for every slot.
RECORD_OF_SLOT = {
    "unary": "exp", "binary": "add", "where": "where", "copy": "clone", "fill": "zeros",
    "reduce": "sum", "arg_reduce": "argmax", "gemm": "mm", "softmax": "softmax", "gather": "gather",
    "scatter_add": "scatter_add", "index_select": "index_select", "index_add": "index_add",
    "nonzero": "nonzero", "random": "rand", "range": "arange", "sgd": "sgd", "adam": "adam",
    "convolution": "conv1d", "pool": "adaptive_max_pool1d", "normalize": "batch_norm",
    "warp": "affine_image", "activation": "elu", "columns": "fold",
}  # fmt: skip


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
    TESTING.plant_kernel_fault(slot)
    for dtype in spec.dtypes:
        result = verify.verify_record(
            spec, LIB, 1, lambda c, d=dtype: c.dtype == d and c.kind in ("forward", "extra")
        )
        assert result.failures, dtype


def test_an_unknown_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="slot"):
        TESTING.plant_kernel_fault("convolve")

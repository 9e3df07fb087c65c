"""DataParallel over one device is its module."""

from __future__ import annotations

import pytest

import verigrad as vg
from verigrad import nn


@pytest.mark.host("devices are ignored on the CPU only")
def test_it_is_its_module() -> None:
    model = nn.Linear(2, 3)
    parallel = nn.DataParallel(model, device_ids=[0, 1])
    x = vg.randn(4, 2)
    assert parallel(x).tolist() == model(x).tolist()
    assert list(parallel.state_dict()) == ["module.weight", "module.bias"]
    assert parallel.module is model and parallel.device_ids == []
    assert nn.parallel.DataParallel is nn.DataParallel
    vg.nn.DataParallel(model).load_state_dict(parallel.state_dict())


@pytest.mark.skipif(not vg.cuda.is_available(), reason="needs a CUDA device")
def test_several_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one device"):
        nn.DataParallel(nn.Linear(1, 1), device_ids=[0, 1])
    with pytest.raises(ValueError, match="module's device"):
        nn.DataParallel(nn.Linear(1, 1), device_ids=[0], output_device=1)
    assert nn.DataParallel(nn.Linear(1, 1), device_ids=[0]).output_device == 0

"""What programs are told where there is no CUDA device."""

from __future__ import annotations

import subprocess
import sys

import pytest

import verigrad
from verigrad import cuda

without = pytest.mark.skipif(cuda.is_available(), reason="there is a CUDA device")


@without
def test_there_is_none_and_what_needs_one_says_why():
    assert cuda.device_count() == 0
    calls = [
        lambda: verigrad.ones(2, device="cuda"),
        lambda: verigrad.ones(2).cuda(),
        lambda: verigrad.tensor([1.0]).to("cuda:1"),
        lambda: verigrad.nn.Linear(2, 2).cuda(),
        lambda: verigrad.set_default_device("cuda"),
        cuda.synchronize,
        cuda.current_device,
        cuda.Stream,
        cuda.get_device_name,
        cuda.get_rng_state,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="device cuda:[01]: .*CUDA"):
            call()


@without
def test_what_needs_none_does_nothing():
    cuda.manual_seed(3)
    cuda.manual_seed_all(3)
    cuda.seed()
    cuda.empty_cache()
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == cuda.memory_reserved() == 0
    assert verigrad.get_default_device() == verigrad.device("cpu")


def test_the_import_loads_no_cuda_library():
    code = (
        "import verigrad\n"
        "verigrad.manual_seed(1)\n"
        "assert verigrad.ones(2).sum().item() == 2\n"
        "with open('/proc/self/maps') as maps:\n"
        "    assert not [line for line in maps if 'cuda' in line.rpartition('/')[2]]\n"
    )
    if sys.platform != "linux":
        pytest.skip("the maps of a process are Linux's")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

"""What programs are told where there is no CUDA device."""

from __future__ import annotations

import subprocess
import sys

import pytest

import verigrad
from verigrad import cuda
from verigrad.data import DataLoader

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
def test_memory_cannot_be_pinned_and_the_error_says_why():
    x = verigrad.ones(2)
    calls = {
        "pin_memory": x.pin_memory,
        "empty": lambda: verigrad.empty(2, pin_memory=True),
        "zeros": lambda: verigrad.zeros(2, pin_memory=True),
        "tensor": lambda: verigrad.tensor([1.0], pin_memory=True),
        "rand": lambda: verigrad.rand(2, pin_memory=True),
        "ones_like": lambda: verigrad.ones_like(x, pin_memory=True),
    }
    state = verigrad.get_rng_state()
    for name, call in calls.items():
        with pytest.raises(RuntimeError, match=f"{name}: expected a CUDA device.*got none: .*CUDA"):
            call()
    assert verigrad.equal(verigrad.get_rng_state(), state)
    assert not x.is_pinned()


@without
def test_pytorch_without_a_device_refuses_the_same():
    torch = pytest.importorskip("torch")
    if torch.accelerator.is_available():
        pytest.skip("PyTorch has a device")
    for library in (torch, verigrad):
        x = library.ones(2)
        for call in (x.pin_memory, lambda lib=library: lib.zeros(2, pin_memory=True)):
            with pytest.raises(RuntimeError):
                call()
        for options in ({"non_blocking": 1}, {"non_blocking": None}, {"copy": 1}):
            with pytest.raises(TypeError):
                x.to(library.float64, **options)
        for wrong in (1, None):
            with pytest.raises(TypeError):
                x.copy_(x, non_blocking=wrong)
            with pytest.raises(TypeError):
                library.nn.Linear(2, 2).to(library.float64, non_blocking=wrong)
        with pytest.raises(TypeError):
            library.zeros(2, pin_memory=1)
        assert not x.is_pinned() and not library.zeros(2, pin_memory=None).is_pinned()
        assert x.to("cpu", non_blocking=True) is x
        assert x.to("cpu", library.float64, True, True).tolist() == [1, 1]
        assert library.zeros(2).copy_(x, True).tolist() == [1, 1]
        library.nn.Linear(2, 2).to("cpu", None, True)


@without
def test_a_loader_that_should_pin_warns():
    loader = DataLoader([1, 2, 3], batch_size=2, pin_memory=True)
    with pytest.warns(UserWarning, match="'pin_memory' argument is set as true but no accelerator") as record:
        batches = list(loader)
    assert record[0].filename == __file__
    assert [batch.tolist() for batch in batches] == [[1, 2], [3]] and not batches[0].is_pinned()


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
        "assert not verigrad.ones(2).is_pinned()\n"
        "with open('/proc/self/maps') as maps:\n"
        "    assert not [line for line in maps if 'cuda' in line.rpartition('/')[2]]\n"
    )
    if sys.platform != "linux":
        pytest.skip("the maps of a process are Linux's")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

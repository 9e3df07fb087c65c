"""Arguments that creation functions share: dtype, device, requires_grad, and arrays that cannot be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg

MODEL = vg.zeros(2, 3)
MAKERS: dict[str, Callable[..., Any]] = {
    "tensor": lambda **k: vg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], **k),
    "zeros": lambda **k: vg.zeros(2, 3, **k),
    "ones": lambda **k: vg.ones((2, 3), **k),
    "empty": lambda **k: vg.empty(2, 3, **k),
    "full": lambda **k: vg.full((2, 3), 1.5, **k),
    "arange": lambda **k: vg.arange(6.0, **k),
    "linspace": lambda **k: vg.linspace(0, 1, 6, **k),
    "eye": lambda **k: vg.eye(2, 3, **k),
    "rand": lambda **k: vg.rand(2, 3, **k),
    "randn": lambda **k: vg.randn(2, 3, **k),
    "zeros_like": lambda **k: vg.zeros_like(MODEL, **k),
    "ones_like": lambda **k: vg.ones_like(MODEL, **k),
    "empty_like": lambda **k: vg.empty_like(MODEL, **k),
    "full_like": lambda **k: vg.full_like(MODEL, 2.0, **k),
    "rand_like": lambda **k: vg.rand_like(MODEL, **k),
    "randn_like": lambda **k: vg.randn_like(MODEL, **k),
}
FILLING = [name for name in MAKERS if not name.startswith("rand")]


@pytest.mark.parametrize("name", MAKERS)
def test_requires_grad_makes_a_leaf_that_requires_one(name: str) -> None:
    plain, leaf = MAKERS[name](), MAKERS[name](requires_grad=True)
    assert not plain.requires_grad and plain.is_leaf
    assert leaf.requires_grad and leaf.is_leaf and leaf.grad_fn is None and leaf.grad is None
    (leaf * 2.0).sum().backward()
    assert leaf.grad.shape == leaf.shape


@pytest.mark.parametrize("name", FILLING)
def test_integers_cannot_require_a_gradient(name: str) -> None:
    with pytest.raises(RuntimeError, match="floating point"):
        MAKERS[name](dtype=vg.int64, requires_grad=True)


@pytest.mark.parametrize("name", MAKERS)
def test_dtype_and_device(name: str) -> None:
    assert MAKERS[name]().dtype == vg.float32
    assert MAKERS[name](dtype=vg.float64).dtype == vg.float64
    assert MAKERS[name](dtype=None, device=None).dtype == vg.float32
    for device in ("cpu", vg.device("cpu")):
        assert MAKERS[name](device=device).device == vg.device("cpu")


@pytest.mark.parametrize("name", MAKERS)
def test_arguments_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(TypeError):
        MAKERS[name](colour="red")
    with pytest.raises(TypeError):
        MAKERS[name](dtype="float32")


@pytest.mark.parametrize("name", ["zeros", "tensor", "arange", "eye", "rand"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(RuntimeError):
        MAKERS[name](device="cuda:99")
    with pytest.raises(RuntimeError):
        MAKERS[name](device="abacus")


def test_the_default_dtype_is_that_of_floats() -> None:
    vg.set_default_dtype(vg.float64)
    assert vg.get_default_dtype() == vg.float64
    assert vg.tensor(1.5).dtype == vg.zeros(2).dtype == vg.rand(2).dtype == vg.arange(2.0).dtype == vg.float64
    assert vg.tensor(1).dtype == vg.arange(2).dtype == vg.int64
    with pytest.raises(TypeError, match="floating"):
        vg.set_default_dtype(vg.int64)


@pytest.mark.host("memory of arrays is the CPU's")
def test_tensor_copies_and_as_tensor_shares() -> None:
    array = np.zeros(3, np.float32)
    copy, shared = vg.tensor(array), vg.as_tensor(array)
    array[0] = 1
    assert copy.tolist() == [0.0, 0.0, 0.0] and shared.tolist() == [1.0, 0.0, 0.0]
    assert vg.as_tensor(shared).data_ptr() == shared.data_ptr()
    assert vg.as_tensor(array, dtype=vg.float64).data_ptr() != shared.data_ptr()


@pytest.mark.host("memory of arrays is the CPU's")
def test_numpy_shares_the_tensors_memory() -> None:
    x = vg.zeros(2, 3)
    x.numpy()[1, 2] = 5
    assert x[1, 2].item() == 5.0
    assert x.t().numpy().strides == (4, 12)
    with pytest.raises(RuntimeError, match="grad"):
        vg.zeros(2, requires_grad=True).numpy()


def test_memory_outlives_its_first_owner() -> None:
    array = vg.arange(1000.0).numpy()
    tensor = vg.from_numpy(np.arange(1000.0))[500:]
    for _ in range(20):
        vg.empty(1000).fill_(-1)
        np.full(1000, -1.0)
    assert array.tolist() == list(range(1000)) and tensor.tolist() == list(range(500, 1000))


@pytest.mark.parametrize(
    ("array", "error"),
    [
        (np.array([object()]), TypeError),
        (np.array(["a"]), TypeError),
        (np.zeros(2, np.complex128), TypeError),
        (np.zeros(2, np.float16), TypeError),
        (np.zeros(2, ">f8"), (TypeError, ValueError)),
        (np.zeros(2, [("a", np.float32)]), TypeError),
        (np.arange(4.0)[::-1], ValueError),
        (np.frombuffer(bytearray(9), np.uint8)[1:].view(np.float32), ValueError),
    ],
    ids=[
        "object",
        "text",
        "complex",
        "float16",
        "big-endian",
        "records",
        "reversed",
        "misaligned",
    ],
)
def test_arrays_that_cannot_be_shared(array: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        vg.from_numpy(array)


def test_a_read_only_array_is_not_shared_but_can_be_copied() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    assert vg.tensor(array).tolist() == [0.0, 1.0, 2.0]
    for make in (vg.from_numpy, vg.as_tensor):
        with pytest.warns(UserWarning, match="not writable"):
            copied = make(array)
        copied[0] = 7
        assert array[0] == 0.0 and copied.tolist() == [7.0, 1.0, 2.0]


def test_data_of_tensors_and_numbers_of_numpy() -> None:
    assert vg.tensor([np.float32(1.5), np.int64(2)]).tolist() == [1.5, 2.0]
    assert vg.tensor([vg.tensor(1.0), vg.tensor(2.0)]).tolist() == [1.0, 2.0]
    assert vg.tensor(range(3)).tolist() == [0, 1, 2]

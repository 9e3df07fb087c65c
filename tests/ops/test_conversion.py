"""Data that becomes tensors: lists that lie or change, arrays of every class, classes that pose as arrays."""

from __future__ import annotations

import array
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verigrad as vg


def run(program: str) -> None:
    """Runs what used to crash in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "import verigrad as vg\n" + program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_list_is_as_long_as_it_is_not_as_it_says() -> None:
    run(
        """
class Long(list):
    def __len__(self): return 10**6
class Short(tuple):
    def __len__(self): return 0
assert vg.tensor(Long([1, 2])).tolist() == [1, 2]
assert vg.tensor([Long([1]), Long([2])]).tolist() == [[1], [2]]
assert vg.tensor(Short((1, 2))).tolist() == [1, 2]
"""
    )


def test_a_list_that_changes_while_it_is_read_is_refused() -> None:
    run(
        """
class Shrinks:
    def __init__(self, data, size): self.data, self.size = data, size
    def __index__(self):
        del self.data[self.size:]
        return 1
for size in (0, 1, 5):
    for nested in (False, True):
        data = []
        data += [Shrinks(data, size)] * 10
        try: vg.tensor([data] * 3 if nested else data)
        except ValueError as error: assert "change" in str(error) or "length" in str(error), error
        else: raise AssertionError("expected a ValueError")
class Grows(Shrinks):
    def __index__(self):
        self.data.extend([1] * 100)
        return 1
data = [1]
data[0] = Grows(data, 0)
assert vg.tensor(data).tolist() == [1]
"""
    )


def test_a_class_that_bears_numpys_name_is_no_array() -> None:
    run(
        """
Fake = type("ndarray", (), {"__module__": "numpy"})
Worse = type("numpy.ndarray", (), {})
for fake in (Fake(), Worse()):
    for call in (vg.tensor, vg.as_tensor, lambda x: vg.tensor([x]), vg.from_numpy,
                 lambda x: vg.zeros(2) + x, lambda x: vg.zeros(2)[x],
                 lambda x: vg.zeros(2).__setitem__(0, x), lambda x: vg.zeros(2).add(x)):
        try: call(fake)
        except (TypeError, RuntimeError): pass
        else: raise AssertionError("expected an error")
"""
    )


class Labelled(np.ndarray[Any, Any]):
    """A subclass whose methods are not to be trusted."""

    def copy(self, order: Any = "C") -> Any:
        return "no array"


@pytest.mark.host("memory of arrays is the CPU's")
@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).view(Labelled),
     np.ma.array([1.0, 2.0], mask=[False, True]), np.arange(6.0).reshape(2, 3).T.view(Labelled)],
    ids=["subclass", "masked", "transposed"],
)  # fmt: skip
def test_subclasses_of_arrays_are_arrays(array: Any) -> None:
    plain = np.asarray(array)
    assert vg.tensor(array).tolist() == plain.tolist()
    assert vg.tensor([array, array]).tolist() == [plain.tolist()] * 2
    shared = vg.from_numpy(array)
    assert shared.tolist() == plain.tolist() and shared.dtype == vg.float64
    shared[0] = 7
    assert (plain[0] == 7).all()
    assert vg.as_tensor(array).data_ptr() == shared.data_ptr()
    assert (vg.ones(plain.shape, dtype=vg.float64) + array).tolist() == (1 + plain).tolist()


def test_memory_maps_are_arrays(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    np.arange(5, dtype=np.float32).tofile(path)
    writable = np.memmap(path, np.float32, "r+")
    tensor = vg.from_numpy(writable)
    tensor[0] = 9
    writable.flush()
    assert np.fromfile(path, np.float32).tolist() == [9, 1, 2, 3, 4] == vg.tensor(writable).tolist()
    read_only = np.memmap(path, np.float32, "r")
    assert vg.tensor(read_only).tolist() == [9, 1, 2, 3, 4]
    for make in (vg.from_numpy, vg.as_tensor):
        with pytest.warns(UserWarning, match="not writable"):
            copy = make(read_only)
        copy[0] = 1
        assert copy.tolist() == [1, 1, 2, 3, 4] and read_only[0] == 9


def test_a_tensor_without_dimensions_is_formatted_as_its_number() -> None:
    assert f"{vg.tensor(1.5):.3f}|{vg.tensor(3):05d}|{vg.tensor(True):>6}" == "1.500|00003|     1"
    assert f"{vg.tensor(1.5, requires_grad=True):.2f}" == "1.50"
    assert f"{vg.tensor(2.5)}" == "2.5" and f"{vg.tensor([2.5])}" == "tensor([2.5000])"
    with pytest.raises(ValueError, match="format"):
        f"{vg.tensor(1.5):zz}"


@pytest.mark.parametrize("make", [lambda: vg.tensor([1.5]), lambda: vg.nn.Parameter(vg.tensor(1.5))])
def test_other_tensors_take_no_format(make: Any) -> None:
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{make():.2f}"
    assert f"{make()}" == str(make())


class Labelled:
    """As a column of a table: an array, and a sequence by its labels."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([1.0, 2.0], np.float32)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, label: str) -> float:
        raise KeyError(label)


SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "deque": lambda t: t.tensor(deque([1, 2.5])),
    "deques": lambda t: t.tensor([deque([1, 2]), deque([3, 4])]),
    "an empty deque": lambda t: t.tensor(deque()),
    "array.array": lambda t: t.tensor(array.array("d", [1, 2])),
    "array.array of ints": lambda t: t.as_tensor(array.array("h", [1, 2])),
    "memoryview": lambda t: t.tensor(memoryview(b"ab")),
    "bytearray": lambda t: t.as_tensor(bytearray(b"ab")),
    "range": lambda t: t.as_tensor(range(3)),
    "numpy's numbers": lambda t: t.tensor([[np.float32(1), np.float32(2)]]),
    "numpy's and Python's": lambda t: t.tensor([[np.float64(1), 2]]),
    "numpy's bools": lambda t: t.tensor([np.bool_(True)]),
    "a deque of tensors": lambda t: t.tensor(deque([t.tensor(1.0), t.tensor(2.0)])),
    "bytes": lambda t: t.tensor(b"ab"),
    "a text": lambda t: t.tensor("ab"),
    "texts": lambda t: t.tensor(["ab"]),
    "a set": lambda t: t.tensor({1, 2}),
    "a dict": lambda t: t.tensor({1: 2}),
    "an iterator": lambda t: t.tensor(iter([1])),
    "ragged": lambda t: t.tensor(deque([deque([1]), deque([1, 2])])),
    "None": lambda t: t.tensor(deque([None])),
}


def made(call: Callable[[Any], Any], t: Any) -> Any:
    try:
        x = call(t)
    except Exception as error:
        return type(error)
    return str(x.dtype).rpartition(".")[2], tuple(x.shape), x.tolist()


def test_sequences_of_all_kinds_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name, call in SEQUENCES.items():
        assert made(call, vg) == made(call, torch), name


def test_sequences_of_all_kinds() -> None:
    assert vg.tensor(deque([1, 2.5])).tolist() == [1.0, 2.5]
    assert vg.as_tensor(array.array("i", [1, 2])).dtype == vg.int64
    assert vg.tensor(memoryview(b"ab")).tolist() == [97, 98]
    for value in (Labelled(), [Labelled(), Labelled()]):
        x = vg.tensor(value)
        assert x.dtype == vg.float32 and x.flatten().tolist()[:2] == [1.0, 2.0]
    assert vg.as_tensor(Labelled()).tolist() == [1.0, 2.0]


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "arange": lambda t: t.arange(t.tensor(3)),
    "arange of floats": lambda t: t.arange(t.tensor(0), t.tensor(1.5), t.tensor(0.5, dtype=t.float64)),
    "arange of a line": lambda t: t.arange(t.tensor([3])),
    "arange with a gradient": lambda t: t.arange(t.tensor(3.0, requires_grad=True)),
    "full": lambda t: t.full((2,), t.tensor(3)),
    "full of float64": lambda t: t.full((2,), t.tensor(3.0, dtype=t.float64)),
    "full of bools": lambda t: t.full((2,), t.tensor(True)),
    "full of a line": lambda t: t.full((2,), t.tensor([3.0])),
    "full_like": lambda t: t.full_like(t.ones(2), t.tensor(3)),
    "new_full": lambda t: t.ones(2).new_full((2,), t.tensor(3.0)),
    "linspace": lambda t: t.linspace(t.tensor(0.0), 1, t.tensor(3)),
    "alpha": lambda t: t.add(t.ones(2), 1, alpha=t.tensor(2)),
    "alpha in place": lambda t: t.ones(2).sub_(1, alpha=t.tensor(2)),
    "sizes": lambda t: t.zeros(t.tensor(2), 3) + t.eye(t.tensor(2), 3),
    "reshape": lambda t: t.ones(4).reshape(t.tensor(2), -1),
    "a dimension": lambda t: t.ones(2, 3).sum(t.tensor(1)),
    "clamp": lambda t: t.clamp(t.ones(2), t.tensor(0.0), t.tensor(0.5)),
    "two numbers": lambda t: t.add(1, 2.5),
    "two numbers, sub": lambda t: t.sub(1, 2, alpha=3),
    "two numbers, mul": lambda t: t.mul(True, 2),
    "two numbers, div": lambda t: t.div(7, 2, rounding_mode="floor"),
    "two numbers, true_divide": lambda t: t.true_divide(1, 2),
    "two numbers, floor_divide": lambda t: t.floor_divide(7, 2),
    "two numbers, pow": lambda t: t.pow(2, 3),
    "two numbers, remainder": lambda t: t.remainder(2, 3),
    "two numbers, maximum": lambda t: t.maximum(2, 3),
    "two numbers, eq": lambda t: t.eq(2, 3),
    "two numbers, where": lambda t: t.where(t.tensor([True, False]), 1, 2),
    "a bool to True": lambda t: t.tensor([True, False]) ** True,
    "a bool to False": lambda t: t.pow(t.tensor([True, False]), False),
    "a bool to 1": lambda t: t.tensor([True, False]) ** 1,
    "a bool to True in place": lambda t: t.tensor([True, False]).pow_(True),
    "a bool to False in place": lambda t: t.tensor([True, False]).pow_(False),
    "True to bools": lambda t: t.pow(True, t.tensor([True, False])),
}


def test_numbers_of_all_kinds_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name, call in NUMBERS.items():
        assert made(call, vg) == made(call, torch), name


def test_a_tensor_stands_for_a_number() -> None:
    assert vg.arange(vg.tensor(3)).tolist() == [0, 1, 2]
    assert vg.full((2,), vg.tensor(3.0)).tolist() == [3.0, 3.0]
    with pytest.raises(
        TypeError, match=r"arange\(\): argument 'end' \(position 1\) must be Number, not Tensor"
    ):
        vg.arange(vg.tensor([3]))

"""Data that becomes tensors: lists that lie or change, arrays of every class, classes that pose as arrays."""

from __future__ import annotations

import subprocess
import sys
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
    assert vg.tensor(read_only).tolist() == vg.as_tensor(read_only).tolist() == [9, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        vg.from_numpy(read_only)


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

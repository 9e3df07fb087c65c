"""Writes through index tensors: where they lie, without a copy of the rest, as PyTorch and numpy do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import verigrad as vg


def indices(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Any]:
    """Subscripts with index arrays for every place of the indexed dimensions."""
    pick = lambda d, *size: rng.integers(-shape[d], shape[d], size)  # noqa: E731
    return [
        pick(0, 3),
        pick(0, 2, 3),
        (slice(None), pick(1, 4)),
        (slice(None), slice(None), pick(2, 3)),
        (pick(0, 3), pick(1, 3)),
        (pick(0, 2, 1), pick(1, 3)),
        (slice(None), pick(1, 3), pick(2, 3)),
        (pick(0, 3), slice(None), pick(2, 3)),
        (pick(0, 3), 1),
        (slice(1, 3), pick(1, 2)),
        (Ellipsis, pick(2, 5)),
        (None, pick(0, 2)),
        (slice(None, None, 2), pick(1, 2), slice(1, None, 2)),
        rng.random(shape) < 0.5,
        rng.random(shape[:1]) < 0.5,
        (slice(None), rng.random(shape[1:]) < 0.5),
        np.zeros(shape, bool),
        np.zeros(0, np.int64),
    ]


def as_key(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(as_key(part) for part in key)
    return vg.tensor(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "float64"])
@pytest.mark.parametrize("layout", range(4))
def test_values_are_those_of_numpy(dtype: str, layout: int) -> None:
    rng = np.random.default_rng(5)
    views = [
        lambda x: x,
        lambda x: x.transpose(0, 2) if isinstance(x, vg.Tensor) else x.swapaxes(0, 2),
        lambda x: x[:, 1:],
        lambda x: x[::2],
    ]
    base = (rng.random((4, 5, 6)) * 100).astype(dtype)
    count = len(indices(rng, views[layout](base).shape))
    for i in range(count):
        wanted, found = base.copy(), vg.tensor(base)
        target = views[layout](wanted)
        key = indices(np.random.default_rng(i), target.shape)[i]
        picked = target[key]
        values = (rng.random(picked.shape) * 100).astype(dtype)
        if len(np.unique(np.arange(target.size).reshape(target.shape)[key])) < picked.size:
            values = np.full_like(picked, 7)  # equal indices: numpy leaves open which one stays
        target[key] = values
        views[layout](found)[as_key(key)] = vg.tensor(values)
        np.testing.assert_array_equal(found.numpy(), wanted)
        target[key] = 3
        views[layout](found)[as_key(key)] = 3
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_the_last_of_equal_indices_stays() -> None:
    index = vg.tensor([1, 0, 1])
    for view in (lambda x: x, lambda x: x.t()):
        x = vg.zeros(2, 2)
        view(x)[index] = vg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        assert view(x).tolist() == [[3.0, 4.0], [5.0, 6.0]]


def test_values_from_the_same_memory_are_read_first() -> None:
    x = vg.arange(5.0)
    x[vg.tensor([1, 2, 3, 4])] = x[:4]
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    index = vg.tensor([2, 0, 1])
    index[index] = index
    assert index.tolist() == [0, 1, 2]


LONG = 70_000  # more than dear_serial_elements: read as it is where it can be


def test_a_long_index_from_the_same_memory_is_read_first() -> None:
    order = np.random.default_rng(0).permutation(LONG)
    wanted, index = np.empty_like(order), vg.tensor(order)
    wanted[order] = order
    index[index] = index
    np.testing.assert_array_equal(index.numpy(), wanted)


def test_a_long_index_may_have_steps() -> None:
    numbers = np.random.default_rng(0).integers(0, 5, 2 * LONG)
    index = vg.tensor(numbers)[::2]
    x = np.arange(20, dtype="float32").reshape(4, 5)
    np.testing.assert_array_equal(vg.tensor(x)[:, index].numpy(), x[:, numbers[::2]])
    for written in (vg.zeros(4, 5), vg.zeros(5, 4).T):
        written[:, index] = 2
        np.testing.assert_array_equal(written.numpy(), np.full((4, 5), 2, "float32"))


def test_a_long_index_may_change_before_backward() -> None:
    numbers = np.random.default_rng(0).integers(0, 5, LONG)
    x, index = vg.arange(5.0).requires_grad_(), vg.tensor(numbers)
    y = x[index]
    z = vg.zeros(5) + x
    z[index] = x[4]
    index.zero_()
    (y.sum() + z.sum()).backward()
    wanted = np.bincount(numbers, minlength=5).astype("float32")
    wanted[4] += 5
    np.testing.assert_array_equal(x.grad.numpy(), wanted)


@pytest.mark.parametrize("number", [-6, 5])
def test_a_long_index_out_of_range_names_its_dimension(number: int) -> None:
    index = vg.zeros(LONG, dtype=vg.int64)
    index[-1] = number
    x = vg.ones(2, 5)
    message = f"index {number} is out of bounds for dimension 1 with size 5"
    with pytest.raises(IndexError, match=message):
        x[:, index]
    with pytest.raises(IndexError, match=message):
        x[:, index] = 2
    assert x.tolist() == [[1.0] * 5] * 2


def test_the_write_is_noticed_and_recorded_where_it_must_be() -> None:
    x = vg.zeros(3)
    x[vg.tensor([0])] = 1
    assert x._version == 1
    w = vg.ones(3, requires_grad=True)
    y = w * w
    with pytest.raises(RuntimeError, match="leaf"):
        w[vg.tensor([0])] = 1
    with vg.no_grad():
        w[vg.tensor([0])] = 5
    assert w.tolist() == [5.0, 1.0, 1.0] and w.is_leaf
    with pytest.raises(RuntimeError, match="modified"):
        y.sum().backward()
    z = vg.ones(3, requires_grad=True) * 1
    z[vg.tensor([1])] = 9
    assert z.grad_fn is not None and z.tolist() == [1.0, 9.0, 1.0]
    with pytest.raises(RuntimeError, match="single memory location"):
        vg.zeros(1).expand(3)[vg.tensor([0])] = 1


@pytest.mark.skipif(
    "VERIGRAD_TEST_SANITIZER" in os.environ, reason="a sanitizer maps more than any limit of memory"
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_a_write_takes_no_memory_for_what_it_leaves_alone() -> None:
    program = """
import resource
import verigrad as vg
vg.set_num_threads(1)
x = vg.ones(1 << 13, 1 << 13)
index = vg.tensor([5, 7])
small = vg.ones(4, 4)
small[index[:1] - 5] = 1  # what else the first write loads
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
x[index] = 2
x[:, index] = 3
x.t()[index] = 4
x[index, index] = 5
x[100:, 50:][index, :5] = 6
assert x[6].sum().item() == 8190 + 8
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]

"""Bools in memory that holds other bytes than 0 and 1: numpy's views of bytes, OpenCV's masks, new memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg

BYTES = np.array([255, 0, 2, 128, 1, 0], np.uint8)
TRUTH = [True, False, True, True, True, False]
OTHER = [True, True, False, True, False, False]

CHECKS: dict[str, Callable[[vg.Tensor], Any]] = {
    "sum": lambda x: x.sum(),
    "prod": lambda x: x.prod(),
    "columns": lambda x: vg.stack([x, x]).t().contiguous().sum(0),
    "all": lambda x: vg.stack([x.all(), x[2:5].all()]),
    "any": lambda x: vg.stack([x.any(), x[1:2].any()]),
    "max": lambda x: vg.stack([x.max(), x[5:].max()]),
    "amin": lambda x: vg.stack([x.amin(), x[2:5].amin()]),
    "max along": lambda x: vg.cat([x.reshape(2, 3).max(1)[1], x.reshape(2, 3).max(0)[1]]),
    "min along": lambda x: vg.cat([part.long() for part in x.reshape(3, 2).min(1)]),
    "nonzero": lambda x: x.nonzero(),
    "float": lambda x: x.float(),
    "uint8": lambda x: x.to(vg.uint8),
    "eq": lambda x: x == vg.tensor(OTHER),
    "eq a number": lambda x: x == 1,
    "ne itself in another place": lambda x: x != vg.tensor(TRUTH),
    "lt": lambda x: vg.tensor(OTHER) < x,
    "and": lambda x: x & vg.tensor(OTHER),
    "xor": lambda x: x ^ vg.tensor(OTHER),
    "not": lambda x: ~x,
    "add": lambda x: x + x,
    "mul": lambda x: x * vg.tensor(OTHER),
    "add a number": lambda x: x + 1,
    "maximum": lambda x: vg.maximum(x, vg.tensor(OTHER)),
    "strided": lambda x: x[::2] == vg.tensor([True, True, True]),
    "where": lambda x: vg.where(x, 1.0, 2.0),
    "where of bools": lambda x: vg.where(vg.tensor(OTHER), x, ~x),
    "masked_fill": lambda x: vg.zeros(6).masked_fill(x, 3),
    "index": lambda x: vg.arange(6)[x],
    "index_select": lambda x: x.index_select(0, vg.tensor([0, 1, 2])).sum(),
    "index_add": lambda x: x.index_add(0, vg.tensor([0, 1]), x[:2]).sum(),
    "scatter_add": lambda x: x.scatter_add(0, vg.tensor([1, 1]), x[:2]).sum(),
    "gather": lambda x: x.gather(0, vg.tensor([3, 1])).sum(),
    "cat": lambda x: vg.cat([x, ~x]).sum(),
    "clone": lambda x: x.clone().sum(),
    "equal": lambda x: vg.tensor(vg.equal(x, vg.tensor(TRUTH))),
    "item": lambda x: vg.tensor([x[0].item(), x[1].item()]),
    "tolist": lambda x: vg.tensor(x.tolist()),
    "isnan": lambda x: x.isnan(),
    "matmul": lambda x: x @ vg.tensor(OTHER),
    "logical_not": lambda x: vg.logical_not(x),
}


def odd(repeats: int) -> vg.Tensor:
    """The memory of bytes as bools."""
    return vg.from_numpy(np.tile(BYTES, repeats).view(np.bool_)).to(vg.get_default_device())


@pytest.mark.parametrize("name", CHECKS)
def test_every_byte_but_0_is_true(name: str) -> None:
    check = CHECKS[name]
    for level in ("baseline", vg._C._testing.max_simd_level()):
        vg._C._testing.set_simd_level(level)
        found = check(odd(1))
        assert found.tolist() == check(vg.tensor(TRUTH)).tolist()


def test_long_runs() -> None:
    x, plain = odd(500), vg.tensor(TRUTH * 500)
    assert x.sum().item() == 2000 and x.nonzero().shape == (2000, 1) and x.prod().item() == 0
    assert vg.equal(x, plain) and not (x != plain).any() and not (x ^ plain).any()
    assert x.reshape(500, 6).sum(0).tolist() == plain.reshape(500, 6).sum(0).tolist()
    assert [part.tolist() for part in x.reshape(2, 1500).max(1)] == [[True, True], [0, 0]]
    assert x.reshape(500, 6).all(0).tolist() == TRUTH
    threads = vg.get_num_threads()
    large = odd(100_000)
    for count in (1, 2, threads):
        vg.set_num_threads(count)
        assert large.sum().item() == 400_000 and large.nonzero().shape == (400_000, 1)


@pytest.mark.host("memory of arrays is the CPU's")
def test_memory_stays_shared() -> None:
    array = BYTES.copy().view(np.bool_)
    tensor = vg.from_numpy(array)
    assert tensor.data_ptr() == array.ctypes.data == vg.as_tensor(array).data_ptr()
    array.view(np.uint8)[1] = 77  # after the tensor was made
    assert tensor.tolist() == [True, True, True, True, True, False] and tensor.sum().item() == 5
    shared = vg.zeros(3, dtype=vg.bool)
    shared.numpy().view(np.uint8)[:] = (9, 0, 200)
    assert shared.tolist() == [True, False, True] and shared.sum().item() == 2


def test_new_memory_of_bools_has_some_value() -> None:
    for size in (1, 7, 1000):
        dirty = vg.full((size,), 171, dtype=vg.uint8)
        del dirty
        x = vg.empty(size, dtype=vg.bool)
        count = int(x.sum())
        assert 0 <= count <= size and x.nonzero().shape == (count, 1) and (x.long() * 2 <= 2).all()
        assert vg.arange(size)[x].shape == (count,)
        assert set(x.tolist()) <= {True, False} and vg.equal(x, ~~x)

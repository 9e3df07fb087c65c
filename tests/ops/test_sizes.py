"""Sizes, strides and positions near 2^63: results or errors, never undefined arithmetic or a crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

F = vg.nn.functional
MOST = 2**63 - 1
EMPTY = (0, 2**62, 2**62)


def huge(*shape: int) -> vg.Tensor:
    """One element that looks like many."""
    return vg.zeros(1).expand(*shape)


def test_cat_of_more_elements_than_there_are_numbers() -> None:
    program = "import verigrad as vg\nvg.cat([vg.zeros(1).expand(2**58)] * {})"
    for count in (64, 32, 33, 65):
        done = subprocess.run([sys.executable, "-c", program.format(count)], capture_output=True, text=True)
        assert done.returncode == 1 and "RuntimeError" in done.stderr, done.stderr[-500:]


REFUSED: dict[str, Callable[[], Any]] = {
    "narrow": lambda: vg.zeros(3).narrow(0, 1, MOST),
    "cat": lambda: vg.cat([huge(2**58)] * 64),
    "cat of none": lambda: vg.cat([vg.zeros(2**62, 0)] * 2),
    "pad": lambda: F.pad(vg.zeros(3), (MOST, MOST)),
    "pad by less": lambda: F.pad(vg.zeros(3), (-MOST - 1, -MOST - 1)),
    "pad both ways": lambda: F.pad(vg.zeros(3), (MOST, -MOST)),
    "replicate": lambda: F.pad(vg.zeros(1, 3), (-MOST - 1, MOST), mode="replicate"),
    "reflect": lambda: F.pad(vg.zeros(1, 3), (-MOST - 1, 1), mode="reflect"),
    "circular": lambda: F.pad(vg.zeros(1, 3), (-MOST, -MOST), mode="circular"),
    "max_pool1d": lambda: F.max_pool1d(vg.zeros(0, 1, MOST), 3, 1, 1, ceil_mode=True),
    "avg_pool1d": lambda: F.avg_pool1d(vg.zeros(0, 1, MOST), 3, 1, 1),
    "max_pool2d": lambda: F.max_pool2d(vg.zeros(0, 1, MOST, 1), 2**30, 2**31 - 1, 2**29, ceil_mode=True),
    "unfold": lambda: F.unfold(vg.zeros(0, 1, MOST, 1), 3, padding=2**31 - 1),
    "conv1d": lambda: F.conv1d(vg.zeros(0, 1, MOST), vg.zeros(1, 1, 1), padding=2**30),
    "conv1d with a kernel": lambda: F.conv1d(vg.zeros(1, 1, 5), huge(1, 1, 2**58), dilation=2**30),
    "conv1d same": lambda: F.conv1d(vg.zeros(1, 1, 5), huge(1, 1, 2**58), dilation=2**30, padding="same"),
    "conv_transpose1d": lambda: F.conv_transpose1d(vg.zeros(1, 1, 5), huge(1, 1, 2**58), dilation=2**30),
    "arange": lambda: vg.arange(-MOST, MOST, dtype=vg.int64),
    "eye": lambda: vg.eye(1, MOST),
    "randperm": lambda: vg.randperm(MOST),
    "unbind": lambda: huge(2**58).unbind(),
    "unbind of rows": lambda: huge(2**31, 2**20).unbind(),
    "iteration": lambda: iter(huge(2**58)),
    "split of so many lengths": lambda: vg.utils.data.random_split([1, 2], huge(2**58)),
    "stride of so many numbers": lambda: vg.nn.AvgPool1d(1, stride=huge(2**58)),
    "repeated index": lambda: huge(2**40)[huge(2**40).long()],
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        REFUSED[name]()
    assert len(str(caught.value)) < 500


@pytest.mark.host("a device has no room for the copy of which the list would be made")
def test_a_list_that_memory_cannot_hold() -> None:
    with pytest.raises(MemoryError):
        huge(2**58).tolist()


TAKEN: dict[str, tuple[Callable[[], vg.Tensor], tuple[int, ...]]] = {
    "select": (lambda: vg.zeros(5, 0, 2**62)[3], (0, 2**62)),
    "slice": (lambda: vg.zeros(5, 0, 2**62)[3::2], (1, 0, 2**62)),
    "stepped": (lambda: vg.zeros(5, 0, 2**62)[::2], (3, 0, 2**62)),
    "long step": (lambda: vg.arange(4.0)[1 :: 2**62], (1,)),
    "unsqueeze": (lambda: vg.zeros(*EMPTY).unsqueeze(1).unsqueeze(2), (0, 1, 1, 2**62, 2**62)),
    "flatten": (lambda: vg.zeros(2**62, 2**62, 0).flatten(), (0,)),
    "reshape": (lambda: vg.zeros(*EMPTY).reshape(0), (0,)),
    "transpose": (lambda: vg.zeros(*EMPTY).transpose(0, 2), (2**62, 2**62, 0)),
    "stack": (lambda: vg.stack([vg.zeros(0, 2**62)] * 4), (4, 0, 2**62)),
    "cat": (lambda: vg.cat([vg.zeros(5, 0, 2**61)] * 2, 2), (5, 0, 2**62)),
    "sum": (lambda: vg.zeros(0, 2**62, 4).sum((1, 2)), (0,)),
    "index": (lambda: vg.zeros(2**60, 4, 0)[vg.tensor([1]), vg.tensor([2])], (1, 0)),
    "index_select": (lambda: vg.zeros(0, 2**62, 4).index_select(2, vg.tensor([1])), (0, 2**62, 1)),
    "clone": (lambda: vg.zeros(*EMPTY).clone(), EMPTY),
    "pad": (lambda: F.pad(vg.zeros(0, 3), (2, -1)), (0, 4)),
    "matmul": (lambda: vg.zeros(0, 2**40, 3) @ vg.zeros(3, 2), (0, 2**40, 2)),
    "narrow": (lambda: vg.zeros(*EMPTY).narrow(1, 2**61, 5), (0, 5, 2**62)),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    call, shape = TAKEN[name]
    assert tuple(call().shape) == shape


def test_gradients_of_slices_with_long_steps_and_of_none() -> None:
    for piece in (slice(1, None, 2**62), slice(3, 3, 5), slice(0, 4, 3)):
        x = vg.arange(4.0, requires_grad=True)
        (g,) = vg.autograd.grad((x[piece] ** 2).sum(), x, create_graph=True)
        (gg,) = vg.autograd.grad(g.sum(), x)
        wanted = [0.0] * 4
        wanted[piece] = [2.0] * len(wanted[piece])
        assert gg.tolist() == wanted
    x = vg.zeros(5, 0, 2**62, requires_grad=True)
    x[::2].sum().backward()
    assert x.grad.shape == (5, 0, 2**62)

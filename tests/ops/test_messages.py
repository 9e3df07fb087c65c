"""Messages are short, whatever they quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
from verigrad._text import short

F = vg.nn.functional
MANY = list(range(300_000))
TEXT = "a" * 1_000_000
UMLAUTS = "ä" * 1_000_000
KEYS = {str(i): i for i in range(100_000)}


class Talkative:
    def __repr__(self) -> str:
        return UMLAUTS


QUOTED: dict[str, Any] = {
    "list": MANY,
    "text": TEXT,
    "umlauts": UMLAUTS,
    "dict": KEYS,
    "repr": Talkative(),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "add": lambda bad: vg.add(bad, 1),
    "method": lambda bad: vg.zeros(2).add(1, bad),
    "keyword": lambda bad: vg.zeros(2).sum(dim=bad),
    "tensor": lambda bad: vg.tensor([[bad], 1]),
    "zeros": lambda bad: vg.zeros(bad),
    "dtype": lambda bad: vg.zeros(2, dtype=bad),
    "device": lambda bad: vg.device(bad),
    "from_numpy": lambda bad: vg.from_numpy(bad),
    "to": lambda bad: vg.zeros(2).to(bad),
    "index": lambda bad: vg.zeros(2)[bad, 0, 0],
    "setitem": lambda bad: vg.zeros(2).__setitem__(0, bad),
    "interpolate": lambda bad: F.interpolate(vg.zeros(1, 1, 2), size=bad),
    "interpolate's scale": lambda bad: F.interpolate(vg.zeros(1, 1, 2), scale_factor=bad),
    "interpolate's mode": lambda bad: F.interpolate(vg.zeros(1, 1, 2), size=3, mode=bad),
    "pad": lambda bad: F.pad(vg.zeros(2), bad),
    "conv": lambda bad: vg.nn.Conv2d(1, 1, 1, padding=bad),
    "kernel": lambda bad: vg.nn.Conv2d(1, 1, bad),
    "betas": lambda bad: vg.optim.Adam([vg.zeros(1, requires_grad=True)], betas=bad),
    "state": lambda bad: vg.nn.Linear(1, 1).load_state_dict(bad),
    "module": lambda bad: vg.nn.Linear(1, 1).to(bad),
    "printing": lambda bad: vg.set_printoptions(profile=bad),
    "seed": lambda bad: vg.manual_seed(bad),
}


@pytest.mark.parametrize("kind", QUOTED)
@pytest.mark.parametrize("name", CALLS)
def test_messages_are_short(name: str, kind: str) -> None:
    bad = QUOTED[kind]
    if isinstance(bad, list) and name == "setitem":
        bad = [bad]
    with pytest.raises(Exception) as caught:  # noqa: PT011
        CALLS[name](bad)
    assert len(str(caught.value)) < 10_000


def test_what_a_message_says_stays() -> None:
    wanted = r"^add\(\): argument 'input' \(position 1\) must be Tensor or Number, not list"
    with pytest.raises(TypeError, match=wanted + "$"):
        vg.add(MANY, 1)
    with pytest.raises(TypeError, match=wanted + r" of \(int, int\)$"):
        vg.add([0, 1], 1)


def test_errors_that_cannot_be_read_pass_as_they_are() -> None:
    class Unreadable:
        def __str__(self) -> str:
            raise ValueError("no text")

    def hook(grad: vg.Tensor) -> None:
        raise TypeError(Unreadable() if unreadable else "\ud800" * 10_000)

    for unreadable in (True, False):
        x = vg.ones(2, requires_grad=True)
        x.register_hook(hook)
        with pytest.raises(TypeError) as caught:  # noqa: PT011
            (x * 2).sum().backward()
        assert isinstance(caught.value.args[0], Unreadable if unreadable else str)


def test_short() -> None:
    assert short("abc") == "'abc'" and short([1, 2]) == "[1, 2]" and short((3,)) == "(3,)"
    for value in (MANY, TEXT, KEYS, Talkative(), [[TEXT] * 100] * 100, np.zeros(10**6)):
        assert len(short(value)) <= 600

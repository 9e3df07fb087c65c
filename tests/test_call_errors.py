"""What a refused call of a native function says: one line, in PyTorch's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

Call = Callable[[Any], Any]

# Where PyTorch's line is the same.
SAME: dict[str, Call] = {
    "nothing": lambda t: t.relu(),
    "too many": lambda t: t.relu(t.ones(2), 3),
    "a keyword": lambda t: t.relu(t.ones(2), foo=3),
    "a number for a tensor": lambda t: t.matmul(t.ones(2), 3),
    "a tensor for tensors": lambda t: t.cat(t.ones(2)),
    "a float for an int": lambda t: t.topk(t.ones(3), 1.5),
    "two missing": lambda t: t.gather(t.ones(3)),
    "a text for a number": lambda t: t.full((2,), "a"),
    "one missing": lambda t: t.softmax(t.ones(2)),
    "out": lambda t: t.exp(t.ones(2), out=3),
    "a method": lambda t: t.ones(2).matmul("a"),
}


@pytest.mark.parametrize("name", SAME)
def test_words_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    messages = []
    for library in (vg, torch):
        with pytest.raises(TypeError) as caught:
            SAME[name](library)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


MESSAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "dim": (
        lambda: vg.sum(vg.ones(3), dim="a"),
        "sum(): argument 'dim' must be int or tuple of ints, not str",
    ),
    "of a method": (
        lambda: vg.ones(3).sum(dim="a"),
        "sum(): argument 'dim' must be int or tuple of ints, not str",
    ),
    "by position": (
        lambda: vg.ones(3).masked_fill(3, 4),
        "masked_fill(): argument 'mask' (position 1) must be Tensor, not int",
    ),
    "sequences": (
        lambda: vg.cat([vg.ones(2), 3]),
        "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not list of (Tensor, int)",
    ),
    "operands": (
        lambda: vg.add([0, 1], 1),
        "add(): argument 'input' (position 1) must be Tensor or Number, not list of (int, int)",
    ),
    "several signatures": (
        lambda: vg.max(vg.ones(3), "a"),
        "max() received an invalid combination of arguments - got (Tensor, str), but expected one of: "
        "(Tensor input), (Tensor input, int dim, bool keepdim=False), (Tensor input, int axis, bool "
        "keepdims=False), (Tensor input, Tensor other)",
    ),
    "an unknown keyword of all": (
        lambda: vg.sum(vg.ones(3), foo=1),
        "sum() got an unexpected keyword argument 'foo'",
    ),
    "twice": (
        lambda: vg.matmul(vg.ones(3), input=vg.ones(3)),
        "matmul() got multiple values for argument 'input'",
    ),
    "a constructor": (
        lambda: vg.Generator(3),
        "Generator(): argument 'device' (position 1) must be device, not int",
    ),
    "a device": (lambda: vg.device(3), "device(): argument 'type' must be str or device, not int"),
    "self": (lambda: vg.Tensor.sum(3), "sum(): argument 'self' must be Tensor, not int"),
    "a submodule": (
        lambda: vg.nn.functional.conv2d(vg.ones(2), 3),
        "conv2d(): argument 'weight' (position 2) must be Tensor, not int",
    ),
    "with out": (
        lambda: vg.sum(vg.ones(3), "a", out=vg.empty(0)),
        "sum() received an invalid combination of arguments",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    call, message = MESSAGES[name]
    with pytest.raises(TypeError, match=f"^{re.escape(message)}") as caught:
        call()
    assert "\n" not in str(caught.value) and "Invoked with" not in str(caught.value)


def test_no_argument_is_quoted() -> None:
    huge = ["x" * 10**6] * 100
    with pytest.raises(TypeError) as caught:
        vg.matmul(vg.ones(1000, 1000), huge)
    assert len(str(caught.value)) < 200


def test_errors_of_other_kinds_are_as_they_were() -> None:
    def hook(grad: vg.Tensor) -> None:
        raise TypeError("mine(): incompatible with something")

    x = vg.ones(2, requires_grad=True)
    x.register_hook(hook)
    with pytest.raises(TypeError, match=r"^mine\(\): incompatible with something$"):
        x.sum().backward()
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = vg.ones(2) + "a"

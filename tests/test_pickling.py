"""Nodes and hooks cannot be pickled, and say so for every protocol; classes of several bound bases."""

from __future__ import annotations

import copy
import copyreg
import pickle
import subprocess
import sys
from typing import Any

import pytest

import verigrad as vg

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def objects() -> dict[str, Any]:
    y = vg.ones(2, requires_grad=True) * 2
    return {
        "node": y.grad_fn,
        "hook": y.register_hook(lambda grad: grad),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", objects())
def test_pickling_is_refused(name: str, protocol: int) -> None:
    thing = objects()[name]
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(thing, protocol)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps({"nested": [thing]}, protocol)
    with pytest.raises(TypeError, match="cannot pickle"):
        thing.__reduce_ex__(protocol)
    with pytest.raises(TypeError, match="cannot pickle"):
        thing.__reduce__()


@pytest.mark.parametrize("name", objects())
@pytest.mark.parametrize("protocol", [0, 1])
def test_the_function_behind_old_protocols(name: str, protocol: int) -> None:
    thing = objects()[name]
    # It asks Node for a copy of a node, whose class derives from that.
    with pytest.raises(TypeError, match="cannot pickle|No constructor defined"):
        copyreg._reduce_ex(thing, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dtypes_and_devices_come_back(protocol: int) -> None:
    for thing in (vg.float32, vg.device("cuda", 1)):
        assert pickle.loads(pickle.dumps(thing, protocol)) == thing


def test_a_program_may_pickle_its_own_class() -> None:
    tensor = Listed(vg.tensor([1.0, 2.0]))
    for protocol in PROTOCOLS:
        again = pickle.loads(pickle.dumps(tensor, protocol))
        assert type(again) is Listed and again.tolist() == [1.0, 2.0]


class Listed(vg.Tensor):
    def __reduce__(self) -> Any:
        return _listed, (self.tolist(),)


def _listed(values: list[float]) -> Listed:
    return Listed(vg.tensor(values))


def test_an_unfinished_tensor_is_refused() -> None:
    for cls in (vg.Tensor, vg.nn.Parameter):
        tensor = cls.__new__(cls)
        with pytest.raises(TypeError, match="did not call Tensor.__init__"):
            tensor + 1
        with pytest.raises(TypeError):
            copy.copy(tensor)


# -- several bound bases -------------------------------------------------------------------------------------


class GeneratorTensor(vg.Generator, vg.Tensor):
    def __init__(self) -> None:
        vg.Generator.__init__(self)
        vg.Tensor.__init__(self, [1.0, 2.0])


class TensorGenerator(vg.Tensor, vg.Generator):
    def __init__(self) -> None:
        vg.Tensor.__init__(self, [1.0, 2.0])
        vg.Generator.__init__(self)


@pytest.mark.parametrize("cls", [GeneratorTensor, TensorGenerator])
def test_a_class_that_is_generator_and_tensor(cls: type[Any]) -> None:
    both = cls()
    assert (both + both).tolist() == [2.0, 4.0] and vg.exp(both).shape == (2,)
    both.manual_seed(3)
    first = vg.rand(2, generator=both)
    assert vg.rand(2, generator=vg.Generator().manual_seed(3)).tolist() == first.tolist()
    p = vg.ones(2, requires_grad=True)
    p.grad = both
    both.foo = 1
    assert p.grad is both
    del both
    assert p.grad.tolist() == [1.0, 2.0]


def test_a_class_whose_tensor_was_never_made() -> None:
    with pytest.raises(TypeError, match="__init__"):
        type("Half", (GeneratorTensor,), {"__init__": lambda self: vg.Generator.__init__(self)})()
    half = GeneratorTensor.__new__(GeneratorTensor)
    vg.Generator.__init__(half)
    assert half.initial_seed() >= 0
    for use in (lambda: half + 1, lambda: vg.exp(half), lambda: vg.ones(2) + half):
        with pytest.raises(TypeError, match="did not call Tensor.__init__"):
            use()


def test_the_end_of_such_objects() -> None:
    program = "import verigrad as vg, gc\nclass A(vg.Generator, vg.Tensor):\n"
    program += "    def __init__(self):\n        vg.Generator.__init__(self)\n"
    program += "        vg.Tensor.__init__(self, [1.0])\n"
    program += (
        "for _ in range(100):\n    a = A()\n    a.me = a\n    a.requires_grad_().register_hook(a.add)\n"
    )
    program += "del a\ngc.collect()\n"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

"""Attributes of tensors, and what the garbage collector sees of tensors and their hooks."""

from __future__ import annotations

import copy
import gc
import os
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

nn = vg.nn


class Derived(vg.Tensor):
    """A class of a program."""


class Witness:
    """Something whose end can be watched."""


def filled(leaf: vg.Tensor) -> vg.Tensor:
    (leaf * 2).sum().backward()
    return leaf


def parameter() -> vg.Tensor:
    return vg.ones(3, requires_grad=True)


# -- attributes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [lambda: vg.ones(2), lambda: vg.ones(2) * 3, parameter, lambda: nn.Parameter(vg.ones(2))]
)
def test_attributes(make: Callable[[], Any]) -> None:
    tensor = make()
    assert tensor.__dict__ == {}
    tensor.foo = 1
    assert tensor.foo == 1 and vars(tensor) == {"foo": 1}
    del tensor.foo
    with pytest.raises(AttributeError, match="foo"):
        del tensor.foo
    tensor.__dict__ = {"bar": 2}
    assert tensor.bar == 2
    with pytest.raises(AttributeError):
        tensor.shape = (3,)


def test_attributes_of_a_gradient_survive() -> None:
    p: Any = filled(parameter())
    p.grad.foo = [1]
    gc.collect()
    assert p.grad.foo == [1] and p.grad is p.grad
    filled(p)  # adds in place
    assert p.grad.foo == [1]
    p.grad.zero_()
    assert p.grad.foo == [1]
    p.grad = None
    filled(p)
    assert not hasattr(p.grad, "foo")


def test_attributes_follow_the_tensor_from_owner_to_owner() -> None:
    p, q = filled(parameter()), parameter()
    kept: Any = p.grad
    for name in ("a", "b", "c"):
        setattr(kept, name, 1)
        p.grad = None
        del kept
        filled(p)
        kept = p.grad
        q.grad, p.grad = p.grad, None
        kept.own = name
        del kept
        gc.collect()
        kept = q.grad
        assert kept.own == name


def test_the_class_of_a_tensor_survives() -> None:
    p = parameter()
    for value in range(3):
        gradient: Any = Derived(vg.full((3,), float(value)))
        gradient.value = value
        p.grad = gradient
        for _ in range(3):
            del gradient
            gc.collect()
            gradient = p.grad
            assert type(gradient) is Derived and gradient.value == value
        p.grad = None
        assert gradient.value == value and gradient.tolist() == [float(value)] * 3
        p.grad = gradient
        del gradient
        assert p.grad.value == value


def test_a_leaf_that_only_the_graph_holds() -> None:
    leaf: Any = nn.Parameter(vg.ones(2))
    leaf.foo = 1
    y = leaf * 2
    del leaf
    assert y.grad_fn is not None
    again: Any = y.grad_fn.next_functions[0][0].variable
    assert type(again) is nn.Parameter and again.foo == 1


def test_weak_references_to_a_preserved_gradient() -> None:
    p: Any = filled(parameter())
    p.grad.foo = 1
    reference = weakref.ref(p.grad)
    assert reference() is p.grad and reference().tolist() == [2.0] * 3
    found: Any = reference()
    assert found.sum().item() == 6.0  # in use, it owns its tensor again
    p.grad = None
    assert found.tolist() == [2.0] * 3 and found.foo == 1
    del found
    assert reference() is None
    filled(p).grad.foo = 1
    found = weakref.ref(p.grad)()
    p = None
    with pytest.raises(TypeError, match="initialised"):  # nobody has used the object, so it went with p
        found.tolist()


def test_a_preserved_object_goes_with_its_tensor() -> None:
    for cls in (vg.Tensor, Derived):
        p, witness, tensor = parameter(), Witness(), cls(vg.ones(3))
        end = weakref.ref(witness)
        tensor.foo = witness
        p.grad = tensor
        del tensor, witness
        gc.collect()
        assert end() is not None
        del p
        assert end() is None


def test_a_plain_tensor_ends_with_its_last_reference() -> None:
    tensor, witness = vg.ones(3), Witness()
    end = weakref.ref(witness)
    tensor.foo = witness
    gc.disable()
    try:
        del witness, tensor
        assert end() is None
    finally:
        gc.enable()


def test_copies_take_attributes_along() -> None:
    tensor: Any = vg.ones(2)
    tensor.foo = [1]
    tensor.me = tensor
    assert copy.copy(tensor).foo is tensor.foo
    deep = copy.deepcopy(tensor)
    assert deep.foo == [1] and deep.foo is not tensor.foo and deep.me is deep
    assert not hasattr(tensor.clone(), "foo") and not hasattr(tensor.detach(), "foo")


# -- the garbage collector -----------------------------------------------------------------------------------


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.calls = 0
        self.kept: Any = None

    def on_grad(self, grad: vg.Tensor) -> None:
        self.calls += 1


def hook_on_a_leaf(m: Module) -> None:
    m.layer.weight.register_hook(m.on_grad)


def hook_after_a_pass(m: Module) -> None:
    hook_on_a_leaf(m)
    m.layer(vg.ones(1, 2)).sum().backward()
    assert m.calls == 1


def hook_on_a_result(m: Module) -> None:
    m.kept = m.layer(vg.ones(1, 2))
    m.kept.register_hook(m.on_grad)


def handle(m: Module) -> None:
    m.kept = m.layer.weight.register_hook(m.on_grad)


def attribute(m: Module) -> None:
    m.layer.weight.owner = m


def attribute_of_a_gradient(m: Module) -> None:
    m.layer(vg.ones(1, 2)).sum().backward()
    assert m.layer.weight.grad is not None
    m.layer.weight.grad.owner = m


def hook_on_a_gradient(m: Module) -> None:
    gradient = vg.ones(2, 2, requires_grad=True)
    gradient.register_hook(m.on_grad)
    m.layer.weight.grad = gradient


def derived_gradient(m: Module) -> None:
    gradient: Any = Derived(vg.ones(2, 2))
    gradient.owner = m
    m.layer.weight.grad = gradient
    del gradient
    assert m.layer.weight.grad.owner is m


def tensor_of_itself(m: Module) -> None:
    m.kept = vg.ones(2)
    m.kept.me = [m.kept, m]


CYCLES = [
    hook_on_a_leaf,
    hook_after_a_pass,
    hook_on_a_result,
    handle,
    attribute,
    attribute_of_a_gradient,
    hook_on_a_gradient,
    tensor_of_itself,
]


@pytest.mark.parametrize("tie", CYCLES)
def test_cycles_through_tensors_are_collected(tie: Callable[[Module], None]) -> None:
    module = Module()
    tie(module)
    end = weakref.ref(module)
    gc.collect()
    assert end() is module  # and nothing was taken from it
    del module
    gc.collect()
    assert end() is None


@pytest.mark.parametrize("tie", [*CYCLES, derived_gradient])
def test_collecting_leaves_what_is_in_use(tie: Callable[[Module], None]) -> None:
    module = Module()
    tie(module)
    for _ in range(3):
        gc.collect()
    before = module.calls
    module.layer.weight.grad = None
    (module.kept if tie is hook_on_a_result else module.layer(vg.ones(1, 2))).sum().backward()
    hooked = tie in (hook_on_a_leaf, hook_after_a_pass, hook_on_a_result, handle)
    assert module.calls == before + hooked


def test_the_graph_keeps_hooks_whose_tensor_python_let_go() -> None:
    seen: list[float] = []
    x = parameter()
    loss = (x * 3).sum()
    x.register_hook(lambda grad: seen.append(grad.sum().item()))
    cycle: list[Any] = [x]
    cycle.append(cycle)
    del x, cycle
    gc.collect()
    loss.backward()
    assert seen == [9.0]


def test_attributes_in_a_cycle_survive_where_the_tensor_does() -> None:
    p: Any = filled(parameter())
    p.grad.ring = [p.grad]
    p.grad.ring.append(p.grad.ring)
    gc.collect()
    assert p.grad.ring[0] is p.grad


def test_a_collection_inside_of_a_hook() -> None:
    x, y = parameter(), vg.ones(3, requires_grad=True)
    x.register_hook(lambda grad: grad if gc.collect() else None)
    y.register_hook(lambda grad: grad * 2)
    for _ in range(3):
        (x * y).sum().backward()
    assert y.grad is not None and y.grad.tolist() == [6.0] * 3


def allocated() -> int:
    count: int = vg._C._testing.allocated_bytes()
    return count


def test_memory_stays_flat_over_many_graphs() -> None:
    module = Module()
    module.layer.weight.register_hook(module.on_grad)
    x = vg.ones(1, 2)
    before, graphs = 0, 2_000 if "VERIGRAD_TEST_SANITIZER" in os.environ else 100_000
    for i in range(graphs):
        y: Any = module.layer(x)
        y.register_hook(module.on_grad)
        y.foo = module
        y.sum().backward()
        if i == 100:
            gc.collect()
            before = allocated()
    del y
    gc.collect()
    assert allocated() <= before and module.calls == 2 * graphs


def test_modules_with_hooks_leave_nothing_behind() -> None:
    gc.collect()
    before = allocated()
    for _ in range(200):
        for tie in CYCLES:
            tie(Module())
    gc.collect()
    assert allocated() == before

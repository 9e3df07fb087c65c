"""Hooks on what ops save for the backward pass."""

import gc
import threading
import weakref

import pytest

import verigrad as vg
from verigrad.autograd import graph


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


def noted(log):
    def pack(tensor):
        log.append("pack")
        return ("packed", tensor)

    def unpack(packed):
        log.append("unpack")
        return packed[1]

    return graph.saved_tensors_hooks(pack, unpack)


def test_what_is_saved_goes_through_both():
    x, log = leaf(), []
    with noted(log):
        y = x * x
    assert log == ["pack", "pack"]
    y.sum().backward()
    assert log == ["pack", "pack", "unpack", "unpack"] and x.grad.tolist() == [2.0, 4.0, 6.0]


def test_the_backward_pass_sees_what_unpack_returns():
    x = leaf()
    with graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor * 10):
        y = x * x
    y.sum().backward()
    assert x.grad.tolist() == [20.0, 40.0, 60.0]


def test_outside_nothing_is_called():
    x, log = leaf(), []
    with noted(log):
        pass
    (x * x).sum().backward()
    assert log == []


def test_inputs_come_as_they_are_and_outputs_without_history():
    x, seen = leaf(), []
    with graph.saved_tensors_hooks(lambda tensor: seen.append(tensor) or tensor, lambda tensor: tensor):
        y = x * 2
        seen.clear()
        y.exp()
        (output,) = seen
        seen.clear()
        (x * y).sum()
    assert output.grad_fn is None and not output.requires_grad
    assert any(one is x for one in seen) and any(one is y for one in seen)


def test_packing_is_not_recorded():
    x, modes = leaf(), []
    with graph.saved_tensors_hooks(
        lambda tensor: modes.append(vg.is_grad_enabled()) or tensor, lambda tensor: tensor
    ):
        x * x
    assert modes == [False, False]


def test_the_innermost_is_asked():
    x, outer, inner = leaf(), [], []
    with noted(outer):
        with noted(inner):
            y = x * x
        z = y * y
    z.sum().backward()
    assert inner.count("pack") == 2 and outer.count("pack") == 2 and x.grad.tolist() == [4.0, 32.0, 108.0]


def test_they_belong_to_the_thread():
    log = []
    with noted(log):
        thread = threading.Thread(target=lambda: leaf() * leaf())
        thread.start()
        thread.join()
    assert log == []


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_orders(order):
    x = leaf(2.0)

    def derivative():
        y = x.exp() * x**3
        for _ in range(order):
            (y,) = vg.autograd.grad(y.sum(), x, create_graph=True)
        return y.item()

    plain = derivative()
    with graph.saved_tensors_hooks(lambda tensor: tensor.numpy(force=True).copy(), vg.from_numpy):
        packed = derivative()
    assert packed == plain


def test_functions_save_through_them():
    class Square(vg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y, None)
            return y

        @staticmethod
        def backward(ctx, grad):
            x, _, nothing = ctx.saved_tensors
            assert nothing is None
            return grad * 2 * x

    x, log = leaf(), []
    with noted(log):
        y = Square.apply(x)
    y.sum().backward()
    assert log == ["pack", "pack", "unpack", "unpack"] and x.grad.tolist() == [2.0, 4.0, 6.0]


def test_what_was_packed_is_freed_with_the_graph():
    class Box:
        def __init__(self, tensor):
            self.tensor = tensor.detach()

    x, boxes = leaf(), []

    def pack(tensor):
        box = Box(tensor)
        boxes.append(weakref.ref(box))
        return box

    with graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        y = x.exp()
        z = x.exp()
    y.sum().backward()
    assert boxes[0]() is None and boxes[1]() is not None
    del z
    assert boxes[1]() is None
    with pytest.raises(RuntimeError, match="a second time"):
        y.sum().backward()


def test_an_output_that_is_kept_as_it_is_makes_no_cycle():
    class Marker:
        pass

    x = leaf()
    with graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        y = x.exp()
    y.marker = Marker()
    gone = weakref.ref(y.marker)
    gc.disable()
    try:
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_changes_in_place_go_unnoticed_where_a_hook_packs():
    x = leaf()
    with graph.saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):
        y = x * 1
        z = y * y
        y.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_a_pack_hook_must_not_change_its_tensor():
    x = leaf()
    with (
        graph.saved_tensors_hooks(lambda tensor: tensor.mul_(2), lambda tensor: tensor),
        pytest.raises(RuntimeError, match="pack hook is modifying its input in place"),
    ):
        x * x


def test_an_unpack_hook_must_return_a_tensor():
    x = leaf()
    with graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: 3):
        y = x * x
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()


def test_errors_of_hooks_are_the_caller_s():
    def broken(tensor):
        raise KeyError("mine")

    x = leaf()
    with graph.saved_tensors_hooks(broken, broken), pytest.raises(KeyError, match="mine"):
        x * x
    with graph.saved_tensors_hooks(lambda tensor: tensor, broken):
        y = x * x
    with pytest.raises(KeyError, match="mine"):
        y.sum().backward()


@pytest.mark.parametrize("name", ["pack_hook", "unpack_hook"])
def test_hooks_must_be_callable(name):
    hooks = {"pack_hook": id, "unpack_hook": id, name: 3}
    with pytest.raises(TypeError, match=f"expected {name} to be callable, got int"):
        graph.saved_tensors_hooks(**hooks)


def test_forbidden():
    with graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"), noted([]):
            pass
        with (
            graph.disable_saved_tensors_hooks("nor here"),
            pytest.raises(RuntimeError, match="nor here"),
            noted([]),
        ):
            pass
        with pytest.raises(RuntimeError, match="not here"), noted([]):
            pass
    log = []
    with noted(log):
        with pytest.raises(RuntimeError, match="too late"), graph.disable_saved_tensors_hooks("too late"):
            pass
        leaf() * leaf()
    assert log == ["pack", "pack"]


@pytest.mark.parametrize("pin_memory", [False, True])
def test_save_on_cpu(pin_memory):
    x = leaf()
    with graph.save_on_cpu(pin_memory=pin_memory):
        y = (x * x).exp() * x
    y.sum().backward()
    grad, x.grad = x.grad, None
    ((x * x).exp() * x).sum().backward()
    assert vg.equal(grad, x.grad)


def test_save_on_cpu_of_another_device():
    with pytest.raises(RuntimeError, match="expected device_type 'cuda', got 'xpu'"):
        graph.save_on_cpu(device_type="xpu")


def test_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def run(lib):
        log = []
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        with lib.autograd.graph.saved_tensors_hooks(
            lambda t: log.append(t.tolist()) or t * 2, lambda t: log.append("unpack") or t
        ):
            y = x * x
        y.sum().backward()
        return log, x.grad.tolist()

    assert run(vg) == run(torch)

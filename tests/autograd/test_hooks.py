"""Hooks on tensors, and retain_grad."""

import gc
import weakref

import pytest

import verigrad as vg


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


def test_hook_sees_the_gradient():
    x, seen = leaf(), []
    y = x * 2
    y.register_hook(lambda grad: seen.append(grad.tolist()))
    (y * 3).sum().backward()
    assert seen == [[3.0] * 3] and x.grad.tolist() == [6.0] * 3


@pytest.mark.parametrize("on_leaf", [True, False])
def test_hook_replaces_the_gradient(on_leaf):
    x = leaf()
    y = x * 1
    (x if on_leaf else y).register_hook(lambda grad: grad * 10)
    y.sum().backward()
    assert x.grad.tolist() == [10.0] * 3


def test_hooks_run_in_order():
    x = leaf(1.0)
    y = x * 1
    y.register_hook(lambda grad: grad + 1)
    y.register_hook(lambda grad: grad * 10)
    y.backward()
    assert x.grad.item() == 20.0


def test_removed_hooks_do_not_run():
    x = leaf(1.0)
    y = x * 1
    handle = y.register_hook(lambda grad: grad * 10)
    other = y.register_hook(lambda grad: grad + 1)
    handle.remove()
    handle.remove()
    y.backward(retain_graph=True)
    assert x.grad.item() == 2.0
    other.remove()
    x.grad = None
    y.backward()
    assert x.grad.item() == 1.0


def test_hooks_see_the_sum_of_all_paths():
    x, seen = leaf(2.0), []
    y = x * 1
    y.register_hook(lambda grad: seen.append(grad.item()))
    (y * 3 + y * 4).backward()
    assert seen == [7.0]


def test_hook_on_a_leaf_runs_before_accumulation():
    x = leaf(1.0)
    x.register_hook(lambda grad: grad * 2)
    for count in (1, 2):
        (x * 3).backward()
        assert x.grad.item() == 6.0 * count


def test_hooks_stay_while_the_tensor_lives():
    x = leaf(1.0)
    x.register_hook(lambda grad: grad * 2)
    gc.collect()
    (x * 3).backward()
    assert x.grad.item() == 6.0


def test_hooks_take_part_in_higher_orders():
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda grad: grad * grad * 5)
    (first,) = vg.autograd.grad(y * 2, x, create_graph=True)
    # The incoming gradient 2 becomes 20; d/dx (20 * 2 x) = 40.
    assert first.item() == 120.0
    assert vg.autograd.grad(first, x)[0].item() == 40.0


def test_hooks_run_without_recording_unless_the_graph_is_created():
    x, seen = leaf(1.0), []
    y = x * 1
    y.register_hook(lambda grad: seen.append(vg.is_grad_enabled()))
    y.backward(retain_graph=True)
    y.backward(create_graph=False, retain_graph=True)
    vg.autograd.grad(y, x, create_graph=True)
    assert seen == [False, False, True]


def test_backward_inside_a_hook():
    x, other = leaf(1.0), leaf(2.0)
    y = x * 1

    def hook(grad):
        with vg.enable_grad():
            (other * other).backward()

    y.register_hook(hook)
    y.backward()
    assert x.grad.item() == 1.0 and other.grad.item() == 4.0


def test_errors_in_hooks_come_out():
    x = leaf(1.0)
    y = x * 1
    y.register_hook(lambda grad: {}["missing"])
    with pytest.raises(KeyError, match="missing"):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize(("answer", "error"), [(3, TypeError), (vg.ones(5), RuntimeError)])
def test_hooks_return_gradients(answer, error):
    x = leaf()
    y = x * 1
    y.register_hook(lambda grad: answer)
    with pytest.raises(error):
        y.sum().backward()


def test_hooks_need_gradients():
    with pytest.raises(RuntimeError, match="doesn't require grad"):
        vg.ones(1).register_hook(lambda grad: grad)


def test_hooks_are_freed_with_the_graph():
    class Hook:
        def __call__(self, grad):
            return grad

    hook = Hook()
    reference = weakref.ref(hook)
    y = leaf() * 2
    y.register_hook(hook)
    del hook
    y.sum().backward()
    assert reference() is not None
    del y
    gc.collect()
    assert reference() is None


# -- retain_grad ---------------------------------------------------------------------------------------------


def test_retain_grad():
    x = leaf()
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0] * 3 and x.grad.tolist() == [6.0] * 3


def test_retained_gradients_come_after_the_hooks():
    x = leaf(1.0)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda grad: grad * 10)
    y.backward()
    assert y.grad.item() == 10.0 == x.grad.item()


def test_retain_grad_of_a_leaf_does_nothing():
    x = leaf(1.0)
    x.retain_grad()
    assert not x.retains_grad
    (x * 2).backward()
    assert x.grad.item() == 2.0


def test_retain_grad_needs_gradients():
    with pytest.raises(RuntimeError, match="retain_grad"):
        vg.ones(1).retain_grad()

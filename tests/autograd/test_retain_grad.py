"""retain_grad: accumulation, memory of its own, and what follows a tensor through in-place changes."""

import pytest

import verigrad as vg


def result(scale=1.0):
    x = vg.ones(3, requires_grad=True)
    y = x * scale
    y.retain_grad()
    return x, y


def test_gradients_add_up():
    _, y = result()
    z = y.sum()
    z.backward(retain_graph=True)
    first = y.grad
    z.backward(retain_graph=True)
    assert y.grad.tolist() == [2.0] * 3 and first.tolist() == [1.0] * 3
    y.grad = vg.full((3,), 7.0)
    z.backward()
    assert y.grad.tolist() == [8.0] * 3


def test_gradients_have_memory_of_their_own():
    x, y = result()
    given = vg.ones(3)
    y.backward(given)
    y.grad.add_(1.0)
    assert given.tolist() == [1.0] * 3 and x.grad.tolist() == [1.0] * 3 and y.grad.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda y: y.mul_(3.0), [1.0, 1.0, 1.0]),
        (lambda y: y[0:2].mul_(3.0), [1.0, 1.0, 1.0]),
        (lambda y: y.view(3, 1)[1].zero_(), [1.0, 1.0, 1.0]),
        (lambda y: y[0:2].mul_(3.0)[0:1].mul_(2.0), [1.0, 1.0, 1.0]),
    ],
)
def test_the_gradient_is_that_of_the_last_value(change, expected):
    _, y = result()
    change(y)
    y.sum().backward()
    assert y.retains_grad and y.grad.tolist() == expected


def test_a_view_follows_its_base():
    y = vg.ones(3, requires_grad=True) * 1
    view = y[0:2]
    view.retain_grad()
    y.mul_(3.0)
    (view * 5).sum().backward()
    assert view.grad.tolist() == [5.0] * 2


def test_a_view_that_was_changed_itself():
    y = vg.ones(3, requires_grad=True) * 1
    view, inner = y[0:2], None
    view.retain_grad()
    inner = view[0:1]
    inner.retain_grad()
    view.mul_(2.0)
    (inner * 3).sum().backward()
    assert inner.grad.tolist() == [3.0] and view.grad is None


def test_inputs_of_backward_are_retained_once():
    x, y = result()
    z = y.sum()
    z.backward(inputs=[y], retain_graph=True)
    assert y.grad.tolist() == [1.0] * 3 and x.grad is None
    z.backward(inputs=[y])
    assert y.grad.tolist() == [2.0] * 3


def test_with_a_graph():
    x = vg.ones(3, dtype=vg.float64, requires_grad=True)
    y = x * x
    y.retain_grad()
    (y * y).sum().backward(create_graph=True)
    assert y.grad.requires_grad and y.grad.tolist() == [2.0] * 3


def test_detached_and_changed():
    x, y = result()
    y.detach_()
    y.exp_()
    assert y.tolist() == pytest.approx([2.7182817] * 3) and y._version == 1 and not y.requires_grad
    y.mul_(x)
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([2.7182817] * 3)


def test_gradients_by_a_result_come_after_its_hooks():
    x = vg.ones(3, requires_grad=True)
    y = x * 1
    y.register_hook(lambda grad: grad * 10)
    (by_result,) = vg.autograd.grad(y.sum(), [y], retain_graph=True)
    (by_leaf,) = vg.autograd.grad(y.sum(), [x])
    assert by_result.tolist() == by_leaf.tolist() == [10.0] * 3

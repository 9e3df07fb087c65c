"""backward: accumulation, retained and repeated graphs, higher orders, errors."""

import pytest

import verigrad as vg
from verigrad import autograd


def leaf(*values):
    return vg.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


def test_gradient_of_a_scalar():
    x = leaf()
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]
    assert not x.grad.requires_grad and x.grad.dtype == x.dtype


def test_gradients_accumulate():
    x = leaf()
    for count in range(1, 4):
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2.0 * count] * 3


def test_accumulation_leaves_other_tensors_alone():
    x, incoming = leaf(), vg.ones(3)
    x.backward(incoming)
    first = x.grad
    x.backward(incoming)
    assert incoming.tolist() == [1.0] * 3
    assert x.grad.tolist() == [2.0] * 3
    first_values = first.tolist()
    assert first_values in ([1.0] * 3, [2.0] * 3)


def test_two_leaves_do_not_share_their_gradient():
    x, y = leaf(), leaf()
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0] * 3


def test_incoming_gradient():
    x = leaf()
    (x * 2).backward(vg.tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [2.0, 20.0, 200.0]


def test_incoming_gradient_that_is_expanded():
    x = leaf()
    y = (x * 2).unsqueeze(0)
    y.backward(vg.ones(1, 1).expand(1, 3))
    assert x.grad.tolist() == [2.0] * 3


def test_the_same_tensor_used_twice():
    x = leaf()
    (x * x + x - x / x + x @ x).sum().backward()
    # d/dx (x^2 + x - 1) + 3 * 2x, for the scalar x.x is added to each of the three elements.
    assert x.grad.tolist() == pytest.approx([2 * v + 1 + 3 * 2 * v for v in (1.0, 2.0, 3.0)])


def test_the_same_tensor_in_one_list():
    x = leaf()
    (vg.cat([x, x]) * vg.arange(6, dtype=vg.float32)).sum().backward()
    assert x.grad.tolist() == [3.0, 5.0, 7.0]


def test_diamonds_are_visited_once_each():
    x = leaf(1.0)
    calls = []
    y = x * 1
    y.register_hook(lambda grad: calls.append(grad.item()))
    z = y
    for _ in range(30):
        z = z + z
    z.backward()
    assert x.grad.item() == 2.0**30 and calls == [2.0**30]


def test_branches_without_gradient():
    x, y = leaf(), vg.ones(3)
    (x * y + x.detach() * x).sum().backward()
    assert x.grad.tolist() == [2.0, 3.0, 4.0]
    assert y.grad is None


def test_several_outputs():
    x = leaf()
    autograd.backward([x.sum(), x * 2], [None, vg.ones(3)])
    assert x.grad.tolist() == [3.0] * 3
    autograd.backward(x * 2, vg.ones(3))
    assert x.grad.tolist() == [5.0] * 3


def test_inputs_choose_where_gradients_go():
    x, y = leaf(), leaf()
    (x * y).sum().backward(inputs=[x])
    assert x.grad.tolist() == [1.0, 2.0, 3.0] and y.grad is None
    autograd.backward((x * y).sum(), inputs=y)
    assert y.grad.tolist() == [1.0, 2.0, 3.0] and x.grad.tolist() == [1.0, 2.0, 3.0]


def test_backward_of_a_leaf():
    x = leaf(5.0)
    x.backward()
    assert x.grad.tolist() == [1.0]


def test_empty_tensors():
    x = vg.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert tuple(x.grad.shape) == (0, 3)


def test_backward_inside_no_grad():
    x = leaf()
    y = (x * x).sum()
    with vg.no_grad():
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


# -- the life of a graph -------------------------------------------------------------------------------------


def test_second_backward_is_an_error():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_second_backward_through_a_shared_part_is_an_error():
    x = leaf()
    shared = x * x
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        (shared * 2).sum().backward()


def test_nodes_that_saved_nothing_can_be_used_again():
    x = vg.ones(3, requires_grad=True)
    y = ((x + x).view(3, 1) + 1 - x.sum()).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [-2.0] * 3


def test_a_constant_factor_is_saved():
    x = vg.ones(3, requires_grad=True)
    y = (x * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_retain_graph():
    x = leaf()
    y = (x * x).sum()
    for count in range(1, 4):
        y.backward(retain_graph=True)
        assert x.grad.tolist() == [2.0 * count * v for v in (1, 2, 3)]
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_create_graph_gives_higher_orders():
    x = leaf(2.0)
    (first,) = autograd.grad(x**4, x, create_graph=True)
    (second,) = autograd.grad(first, x, create_graph=True)
    (third,) = autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)
    assert first.requires_grad and second.requires_grad and not third.requires_grad


def test_gradients_of_a_gradient_penalty():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (slope,) = autograd.grad((w * x * x).sum(), x, create_graph=True)
    (slope * slope).sum().backward()
    # slope = 2 w x, so d/dw = 8 w x^2 and d/dx = 8 w^2 x.
    assert w.grad.tolist() == [24.0, 128.0]
    assert x.grad.tolist() == [72.0, 256.0]


def test_create_graph_retains_the_graph():
    x = leaf(3.0)
    y = x * x
    autograd.grad(y, x, create_graph=True)
    assert autograd.grad(y, x)[0].item() == 6.0


def test_detach():
    x = leaf()
    y = (x * 2).detach()
    assert not y.requires_grad and y.grad_fn is None
    y.requires_grad_()
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0] * 3 and x.grad is None
    z = x * 2
    assert z.detach_() is z and not z.requires_grad and z.is_leaf


def test_requires_grad_of_results():
    x = leaf()
    y = x * 2
    assert not y.is_leaf and y.requires_grad and x.is_leaf
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad = False
    x.requires_grad_(False)
    assert not (x * 2).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        vg.ones(2, dtype=vg.int64).requires_grad_()


def test_setting_grad():
    x = leaf()
    x.grad = vg.ones(3)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 3
    x.grad = None
    assert x.grad is None
    for value, error in (
        (vg.ones(2), RuntimeError),
        (vg.ones(3, dtype=vg.float64), RuntimeError),
        (3, TypeError),
    ):
        with pytest.raises(error):
            x.grad = value
    assert x.grad is None


# -- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: (x * 2).backward(),
            RuntimeError,
            "grad can be implicitly created only for scalar outputs",
        ),
        (lambda x: x.detach().sum().backward(), RuntimeError, "does not require grad"),
        (lambda x: (x * 2).backward(vg.ones(2)), RuntimeError, "shape"),
        (lambda x: x.sum().backward(inputs=[]), RuntimeError, "cannot be empty"),
        (lambda x: autograd.backward(x.sum(), inputs=[]), RuntimeError, "cannot be empty"),
        (
            lambda x: autograd.backward([x.sum(), x.sum()], [vg.tensor(1.0)]),
            RuntimeError,
            "got 2 tensors and 1",
        ),
        (lambda x: autograd.backward(3), TypeError, "int"),
        (lambda x: autograd.backward([3]), TypeError, "int"),
        (lambda x: autograd.backward(x.sum(), 3), TypeError, "int"),
        (lambda x: autograd.backward(x.sum(), [3]), TypeError, "int"),
        (lambda x: autograd.backward(x.sum(), inputs=3), TypeError, "int"),
    ],
)
def test_errors(call, error, message):
    x = leaf()
    with pytest.raises(error, match=message):
        call(x)
    assert x.grad is None


def test_errors_in_the_middle_leave_the_graph_usable():
    x = leaf()
    y = (x * x).sum()
    with pytest.raises(RuntimeError):
        y.backward(vg.ones(2))
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]

"""tensor.data: replacing the memory of a tensor that a graph has seen."""

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import functional as F


def leaf(*shape, **options):
    return vg.ones(*shape, requires_grad=True, **options)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 1, 2, 2), (1, 1, 9, 9), (0,), ()])
def test_a_graph_keeps_the_weight_that_it_saw(shape):
    weight, x = leaf(1, 1, 2, 2), leaf(1, 1, 4, 4)
    y = F.conv2d(x, weight).sum()
    weight.data = vg.zeros(shape)
    y.backward()
    assert x.grad[0, 0].tolist() == [[1.0, 2.0, 2.0, 1.0]] + [[2.0, 4.0, 4.0, 2.0]] * 2 + [
        [1.0, 2.0, 2.0, 1.0]
    ]


@pytest.mark.parametrize("role", ["leaf", "result", "constant"])
def test_a_graph_keeps_the_factor_that_it_saw(role):
    x = leaf(3)
    factor = {"leaf": leaf(3), "result": leaf(3) * 1, "constant": vg.ones(3)}[role]
    y = (x * factor).sum()
    factor.data = vg.full((5,), 7.0, dtype=vg.float64)
    y.backward()
    assert x.grad.tolist() == [1.0] * 3


def test_a_graph_keeps_the_result_that_it_saw():
    x = vg.zeros(3, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y.data = vg.zeros(7)
    z.backward()
    assert x.grad.tolist() == [1.0] * 3


def test_second_order_through_a_leaf_whose_data_was_replaced():
    x = leaf(3)
    y = (x * x * x).sum()
    x.data = vg.zeros(3)
    (grad,) = vg.autograd.grad(y, x, create_graph=True)
    (second,) = vg.autograd.grad(grad.sum(), x)
    assert grad.tolist() == [3.0] * 3 and second.tolist() == [6.0] * 3


def test_a_graph_made_before_a_cast_leaves_later_ones_alone():
    layer, x = nn.Linear(2, 2), leaf(1, 2)
    old = (layer(x) ** 2).sum()
    layer.double()
    (layer(x.double()) ** 2).sum().backward()
    assert layer.weight.grad.dtype == vg.float64
    x.grad, before = None, layer.weight.grad.clone()
    old.backward()
    assert layer.weight.grad.dtype == vg.float64 and layer.weight.grad.tolist() != before.tolist()
    assert x.grad.shape == (1, 2)


def test_a_graph_of_the_old_shape_leaves_later_ones_alone():
    x = leaf(3)
    old = (x * 2).sum()
    x.data = vg.ones(5)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0] * 5
    with pytest.raises(RuntimeError, match="shape"):
        old.backward()
    assert x.grad.tolist() == [3.0] * 5


def test_the_gradient_of_an_old_graph_is_still_to_be_had():
    x = leaf(3)
    old = (x * 2).sum()
    x.data = vg.zeros(3)
    (grad,) = vg.autograd.grad(old, x)
    assert grad.tolist() == [2.0] * 3


def test_hooks_outlive_the_data():
    x, seen = leaf(3), []
    x.register_hook(lambda grad: seen.append(len(grad)))
    kept = (x * 2).sum()
    x.data = vg.zeros(5)
    x.sum().backward()
    assert seen == [5] and kept.item() == 6.0


# -- versions ------------------------------------------------------------------------------------------------


def test_the_version_belongs_to_the_tensor():
    x, other = leaf(3), vg.zeros(3)
    other.add_(1.0)
    other.add_(1.0)
    x.data = other
    assert x._version == 0 and other._version == 2
    with vg.no_grad():
        x.add_(1.0)
    assert x._version == x.detach()._version == x[0]._version == 1 and other._version == 2
    other.add_(1.0)
    assert x._version == 1 and x.tolist() == [4.0] * 3


def test_a_swap_raises_no_false_alarm():
    x, changed = leaf(3), vg.zeros(3)
    changed.add_(1.0)
    y = (x * x).sum()
    x.data = changed
    with vg.no_grad():
        x.mul_(5.0)
    y.backward()
    assert x.grad.tolist() == [2.0] * 3


def test_a_swap_hides_no_change():
    x = leaf(3) * 1
    watched = x.detach()
    y = (x * x).sum()
    watched.mul_(2.0)
    x.data = vg.ones(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_a_change_after_the_swap_is_noticed():
    x = leaf(3)
    x.data = vg.zeros(3)
    y = (x * x).sum()
    with vg.no_grad():
        x.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


# -- views ---------------------------------------------------------------------------------------------------


def test_a_view_of_replaced_memory_is_left_behind():
    x = leaf(10)
    base = x * 1
    view = base[8:10]
    base.data = vg.zeros(2)
    base.add_(1.0)
    view.mul_(3.0)
    view.sum().backward()
    assert x.grad.tolist() == [0.0] * 8 + [3.0] * 2
    assert base.tolist() == [1.0, 1.0] and view.tolist() == [3.0, 3.0]


def test_a_view_with_data_of_its_own_leaves_its_base():
    x = leaf(4)
    base = x * 1
    view = base[:2]
    view.data = vg.full((3,), 2.0)
    view.mul_(3.0)
    assert base.tolist() == [1.0] * 4 and view.tolist() == [6.0] * 3
    base.sum().backward()
    assert x.grad.tolist() == [1.0] * 4


def test_views_of_the_new_memory():
    x = leaf(4)
    base = x * 1
    base.data = vg.zeros(2, 2)
    base[0].add_(1.0)
    assert base.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_data_takes_over_everything():
    x = leaf(3)
    x.data = vg.from_numpy(np.arange(6.0).reshape(2, 3)).t()
    assert x.shape == (3, 2) and x.dtype == vg.float64 and x.stride() == (1, 3) and not x.is_contiguous()
    assert x.requires_grad and x.is_leaf


def test_data_of_a_leaf_must_be_floating_point():
    x = leaf(3)
    with pytest.raises(RuntimeError, match="floating point"):
        x.data = vg.zeros(3, dtype=vg.int64)
    assert x.tolist() == [1.0] * 3


FOLLOWERS = {
    "select": lambda y: y.select(0, -1),
    "slice": lambda y: y[3::2],
    "transpose": lambda y: y.t(),
    "product": lambda y: y @ vg.ones(1, 4, dtype=y.dtype),
    "sum": lambda y: y.sum(0),
    "itself": lambda y: y,
}


@pytest.mark.parametrize("follow", FOLLOWERS.values(), ids=FOLLOWERS)
@pytest.mark.parametrize("dtype", [vg.float32, vg.float64])
@pytest.mark.parametrize("n", [0, 2])
def test_a_result_with_data_of_another_shape_has_no_way_back(follow, dtype, n):
    x = leaf(n)
    y = x.clone()
    y.data = vg.ones(17, 1, dtype=dtype)
    assert y.grad_fn.name() == "CloneBackward0"
    with pytest.raises(
        RuntimeError, match=rf"CloneBackward0: expected a gradient of shape \[{n}\] and dtype float32"
    ):
        follow(y).sum().backward()
    assert x.grad is None


def test_a_result_whose_data_fits_again_finds_its_way_back():
    x = leaf(2)
    y = x * 3
    y.retain_grad()
    y.data = vg.ones(5, dtype=vg.float64)
    y.data = vg.ones(4)
    lost = y.sum()
    y.data = vg.full((2,), 7.0)
    (y * y).sum().backward()
    assert y.grad.tolist() == [14.0, 14.0] and x.grad.tolist() == [42.0, 42.0]
    with pytest.raises(RuntimeError, match=r"expected a gradient of shape \[2\].*, got \[4\]"):
        lost.backward()

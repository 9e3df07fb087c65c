"""Clipping gradients: against numpy's norms and against PyTorch."""

import inspect
import math

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn import utils

ORDERS = [2.0, 1, 3, 0.5, math.inf, "inf", -math.inf, 0, -1]
SHAPES = [(3,), (2, 4), (), (2, 1, 3)]


def arrays(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in SHAPES]


def parameters(lib, values):
    result = []
    for value in values:
        parameter = lib.nn.Parameter(lib.zeros(value.shape, dtype=getattr(lib, str(value.dtype))))
        parameter.grad = lib.tensor(value)
        result.append(parameter)
    return result


def gradients(tensors):
    return [tensor.grad.numpy() for tensor in tensors]


def flat_norm(values, order):
    return np.linalg.norm(np.concatenate([value.ravel() for value in values]), float(order))


@pytest.mark.parametrize("order", ORDERS)
def test_total_norm(order):
    values = arrays()
    if order in (0, -1, -math.inf):
        # Norms of norms: what PyTorch computes for orders that are no norms.
        norms = np.array([np.linalg.norm(value.ravel(), order) for value in values])
        expected = norms.sum() if order == 0 else np.linalg.norm(norms, order)
    else:
        expected = flat_norm(values, order)
    total = utils.get_total_norm([vg.tensor(value) for value in values], order)
    assert total.dtype == vg.float64 and total.shape == ()
    np.testing.assert_allclose(total.item(), expected, rtol=1e-14)
    if order != 0:
        torch = pytest.importorskip("torch")
        other = torch.nn.utils.get_total_norm([torch.tensor(value) for value in values], order)
        np.testing.assert_allclose(total.item(), other.item(), rtol=1e-13)


@pytest.mark.parametrize("order", [2, 1, math.inf, 3])
@pytest.mark.parametrize("max_norm", [0.5, 1e6, 0.0])
def test_clip_norm(order, max_norm):
    values = arrays()
    tensors = parameters(vg, values)
    total = flat_norm(values, order)
    result = utils.clip_grad_norm_((each for each in tensors), max_norm, order)
    np.testing.assert_allclose(result.item(), total, rtol=1e-14)
    factor = min(1.0, max_norm / (total + 1e-6))
    for value, gradient in zip(values, gradients(tensors), strict=True):
        np.testing.assert_allclose(gradient, value * factor, rtol=1e-14)
    assert flat_norm(gradients(tensors), order) <= max(max_norm, total * factor) * (1 + 1e-14)


@pytest.mark.parametrize("foreach", [None, True, False])
def test_clip_norm_as_torch(foreach):
    torch = pytest.importorskip("torch")
    values = arrays(np.float32)
    values[1] = values[1].astype(np.float64)
    own, other = parameters(vg, values), parameters(torch, values)
    results = [
        lib.nn.utils.clip_grad_norm_(tensors, 0.7, foreach=foreach)
        for lib, tensors in ((vg, own), (torch, other))
    ]
    np.testing.assert_allclose(results[0].item(), results[1].item(), rtol=1e-6)
    for one, two in zip(gradients(own), gradients(other), strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_one_tensor_and_none():
    (tensor,) = parameters(vg, [np.array([3.0, 4.0])])
    assert utils.clip_grad_norm_(tensor, 1.0).item() == 5.0
    np.testing.assert_allclose(tensor.grad.numpy(), [0.6, 0.8], rtol=1e-6)
    without = nn.Parameter(vg.ones(2))
    assert utils.clip_grad_norm_([without], 1.0).item() == 0.0
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    assert without.grad is None
    with pytest.warns(UserWarning, match="empty generator"):
        assert utils.clip_grad_norm_((p for p in []), 1.0).item() == 0.0


def test_empty_gradients_count_nothing():
    tensors = parameters(vg, [np.zeros((0, 3)), np.array([3.0, 4.0])])
    for order in (2, 1, math.inf):
        assert utils.get_total_norm([each.grad for each in tensors], order) == np.linalg.norm([3, 4], order)
    utils.clip_grad_norm_(tensors, 1.0)
    assert tensors[0].grad.shape == (0, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite(bad):
    values = [np.array([1.0, bad]), np.array([2.0])]
    tensors = parameters(vg, values)
    with pytest.raises(
        RuntimeError, match="total norm of order 2.0 for gradients from `parameters` is non-finite"
    ):
        utils.clip_grad_norm_(tensors, 1.0, error_if_nonfinite=True)
    assert tensors[1].grad.item() == 2.0
    total = utils.clip_grad_norm_(tensors, 1.0).item()
    torch = pytest.importorskip("torch")
    others = parameters(torch, values)
    np.testing.assert_equal(total, torch.nn.utils.clip_grad_norm_(others, 1.0).item())
    for one, two in zip(gradients(tensors), gradients(others), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_norms_do_not_overflow(size):
    tensors = parameters(vg, [np.array([3 * size], dtype=np.float32), np.array([4 * size], dtype=np.float32)])
    for order in (2, 3):
        expected = (3**order + 4**order) ** (1 / order) * size
        total = utils.get_total_norm([each.grad for each in tensors], order).item()
        assert total == pytest.approx(expected, rel=1e-6)


def test_small_norms_leave_every_bit():
    values = arrays()
    tensors = parameters(vg, values)
    utils.clip_grad_norm_(tensors, 100.0)
    for value, gradient in zip(values, gradients(tensors), strict=True):
        assert np.array_equal(value, gradient)


def test_gradients_with_a_graph():
    x = vg.tensor([3.0, 4.0], requires_grad=True)
    (x * x).sum().backward(create_graph=True)
    utils.clip_grad_norm_([x], 1.0)
    np.testing.assert_allclose(x.grad.tolist(), [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("clip", [0.5, 0.0, 1e9, math.inf])
def test_clip_value(clip):
    values = [*arrays(), np.array([math.nan, math.inf, -math.inf, -0.0])]
    tensors = parameters(vg, values)
    tensors.append(nn.Parameter(vg.ones(2)))
    before = tensors[0].grad
    utils.clip_grad_value_((each for each in tensors), clip)
    assert tensors[0].grad.data_ptr() == before.data_ptr()
    for value, tensor in zip(values, tensors, strict=False):
        np.testing.assert_array_equal(tensor.grad.numpy(), np.clip(value, -clip, clip))
    assert tensors[-1].grad is None


def test_signatures_are_those_of_torch():
    torch = pytest.importorskip("torch")
    beyond = {
        "add_gradient_noise_",
        "confidence_penalty",
        "l1_penalty",
        "l2_penalty",
        "max_norm_",
        "mc_dropout",
    }
    modules = {"parametrizations", "parametrize", "rnn"}
    for name in set(utils.__all__) - beyond - modules:
        own, other = (
            [(p.name, p.default) for p in inspect.signature(getattr(lib.nn.utils, name)).parameters.values()]
            for lib in (vg, torch)
        )
        assert own == other, name

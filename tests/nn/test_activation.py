"""Activation layers and functions: forms, options and what the records cannot say."""

import copy
import inspect

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

X = np.random.default_rng(3).normal(size=(2, 4, 3)).astype(np.float32) * 3
LAYERS = [
    (nn.ReLU6, (), "ReLU6()"),
    (nn.LeakyReLU, (0.2,), "LeakyReLU(negative_slope=0.2)"),
    (nn.PReLU, (4,), "PReLU(num_parameters=4)"),
    (nn.RReLU, (), "RReLU(lower=0.125, upper=0.3333333333333333)"),
    (nn.ELU, (1.5,), "ELU(alpha=1.5)"),
    (nn.SELU, (), "SELU()"),
    (nn.CELU, (2.0,), "CELU(alpha=2.0)"),
    (nn.GELU, (), "GELU(approximate='none')"),
    (nn.GELU, ("tanh",), "GELU(approximate='tanh')"),
    (nn.GLU, (1,), "GLU(dim=1)"),
    (nn.SiLU, (), "SiLU()"),
    (nn.Mish, (), "Mish()"),
    (nn.Hardswish, (), "Hardswish()"),
    (nn.Hardsigmoid, (), "Hardsigmoid()"),
    (nn.Hardtanh, (-2.0, 0.5), "Hardtanh(min_val=-2.0, max_val=0.5)"),
    (nn.Hardshrink, (1.0,), "Hardshrink(1.0)"),
    (nn.Softshrink, (1.0,), "Softshrink(1.0)"),
    (nn.Softmin, (1,), "Softmin(dim=1)"),
    (nn.Softmax2d, (), "Softmax2d()"),
    (nn.Softplus, (2.0, 3.0), "Softplus(beta=2.0, threshold=3.0)"),
    (nn.Softsign, (), "Softsign()"),
    (nn.Tanhshrink, (), "Tanhshrink()"),
    (nn.LogSigmoid, (), "LogSigmoid()"),
    (nn.Threshold, (0.5, -1.0), "Threshold(threshold=0.5, value=-1.0)"),
]
INPLACE = [layer for layer in LAYERS if "inplace" in inspect.signature(layer[0].__init__).parameters]


@pytest.mark.parametrize(("layer", "args", "text"), LAYERS)
def test_repr(layer, args, text):
    assert repr(layer(*args)) == text


@pytest.mark.parametrize(("layer", "args", "text"), LAYERS)
def test_layers_against_pytorch(layer, args, text):
    torch = pytest.importorskip("torch")
    ours, theirs = layer(*args).eval(), getattr(torch.nn, layer.__name__)(*args).eval()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    parameters = inspect.signature(layer.__init__).parameters
    wanted = inspect.signature(type(theirs).__init__).parameters
    if "args" not in wanted:
        assert [(p.name, p.default) for p in parameters.values()] == [
            (p.name, p.default) for p in wanted.values()
        ]
    x, y = vg.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    a, b = ours(x), theirs(y)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
    (a * a).sum().backward()
    (b * b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("layer", "args", "text"), INPLACE)
def test_inplace_layers_change_the_input_and_keep_the_gradient(layer, args, text):
    x = vg.tensor(X, requires_grad=True)
    copied = x * 1.0
    result = layer(*args, inplace=True).eval()(copied)
    assert result is copied
    result.sum().backward()
    y = vg.tensor(X, requires_grad=True)
    wanted = layer(*args).eval()(y)
    wanted.sum().backward()
    assert vg.equal(result, wanted) and vg.equal(x.grad, y.grad)
    with pytest.raises(RuntimeError, match="leaf"):
        layer(*args, inplace=True)(y)


@pytest.mark.parametrize(("layer", "args", "text"), INPLACE)
def test_inplace_shows_in_the_repr(layer, args, text):
    shown = repr(layer(*args, inplace=True))
    if layer not in (nn.Hardswish, nn.Hardsigmoid):  # PyTorch's do not show it either
        assert shown.endswith("inplace=True)")


def test_functions_with_an_underscore_are_in_place():
    for name in ("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_"):
        x = vg.tensor(X)
        assert getattr(F, name)(x) is x
        assert vg.equal(x, getattr(F, name[:-1])(vg.tensor(X)))
    x = vg.tensor(X)
    assert F.threshold_(x, 0.5, -1.0) is x and vg.equal(x, F.threshold(vg.tensor(X), 0.5, -1.0))


def test_limits_at_infinity():
    ends = vg.tensor([-np.inf, np.inf], dtype=vg.float64)
    for function in (F.gelu, F.silu, F.mish, F.hardswish, lambda x: F.gelu(x, approximate="tanh")):
        x = ends.clone().requires_grad_(True)
        y = function(x)
        y.sum().backward()
        assert y.tolist() == [0.0, np.inf] and x.grad.tolist() == [0.0, 1.0]
    assert F.softsign(ends).tolist() == [-1.0, 1.0]
    assert F.logsigmoid(ends).tolist() == [-np.inf, 0.0]
    assert F.softplus(ends, threshold=1e9).tolist() == [0.0, np.inf]


@pytest.mark.parametrize("dtype", [vg.float32, vg.float64])
def test_large_arguments_do_not_overflow(dtype):
    x = vg.tensor([-1e4, -100.0, 100.0, 1e4], dtype=dtype, requires_grad=True)
    for function in (F.gelu, F.silu, F.mish, F.elu, F.selu, F.softsign, F.tanhshrink, F.logsigmoid):
        y = function(x)
        (grad,) = vg.autograd.grad(y.sum(), x)
        assert bool(vg.isfinite(y).all()) and bool(vg.isfinite(grad).all()), function
    y = F.softplus(x, beta=3.0, threshold=1e6)
    assert y[2:].tolist() == x[2:].tolist() and bool((y[:2] >= 0).all())


def test_small_arguments_keep_their_digits():
    x = vg.tensor([1e-3, 1e-5], dtype=vg.float64)
    np.testing.assert_allclose(F.tanhshrink(x).numpy(), x.numpy() ** 3 / 3, rtol=1e-6)
    tail = vg.tensor([-5.0, -10.0], dtype=vg.float32)
    np.testing.assert_allclose(F.gelu(tail).numpy(), [-1.4332575e-06, -7.6198530e-23], rtol=1e-5)


def test_third_derivatives_exist():
    x = vg.tensor([-2.0, -0.3, 0.7, 2.5], dtype=vg.float64, requires_grad=True)
    for function in (F.gelu, F.silu, F.mish, F.elu, F.softplus, F.logsigmoid, F.tanhshrink):
        grad = function(x)
        for _ in range(3):
            (grad,) = vg.autograd.grad(grad.sum(), x, create_graph=True)
        assert bool(vg.isfinite(grad).all())


def test_bits_do_not_depend_on_threads():
    x = vg.tensor(np.random.default_rng(5).normal(size=(300_001,)).astype(np.float32))
    threads = vg.get_num_threads()
    try:
        for function in (F.gelu, F.mish, F.softplus):
            vg.set_num_threads(1)
            one = function(x)
            vg.set_num_threads(4)
            assert vg.equal(one, function(x))
    finally:
        vg.set_num_threads(threads)


def test_rrelu_draws_slopes_while_training_only():
    layer = nn.RReLU(0.1, 0.3)
    x = -vg.ones(1000)
    slopes = -layer(x)
    assert bool((slopes >= 0.1).all()) and bool((slopes < 0.3).all())
    assert abs(float(slopes.mean()) - 0.2) < 0.02 and not vg.equal(slopes, -layer(x))
    assert vg.allclose(layer.eval()(x), vg.full((1000,), -0.2))


def test_prelu_learns_one_slope_for_each_channel():
    layer = nn.PReLU(3, init=0.5)
    assert layer.weight.tolist() == [0.5, 0.5, 0.5]
    layer(-vg.ones(2, 3, 5)).sum().backward()
    assert layer.weight.grad.tolist() == [-10.0, -10.0, -10.0]
    assert layer(vg.ones(0, 3, 5)).shape == (0, 3, 5)
    other = copy.deepcopy(layer)
    other.load_state_dict({"weight": vg.zeros(3)})
    assert layer.weight.tolist() == [0.5, 0.5, 0.5] and not other.weight.any()


def test_swish_is_silu_for_a_beta_of_one_and_learns_it():
    x = vg.tensor(X, dtype=vg.float64)
    layer = nn.Swish(dtype=vg.float64)
    assert repr(layer) == "Swish(num_parameters=1)" and list(layer.state_dict()) == ["beta"]
    assert vg.allclose(layer(x), F.silu(x))
    assert vg.autograd.gradcheck(
        lambda x, beta: x * vg.sigmoid(beta * x), (x.clone().requires_grad_(True), layer.beta)
    )
    layer(x).sum().backward()
    s = 1 / (1 + np.exp(-x.numpy()))
    np.testing.assert_allclose(layer.beta.grad.numpy(), [(x.numpy() ** 2 * s * (1 - s)).sum()], rtol=1e-10)
    channels = nn.Swish(4, init=0.0)
    assert vg.allclose(channels(vg.tensor(X)), vg.tensor(X) / 2)
    with pytest.raises(RuntimeError, match=r"Swish: expected an input \[N, 4, \*\]"):
        channels(vg.ones(2, 3))


def test_wrong_arguments():
    with pytest.raises(AssertionError, match="must be greater"):
        nn.Hardtanh(1.0, 1.0)
    with pytest.warns(FutureWarning, match="min_value"):
        assert nn.Hardtanh(min_value=-3.0).min_val == -3.0
    with pytest.warns(FutureWarning, match="max_value"):
        assert nn.Hardtanh(max_value=3.0).max_val == 3.0
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(vg.ones(2, 3))
    with pytest.raises(RuntimeError, match="none or tanh"):
        nn.GELU("erf")(vg.ones(2))
    with pytest.raises(TypeError):
        F.gelu([1.0])
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmin"):
        F.softmin(vg.ones(2, 3))


def test_integers_where_pytorch_takes_them():
    x = vg.tensor([-3, 1, 9])
    assert F.hardtanh(x, -1.5, 2.5).tolist() == [-1, 1, 2]
    assert F.relu6(x).tolist() == [0, 1, 6]
    assert F.threshold(x, 1.5, 7.9).tolist() == [7, 7, 9]
    assert F.softsign(x).dtype == vg.float32 and F.tanhshrink(x).dtype == vg.float32


def test_clamp_in_place_and_out_of_range():
    x = vg.tensor([1, 2, 3])
    assert x.clamp_(2, 2) is x and x.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.clamp_(0.5, 1.5)
    with pytest.raises(RuntimeError, match="broadcast|shape"):
        x.clamp_(vg.zeros(2, 3, dtype=vg.int64))
    assert x.tolist() == [2, 2, 2]
    assert vg.tensor([1, 5]).clamp(1.5).tolist() == [1.5, 5.0]
    assert vg.tensor([True, False]).clamp(0, 1).dtype == vg.int64

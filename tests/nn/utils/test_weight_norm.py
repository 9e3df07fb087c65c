"""Weight normalisation: values, gradients, state dicts, errors, PyTorch's numbers."""

import copy
import warnings

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.autograd import gradcheck, gradgradcheck
from verigrad.nn.utils import remove_weight_norm, weight_norm


class Weights(nn.Module):
    """A weight of any shape, times the input."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(vg.randn(*shape, dtype=vg.float64))

    def forward(self, x):
        return self.weight * x


def norms(values, dim):
    axes = None if dim in (None, -1) else tuple(d for d in range(values.ndim) if d != dim)
    return np.sqrt((values**2).sum(axis=axes, keepdims=dim not in (None, -1)))


@pytest.mark.parametrize("dim", [0, 1, 2, None, -1])
def test_weight_is_length_times_direction(dim):
    module = Weights(3, 4, 2)
    before = module.weight.detach().numpy().copy()
    assert weight_norm(module, dim=dim) is module
    assert list(module.state_dict()) == ["weight_g", "weight_v"]
    assert [name for name, _ in module.named_parameters()] == ["weight_g", "weight_v"]
    np.testing.assert_allclose(module.weight_g.detach().numpy(), norms(before, dim), rtol=1e-14)
    np.testing.assert_allclose(module(1.0).detach().numpy(), before, rtol=1e-14)
    with vg.no_grad():
        module.weight_g.mul_(3.0)
        module.weight_v.mul_(7.0)
    np.testing.assert_allclose(module(1.0).detach().numpy(), 3 * before, rtol=1e-14)
    assert isinstance(module.weight, vg.Tensor) and not isinstance(module.weight, nn.Parameter)
    remove_weight_norm(module)
    assert list(module.state_dict()) == ["weight"] and isinstance(module.weight, nn.Parameter)
    np.testing.assert_allclose(module(1.0).detach().numpy(), 3 * before, rtol=1e-14)
    assert not module._call_hooks


@pytest.mark.parametrize("dim", [0, 1, None])
def test_gradients(dim):
    vg.manual_seed(1)
    module = weight_norm(Weights(3, 4), dim=dim)
    g, v = (getattr(module, f"weight_{part}").detach().clone().requires_grad_() for part in "gv")

    def function(g, v):
        module.__dict__["weight_g"], module.__dict__["weight_v"] = g, v
        return module(vg.ones(3, 4, dtype=vg.float64))

    assert gradcheck(function, (g, v))
    assert gradgradcheck(function, (g, v))


def test_gradient_of_the_direction_is_orthogonal():
    # Salimans and Kingma 2016, section 2.1: the gradient of v has no component along v.
    module = weight_norm(Weights(2, 5))
    module(vg.randn(2, 5, dtype=vg.float64)).sum().backward()
    np.testing.assert_allclose((module.weight_v.grad * module.weight_v).sum(1).tolist(), [0, 0], atol=1e-13)


@pytest.mark.parametrize("dim", [0, 1, None])
def test_as_torch(dim):
    torch = pytest.importorskip("torch")
    own = weight_norm(nn.Linear(4, 3, dtype=vg.float64), dim=dim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = torch.nn.utils.weight_norm(torch.nn.Linear(4, 3, dtype=torch.float64), dim=dim)
    assert list(own.state_dict()) == list(other.state_dict())
    values = {
        name: np.random.default_rng(2).normal(size=value.shape) for name, value in own.state_dict().items()
    }
    x = np.random.default_rng(3).normal(size=(5, 4))
    results = []
    for lib, layer in ((vg, own), (torch, other)):
        layer.load_state_dict({name: lib.tensor(value) for name, value in values.items()})
        out = layer(lib.tensor(x))
        (out * out).sum().backward()
        results.append([out.detach().numpy(), layer.weight_g.grad.numpy(), layer.weight_v.grad.numpy()])
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_training_moves_both():
    layer = weight_norm(nn.Linear(2, 2))
    optimizer = vg.optim.SGD(layer.parameters(), lr=0.1)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer(vg.tensor([[1.0, 2.0]])).pow(2).sum().backward()
    optimizer.step()
    assert all(not vg.equal(before[name], value) for name, value in layer.state_dict().items())


def test_two_weights_of_one_module():
    module = nn.Bilinear(2, 3, 4) if hasattr(nn, "Bilinear") else nn.Linear(2, 3)
    weight_norm(weight_norm(module), "bias")
    assert {"weight_g", "weight_v", "bias_g", "bias_v"} == set(module.state_dict())
    remove_weight_norm(module, "weight")
    assert {"weight", "bias_g", "bias_v"} == set(module.state_dict())
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found in"):
        remove_weight_norm(module)


def test_copies_before_any_graph_are_apart():
    with vg.no_grad():
        layer = weight_norm(nn.Linear(2, 1))
        other = copy.deepcopy(layer)
        other.weight_g.zero_()
        assert other(vg.ones(1, 2)).tolist() == [[other.bias.item()]]
        assert layer(vg.ones(1, 2)).tolist() != other(vg.ones(1, 2)).tolist()


def test_errors():
    layer = weight_norm(nn.Linear(2, 1))
    with pytest.raises(
        RuntimeError, match="Cannot register two weight_norm hooks on the same parameter weight"
    ):
        weight_norm(layer)
    with pytest.raises(ValueError, match="uninitialized parameters"):
        weight_norm(nn.LazyLinear(1))
    with pytest.raises(AttributeError):
        weight_norm(nn.Linear(2, 1), "nothing")
    with pytest.raises(KeyError):
        weight_norm(nn.Linear(2, 1), "in_features")
    fine = nn.Linear(2, 1)
    with pytest.raises(IndexError, match=r"expected dim within \[-1, 1\], got 2"):
        weight_norm(fine, dim=2)
    assert isinstance(fine.weight, nn.Parameter)

"""Spectral normalisation: singular values, gradients, state dicts, errors, PyTorch's numbers."""

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.autograd import gradcheck, gradgradcheck
from verigrad.nn.utils import remove_spectral_norm, spectral_norm


class Weights(nn.Module):
    """A weight of any shape, times the input."""

    def __init__(self, *shape):
        super().__init__()
        self.weight = nn.Parameter(vg.randn(*shape, dtype=vg.float64))

    def forward(self, x):
        return self.weight * x


def matrix(values, dim):
    return np.moveaxis(values, dim, 0).reshape(values.shape[dim], -1)


@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_largest_singular_value_becomes_one(dim):
    vg.manual_seed(0)
    module = Weights(3, 4, 2)
    assert spectral_norm(module, n_power_iterations=200, dim=dim) is module
    dim = 0 if dim is None else dim
    weight = module(1.0).detach().numpy()
    assert np.linalg.norm(matrix(weight, dim), 2) == pytest.approx(1, rel=1e-10)
    original = module.weight_orig.detach().numpy()
    np.testing.assert_allclose(weight, original / np.linalg.norm(matrix(original, dim), 2), rtol=1e-9)


def test_transposed_convolutions_have_their_outputs_second():
    class ConvTranspose2d(Weights):
        pass

    module = spectral_norm(ConvTranspose2d(3, 4, 2))
    assert module.weight_u.shape == (4,) and module.weight_v.shape == (6,)
    assert spectral_norm(Weights(3, 4, 2), dim=-1).weight_u.shape == (2,)


def test_names():
    layer = spectral_norm(nn.Linear(3, 2))
    assert list(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    assert [name for name, _ in layer.named_buffers()] == ["weight_u", "weight_v"]
    assert layer.state_dict()._metadata[""]["spectral_norm"] == {"weight.version": 1}
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)"
    for vector in (layer.weight_u, layer.weight_v):
        assert (vector * vector).sum().item() == pytest.approx(1, rel=1e-6)


def test_evaluation_leaves_the_vectors():
    layer = spectral_norm(nn.Linear(3, 2)).eval()
    before = layer.state_dict()["weight_u"].clone()
    layer(vg.ones(1, 3))
    assert vg.equal(before, layer.weight_u)
    layer.train()
    layer(vg.ones(1, 3))
    assert not vg.equal(before, layer.weight_u)


def test_removal():
    layer = spectral_norm(nn.Linear(3, 2), n_power_iterations=30)
    out = layer(vg.ones(1, 3))
    layer.eval()
    assert remove_spectral_norm(layer) is layer
    assert sorted(layer.state_dict()) == ["bias", "weight"] and isinstance(layer.weight, nn.Parameter)
    assert vg.equal(layer(vg.ones(1, 3)), out)
    assert "spectral_norm" not in layer.state_dict()._metadata[""]
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found in"):
        remove_spectral_norm(layer)


def test_gradients():
    # In evaluation mode u and v are constants, so the weight is a function of weight_orig alone.
    vg.manual_seed(1)
    module = spectral_norm(Weights(3, 4), n_power_iterations=5)
    module(1.0)
    module.eval()
    original = module.weight_orig.detach().clone().requires_grad_()

    def function(weight):
        module.__dict__["weight_orig"] = weight
        return module(1.0)

    assert gradcheck(function, (original,))
    assert gradgradcheck(function, (original,))


def test_two_calls_before_one_backward_pass():
    # The vectors change in place between the calls; the graph of the first keeps its own.
    layer = spectral_norm(nn.Linear(3, 2))
    (layer(vg.ones(1, 3)) - layer(-vg.ones(1, 3))).sum().backward()
    assert layer.weight_orig.grad.shape == (2, 3)


def test_as_torch():
    torch = pytest.importorskip("torch")
    own = spectral_norm(nn.Linear(4, 3, dtype=vg.float64), n_power_iterations=2)
    other = torch.nn.utils.spectral_norm(torch.nn.Linear(4, 3, dtype=torch.float64), n_power_iterations=2)
    assert list(own.state_dict()) == list(other.state_dict())
    assert own.state_dict()._metadata == other.state_dict()._metadata
    own.load_state_dict({name: vg.tensor(value.numpy()) for name, value in other.state_dict().items()})
    x = np.random.default_rng(3).normal(size=(5, 4))
    results = []
    for lib, layer in ((vg, own), (torch, other)):
        for _ in range(3):
            out = layer(lib.tensor(x))
        (out * out).sum().backward()
        results.append([out.detach().numpy(), layer.weight_orig.grad.numpy(), layer.weight_u.numpy()])
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)


def test_casting():
    layer = spectral_norm(nn.Linear(3, 2)).double()
    assert layer(vg.ones(1, 3, dtype=vg.float64)).dtype == vg.float64


def test_errors():
    with pytest.raises(ValueError, match="Expected n_power_iterations to be positive"):
        spectral_norm(nn.Linear(2, 1), n_power_iterations=0)
    with pytest.raises(RuntimeError, match="Cannot register two spectral_norm hooks"):
        spectral_norm(spectral_norm(nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="as parameter `bias` is None"):
        spectral_norm(nn.Linear(2, 1, bias=False), "bias")
    with pytest.raises(ValueError, match="uninitialized parameters"):
        spectral_norm(nn.LazyLinear(1))
    with pytest.raises(KeyError):
        spectral_norm(nn.Linear(2, 1), "nothing")
    with pytest.raises(IndexError, match="spectral_norm: expected dim within"):
        spectral_norm(nn.Linear(2, 1), dim=2)

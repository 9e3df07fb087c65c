"""The layers of einops."""

import copy
import pickle
import sys

import pytest

import verigrad as vg
from verigrad import nn


@pytest.fixture
def layers():
    pytest.importorskip("einops")
    from verigrad.utils import einops

    return einops


def test_rearrange_and_reduce(layers):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        layers.Reduce("b c (h 2) (w 2) -> b c h w", "max"),
        layers.Rearrange("b c h w -> b (c h w)"),
        nn.Linear(18, 3),
    )
    x = vg.randn(4, 1, 8, 8)
    pooled = nn.functional.max_pool2d(net[0](x), 2)
    assert vg.allclose(net(x), net[3](pooled.flatten(1)))
    assert repr(net[2]) == "Rearrange('b c h w -> b (c h w)')"
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert vg.equal(other(x), net(x))


def test_einmix_is_a_linear_layer(layers):
    layer = layers.EinMix("b (g c) -> b (g d)", weight_shape="g c d", bias_shape="g d", g=2, c=3, d=4)
    assert [(name, tuple(p.shape)) for name, p in layer.named_parameters()] == [
        ("weight", (2, 3, 4)),
        ("bias", (1, 2, 4)),
    ]
    assert layer.weight.abs().max() <= 1 and layer.bias.abs().max() <= (1 / 3) ** 0.5
    x = vg.randn(5, 6)
    wanted = vg.cat([x[:, :3] @ layer.weight[0], x[:, 3:] @ layer.weight[1]], 1) + layer.bias.flatten()
    assert vg.allclose(layer(x), wanted, atol=1e-6)
    layer(x).sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad is not None
    plain = layers.EinMix("t b c -> t b d", weight_shape="c d", c=2, d=3)
    assert plain.bias is None and plain(vg.ones(1, 1, 2)).shape == (1, 1, 3)
    assert vg.equal(copy.deepcopy(layer)(x), layer(x))


def test_state_dicts_and_outputs_are_those_of_pytorch(layers):
    torch = pytest.importorskip("torch")
    from einops.layers.torch import EinMix

    options = {"weight_shape": "h c d", "bias_shape": "h d", "h": 2, "c": 3, "d": 4}
    ours, theirs = layers.EinMix("b t c -> b h t d", **options), EinMix("b t c -> b h t d", **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: vg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = torch.randn(2, 5, 3)
    assert vg.allclose(ours(vg.tensor(x.numpy())), vg.tensor(theirs(x).detach().numpy()), atol=1e-6)


def test_without_einops(monkeypatch):
    monkeypatch.delitem(sys.modules, "verigrad.utils.einops", raising=False)
    monkeypatch.delattr(vg.utils, "einops", raising=False)
    monkeypatch.setitem(sys.modules, "einops.layers", None)
    with pytest.raises(ImportError, match=r'einops to be installed.*pip install "verigrad\[einops\]"'):
        vg.utils.einops  # noqa: B018

"""Dropout layers and the statistics of passes with dropout."""

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn
from verigrad.nn.utils.mc_dropout import mc_dropout

LAYERS = [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout]
SHAPES = {nn.Dropout1d: (2, 3, 4), nn.Dropout3d: (2, 3, 4, 5, 2)}


def sample(layer):
    return vg.ones(*SHAPES.get(layer, (2, 3, 4, 5)))


@pytest.mark.parametrize("layer", LAYERS)
def test_repr_and_refusals(layer):
    assert repr(layer(0.25)) == f"{layer.__name__}(p=0.25, inplace=False)"
    assert layer().p == 0.5
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            layer(p)


@pytest.mark.parametrize("layer", LAYERS)
def test_evaluation_is_the_identity(layer):
    x = sample(layer)
    assert layer(0.5).eval()(x) is x
    assert layer(0.0)(x) is x


@pytest.mark.parametrize("layer", LAYERS)
def test_the_generator_decides(layer):
    x = sample(layer)
    vg.manual_seed(7)
    first = layer()(x)
    second = layer()(x)
    vg.manual_seed(7)
    assert vg.equal(first, layer()(x)) and not vg.equal(first, second)


def test_a_probability_of_one_drops_everything():
    x = vg.ones(3, 4, requires_grad=True)
    y = nn.Dropout(1.0)(x)
    y.sum().backward()
    assert not y.any() and not x.grad.any()
    assert not F.alpha_dropout(vg.ones(3), 1.0, True).any()


def test_the_gradient_is_the_mask_times_the_scale():
    x = vg.full((50, 40), 3.0, requires_grad=True)
    y = F.dropout(x, 0.2)
    y.backward(vg.full((50, 40), 2.0))
    np.testing.assert_allclose(x.grad.numpy(), np.where(y.detach().numpy() == 0, 0.0, 2.5), rtol=1e-6)
    (grad,) = vg.autograd.grad((F.dropout(x, 0.2) ** 2).sum(), x, create_graph=True)
    (second,) = vg.autograd.grad(grad.sum(), x)
    assert sorted(set(np.round(second.numpy().reshape(-1), 4).tolist())) == [0.0, 3.125]


def test_in_place():
    base = vg.ones(100, requires_grad=True)
    x = base * 1.0
    assert nn.Dropout(0.5, inplace=True)(x) is x
    x.sum().backward()
    assert vg.equal(base.grad, x.detach())
    with pytest.raises(RuntimeError, match="leaf"):
        F.dropout(base, 0.5, True, True)
    assert base.tolist() == [1.0] * 100
    for shape in ((4, 6), (2, 4, 6)):
        x = vg.ones(*shape)
        assert F.dropout1d(x, 0.5, True, True) is x
        rows = x.reshape(-1, 6).numpy()
        assert (rows == rows[:, :1]).all()


def test_channels_share_a_decision():
    x = F.dropout2d(vg.ones(20, 10, 3, 4), 0.5).numpy().reshape(200, 12)
    assert (x == x[:, :1]).all() and 50 < (x[:, 0] == 0).sum() < 150
    for shape in ((20, 10, 3, 2, 2), (200, 3, 2, 2)):
        x = F.dropout3d(vg.ones(shape), 0.5).numpy().reshape(200, 12)
        assert (x == x[:, :1]).all() and 50 < (x[:, 0] == 0).sum() < 150


def test_warnings_and_refusals_of_the_channel_forms():
    with pytest.warns(UserWarning, match="3D input to dropout2d") as caught:
        F.dropout2d(vg.ones(2, 3, 4))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="2-D input to dropout2d"):
        F.dropout2d(vg.ones(2, 3))
    with pytest.warns(UserWarning, match="3-D input to dropout3d"):
        F.dropout3d(vg.ones(2, 3, 4))
    with pytest.raises(RuntimeError, match="2D or 3D"):
        F.dropout1d(vg.ones(3))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.feature_alpha_dropout(vg.ones(3), 0.5, True)
    with pytest.raises(RuntimeError, match="can't be cast"):
        F.dropout(vg.tensor([1, 2]))


def test_bits_do_not_depend_on_threads():
    x = vg.ones(700_003)
    threads = vg.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5):
            vg.set_num_threads(count)
            vg.manual_seed(1)
            results.append(F.dropout(x, 0.3))
    finally:
        vg.set_num_threads(threads)
    assert all(vg.equal(results[0], r) for r in results[1:])


def test_the_mask_does_not_depend_on_the_dtype():
    masks = []
    for dtype in (vg.float32, vg.float64):
        vg.manual_seed(3)
        masks.append(F.dropout(vg.ones(1001, dtype=dtype), 0.3).numpy() == 0)
    assert (masks[0] == masks[1]).all()


def test_alpha_dropout_keeps_mean_and_variance():
    x = vg.tensor(np.random.default_rng(0).normal(size=(200_000,)).astype(np.float32))
    y = nn.AlphaDropout(0.3)(x).numpy()
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02


def test_statistics_against_pytorch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).normal(size=(100_000,)).astype(np.float32)
    for name in ("dropout", "alpha_dropout"):
        ours = getattr(F, name)(vg.tensor(x), 0.3, True).numpy()
        theirs = getattr(torch.nn.functional, name)(torch.tensor(x), 0.3, True).numpy()
        np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.03)
        np.testing.assert_allclose(ours.std(), theirs.std(), atol=0.03)


def model():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))


def test_mc_dropout_answers_mean_and_deviation():
    vg.manual_seed(0)
    net, x = model().eval(), vg.randn(3, 4)
    mean, spread = mc_dropout(net, x, samples=400)
    assert mean.shape == (3, 2) and spread.shape == (3, 2) and not mean.requires_grad
    assert bool((spread > 0).all()) and not any(m.training for m in net.modules())
    exact = net(x).detach()
    assert bool(((mean - exact).abs() < 6 * spread / 20).all())
    vg.manual_seed(5)
    mean, spread = mc_dropout(net, x, samples=5)
    vg.manual_seed(5)
    net[2].train()
    passes = np.stack([net(x).detach().numpy() for _ in range(5)])
    np.testing.assert_allclose(mean.numpy(), passes.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread.numpy(), passes.std(0, ddof=1), rtol=1e-4, atol=1e-6)


def test_mc_dropout_restores_the_modes_also_after_an_exception():
    class Failing(nn.Module):
        def forward(self, input):
            raise KeyError("no")

    net = nn.Sequential(model(), Failing())
    net[0][2].eval()
    modes = [m.training for m in net.modules()]
    with pytest.raises(KeyError):
        mc_dropout(net, vg.ones(1, 4))
    assert [m.training for m in net.modules()] == modes


def test_mc_dropout_leaves_other_layers_in_evaluation():
    seen = []

    class Watch(nn.Module):
        def forward(self, input):
            seen.append(self.training)
            return input

    mean, spread = mc_dropout(nn.Sequential(Watch(), nn.Linear(4, 2)).train(), vg.ones(2, 4), samples=3)
    assert seen == [False] * 3 and not spread.any() and bool(vg.isfinite(mean).all())


def test_mc_dropout_refuses():
    with pytest.raises(ValueError, match="at least 2 samples"):
        mc_dropout(model(), vg.ones(1, 4), samples=1)
    with pytest.raises(TypeError, match="int"):
        mc_dropout(model(), vg.ones(1, 4), samples=2.5)

    class Pair(nn.Module):
        def forward(self, input):
            return input, input

    with pytest.raises(TypeError, match="answer a Tensor"):
        mc_dropout(Pair(), vg.ones(1))


def test_feature_dropout_that_drops_nothing_takes_one_dimension() -> None:
    x, dropout = vg.ones(3), vg._C.nn_functional.feature_dropout
    assert dropout(x, 0.5, training=False).tolist() == dropout(x, 0.0).tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        dropout(x, 0.5)

"""The layer that adds noise."""

import math

import pytest

import verigrad as vg
from verigrad import nn


def test_noise_while_training_only():
    layer = nn.GaussianNoise(0.5)
    x = vg.full((200, 300), 3.0)
    vg.manual_seed(0)
    y = layer(x)
    assert y.shape == x.shape and y.dtype == x.dtype and (x == 3).all().item()
    noise = y.numpy() - 3
    # 60,000 draws: five standard errors of the mean and of the deviation.
    assert abs(noise.mean()) < 5 * 0.5 / math.sqrt(60_000)
    assert abs(noise.std() / 0.5 - 1) < 5 / math.sqrt(2 * 60_000)
    assert not vg.equal(layer(x), y)
    vg.manual_seed(0)
    assert vg.equal(layer(x), y)
    assert layer.eval()(x) is x


def test_gradients_pass():
    x = vg.zeros(2, 3, dtype=vg.float64, requires_grad=True)
    y = nn.GaussianNoise()(x)
    assert y.dtype == vg.float64
    y.sum().backward()
    assert (x.grad == 1).all().item()


def test_no_noise():
    x = vg.randn(3)
    assert vg.equal(nn.GaussianNoise(0)(x), x)


def test_repr_and_errors():
    assert repr(nn.GaussianNoise()) == "GaussianNoise(std=0.1)"
    for std in (-0.1, math.inf, math.nan):
        with pytest.raises(ValueError, match="GaussianNoise: expected std to be finite and at least 0"):
            nn.GaussianNoise(std)
    layer = nn.GaussianNoise()
    with pytest.raises(TypeError, match="expected a floating-point input, got verigrad.int64"):
        layer(vg.arange(3))
    assert layer.eval()(vg.arange(3)).tolist() == [0, 1, 2]

"""The max-norm constraint."""

import math

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.nn.utils import max_norm_


@pytest.mark.parametrize("order", [1, 2, 3.5, math.inf])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 4), (2, 3, 2, 2)])
def test_rows_are_scaled_into_the_ball(shape, dim, order):
    values = np.random.default_rng(1).normal(size=shape)
    rows = np.moveaxis(values, dim, 0).reshape(shape[dim], -1)
    norms = np.linalg.norm(rows, order, axis=1)
    radius = float(np.median(norms))
    tensor = nn.Parameter(vg.tensor(values))
    max_norm_(tensor, radius, order, dim)
    factors = np.minimum(1, radius / norms)
    expected = np.moveaxis(np.moveaxis(values, dim, -1) * factors, -1, dim)
    np.testing.assert_allclose(tensor.detach().numpy(), expected, rtol=1e-14)
    inside = np.moveaxis(tensor.detach().numpy(), dim, 0)[norms < radius]
    assert np.array_equal(inside, np.moveaxis(values, dim, 0)[norms < radius])
    torch = pytest.importorskip("torch")
    if order != math.inf:
        other = torch.renorm(torch.tensor(values), order, dim % len(shape), radius)
        np.testing.assert_allclose(tensor.detach().numpy(), other.numpy(), rtol=1e-6)


def test_biases_and_empty_tensors_are_left_alone():
    net = nn.Linear(2, 2)
    nn.init.constant_(net.weight, 30.0)
    nn.init.constant_(net.bias, 30.0)
    max_norm_([*net.parameters(), nn.Parameter(vg.zeros(0, 3)), nn.Parameter(vg.zeros(3, 0))], 1.0)
    assert net.bias.tolist() == [30.0, 30.0]
    np.testing.assert_allclose(net.weight.tolist(), np.full((2, 2), math.sqrt(0.5)), rtol=1e-6)
    assert net.weight.is_leaf and net.weight.requires_grad


def test_zeros_and_large_numbers():
    tensor = vg.tensor([[0.0, 0.0], [3e30, 4e30], [3e-30, 4e-30]])
    max_norm_(tensor, 5.0)
    np.testing.assert_allclose(tensor.numpy(), [[0, 0], [3, 4], [3e-30, 4e-30]], rtol=1e-6)
    max_norm_(tensor, 0.0)
    assert not tensor.any().item()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_norm": -1.0}, ValueError),
        ({"max_norm": math.nan}, ValueError),
        ({"max_norm": 1.0, "norm_type": 0}, ValueError),
        ({"max_norm": 1.0, "dim": 2}, IndexError),
        ({"max_norm": 1.0, "dim": -3}, IndexError),
    ],
)
def test_errors(options, error):
    tensor = vg.full((2, 2), 9.0)
    with pytest.raises(error, match="max_norm_: expected"):
        max_norm_([tensor, tensor], **options)
    assert tensor.tolist() == [[9.0, 9.0]] * 2


def test_training_with_the_constraint():
    vg.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = vg.optim.SGD(net.parameters(), lr=1.0)
    for _ in range(5):
        optimizer.zero_grad()
        (net(vg.randn(4, 3)) - 100).pow(2).mean().backward()
        optimizer.step()
        max_norm_(net.weight, 2.0)
        norms = net.weight.pow(2).sum(1).sqrt()
        assert (norms <= 2 * (1 + 1e-6)).all().item()

"""Functions of nn.functional that are more than a native call."""

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F

X = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)


def test_every_public_name_exists():
    assert all(callable(getattr(F, name)) for name in F.__all__)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_dtype_is_applied_before(function):
    result = function(vg.tensor(X), dim=-1, dtype=vg.float64)
    assert result.dtype == vg.float64
    expected = function(vg.tensor(X.astype(np.float64)), dim=-1)
    assert vg.equal(result, expected)


@pytest.mark.parametrize(("shape", "dim"), [((4,), 0), ((2, 4), 1), ((2, 2, 4), 0), ((1, 2, 2, 4), 1)])
def test_implicit_dim(shape, dim):
    x = vg.ones(*shape)
    with pytest.warns(UserWarning, match="Implicit dimension choice") as caught:
        result = F.softmax(x)
    assert caught[0].filename == __file__
    assert vg.equal(result, F.softmax(x, dim))


def test_large_values_do_not_overflow():
    x = vg.tensor([[1000.0, 0.0], [-1000.0, 0.0]])
    assert F.softmax(x, 1).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert F.log_softmax(x, 1).tolist() == [[0.0, -1000.0], [-1000.0, 0.0]]


def test_relu():
    x = vg.tensor([-1.0, 0.0, 2.0])
    assert F.relu(x).tolist() == [0.0, 0.0, 2.0] and x.tolist() == [-1.0, 0.0, 2.0]
    assert F.relu(x, inplace=True).tolist() == x.tolist() == [0.0, 0.0, 2.0]


def test_linear_sigmoid_tanh():
    x, weight, bias = vg.tensor(X), vg.ones(5, 4), vg.ones(5)
    assert vg.allclose(F.linear(x, weight, bias), x @ weight.t() + bias)
    assert vg.allclose(F.linear(x, weight), x @ weight.t())
    assert vg.equal(F.tanh(x), vg.tanh(x)) and vg.equal(F.sigmoid(x), vg.sigmoid(x))

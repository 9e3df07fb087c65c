"""Functions of layers that PyTorch has in its own namespace and as methods, too."""

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad.nn.functional import _names

RNG = np.random.default_rng(3)
ROWS, SEQUENCE, IMAGE, VOLUME = (
    RNG.normal(size=shape).astype(np.float32) for shape in ((4, 6), (2, 4, 9), (1, 4, 6, 6), (1, 2, 4, 4, 4))
)
WEIGHT = RNG.normal(size=(4,)).astype(np.float32)
FORM, BIAS = RNG.normal(size=(3, 6, 6)).astype(np.float32), RNG.normal(size=3).astype(np.float32)
KERNELS = {d: RNG.normal(size=(2, c, *(3,) * d)).astype(np.float32) for d, c in ((1, 4), (2, 4), (3, 2))}
TRANSPOSED = {d: RNG.normal(size=(c, 2, *(2,) * d)).astype(np.float32) for d, c in ((1, 4), (2, 4), (3, 2))}

# Arguments by position, as PyTorch's documentation has them; arrays stand for tensors.
SAMPLES = {
    "adaptive_avg_pool1d": (SEQUENCE, 4),
    "adaptive_max_pool1d": (SEQUENCE, 4),
    "alpha_dropout": (ROWS, 0.4, False),
    "avg_pool1d": (SEQUENCE, 3, 2, 1, True, False),
    "bilinear": (ROWS, ROWS, FORM, BIAS),
    "celu": (ROWS, 0.7),
    "celu_": (ROWS, 0.7),
    "conv1d": (SEQUENCE, KERNELS[1], None, 2, 1, 2, 1),
    "conv2d": (IMAGE, KERNELS[2], None, 2, 1, 1, 1),
    "conv3d": (VOLUME, KERNELS[3], None, 1, 1, 1, 1),
    "conv_transpose1d": (SEQUENCE, TRANSPOSED[1], None, 2, 1, 1, 1, 1),
    "conv_transpose2d": (IMAGE, TRANSPOSED[2], None, 2, 1, 1, 1, 1),
    "conv_transpose3d": (VOLUME, TRANSPOSED[3], None, 2, 0, 0, 1, 1),
    "cosine_similarity": (ROWS, ROWS[::-1].copy(), 0, 1e-6),
    "dropout": (ROWS, 0.4, False),
    "embedding": (ROWS, np.array([[3, 0], [1, 3]]), 3, True, False),
    "feature_alpha_dropout": (SEQUENCE, 0.4, False),
    "group_norm": (SEQUENCE, 2, WEIGHT, WEIGHT, 1e-3),
    "hardshrink": (ROWS, 0.3),
    "layer_norm": (ROWS.T.copy(), [4], WEIGHT, WEIGHT, 1e-3),
    "max_pool1d": (SEQUENCE, 3, 2, 1, 1, True),
    "max_pool1d_with_indices": (SEQUENCE, 3, 2, 1, 1, True),
    "max_pool2d": (IMAGE, 3, 2, 1, 1, True),
    "max_pool3d": (VOLUME, 3, 2, 1, 1, True),
    "pairwise_distance": (ROWS, ROWS[::-1].copy(), 3.0, 1e-3, True),
    "pixel_shuffle": (IMAGE, 2),
    "pixel_unshuffle": (IMAGE, 2),
    "prelu": (SEQUENCE, WEIGHT),
    "relu_": (ROWS,),
    "rms_norm": (ROWS.T.copy(), [4], WEIGHT, 1e-3),
    "rrelu": (ROWS, 0.1, 0.3, False),
    "rrelu_": (ROWS, 0.1, 0.3, False),
    "selu": (ROWS,),
    "selu_": (ROWS,),
    "threshold": (ROWS, 0.2, -1.0),
    "threshold_": (ROWS, 0.2, -1.0),
}


def call(library, function, arguments):
    """The results, and the first argument after the call."""
    given = [library.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    result = function(*given)
    results = list(result) if isinstance(result, tuple) else [result]
    return [r.numpy() for r in [*results, given[0]]]


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_each_has_a_sample():
    assert set(SAMPLES) == set(_names.__all__)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_takes_pytorchs_arguments(name):
    torch = pytest.importorskip("torch")
    same(call(vg, getattr(vg, name), SAMPLES[name]), call(torch, getattr(torch, name), SAMPLES[name]))


@pytest.mark.parametrize("name", ["hardshrink", "prelu"])
def test_methods(name):
    same(call(vg, getattr(vg.Tensor, name), SAMPLES[name]), call(vg, getattr(F, name), SAMPLES[name]))


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "feature_alpha_dropout"])
def test_dropout_draws_what_the_layers_function_draws(name):
    def drawn(function):
        vg.manual_seed(5)
        return function(vg.tensor(SEQUENCE), 0.5, True)

    expected = drawn(getattr(F, name))
    assert vg.equal(drawn(getattr(vg, name)), expected)
    assert not vg.equal(expected, vg.tensor(SEQUENCE))
    with pytest.raises(TypeError, match="train"):
        getattr(vg, name)(vg.tensor(SEQUENCE), 0.5)


def test_embedding_takes_the_table_first():
    table, index = vg.tensor(ROWS, requires_grad=True), vg.tensor([[3, 0], [1, 3]])
    assert vg.equal(vg.embedding(table, index), F.embedding(index, table))
    vg.embedding(table, index, 3).sum().backward()
    assert table.grad.sum(1).tolist() == [6.0, 6.0, 0.0, 0.0]


def test_adaptive_max_pool1d_gives_places_as_well():
    maxima, places = vg.adaptive_max_pool1d(vg.tensor(SEQUENCE), 4)
    assert vg.equal(maxima, F.adaptive_max_pool1d(vg.tensor(SEQUENCE), 4))
    assert vg.equal(vg.tensor(SEQUENCE).gather(2, places), maxima)

"""Standardize: statistics of the training set, applied to all."""

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import Standardize, Subset, TensorDataset


def test_features_against_numpy():
    array = np.random.default_rng(0).normal(1e4, 3, (3000, 4))
    array[:, 2] = 5
    train = verigrad.from_numpy(array)
    scale = Standardize().fit(train)
    deviation = array.std(0)
    deviation[2] = 1
    assert np.allclose(scale.mean.numpy(), array.mean(0), rtol=1e-14)
    assert np.allclose(scale.std.numpy(), deviation, rtol=1e-10)
    assert np.allclose(scale(train).numpy(), (array - array.mean(0)) / deviation, rtol=0, atol=1e-9)
    assert scale(train)[:, 2].tolist() == [0] * 3000
    assert np.allclose(scale.inverse(scale(train[0])).numpy(), array[0], rtol=1e-12)
    one = scale(train[7].to(verigrad.float32))
    assert one.dtype == verigrad.float32 and one.shape == (4,)


def test_a_dataset_in_batches_gives_what_the_whole_gives():
    train = verigrad.rand(2500, 3, 4, 5, dtype=verigrad.float64) * 100
    for dim, shape in ((0, (3, 4, 5)), ((0, 2, 3), (3, 1, 1)), ((0, 1), (1, 4, 5))):
        whole, parts = Standardize(dim).fit(train), Standardize(dim).fit(TensorDataset(train, train))
        assert tuple(whole.mean.shape) == shape
        assert np.allclose(whole.mean.numpy(), parts.mean.numpy(), rtol=1e-13)
        assert np.allclose(whole.std.numpy(), parts.std.numpy(), rtol=1e-13)
        assert whole(train[:7]).shape == (7, 3, 4, 5) and whole(train[0]).shape == (3, 4, 5)
    part = Standardize().fit(Subset(TensorDataset(train), range(10)))
    assert np.allclose(part.mean.numpy(), train[:10].numpy().mean(0))


def test_integers_and_single_numbers():
    scale = Standardize().fit(verigrad.tensor([0, 10], dtype=verigrad.uint8))
    assert (scale.mean.item(), scale.std.item()) == (5, 5)
    assert scale(verigrad.tensor([0, 5, 10], dtype=verigrad.uint8)).tolist() == [-1, 0, 1]


def test_state(tmp_path):
    scale = Standardize((0, 2)).fit(verigrad.rand(9, 2, 3))
    verigrad.save(scale.state_dict(), tmp_path / "s")
    other = Standardize((0, 2))
    other.load_state_dict(verigrad.load(tmp_path / "s"))
    x = verigrad.rand(2, 3)
    assert verigrad.equal(other(x), scale(x))
    assert repr(other) == "Standardize(dim=(0, 2), mean of shape (2, 1))"
    assert repr(Standardize()) == "Standardize(dim=(0,))"
    for bad in ({}, {"mean": x}, {"mean": x, "std": None}, {"mean": x, "std": x[0]}, {"a": x, "b": x}):
        with pytest.raises(ValueError, match="Standardize.load_state_dict: expected"):
            other.load_state_dict(bad)
    assert verigrad.equal(other(x), scale(x))


def test_refusals():
    for dim in ((), 1, (1, 2), (0, -1), (0, 0)):
        with pytest.raises(ValueError, match="expected dimensions >= 0 with 0 among them"):
            Standardize(dim)
    scale = Standardize()
    for method in (scale, scale.inverse):
        with pytest.raises(RuntimeError, match=r"expected fit\(\) to be called first"):
            method(verigrad.ones(2))
    scale.fit(verigrad.rand(5, 3))
    before = scale.mean
    for data, kind, message in (
        (verigrad.ones(0, 3), ValueError, "expected samples, got none"),
        ([], ValueError, "expected samples, got none"),
        (3, TypeError, "expected a tensor or a dataset, got int"),
        ([("a", 1)], TypeError, "begin with a tensor, got"),
        (verigrad.tensor([[1.0, float("nan")]]), ValueError, "expected finite numbers"),
        (verigrad.tensor([[float("inf")]]), ValueError, "expected finite numbers"),
    ):
        with pytest.raises(kind, match=message):
            scale.fit(data)
    with pytest.raises(ValueError, match=r"with the dimensions \(0, 2\), got shape \(5, 3\)"):
        Standardize((0, 2)).fit(verigrad.rand(5, 3))
    assert scale.mean is before
    for shape in ((4,), (2, 4), (2, 2, 3), ()):
        with pytest.raises(ValueError, match="expected a sample that broadcasts with"):
            scale(verigrad.ones(shape))
    with pytest.raises(TypeError, match="expected a tensor, got list"):
        scale([1.0, 2.0, 3.0])

"""Embedding, EmbeddingBag, one_hot and Bilinear."""

import copy
import math

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

TABLE = np.arange(12.0).reshape(4, 3)


def test_embedding_looks_up_rows():
    layer = nn.Embedding(4, 3)
    assert list(layer.state_dict()) == ["weight"] and layer.weight.requires_grad
    index = np.array([[0, 3], [1, 1], [2, 0]])
    for dtype in (vg.int64, vg.int32):
        result = layer(vg.tensor(index, dtype=dtype))
        np.testing.assert_array_equal(result.detach().numpy(), layer.weight.detach().numpy()[index])
    assert tuple(layer(vg.tensor(2)).shape) == (3,)
    assert tuple(layer(vg.zeros(0, 2, dtype=vg.int64)).shape) == (0, 2, 3)


def test_embedding_begins_normal_from_the_default_generator():
    vg.manual_seed(3)
    layer = nn.Embedding(200, 50, padding_idx=-1)
    vg.manual_seed(3)
    expected = vg.empty(200, 50).normal_()
    assert layer.padding_idx == 199 and not layer.weight[199].any()
    np.testing.assert_array_equal(layer.weight.detach().numpy()[:199], expected.numpy()[:199])
    assert abs(expected.numpy().std() - 1) < 0.05
    layer.reset_parameters()
    assert not layer.weight[199].any() and layer.weight[0].any()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Embedding(4, 3)"),
        ({"padding_idx": -1}, "Embedding(4, 3, padding_idx=3)"),
        (
            {"padding_idx": 0, "max_norm": 1.0, "norm_type": 1.0, "scale_grad_by_freq": True},
            "Embedding(4, 3, padding_idx=0, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)",
        ),
    ],
)
def test_embedding_prints_as_in_torch(options, text):
    assert repr(nn.Embedding(4, 3, **options)) == text
    torch = pytest.importorskip("torch")
    assert repr(torch.nn.Embedding(4, 3, **options)) == text


@pytest.mark.parametrize(
    "options",
    [{}, {"mode": "sum", "padding_idx": 1}, {"max_norm": 1.0, "norm_type": 1.0, "scale_grad_by_freq": True}],
)
def test_embedding_bag_prints_as_in_torch(options):
    assert repr(nn.EmbeddingBag(4, 3)) == "EmbeddingBag(4, 3, mode='mean')"
    torch = pytest.importorskip("torch")
    assert repr(nn.EmbeddingBag(4, 3, **options)) == repr(torch.nn.EmbeddingBag(4, 3, **options))


def test_padding_row_gets_no_gradient_even_from_nan():
    layer = nn.Embedding.from_pretrained(vg.tensor(TABLE), freeze=False, padding_idx=2)
    rows = layer(vg.tensor([0, 2, 2, 3]))
    rows.backward(vg.tensor([[1.0] * 3, [math.nan] * 3, [1.0] * 3, [2.0] * 3], dtype=vg.float64))
    assert layer.weight.grad.tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3, [2.0] * 3]


def test_from_pretrained_shares_memory_and_freezes():
    table = vg.tensor(TABLE)
    for make in (nn.Embedding.from_pretrained, nn.EmbeddingBag.from_pretrained):
        layer = make(table)
        assert not layer.weight.requires_grad and layer.weight.data_ptr() == table.data_ptr()
        assert (layer.num_embeddings, layer.embedding_dim) == (4, 3)
        assert make(table, freeze=False).weight.requires_grad
        with pytest.raises(AssertionError, match="2-dimensional"):
            make(vg.ones(3))


def test_frozen_layer_and_its_copy_are_loaded():
    layer = nn.Embedding(4, 3)
    other = copy.deepcopy(layer)
    other.load_state_dict({"weight": vg.ones(4, 3)})
    assert other(vg.tensor([1])).tolist() == [[1.0] * 3]
    assert layer.weight.data_ptr() != other.weight.data_ptr()


def test_max_norm_shortens_the_rows_taken_in_place():
    weight = vg.tensor(TABLE, requires_grad=True)
    rows = F.embedding(vg.tensor([1, 1, 0]), weight, max_norm=1.0)
    lengths = np.linalg.norm(weight.detach().numpy(), axis=1)
    assert lengths[1] == pytest.approx(1.0) and lengths[1] <= 1.0 and lengths[0] <= 1.0 + 1e-7
    np.testing.assert_array_equal(weight.detach().numpy()[2:], TABLE[2:])
    rows.sum().backward()
    assert weight.grad.tolist() == [[1.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3]


def test_max_norm_reaches_leaves_that_were_used_before_as_in_torch():
    weight = vg.tensor(TABLE, requires_grad=True)
    saved = (weight * weight).sum()
    F.embedding(vg.tensor([1]), weight, max_norm=1.0)
    with pytest.raises(RuntimeError, match="in.?place"):
        saved.backward()


@pytest.mark.parametrize("bad", [[0, 4], [-1, 0]])
@pytest.mark.parametrize("options", [{}, {"max_norm": 1.0}])
def test_indices_out_of_range_change_nothing(bad, options):
    weight = vg.tensor(TABLE)
    with pytest.raises(IndexError, match=r"\[0, 4\)"):
        F.embedding(vg.tensor(bad), weight, **options)
    with pytest.raises(RuntimeError, match=r"\[0, 4\)"):
        F.embedding_bag(vg.tensor([bad]), weight, **options)
    np.testing.assert_array_equal(weight.numpy(), TABLE)


def test_sparse_gradients_are_refused_by_name():
    for make in (nn.Embedding, nn.EmbeddingBag):
        with pytest.raises(NotImplementedError, match="sparse"):
            make(4, 3, sparse=True)
    for function in (F.embedding, F.embedding_bag):
        with pytest.raises(NotImplementedError, match="sparse"):
            function(vg.tensor([[0, 1]]), vg.tensor(TABLE), sparse=True)


def test_falling_offsets_are_refused():
    with pytest.raises(RuntimeError, match=r"fall, got \[0, 3, 2\]"):
        F.embedding_bag(vg.tensor([0, 1, 2, 3]), vg.tensor(TABLE), vg.tensor([0, 3, 2]))


def test_padding_index_out_of_range():
    for make in (nn.Embedding, nn.EmbeddingBag):
        for padding in (4, -5):
            with pytest.raises(AssertionError, match="num_embeddings"):
                make(4, 3, padding_idx=padding)
        with pytest.raises(AssertionError, match="Shape of weight"):
            make(4, 3, _weight=vg.ones(3, 4))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2])
def test_bags_are_reduced_rows(mode, padding):
    bags = [[0, 1, 2], [], [2, 3], [3], [2]]
    index = vg.tensor([i for bag in bags for i in bag])
    offsets = vg.tensor(np.cumsum([0] + [len(bag) for bag in bags]))
    layer = nn.EmbeddingBag(4, 3, mode=mode, padding_idx=padding, include_last_offset=True)
    table = layer.weight.detach().numpy()
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    expected = []
    for bag in bags:
        kept = [i for i in bag if i != padding]
        expected.append(reduce(table[kept], axis=0) if kept else np.zeros(3))
    np.testing.assert_allclose(layer(index, offsets).detach().numpy(), expected, rtol=1e-6)


def test_bags_of_one_length_are_those_of_offsets():
    layer = nn.EmbeddingBag(10, 3, mode="sum")
    index = vg.tensor(np.random.default_rng(0).integers(0, 10, (5, 4)))
    weights = vg.rand(5, 4)
    flat = layer(index.reshape(-1), vg.arange(0, 20, 4), weights.reshape(-1))
    np.testing.assert_array_equal(
        layer(index, per_sample_weights=weights).detach().numpy(), flat.detach().numpy()
    )


def test_empty_bags_have_zero_gradients():
    layer = nn.EmbeddingBag(4, 3)
    layer(vg.zeros(0, dtype=vg.int64), vg.tensor([0, 0])).sum().backward()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"max_norm": 2.0}])
def test_bags_and_their_gradients_against_torch(mode, options):
    torch = pytest.importorskip("torch")
    index, offsets = np.array([0, 1, 2, 2, 3, 1]), np.array([0, 2, 2, 5])
    found = []
    for lib in (vg, torch):
        weight = lib.tensor(TABLE, requires_grad=True)
        bags = lib.nn.functional.embedding_bag(
            lib.tensor(index), weight, lib.tensor(offsets), mode=mode, **options
        )
        (bags * bags).sum().backward()
        found.append((bags.detach().numpy(), weight.grad.numpy(), weight.detach().numpy()))
    for own, other in zip(*found, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12)


def test_order_of_arguments_of_old():
    with pytest.warns(UserWarning, match="Argument order"):
        result = F.embedding_bag(vg.tensor(TABLE), vg.tensor([[0, 1]]))
    assert result.tolist() == [[1.5, 2.5, 3.5]]


def test_one_hot():
    assert F.one_hot(vg.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert F.one_hot(vg.tensor([[1]]), 4).tolist() == [[[0, 1, 0, 0]]]
    assert F.one_hot(vg.tensor(1)).dtype == vg.int64


def test_bilinear():
    layer = nn.Bilinear(3, 4, 5, dtype=vg.float64)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=4, out_features=5, bias=True)"
    assert [tuple(p.shape) for p in layer.parameters()] == [(5, 3, 4), (5,)]
    assert list(layer.state_dict()) == ["weight", "bias"]
    rng = np.random.default_rng(0)
    for lead in ((), (0,), (2,), (2, 3)):
        x, y = rng.normal(size=(*lead, 3)), rng.normal(size=(*lead, 4))
        expected = np.einsum("...i,kij,...j->...k", x, layer.weight.detach().numpy(), y)
        result = layer(vg.tensor(x), vg.tensor(y)).detach().numpy()
        np.testing.assert_allclose(result, expected + layer.bias.detach().numpy(), rtol=1e-10)
    assert nn.Bilinear(3, 4, 5, bias=False).bias is None


def test_bilinear_begins_uniform_weight_first():
    vg.manual_seed(1)
    layer = nn.Bilinear(16, 5, 50)
    vg.manual_seed(1)
    weight, bias = vg.empty(50, 16, 5).uniform_(-0.25, 0.25), vg.empty(50).uniform_(-0.25, 0.25)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), weight.numpy())
    np.testing.assert_array_equal(layer.bias.detach().numpy(), bias.numpy())
    with pytest.raises(ValueError, match="in1_features"):
        nn.Bilinear(0, 2, 3)

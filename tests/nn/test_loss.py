"""Losses, as modules and as functions, against numpy."""

import inspect

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(6, 4))
TARGET = np.array([0, 3, 1, 1, 2, 0])
WEIGHT = np.array([0.5, 1.0, 2.0, 0.0])


def log_softmax(x):
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def reduce(values, weights, reduction):
    if reduction == "none":
        return values
    return values.sum() / weights.sum() if reduction == "mean" else values.sum()


def nll(x, target, weight, ignore, reduction):
    """Negative log likelihood by its definition: weighted, without the ignored samples."""
    weight = np.ones(x.shape[1]) if weight is None else weight
    kept = target != ignore
    safe = np.where(kept, target, 0)
    weights = np.where(kept, weight[safe], 0.0)
    return reduce(-weights * x[np.arange(len(x)), safe], weights, reduction)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore", [-100, 1])
def test_class_indices(reduction, weight, ignore):
    given = None if weight is None else vg.tensor(weight)
    target = vg.tensor(TARGET)
    expected = nll(log_softmax(LOGITS), TARGET, weight, ignore, reduction)
    options = {"ignore_index": ignore, "reduction": reduction}
    for result in (
        nn.CrossEntropyLoss(given, **options)(vg.tensor(LOGITS), target),
        nn.NLLLoss(given, **options)(vg.tensor(log_softmax(LOGITS)), target),
        F.cross_entropy(vg.tensor(LOGITS), target, given, **options),
        F.nll_loss(vg.tensor(log_softmax(LOGITS)), target, given, **options),
    ):
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_class_probabilities(smoothing, reduction):
    probabilities = np.exp(log_softmax(RNG.normal(size=LOGITS.shape)))
    smooth = probabilities * (1 - smoothing) + smoothing / 4
    expected = reduce(-(smooth * log_softmax(LOGITS)).sum(1), np.ones(6), reduction)
    loss = nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing)
    result = loss(vg.tensor(LOGITS), vg.tensor(probabilities))
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


def test_label_smoothing_of_indices_equals_smooth_probabilities():
    onehot = np.eye(4)[TARGET]
    loss = nn.CrossEntropyLoss(label_smoothing=0.3)
    np.testing.assert_allclose(
        loss(vg.tensor(LOGITS), vg.tensor(TARGET)).item(),
        loss(vg.tensor(LOGITS), vg.tensor(onehot)).item(),
        rtol=1e-12,
    )


def test_cross_entropy_gradient():
    x = vg.tensor(LOGITS, requires_grad=True)
    nn.CrossEntropyLoss()(x, vg.tensor(TARGET)).backward()
    expected = (np.exp(log_softmax(LOGITS)) - np.eye(4)[TARGET]) / 6
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-15)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_mse(reduction):
    other = RNG.normal(size=LOGITS.shape)
    expected = reduce((LOGITS - other) ** 2, np.ones(LOGITS.shape), reduction)
    for result in (
        nn.MSELoss(reduction=reduction)(vg.tensor(LOGITS), vg.tensor(other)),
        F.mse_loss(vg.tensor(LOGITS), vg.tensor(other), reduction=reduction),
    ):
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_weighted_mse(reduction):
    weight = RNG.uniform(size=LOGITS.shape)
    expected = reduce(weight * LOGITS**2, weight, reduction)
    zeros = vg.zeros(*LOGITS.shape, dtype=vg.float64)
    result = F.mse_loss(vg.tensor(LOGITS), zeros, reduction=reduction, weight=vg.tensor(weight))
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


def test_weight_of_mse_has_the_shape_of_the_input():
    with pytest.raises(ValueError, match="Weights and input must have the same size"):
        F.mse_loss(vg.ones(2, 2), vg.ones(2, 2), weight=vg.ones(2))


def test_mse_warns_of_broadcasting():
    with pytest.warns(UserWarning, match="different to the input size"):
        nn.MSELoss()(vg.ones(3, 1), vg.ones(3))


def test_weight_is_a_buffer():
    loss = nn.CrossEntropyLoss(vg.ones(4))
    assert list(loss.state_dict()) == ["weight"] and list(loss.parameters()) == []
    assert loss.double().weight.dtype == vg.float64
    assert list(nn.CrossEntropyLoss().state_dict()) == []


@pytest.mark.parametrize(
    ("options", "reduction"),
    [
        ({"size_average": False}, "sum"),
        ({"size_average": True}, "mean"),
        ({"reduce": False}, "none"),
        ({"reduce": True}, "mean"),
        ({"size_average": False, "reduce": False}, "none"),
    ],
)
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.NLLLoss, nn.MSELoss])
def test_deprecated_flags(loss, options, reduction):
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        assert loss(**options).reduction == reduction


def test_deprecated_flags_of_functions():
    x, target = vg.tensor(LOGITS), vg.tensor(TARGET)
    for function, goal in ((F.cross_entropy, target), (F.nll_loss, target), (F.mse_loss, x * 2)):
        with pytest.warns(UserWarning, match="reduction='sum'"):
            result = function(x, goal, size_average=False)
        assert result.item() == function(x, goal, reduction="sum").item()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.NLLLoss, nn.MSELoss])
def test_unknown_reduction(loss):
    with pytest.raises(ValueError, match="average is not a valid value for reduction"):
        loss(reduction="average")


@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
@pytest.mark.parametrize(
    ("target", "error"),
    [
        (vg.tensor([0, -1]), IndexError),
        (vg.tensor([0, 3]), IndexError),
        (vg.tensor([0.0, 1.0]), RuntimeError),
        (vg.tensor([0, 1, 2]), ValueError),
    ],
    ids=["negative", "too large", "float", "another batch size"],
)
def test_bad_targets(function, target, error):
    with pytest.raises(error):
        function(vg.ones(2, 3), target)


def test_signatures_are_those_of_torch():
    torch = pytest.importorskip("torch")
    for name in ("cross_entropy", "nll_loss", "mse_loss", "softmax", "log_softmax", "relu"):
        own, other = (
            [(p.name, p.default) for p in inspect.signature(getattr(lib, name)).parameters.values()]
            for lib in (F, torch.nn.functional)
        )
        assert own == other, name


def test_names_of_the_nodes_are_those_of_torch():
    for shape, target, name in (
        ((2, 3), [0, 1], "NllLossBackward0"),
        ((3,), 0, "NllLossBackward0"),
        ((2, 3, 2), [[0, 1], [2, 0]], "NllLoss2DBackward0"),
    ):
        x = vg.zeros(shape, requires_grad=True)
        for function in (F.nll_loss, F.cross_entropy):
            assert function(x, vg.tensor(target)).grad_fn.name() == name

"""Penalties and noise on gradients."""

import math

import numpy as np
import pytest

import verigrad as vg
from verigrad import nn
from verigrad.autograd import gradcheck, gradgradcheck
from verigrad.nn.utils import add_gradient_noise_, confidence_penalty, l1_penalty, l2_penalty


def net():
    vg.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)).double()


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"}),
        (lambda name, parameter: parameter.ndim > 1, {"0.weight", "2.weight"}),
        ("*.weight", {"0.weight", "1.weight", "2.weight"}),
        (["0.*", "2.bias"], {"0.weight", "0.bias", "2.bias"}),
        (("[02].weight",), {"0.weight", "2.weight"}),
    ],
)
def test_penalties_are_sums_over_what_is_selected(select, names):
    model = net()
    arrays = {name: each.detach().numpy().copy() for name, each in model.named_parameters()}
    for penalty, measure, slope in (
        (l1_penalty, np.abs, np.sign),
        (l2_penalty, np.square, lambda x: 2 * x),
    ):
        model.zero_grad()
        value = penalty(model, select)
        assert value.shape == () and value.dtype == vg.float64
        assert value.item() == pytest.approx(sum(measure(arrays[name]).sum() for name in names), rel=1e-14)
        value.backward()
        for name, parameter in model.named_parameters():
            if name in names:
                np.testing.assert_array_equal(parameter.grad.numpy(), slope(arrays[name]))
            else:
                assert parameter.grad is None


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_the_squares_are_weight_decay(kind):
    runs = []
    for decayed in (True, False):
        model = net()
        options = {"weight_decay": 0.3} if decayed else {}
        optimizer = getattr(vg.optim, kind)(model.parameters(), lr=0.01, **options)
        for step in range(5):
            optimizer.zero_grad()
            vg.manual_seed(step)
            loss = model(vg.randn(6, 3, dtype=vg.float64)).pow(2).mean()
            (loss if decayed else loss + 0.5 * 0.3 * l2_penalty(model)).backward()
            optimizer.step()
        runs.append(vg.cat([p.detach().reshape(-1) for p in model.parameters()]))
    assert vg.allclose(runs[0], runs[1], rtol=1e-12, atol=1e-14)


def test_tied_parameters_count_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert l1_penalty(model, "*.weight").item() == model[0].weight.abs().sum().item()


@pytest.mark.parametrize("penalty", [l1_penalty, l2_penalty])
def test_a_selection_of_nothing_is_refused(penalty):
    with pytest.raises(ValueError, match=r"penalty: expected select to match a parameter, got 'weights'"):
        penalty(net(), "weights")
    with pytest.raises(ValueError, match=r"expected select to match a parameter, got None for \[\]"):
        penalty(nn.ReLU())


# Confidence.


def entropies(logits, dim):
    weights = np.exp(logits - logits.max(dim, keepdims=True))
    p = weights / weights.sum(dim, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum(p * np.log(p), dim)


@pytest.mark.parametrize(("shape", "dim"), [((5, 3), 1), ((2, 4, 3, 3), 1), ((5, 3), 0), ((4,), -1)])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.8])
def test_confidence(shape, dim, threshold):
    logits = np.random.default_rng(0).normal(size=shape) * 2
    expected = -entropies(logits, dim)
    if threshold is not None:
        expected = np.maximum(0, threshold + expected)
    tensor = vg.tensor(logits, requires_grad=True)
    value = confidence_penalty(tensor, dim, threshold)
    assert value.shape == ()
    np.testing.assert_allclose(value.item(), expected.mean(), rtol=1e-12, atol=1e-12)
    assert gradcheck(lambda t: confidence_penalty(t, dim, threshold), (tensor,))
    assert gradgradcheck(lambda t: confidence_penalty(t, dim, threshold), (tensor,))


def test_classes_that_are_ruled_out():
    logits = vg.tensor([[0.0, 1.0, -math.inf], [2.0, -math.inf, -math.inf]], requires_grad=True)
    value = confidence_penalty(logits)
    assert value.item() == pytest.approx(-entropies(logits.detach().numpy(), 1).mean(), rel=1e-6)
    value.backward()
    assert vg.isfinite(logits.grad).all().item() and logits.grad[0, 2].item() == 0.0


def test_the_penalty_spreads_probabilities():
    logits = vg.tensor([[4.0, 0.0, 0.0]], requires_grad=True)
    for _ in range(200):
        (gradient,) = vg.autograd.grad(confidence_penalty(logits), logits)
        logits = (logits - 2 * gradient).detach().requires_grad_()
    assert (logits.softmax(1) - 1 / 3).abs().max().item() < 1e-3


def test_bad_confidence_options():
    for threshold in (-0.1, math.nan):
        with pytest.raises(ValueError, match="confidence_penalty: expected threshold >= 0"):
            confidence_penalty(vg.zeros(2, 3), threshold=threshold)
    with pytest.raises(IndexError):
        confidence_penalty(vg.zeros(2, 3), dim=2)


# Noise on gradients.


@pytest.mark.parametrize(("step", "eta", "gamma"), [(0, 0.01, 0.55), (9, 0.3, 0.55), (99, 1.0, 1.0)])
def test_the_variance_falls(step, eta, gamma):
    def generator():
        return vg.Generator(vg.get_default_device()).manual_seed(3)

    parameter, other = nn.Parameter(vg.zeros(200, 300)), nn.Parameter(vg.zeros(3))
    parameter.grad = vg.full((200, 300), 2.0)
    gradient = parameter.grad
    add_gradient_noise_([parameter, other], step, eta, gamma, generator=generator())
    assert other.grad is None and parameter.grad is gradient
    noise = gradient.numpy() - 2
    deviation = math.sqrt(eta / (1 + step) ** gamma)
    # 60,000 draws: five standard errors of the mean and of the deviation.
    assert abs(noise.mean()) < 5 * deviation / math.sqrt(60_000)
    assert abs(noise.std() / deviation - 1) < 5 / math.sqrt(2 * 60_000)
    again = nn.Parameter(vg.zeros(200, 300))
    again.grad = vg.full((200, 300), 2.0)
    add_gradient_noise_(again, step, eta, gamma, generator=generator())
    assert vg.equal(again.grad, gradient)


def test_no_noise_and_other_layouts():
    parameter = nn.Parameter(vg.zeros(3, 4, dtype=vg.float64))
    parameter.grad = vg.ones(4, 3, dtype=vg.float64).T
    add_gradient_noise_(parameter, 5, eta=0)
    assert (parameter.grad == 1).all().item()
    add_gradient_noise_(parameter, 5)
    assert (parameter.grad != 1).all().item() and parameter.grad.dtype == vg.float64


@pytest.mark.parametrize("options", [{"step": -1}, {"step": math.inf}, {"step": 1, "eta": -0.1}])
def test_bad_noise(options):
    parameter = nn.Parameter(vg.zeros(2))
    parameter.grad = vg.ones(2)
    with pytest.raises(ValueError, match="add_gradient_noise_: expected (step|eta) to be finite"):
        add_gradient_noise_(parameter, **options)
    assert parameter.grad.tolist() == [1.0, 1.0]

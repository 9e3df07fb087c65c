"""What losses and distances must satisfy by their definitions."""

import math

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

RNG = np.random.default_rng(11)


def grad(function, *arrays):
    """Gradients of a scalar function."""
    tensors = [vg.tensor(a, dtype=vg.float64, requires_grad=True) for a in arrays]
    function(*tensors).sum().backward()
    return [t.grad.numpy() for t in tensors]


def test_logits_and_probabilities_agree():
    x, y = RNG.normal(size=(3, 4)), RNG.uniform(size=(3, 4))
    probabilities = 1 / (1 + np.exp(-x))
    for reduction in ("none", "mean", "sum"):
        np.testing.assert_allclose(
            F.binary_cross_entropy_with_logits(vg.tensor(x), vg.tensor(y), reduction=reduction).numpy(),
            F.binary_cross_entropy(vg.tensor(probabilities), vg.tensor(y), reduction=reduction).numpy(),
            rtol=1e-12,
        )


def test_two_classes_are_a_case_of_several():
    x, label = RNG.normal(size=5), np.array([0, 1, 1, 0, 1])
    several = F.cross_entropy(vg.tensor(np.stack([np.zeros(5), x], 1)), vg.tensor(label))
    two = F.binary_cross_entropy_with_logits(vg.tensor(x), vg.tensor(label.astype(float)))
    np.testing.assert_allclose(several.item(), two.item(), rtol=1e-14)


def test_large_logits_neither_overflow_nor_lose_digits():
    x = vg.tensor([1e4, -1e4, 50.0, -50.0], dtype=vg.float64)
    right = vg.tensor([1.0, 0.0, 1.0, 0.0], dtype=vg.float64)
    wrong = 1 - right
    losses = F.binary_cross_entropy_with_logits(x, right, reduction="none").numpy()
    np.testing.assert_allclose(losses, [0, 0, math.exp(-50), math.exp(-50)], rtol=1e-14)
    losses = F.binary_cross_entropy_with_logits(x, wrong, reduction="none").numpy()
    np.testing.assert_allclose(losses, [1e4, 1e4, 50, 50], rtol=1e-14)
    signs = vg.tensor([-1.0, 1.0], dtype=vg.float64)
    assert F.soft_margin_loss(x[:2], signs, reduction="none").tolist() == [1e4, 1e4]


def test_gradient_of_logits_is_probability_minus_target():
    x, y = RNG.normal(size=(3, 4)), RNG.uniform(size=(3, 4))
    by_x, by_y = grad(lambda a, b: F.binary_cross_entropy_with_logits(a, b, reduction="sum"), x, y)
    np.testing.assert_allclose(by_x, 1 / (1 + np.exp(-x)) - y, rtol=1e-13)
    np.testing.assert_allclose(by_y, -x, rtol=1e-13)


def test_certain_probabilities_have_finite_losses_and_gradients():
    x = vg.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, vg.tensor([1.0, 0.0]), reduction="sum")
    loss.backward()
    assert loss.item() == 200 and bool(x.grad.isfinite().all())


def test_refused_probabilities_change_nothing():
    x = vg.tensor([0.5, 1.5])
    got = "" if x.is_cuda else ", got elements from 0.5 to 1.5"
    with pytest.raises(RuntimeError, match=f"between 0 and 1{got}$"):
        F.binary_cross_entropy(x, vg.zeros(2))
    assert x.tolist() == [0.5, 1.5]


def test_divergence_of_equal_distributions_is_zero_and_of_others_positive():
    p, q = (x / x.sum(1, keepdims=True) for x in RNG.uniform(0.1, 1, size=(2, 5, 4)))
    assert abs(F.kl_div(vg.tensor(np.log(p)), vg.tensor(p), reduction="batchmean").item()) < 1e-15
    value = F.kl_div(vg.tensor(np.log(p)), vg.tensor(q), reduction="batchmean").item()
    np.testing.assert_allclose(value, (q * np.log(q / p)).sum(1).mean(), rtol=1e-13)
    logs = F.kl_div(vg.tensor(np.log(p)), vg.tensor(np.log(q)), reduction="batchmean", log_target=True)
    np.testing.assert_allclose(logs.item(), value, rtol=1e-13)
    module = nn.KLDivLoss(reduction="batchmean")
    assert module(vg.tensor(np.log(p)), vg.tensor(q)).item() == value


def test_mean_of_a_divergence_warns():
    for function in (F.kl_div, nn.KLDivLoss()):
        with pytest.warns(UserWarning, match="batchmean"):
            function(vg.zeros(2, 2), vg.ones(2, 2))


def test_targets_of_zero_have_finite_gradients():
    y = vg.tensor([0.0, 1.0], requires_grad=True)
    F.kl_div(vg.tensor([-1.0, -1.0]), y, reduction="sum").backward()
    assert y.grad.tolist() == [1.0, 2.0]
    y = vg.tensor([0.0, 2.0], requires_grad=True)
    F.poisson_nll_loss(vg.ones(2), y, full=True, reduction="sum").backward()
    assert bool(y.grad.isfinite().all())


def test_gaussian_likelihood_is_least_at_the_right_variance():
    target = vg.tensor(RNG.normal(scale=2.0, size=4000))
    zero = vg.zeros(4000, dtype=vg.float64)
    losses = [F.gaussian_nll_loss(zero, target, float(v)).item() for v in (1.0, 2.0, 4.0, 8.0, 16.0)]
    assert losses.index(min(losses)) == 2
    constant = F.gaussian_nll_loss(zero, target, 4.0, full=True).item() - losses[2]
    np.testing.assert_allclose(constant, 0.5 * math.log(2 * math.pi), rtol=1e-12)


def test_least_variance_does_not_change_gradients():
    var = vg.tensor([1e-9, 1.0], requires_grad=True)
    F.gaussian_nll_loss(vg.zeros(2), vg.zeros(2), var, eps=0.5, reduction="sum").backward()
    assert var.grad.tolist() == [1.0, 0.5]
    assert var.tolist() == pytest.approx([1e-9, 1.0])


def test_smooth_losses_are_huber_losses():
    x, y = vg.tensor(RNG.normal(size=20) * 3), vg.tensor(RNG.normal(size=20))
    for knee in (0.25, 1.0, 2.5):
        np.testing.assert_allclose(
            (F.smooth_l1_loss(x, y, reduction="none", beta=knee) * knee).numpy(),
            F.huber_loss(x, y, reduction="none", delta=knee).numpy(),
            rtol=1e-13,
        )


@pytest.mark.parametrize("function", [F.smooth_l1_loss, F.huber_loss])
def test_infinite_differences_have_the_gradient_of_the_line(function):
    (by_x,) = grad(lambda x: function(x, vg.zeros(3, dtype=vg.float64)), [np.inf, -np.inf, 0.0])
    np.testing.assert_allclose(by_x, [1 / 3, -1 / 3, 0.0])


def test_hinges_have_gradients_at_the_margin():
    """At the kink PyTorch's ``clamp_min`` lets the gradient through, so that equal inputs can be ranked."""
    ones, sign = np.ones(2), vg.tensor([1.0, -1.0], dtype=vg.float64)
    by_first, by_second = grad(lambda a, b: F.margin_ranking_loss(a, b, sign, reduction="sum"), ones, ones)
    assert by_first.tolist() == [-1, 1] and by_second.tolist() == [1, -1]


def test_nan_scores_count_for_nothing_in_the_hinge_of_classes():
    scores = vg.tensor([[1.0, math.nan, 0.5]])
    assert F.multi_margin_loss(scores, vg.tensor([0])).item() == pytest.approx(0.5 / 3)


def test_triplets():
    anchor, near, far = vg.zeros(1, 2), vg.tensor([[3.0, 4.0]]), vg.tensor([[6.0, 8.0]])
    loss = nn.TripletMarginLoss(eps=0.0)
    assert loss(anchor, near, far).item() == 0.0
    assert loss(anchor, far, near).item() == 6.0
    # near and far are 5 apart, nearer than anchor and far: swapped, the distance is 5 instead of 10.
    assert nn.TripletMarginLoss(eps=0.0, swap=True)(anchor, near, far).item() == 1.0
    for make in (lambda: nn.TripletMarginLoss(0.0), lambda: F.triplet_margin_loss(near, near, near, -1.0)):
        with pytest.raises(ValueError, match="greater than 0"):
            make()


def test_arguments_of_modules_are_checked():
    with pytest.raises(TypeError, match="delta"):
        nn.HuberLoss(delta="1")
    with pytest.raises(ValueError, match="p == 1"):
        nn.MultiMarginLoss(p=3)
    with pytest.raises(ValueError, match="1D"):
        nn.MultiMarginLoss(weight=vg.ones(2, 2))


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (nn.L1Loss, 2),
        (nn.HuberLoss, 2),
        (nn.SmoothL1Loss, 2),
        (nn.BCELoss, 2),
        (nn.BCEWithLogitsLoss, 2),
        (nn.PoissonNLLLoss, 2),
        (nn.GaussianNLLLoss, 3),
        (nn.HingeEmbeddingLoss, 2),
        (nn.MarginRankingLoss, 3),
        (nn.SoftMarginLoss, 2),
        (nn.TripletMarginLoss, 3),
    ],
)
def test_empty_batches(loss, inputs):
    tensors = [vg.zeros(0, 3, requires_grad=i == 0) for i in range(inputs)]
    assert loss(reduction="sum")(*tensors).item() == 0
    assert math.isnan(loss()(*tensors).item())
    loss(reduction="none")(*tensors).sum().backward()
    assert tuple(tensors[0].grad.shape) == (0, 3)


def test_distances():
    x, y = vg.tensor([[3.0, 0.0, -4.0]]), vg.zeros(1, 3)
    norms = {1: 7.0, 2: 5.0, math.inf: 4.0, 0: 2.0, -math.inf: 0.0}
    for p, expected in norms.items():
        assert F.pairwise_distance(x, y, p, eps=0.0).item() == pytest.approx(expected)
        assert nn.PairwiseDistance(p, eps=0.0, keepdim=True)(x, y).tolist() == [[pytest.approx(expected)]]
    assert F.cosine_similarity(x, x * 7).item() == pytest.approx(1.0)
    assert nn.CosineSimilarity(dim=0)(x[0], -x[0]).item() == pytest.approx(-1.0)
    assert repr(nn.CosineSimilarity()) == "CosineSimilarity()"
    assert repr(nn.PairwiseDistance()) == "PairwiseDistance()"


def test_distance_of_equal_points_has_no_gradient():
    for p in (0.5, 1.0, 1.5, 2.0, 3.0, math.inf):
        (by_x,) = grad(
            lambda x, p=p: F.pairwise_distance(x, vg.zeros(3, dtype=vg.float64), p, 0.0), np.zeros(3)
        )
        assert not by_x.any(), p


def test_cosine_of_a_vector_of_length_zero():
    (by_x,) = grad(
        lambda x: F.cosine_similarity(x, vg.tensor([3.0, 4.0], dtype=vg.float64), dim=0), np.zeros(2)
    )
    np.testing.assert_allclose(by_x, [0.6e8, 0.8e8])

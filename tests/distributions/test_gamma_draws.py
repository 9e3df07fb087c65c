"""Draws of counts and gamma variates: their laws, and the gradients of the latter."""

from __future__ import annotations

import math
from typing import Any

import pytest

import verigrad as vg
from verigrad import distributions as D
from verigrad._count_draws import log_gamma, log_gamma_slope

N = 20_000
DRAWN = [
    D.Gamma(vg.tensor([0.3, 1.0, 2.5, 300.0]), vg.tensor([2.0, 1.0, 0.5, 10.0])),
    D.Chi2(vg.tensor([0.5, 4.0])),
    D.InverseGamma(vg.tensor([6.0, 9.0]), vg.tensor([1.0, 2.0])),
    D.Beta(vg.tensor([0.5, 20.0]), vg.tensor([0.7, 30.0])),
    D.Dirichlet(vg.tensor([0.5, 2.0, 30.0])),
    D.StudentT(vg.tensor([9.0, 30.0]), 1.0, 2.0),
    D.FisherSnedecor(vg.tensor([2.0, 9.0]), vg.tensor([20.0, 30.0])),
    D.Weibull(vg.tensor([1.5, 3.0]), vg.tensor([2.0, 1.5])),
    D.Pareto(vg.tensor([1.5, 3.0]), vg.tensor([7.0, 9.0])),
    D.Kumaraswamy(vg.tensor([1.5, 3.0]), vg.tensor([2.0, 1.5])),
    D.Poisson(vg.tensor([0.3, 9.0, 10.0, 40.0, 3000.0])),
    D.Binomial(vg.tensor([5.0, 30.0, 30.0, 1000.0, 1000.0]), vg.tensor([0.3, 0.2, 0.9, 0.3, 0.6])),
    D.NegativeBinomial(vg.tensor([2.5, 30.0]), vg.tensor([0.3, 0.5])),
    D.Multinomial(9, vg.tensor([0.2, 0.5, 0.3])),
]


@pytest.mark.parametrize("distribution", DRAWN, ids=lambda d: type(d).__name__)
def test_moments_of_draws(distribution: Any) -> None:
    vg.manual_seed(2)
    drawn = distribution.sample((N,)).double()
    off = (drawn.mean(0) - distribution.mean).abs() / (distribution.stddev / math.sqrt(N))
    assert bool((off < 5).all())
    assert vg.allclose(drawn.var(0), distribution.variance.double(), rtol=0.15)


@pytest.mark.parametrize(
    "distribution",
    [
        D.Poisson(7.0),
        D.Poisson(25.0),
        D.Binomial(20, 0.3),
        D.Binomial(50, 0.4),
        D.Binomial(50, 0.7),
        D.NegativeBinomial(3.0, 0.4),
    ],
    ids=str,
)
def test_counts_have_their_probabilities(distribution: Any) -> None:
    vg.manual_seed(3)
    drawn = distribution.sample((N,))
    found = vg.bincount(drawn.long()).double() / N
    expected = distribution.log_prob(vg.arange(found.numel(), dtype=vg.float32)).exp().double()
    off = (found - expected).abs() / (expected * (1 - expected) / N).sqrt()
    assert bool((off[expected > 1e-3] < 5).all())


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.5])
def test_gamma_draws_have_the_law(alpha: float) -> None:
    # There is no cdf here: two ways to draw are compared.
    vg.manual_seed(4)
    drawn = log_gamma(vg.full((N,), alpha, dtype=vg.float64)).sort().values
    # Gamma(a) = Beta(a, b) * Gamma(a + b).
    parts = D.Beta(vg.tensor(alpha, dtype=vg.float64), vg.tensor(0.8, dtype=vg.float64)).sample((N,))
    other = (parts.log() + log_gamma(vg.full((N,), alpha + 0.8, dtype=vg.float64))).sort().values
    places = vg.searchsorted(drawn, other).double() / N
    assert (places - (vg.arange(N, dtype=vg.float64) + 0.5) / N).abs().max().item() < 2.5 * math.sqrt(2 / N)


def test_slopes_of_gamma_variates_are_quotients_of_derivatives() -> None:
    # -(dF / d alpha) / (z F') by mpmath's incomplete gamma function with 45 digits.
    found = log_gamma_slope(
        vg.tensor([1.0, 0.1, 2000.0, 0.5, 50.0], dtype=vg.float64),
        vg.tensor(
            [0.0, 0.047535375394516854, 7.706885840166735, 0.44510891878141245, 3.912023005428146],
            dtype=vg.float64,
        ),
    )
    expected = [
        1.1735630272247268,
        6.587232770164999,
        0.00047401157209150425,
        1.4585794126917404,
        0.020066798464995625,
    ]
    assert vg.allclose(found, vg.tensor(expected, dtype=vg.float64), rtol=1e-10, atol=0.0)


def test_both_formulas_of_the_slope_meet() -> None:
    alpha = vg.logspace(-3, 3, 41, dtype=vg.float64)
    below, above = (vg.full((41,), v, dtype=vg.float64) for v in (-1e-12, 1e-12))
    assert vg.allclose(log_gamma_slope(alpha, below), log_gamma_slope(alpha, above), rtol=1e-9, atol=0.0)


def test_slopes_against_torch() -> None:
    torch = pytest.importorskip("torch")
    alpha = torch.logspace(-2, 3, 31, dtype=torch.float64).requires_grad_()
    torch.manual_seed(0)
    z = torch.distributions.Gamma(alpha, torch.ones_like(alpha)).rsample()
    (expected,) = torch.autograd.grad(z.sum(), alpha)
    a, x = (vg.tensor(v.detach().tolist(), dtype=vg.float64) for v in (alpha, z))
    mine = log_gamma_slope(a, x.log()) * x
    # PyTorch's own formula has three to six digits.
    assert vg.allclose(mine, vg.tensor(expected.tolist(), dtype=vg.float64), rtol=2e-3)


@pytest.mark.parametrize(
    ("make", "mean"),
    [
        (lambda p: D.Gamma(p, vg.ones_like(p)), lambda p: p),
        (lambda p: D.Gamma(vg.ones_like(p), p), lambda p: 1 / p),
        (lambda p: D.Beta(p, 2 * vg.ones_like(p)), lambda p: p / (p + 2)),
        (lambda p: D.InverseGamma(p + 5, p), lambda p: p / (p + 4)),
    ],
)
def test_gradients_of_draws_are_those_of_the_mean(make: Any, mean: Any) -> None:
    vg.manual_seed(6)
    p = vg.tensor([0.4, 2.5], dtype=vg.float64).requires_grad_()
    (found,) = vg.autograd.grad(make(p).rsample((N,)).mean(0).sum(), p)
    (expected,) = vg.autograd.grad(mean(p).sum(), p)
    assert vg.allclose(found, expected, rtol=0.06, atol=0.02)


def test_small_shapes_neither_underflow_nor_lose_gradients() -> None:
    vg.manual_seed(7)
    p = vg.full((100, 3), 1e-3).requires_grad_()
    drawn = D.Dirichlet(p).rsample()
    assert bool(vg.isfinite(drawn).all()) and vg.allclose(drawn.sum(-1), vg.ones(100))
    drawn[:, 0].sum().backward()
    assert p.grad is not None and bool(vg.isfinite(p.grad).all())
    assert bool((D.Gamma(vg.full((100,), 1e-3), vg.ones(100)).sample() > 0).all())


def test_gradients_of_draws_are_taken_once() -> None:
    p = vg.tensor([0.5]).requires_grad_()
    (first,) = vg.autograd.grad(D.Gamma(p, vg.ones(1)).rsample().sum(), p, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_seeds_fix_draws() -> None:
    for distribution in DRAWN:
        vg.manual_seed(5)
        first = distribution.sample((4,))
        vg.manual_seed(5)
        assert distribution.sample((4,)).tolist() == first.tolist()


def test_counts_refuse_what_is_no_rate_or_probability() -> None:
    with pytest.raises(RuntimeError, match="poisson: expected rates"):
        vg.poisson(vg.tensor([-1.0]))
    with pytest.raises(NotImplementedError, match="poisson: expected a floating point"):
        vg.poisson(vg.tensor([1]))
    with pytest.raises(RuntimeError, match="binomial: expected counts"):
        vg.binomial(vg.tensor([1.0]), vg.tensor([1.5]))
    with pytest.raises(RuntimeError, match="one dtype"):
        vg.binomial(vg.tensor([1.0]), vg.tensor([0.5], dtype=vg.float64))
    with pytest.raises(NotImplementedError, match="binomial: expected floating point"):
        vg.binomial(vg.tensor([1]), vg.tensor([0.5]))
    edges = vg.binomial(vg.tensor([0.0, 9.0, 9.0]), vg.tensor([0.5, 0.0, 1.0]))
    assert edges.tolist() == [0.0, 0.0, 9.0] and vg.poisson(vg.zeros(2)).tolist() == [0.0, 0.0]

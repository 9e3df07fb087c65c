"""Laws of draws, caches, registries: what needs no other library."""

from __future__ import annotations

import math
from typing import Any

import pytest

import verigrad as vg
from verigrad import distributions as D

N = 20_000
CONTINUOUS = [
    D.Normal(0.5, 2.0),
    D.Uniform(-1.0, 3.0),
    D.Exponential(0.7),
    D.Laplace(0.5, 2.0),
    D.Cauchy(0.5, 2.0),
    D.Gumbel(0.5, 2.0),
    D.LogNormal(0.5, 0.4),
    D.HalfNormal(2.0),
    D.TransformedDistribution(D.Normal(0.0, 1.0), D.AffineTransform(1.0, -2.0)),
    D.MixtureSameFamily(D.Categorical(vg.tensor([0.3, 0.7])), D.Normal(vg.tensor([0.0, 3.0]), 1.0)),
]


@pytest.mark.parametrize("distribution", CONTINUOUS, ids=lambda d: type(d).__name__)
def test_draws_have_the_law_of_cdf(distribution: Any) -> None:
    vg.manual_seed(1)
    uniform = distribution.cdf(distribution.sample((N,)))
    # Kolmogorov and Smirnov: beyond 2.5 / sqrt(N) once in 130,000 times.
    expected = (vg.arange(N, dtype=vg.float32) + 0.5) / N
    assert (uniform.sort().values - expected).abs().max().item() < 2.5 / math.sqrt(N)


@pytest.mark.parametrize("distribution", CONTINUOUS[:8], ids=lambda d: type(d).__name__)
def test_icdf_undoes_cdf(distribution: Any) -> None:
    p = vg.tensor([0.1, 0.4, 0.9])
    assert vg.allclose(distribution.cdf(distribution.icdf(p)), p, atol=1e-5)
    x = distribution.icdf(p).detach().requires_grad_()
    (density,) = vg.autograd.grad(distribution.cdf(x).sum(), x)
    assert vg.allclose(density, distribution.log_prob(x).exp(), rtol=1e-4)


@pytest.mark.parametrize(
    "distribution",
    [
        D.Bernoulli(vg.tensor([0.2, 0.9])),
        D.Geometric(vg.tensor([0.3, 0.8])),
        D.OneHotCategorical(vg.tensor([0.2, 0.5, 0.3])),
        D.MultivariateNormal(vg.tensor([1.0, -1.0]), vg.tensor([[2.0, 0.6], [0.6, 1.0]])),
    ],
    ids=lambda d: type(d).__name__,
)
def test_moments_of_draws(distribution: Any) -> None:
    vg.manual_seed(2)
    drawn = distribution.sample((N,))
    off = (drawn.mean(0) - distribution.mean).abs() / (distribution.stddev / math.sqrt(N))
    assert bool((off < 5).all())
    assert vg.allclose(drawn.var(0), distribution.variance, rtol=0.1)


def test_covariance_of_vectors() -> None:
    covariance = vg.tensor([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]], dtype=vg.float64)
    loc = vg.zeros(3, dtype=vg.float64)
    first = D.MultivariateNormal(loc, covariance)
    for other in (
        D.MultivariateNormal(loc, scale_tril=first.scale_tril),
        D.MultivariateNormal(loc, precision_matrix=first.precision_matrix),
    ):
        assert vg.allclose(other.covariance_matrix, covariance)
        assert vg.allclose(other.precision_matrix @ covariance, vg.eye(3, dtype=vg.float64))
    vg.manual_seed(4)
    assert vg.allclose(vg.cov(first.sample((N,)).t()), covariance, atol=0.1)


def test_seeds_fix_draws() -> None:
    for distribution in (*CONTINUOUS, D.Categorical(vg.ones(3)), D.Geometric(0.3)):
        vg.manual_seed(5)
        first = distribution.sample((4,))
        vg.manual_seed(5)
        assert distribution.sample((4,)).tolist() == first.tolist()


def test_a_cache_gives_the_very_input_back() -> None:
    transform = D.TanhTransform(cache_size=1)
    x = vg.tensor([20.0])
    y = transform(x)
    assert transform.inv(y) is x and transform(x) is y
    assert D.TanhTransform().inv(y).item() == math.inf
    assert transform.with_cache(0)(x) is not y and transform.with_cache(1) is transform
    chain = D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0.0, 2.0)], cache_size=1)
    assert chain.inv(chain(x)) is x


def test_transforms_are_equal_by_what_they_do() -> None:
    assert D.ExpTransform() == D.ExpTransform() != D.TanhTransform()
    assert D.AffineTransform(1.0, 2.0) == D.AffineTransform(1.0, 2.0) != D.AffineTransform(1.0, 3.0)
    assert D.AffineTransform(vg.tensor(1.0), 2.0) == D.AffineTransform(vg.tensor(1.0), 2.0)
    assert D.ExpTransform().inv == D.ExpTransform().inv and D.ExpTransform().inv.inv == D.ExpTransform()
    assert D.ComposeTransform([D.AbsTransform()]) == D.ComposeTransform([D.AbsTransform()])
    assert D.PowerTransform(2.0) == D.PowerTransform(2.0) != D.PowerTransform(3.0)


def test_straight_through_passes_gradients_on() -> None:
    logits = vg.tensor([0.1, 0.2, 0.3]).requires_grad_()
    drawn = D.OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(round(value, 6) for value in drawn.tolist()) == [0.0, 0.0, 1.0]
    (drawn * vg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad is not None and bool((logits.grad != 0).any())


def test_registering_a_divergence() -> None:
    class Mine(D.Normal):
        pass

    @D.register_kl(Mine, D.Normal)
    def seven(p: Any, q: Any) -> vg.Tensor:
        return vg.tensor(7.0)

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 7.0
    assert D.kl_divergence(D.Normal(0.0, 1.0), Mine(0.0, 1.0)).item() == 0.0
    with pytest.raises(TypeError, match="Expected a subclass of Distribution"):
        D.register_kl(int, D.Normal)


def test_registering_a_transform() -> None:
    class Even(D.constraints.Constraint):
        pass

    D.biject_to.register(Even, lambda constraint: D.ExpTransform())
    assert D.biject_to(Even()) == D.ExpTransform()
    with pytest.raises(TypeError, match="Constraint subclass or instance"):
        D.biject_to.register(3, lambda constraint: D.ExpTransform())
    with pytest.raises(NotImplementedError, match="Cannot transform Even"):
        D.transform_to(Even())
    assert repr(Even()) == "Even()"


def test_checks_can_be_switched_off() -> None:
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1.0
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
        assert D.Uniform(0.0, 1.0).log_prob(vg.tensor(2.0)).item() == -math.inf
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match=r"parameter scale .* greater_than\(lower_bound=0.0\).*\n-1.0|-1"):
        D.Normal(0.0, -1.0)
    assert D.HalfNormal(1.0, validate_args=False).log_prob(vg.tensor(-1.0)).item() == -math.inf


def test_a_subclass_of_ones_own() -> None:
    class Shifted(D.Distribution):
        arg_constraints = {"loc": D.constraints.real}

        def __init__(self, loc: vg.Tensor) -> None:
            self.loc = loc
            super().__init__(loc.shape)

        @property
        def variance(self) -> vg.Tensor:
            return vg.full_like(self.loc, 4.0)

    mine = Shifted(vg.zeros(2))
    assert mine.stddev.tolist() == [2.0, 2.0] and mine.expand((3, 2)).loc.shape == (3, 2)
    for name in ("mean", "mode"):
        with pytest.raises(NotImplementedError, match=f"Shifted.{name}"):
            getattr(mine, name)
    missing = {"log_prob": (vg.zeros(2),), "sample": (), "entropy": (), "enumerate_support": ()}
    for name, arguments in missing.items():
        with pytest.raises(NotImplementedError, match="Shifted"):
            getattr(mine, name)(*arguments)
    with pytest.raises(ValueError, match="loc"):
        Shifted(vg.tensor([math.nan]))


def test_reparametrised_draws_train_a_network() -> None:
    """The evidence bound of a Gaussian by its own draws: the posterior goes where it is known to be."""
    vg.manual_seed(0)
    loc, log_scale = (vg.zeros(()).requires_grad_() for _ in range(2))
    optimizer = vg.optim.Adam([loc, log_scale], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        q = D.Normal(loc, log_scale.exp())
        z = q.rsample((64,))
        likelihood = D.Normal(z, 0.5).log_prob(vg.tensor(2.0)).mean()
        loss = D.kl_divergence(q, D.Normal(0.0, 1.0)) - likelihood
        loss.backward()
        optimizer.step()
    # Prior N(0, 1), observation 2 with variance 1/4: precision 5, mean 8/5.
    assert loc.item() == pytest.approx(1.6, abs=0.05)
    assert log_scale.exp().item() == pytest.approx(math.sqrt(0.2), abs=0.03)

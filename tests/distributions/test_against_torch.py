"""Distributions, transforms and divergences beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import verigrad as vg
import verigrad.distributions as ours

torch = pytest.importorskip("torch")
theirs = torch.distributions

P, Q = [[0.2], [0.7]], [0.1, 0.5, 0.9]
W = [[0.1, 0.7, 0.2], [3.0, 1.0, 4.0]]
COVARIANCE = [[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]]

# Name -> what makes it of a library and its function for tensors, and values to ask it for.
MADE: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "Normal": (
        lambda d, t: d.Normal(t([[0.5], [-1.0]]), t([1.0, 2.0, 0.3])), [[0.1, -2.0, 3.0], [0.0, 1.0, 2.0]]
    ),
    "Uniform": (lambda d, t: d.Uniform(t([-1.0, 0.0]), t(2.0)), [0.5, 1.5]),
    "Exponential": (lambda d, t: d.Exponential(t([0.5, 2.0])), [[0.1, 1.0], [3.0, 0.0]]),
    "Laplace": (lambda d, t: d.Laplace(t([0.5, -1.0]), t([1.0, 2.0])), [0.7, -3.0]),
    "Cauchy": (lambda d, t: d.Cauchy(t([0.5, -1.0]), t([1.0, 2.0])), [0.7, -3.0]),
    "Gumbel": (lambda d, t: d.Gumbel(t([0.5, -1.0]), t([1.0, 2.0])), [0.7, -3.0]),
    "HalfNormal": (lambda d, t: d.HalfNormal(t([1.0, 2.0])), [0.7, 3.0]),
    "LogNormal": (lambda d, t: d.LogNormal(t([0.5, -1.0]), t([1.0, 0.5])), [0.7, 3.0]),
    "Bernoulli": (lambda d, t: d.Bernoulli(t(P)), [[0.0, 1.0], [1.0, 0.0]]),
    "Bernoulli of logits": (lambda d, t: d.Bernoulli(logits=t(Q)), [0.0, 1.0, 1.0]),
    "Geometric": (lambda d, t: d.Geometric(t(P)), [[0.0, 2.0], [5.0, 1.0]]),
    "Geometric of logits": (lambda d, t: d.Geometric(logits=t(Q)), [0.0, 3.0, 1.0]),
    "Categorical": (lambda d, t: d.Categorical(t(W)), [[0, 1], [2, 2], [1, 0]]),
    "Categorical of logits": (lambda d, t: d.Categorical(logits=t(W)), [0, 2]),
    "OneHotCategorical": (lambda d, t: d.OneHotCategorical(t(W)), [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "MultivariateNormal": (
        lambda d, t: d.MultivariateNormal(t([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]), t(COVARIANCE)),
        [[0.1, 0.2, 0.3], [1.0, -1.0, 0.0]],
    ),
    "MultivariateNormal of precision": (
        lambda d, t: d.MultivariateNormal(t([0.0, 1.0, 2.0]), precision_matrix=t(COVARIANCE)),
        [0.1, 0.2, 0.3],
    ),
    "MultivariateNormal of scale_tril": (
        lambda d, t: d.MultivariateNormal(t([0.0, 1.0]), scale_tril=t([[[2.0, 0.0], [0.5, 1.0]]])),
        [[[0.1, 0.2]], [[1.0, 2.0]]],
    ),
    "Independent": (
        lambda d, t: d.Independent(d.Normal(t([[0.5], [-1.0]]), t([1.0, 2.0])), 1), [[0.1, 0.2]] * 2
    ),
    "MixtureSameFamily": (
        lambda d, t: d.MixtureSameFamily(
            d.Categorical(t([0.3, 0.7])), d.Normal(t([0.0, 3.0]), t([1.0, 0.5]))
        ),
        [0.3, 2.0, -1.0],
    ),
    "MixtureSameFamily of vectors": (
        lambda d, t: d.MixtureSameFamily(
            d.Categorical(t([0.3, 0.7])), d.Independent(d.Normal(t([[0.0, 1.0], [3.0, 2.0]]), t(1.0)), 1)
        ),
        [[0.3, 2.0], [-1.0, 0.0]],
    ),
    "Gamma": (lambda d, t: d.Gamma(t([0.3, 2.5, 40.0]), t([2.0, 0.5, 1.0])), [0.1, 3.0, 42.0]),
    "Chi2": (lambda d, t: d.Chi2(t([0.5, 3.0])), [0.1, 3.0]),
    "InverseGamma": (lambda d, t: d.InverseGamma(t([0.7, 1.5, 4.0]), t([2.0, 0.5, 1.0])), [0.1, 3.0, 0.5]),
    "Beta": (lambda d, t: d.Beta(t([0.5, 2.0]), t([[0.7], [3.0]])), [[0.1, 0.9], [0.5, 0.3]]),
    "Dirichlet": (
        lambda d, t: d.Dirichlet(t([[0.5, 2.0, 3.0], [0.1, 0.2, 0.3]])), [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]]
    ),
    "StudentT": (lambda d, t: d.StudentT(t([0.5, 1.5, 7.0]), t(0.3), t(2.0)), [0.1, -3.0, 1.0]),
    "FisherSnedecor": (lambda d, t: d.FisherSnedecor(t([1.5, 3.0]), t([3.0, 7.0])), [0.1, 3.0]),
    "Weibull": (lambda d, t: d.Weibull(t([1.5, 3.0]), t([2.0, 1.5])), [0.1, 3.0]),
    "Pareto": (lambda d, t: d.Pareto(t([1.5, 3.0]), t([0.7, 3.5])), [1.7, 4.0]),
    "Poisson": (lambda d, t: d.Poisson(t([0.3, 20.0])), [0.0, 18.0]),
    "Binomial": (lambda d, t: d.Binomial(7, t([0.3, 0.8])), [0.0, 5.0]),
    "Binomial of logits": (lambda d, t: d.Binomial(t(40.0), logits=t([-3.0, 1.0])), [0.0, 35.0]),
    "NegativeBinomial": (lambda d, t: d.NegativeBinomial(t([2.5, 4.0]), t([0.3, 0.8])), [0.0, 5.0]),
    "NegativeBinomial of logits": (lambda d, t: d.NegativeBinomial(3, logits=t([-1.0, 0.5])), [0.0, 5.0]),
    "Multinomial": (lambda d, t: d.Multinomial(5, t(W)), [[0.0, 1.0, 4.0], [5.0, 0.0, 0.0]]),
    "Kumaraswamy": (lambda d, t: d.Kumaraswamy(t([1.5, 3.0]), t([2.0, 1.5])), [0.1, 0.9]),
    "TransformedDistribution": (
        lambda d, t: d.TransformedDistribution(
            d.Normal(t([0.0, 1.0]), t(1.0)), [d.AffineTransform(t([0.5, 0.2]), 2.0), d.SigmoidTransform()]
        ),
        [0.3, 0.9],
    ),
    "TransformedDistribution that falls": (
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0]), t(1.0)), d.AffineTransform(1.0, -2.0)),
        [0.3, 0.9],
    ),
    "TransformedDistribution of vectors": (
        lambda d, t: d.TransformedDistribution(d.Normal(t([0.0, 1.0]), t(1.0)), d.StickBreakingTransform()),
        [[0.2, 0.3, 0.5]],
    ),
}  # fmt: skip


def t_ours(values: Any) -> Any:
    return vg.tensor(values, dtype=vg.float64)


def t_theirs(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def both(name: str) -> tuple[Any, Any, Any]:
    make, values = MADE[name]
    return make(ours, t_ours), make(theirs, t_theirs), values


def same(mine: Any, other: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=rtol, atol=atol)


def answer(distribution: Any, name: str, *arguments: Any) -> Any:
    try:
        found = getattr(distribution, name)
        return found(*arguments) if callable(found) else found
    except NotImplementedError:
        return NotImplementedError


@pytest.mark.parametrize("name", MADE)
def test_what_a_distribution_says_of_itself(name: str) -> None:
    mine, other, _ = both(name)
    assert tuple(mine.batch_shape) == tuple(other.batch_shape)
    assert tuple(mine.event_shape) == tuple(other.event_shape)
    assert mine.has_rsample == other.has_rsample
    assert mine.has_enumerate_support == other.has_enumerate_support
    for attribute in ("is_discrete", "event_dim"):
        assert getattr(mine.support, attribute) == getattr(other.support, attribute)
    for attribute in ("mean", "mode", "variance", "stddev", "entropy", "perplexity"):
        if (name, attribute) == ("Kumaraswamy", "mode"):
            continue  # PyTorch's is NaN where the density has one
        expected = answer(other, attribute)
        if expected is NotImplementedError:
            continue
        # PyTorch's entropy of Multinomial has a term of float32.
        same(answer(mine, attribute), expected, 1e-7 if name == "Multinomial" else 1e-9)
    if other.has_enumerate_support and name != "Independent":
        for expand in (True, False):
            same(mine.enumerate_support(expand), other.enumerate_support(expand))


@pytest.mark.parametrize("name", MADE)
def test_densities(name: str) -> None:
    mine, other, values = both(name)
    same(mine.log_prob(t_ours(values)), other.log_prob(t_theirs(values)))
    if name in ("Gamma", "Chi2", "InverseGamma"):
        return  # the incomplete gamma function of their cdf is absent
    for attribute in ("cdf", "icdf"):
        asked = values if attribute == "cdf" else 0.3
        expected = answer(other, attribute, t_theirs(asked))
        if expected is not NotImplementedError:
            same(answer(mine, attribute, t_ours(asked)), expected)


@pytest.mark.parametrize("name", MADE)
def test_expanded(name: str) -> None:
    mine, other, _ = both(name)
    shape = (4, *mine.batch_shape)
    a, b = mine.expand(shape), other.expand(shape)
    assert type(a) is type(mine) and tuple(a.batch_shape) == tuple(b.batch_shape) == shape
    drawn = mine.sample()
    same(a.log_prob(drawn), b.log_prob(torch.from_numpy(drawn.numpy())))
    assert tuple(a.sample((2,)).shape) == tuple(b.sample((2,)).shape)
    assert tuple(mine.batch_shape) == tuple(other.batch_shape)


@pytest.mark.parametrize("name", MADE)
def test_shapes_of_draws(name: str) -> None:
    mine, other, _ = both(name)
    for shape in ((), (3,), (2, 3)):
        assert tuple(mine.sample(shape).shape) == tuple(other.sample(shape).shape)
        assert not mine.sample(shape).requires_grad
    assert mine.sample((0,)).shape[0] == 0
    drawn = mine.sample((5,))
    assert str(drawn.dtype).rpartition(".")[2] == str(other.sample().dtype).rpartition(".")[2]
    assert bool(vg.isfinite(mine.log_prob(drawn)).all())
    if mine.has_rsample:
        assert tuple(mine.rsample((3,)).shape) == tuple(other.rsample((3,)).shape)


def test_gradients_of_densities_and_draws() -> None:
    for make, values in (
        (lambda d, p: d.Normal(p, p.exp()), 0.3),
        (lambda d, p: d.Laplace(p, p.exp()), 0.3),
        (lambda d, p: d.Bernoulli(logits=p), 1.0),
        (lambda d, p: d.Bernoulli(p.sigmoid()), 1.0),
        (lambda d, p: d.Categorical(logits=p), 1),
        (lambda d, p: d.Categorical(p.exp()), 1),
        (lambda d, p: d.LogNormal(p, p.exp()), 0.3),
    ):
        found = []
        for library, tensor in ((ours, t_ours), (theirs, t_theirs)):
            p = tensor([0.2, -0.4]).requires_grad_()
            value = tensor(values)
            distribution = make(library, p)
            (distribution.log_prob(value).sum() + distribution.entropy().sum()).backward()
            found.append(p.grad)
        same(*found)
    covariances = []
    for library, tensor in ((ours, t_ours), (theirs, t_theirs)):
        c = tensor(COVARIANCE).requires_grad_()
        library.MultivariateNormal(tensor([0.0, 0.0, 0.0]), c).log_prob(tensor([1.0, 2.0, 3.0])).backward()
        covariances.append(c.grad)
    same(*covariances)
    p = t_ours([0.2, -0.4]).requires_grad_()
    for distribution in (
        ours.Normal(p, 1.0),
        ours.Uniform(p, p + 1),
        ours.Exponential(p.exp()),
        ours.Cauchy(p, 1.0),
    ):
        (gradient,) = vg.autograd.grad(distribution.rsample((3,)).sum(), p)
        assert bool((gradient != 0).all())


PAIRS = ["Gamma", "Beta", "Dirichlet", "Pareto", "Poisson", "Binomial", "Normal", "HalfNormal", "Bernoulli", "Categorical", "OneHotCategorical", "Exponential", "Geometric", "Laplace", "Cauchy", "Uniform", "MultivariateNormal", "Independent", "LogNormal", "TransformedDistribution"]  # fmt: skip  # noqa: E501


def other_than(distribution: Any, library: Any, tensor: Any) -> Any:
    """One of the same kind with other parameters."""
    return {
        "Gamma": lambda: library.Gamma(tensor([1.3, 0.4, 30.0]), tensor([0.5, 1.5, 2.0])),
        "Beta": lambda: library.Beta(tensor([1.3, 0.4]), tensor([[0.5], [1.5]])),
        "Dirichlet": lambda: library.Dirichlet(tensor([[1.5, 0.2, 1.0], [1.0, 2.0, 0.5]])),
        "Pareto": lambda: library.Pareto(tensor([1.0, 3.5]), tensor([0.4, 2.0])),
        "Poisson": lambda: library.Poisson(tensor([0.7, 10.0])),
        "Binomial": lambda: library.Binomial(tensor([7.0, 5.0]), tensor([0.5, 0.1])),
        "Normal": lambda: library.Normal(tensor([[0.1], [0.2]]), tensor([3.0, 1.0, 2.0])),
        "HalfNormal": lambda: library.HalfNormal(tensor([0.5, 0.7])),
        "Bernoulli": lambda: library.Bernoulli(tensor([[0.0], [1.0]])),
        "Categorical": lambda: library.Categorical(tensor([[0.5, 0.5, 0.0], [1.0, 1.0, 1.0]])),
        "OneHotCategorical": lambda: library.OneHotCategorical(tensor([[0.5, 0.4, 0.1], [1.0, 1.0, 1.0]])),
        "Exponential": lambda: library.Exponential(tensor([1.0, 0.2])),
        "Geometric": lambda: library.Geometric(tensor([[0.5], [0.9]])),
        "Laplace": lambda: library.Laplace(tensor([0.0, 0.0]), tensor([0.4, 3.0])),
        "Cauchy": lambda: library.Cauchy(tensor([0.0, 0.0]), tensor([0.4, 3.0])),
        "Uniform": lambda: library.Uniform(tensor([-2.0, 0.5]), tensor([3.0, 3.0])),
        "MultivariateNormal": lambda: library.MultivariateNormal(
            tensor([1.0, 0.0, 0.0]), tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
        ),
        "Independent": lambda: library.Independent(library.Normal(tensor([[0.1, 0.3]] * 2), tensor(2.0)), 1),
        "LogNormal": lambda: library.LogNormal(tensor([0.0, 0.0]), tensor([0.4, 3.0])),
        "TransformedDistribution": lambda: library.TransformedDistribution(
            library.Normal(tensor([0.3, 0.3]), tensor(2.0)),
            [library.AffineTransform(tensor([0.5, 0.2]), 2.0), library.SigmoidTransform()],
        ),
    }[distribution]()


@pytest.mark.parametrize("name", PAIRS)
def test_divergences(name: str) -> None:
    mine, other, _ = both(name)
    expected = theirs.kl_divergence(other, other_than(name, theirs, t_theirs))
    same(ours.kl_divergence(mine, other_than(name, ours, t_ours)), expected)


# Of one kind from another, all with the same parameters in both libraries.
CROSSED = {
    "Gamma": lambda d, t: d.Gamma(t([0.3, 2.5]), t([2.0, 0.5])),
    "Beta": lambda d, t: d.Beta(t([0.5, 2.0]), t([0.7, 3.0])),
    "Pareto": lambda d, t: d.Pareto(t([0.2, 0.4]), t([0.7, 3.5])),
    "Uniform": lambda d, t: d.Uniform(t([0.3, 0.0]), t([0.9, 1.0])),
    "wide Uniform": lambda d, t: d.Uniform(t([-1.0, 0.5]), t([2.0, 1.5])),
    "Exponential": lambda d, t: d.Exponential(t([0.5, 2.0])),
    "Normal": lambda d, t: d.Normal(t([0.5, 2.0]), t([1.5, 0.3])),
    "Gumbel": lambda d, t: d.Gumbel(t([0.5, 2.0]), t([1.5, 0.3])),
    "Bernoulli": lambda d, t: d.Bernoulli(t([0.5, 0.2])),
    "Poisson": lambda d, t: d.Poisson(t([0.5, 2.0])),
    "Binomial": lambda d, t: d.Binomial(3, t([0.5, 0.2])),
}
CROSSINGS = [
    (p, q)
    for p, others in {
        "Gamma": "Exponential Normal Gumbel Beta Pareto Uniform",
        "Beta": "Gamma Exponential Normal Uniform Pareto",
        "Pareto": "Gamma Exponential Normal Beta Uniform",
        "Uniform": "Gamma Beta Pareto",
        "wide Uniform": "Gamma Beta Pareto",
        "Exponential": "Gamma",
        "Bernoulli": "Poisson",
        "Poisson": "Bernoulli Binomial",
    }.items()
    for q in others.split()
]


@pytest.mark.parametrize(("p", "q"), CROSSINGS)
def test_divergences_between_kinds(p: str, q: str) -> None:
    expected = theirs.kl_divergence(CROSSED[p](theirs, t_theirs), CROSSED[q](theirs, t_theirs))
    same(ours.kl_divergence(CROSSED[p](ours, t_ours), CROSSED[q](ours, t_ours)), expected)


OF_GAMMA: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (lambda d, p: d.Gamma(p.exp(), p.exp() + 1), 0.3),
    (lambda d, p: d.InverseGamma(p.exp() + 2, p.exp()), 0.3),
    (lambda d, p: d.Chi2(p.exp()), 0.3),
    (lambda d, p: d.Beta(p.exp(), p.exp() + 1), 0.3),
    (lambda d, p: d.Dirichlet(p.exp()), [0.3, 0.7]),
    (lambda d, p: d.StudentT(p.exp() + 2, p, p.exp()), 0.3),
    (lambda d, p: d.Weibull(p.exp(), p.exp() + 1), 0.3),
    (lambda d, p: d.Pareto(p.exp() / 10, p.exp() + 1), 0.3),
    (lambda d, p: d.Kumaraswamy(p.exp(), p.exp() + 1), 0.3),
    (lambda d, p: d.Binomial(5, logits=p), 3.0),
    (lambda d, p: d.Multinomial(5, p.exp()), [3.0, 2.0]),
]


@pytest.mark.parametrize("number", range(len(OF_GAMMA)))
def test_gradients_of_log_prob_and_entropy(number: int) -> None:
    make, values = OF_GAMMA[number]
    found = []
    for library, tensor in ((ours, t_ours), (theirs, t_theirs)):
        p = tensor([0.2, -0.4]).requires_grad_()
        distribution = make(library, p)
        (distribution.log_prob(tensor(values)).sum() + distribution.entropy().sum()).backward()
        found.append(p.grad)
    same(*found, 1e-8, 1e-8)  # PyTorch's trigamma has nine digits


@pytest.mark.parametrize(
    "make",
    [
        lambda d, p: d.Poisson(p.exp()),
        lambda d, p: d.NegativeBinomial(p.exp(), logits=p),
        lambda d, p: d.FisherSnedecor(p.exp(), p.exp() + 1),
    ],
)
def test_gradients_of_log_prob(make: Any) -> None:
    found = []
    for library, tensor in ((ours, t_ours), (theirs, t_theirs)):
        p = tensor([0.2, -0.4]).requires_grad_()
        make(library, p).log_prob(tensor(2.0)).sum().backward()
        found.append(p.grad)
    same(*found, 1e-8, 1e-8)  # PyTorch's trigamma has nine digits


@pytest.mark.parametrize("name", ["Gamma", "Beta", "Dirichlet"])
def test_gradients_of_divergences(name: str) -> None:
    make = {
        "Gamma": lambda d, p: d.Gamma(p.exp(), p.exp() + 1),
        "Beta": lambda d, p: d.Beta(p.exp(), p.exp() + 1),
        "Dirichlet": lambda d, p: d.Dirichlet(p.exp()),
    }[name]
    found = []
    for library, tensor in ((ours, t_ours), (theirs, t_theirs)):
        p, q = tensor([0.2, -0.4]).requires_grad_(), tensor([1.2, 0.4]).requires_grad_()
        library.kl_divergence(make(library, p), make(library, q)).sum().backward()
        found.append((p.grad, q.grad))
    for mine, other in zip(*found, strict=True):
        same(mine, other, 1e-8, 1e-8)


@pytest.mark.parametrize("name", ["Uniform", "Exponential", "Laplace"])
def test_divergences_from_a_normal(name: str) -> None:
    mine, other, _ = both(name)
    expected = theirs.kl_divergence(other, theirs.Normal(t_theirs(0.5), t_theirs(2.0)))
    same(ours.kl_divergence(mine, ours.Normal(t_ours(0.5), t_ours(2.0))), expected)


VECTOR = [[0.3, -1.0, 2.0], [0.0, 0.5, -0.2]]
SQUARE = [[[0.3, -1.0], [0.5, 0.2]]]
TRANSFORMS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "exp": (lambda d, t: d.ExpTransform(), VECTOR),
    "sigmoid": (lambda d, t: d.SigmoidTransform(), VECTOR),
    "tanh": (lambda d, t: d.TanhTransform(), VECTOR),
    "softplus": (lambda d, t: d.SoftplusTransform(), VECTOR),
    "power": (lambda d, t: d.PowerTransform(t(2.5)), [[0.3, 1.0]]),
    "affine": (lambda d, t: d.AffineTransform(t(0.5), -2.0), VECTOR),
    "affine of events": (lambda d, t: d.AffineTransform(t([0.5, 0.1, 0.0]), 3.0, event_dim=1), VECTOR),
    "abs": (lambda d, t: d.AbsTransform(), [[0.3, 1.0]]),
    "softmax": (lambda d, t: d.SoftmaxTransform(), VECTOR),
    "stick breaking": (lambda d, t: d.StickBreakingTransform(), VECTOR),
    "cholesky": (lambda d, t: d.LowerCholeskyTransform(), SQUARE),
    "reshape": (lambda d, t: d.ReshapeTransform((3,), (3, 1)), VECTOR),
    "independent": (lambda d, t: d.IndependentTransform(d.ExpTransform(), 1), VECTOR),
    "composed": (lambda d, t: d.ComposeTransform([d.AffineTransform(1.0, 2.0), d.TanhTransform()]), VECTOR),
    "composed of events": (
        lambda d, t: d.ComposeTransform([d.AffineTransform(0.5, 2.0), d.StickBreakingTransform()]), VECTOR
    ),
    "inverse": (lambda d, t: d.ExpTransform().inv, [[0.3, 1.0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name: str) -> None:
    make, values = TRANSFORMS[name]
    mine, other = make(ours, t_ours), make(theirs.transforms, t_theirs)
    x, u = t_ours(values), t_theirs(values)
    y, v = mine(x), other(u)
    same(y, v)
    assert mine.bijective == other.bijective
    assert (mine.domain.event_dim, mine.codomain.event_dim) == (
        other.domain.event_dim,
        other.codomain.event_dim,
    )
    assert tuple(mine.forward_shape(x.shape)) == tuple(other.forward_shape(u.shape)) == tuple(y.shape)
    assert tuple(mine.inverse_shape(y.shape)) == tuple(other.inverse_shape(v.shape))
    same(mine.inv(y), other.inv(v))
    try:
        expected = other.log_abs_det_jacobian(u, v)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            mine.log_abs_det_jacobian(x, y)
        return
    same(mine.log_abs_det_jacobian(x, y), expected)
    same(mine.inv.log_abs_det_jacobian(y, x), other.inv.log_abs_det_jacobian(v, u))


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_of_constraints(registry: str) -> None:
    for find in (
        lambda c: c.real,
        lambda c: c.positive,
        lambda c: c.nonnegative,
        lambda c: c.unit_interval,
        lambda c: c.simplex,
        lambda c: c.real_vector,
        lambda c: c.interval(-1.0, 3.0),
        lambda c: c.greater_than(2.0),
        lambda c: c.less_than(2.0),
        lambda c: c.half_open_interval(0.0, 2.0),
        lambda c: c.independent(c.positive, 1),
    ):
        mine = getattr(ours, registry)(find(ours.constraints))
        other = getattr(theirs, registry)(find(theirs.constraints))
        values = [[0.3, -1.0], [0.5, 0.2]]
        same(mine(t_ours(values)), other(t_theirs(values)))
        assert bool(find(ours.constraints).check(mine(t_ours(values))).all())
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        getattr(ours, registry)(ours.constraints.boolean)


CHECKED = [
    ("boolean", [0.0, 1.0, 0.5]), ("unit_interval", [0.0, 1.0, 1.5]), ("positive", [0.0, 1.0]),
    ("nonnegative", [0.0, -1.0]), ("real", [1.0, float("nan"), float("inf")]),
    ("simplex", [[0.5, 0.5], [0.5, 0.6]]),
    ("one_hot", [[0.0, 1.0], [1.0, 1.0]]), ("nonnegative_integer", [0.0, 1.5, -1.0]),
    ("positive_integer", [0.0, 2.0]), ("real_vector", [[1.0, float("nan")], [0.0, 0.0]]),
    ("lower_triangular", [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 2.0], [0.0, 1.0]]]),
    ("lower_cholesky", [[[1.0, 0.0], [1.0, -1.0]], [[1.0, 0.0], [5.0, 1.0]]]),
    ("positive_definite", [[[2.0, 1.0], [1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]]),
    ("positive_definite", [[[2.0, 1.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]]),
    ("symmetric", [[[2.0, 1.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]]),
    ("square", [[[2.0, 1.0]]]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values"), CHECKED)
def test_constraints(name: str, values: Any) -> None:
    mine, other = getattr(ours.constraints, name), getattr(theirs.constraints, name)
    assert mine.check(t_ours(values)).tolist() == other.check(t_theirs(values)).tolist()
    assert (mine.event_dim, mine.is_discrete) == (other.event_dim, other.is_discrete)


REFUSED: list[Callable[[Any, Any], Any]] = [
    lambda d, t: d.Normal(t([0.0]), t([-1.0])),
    lambda d, t: d.Normal(t([0.0]), t([float("nan")])),
    lambda d, t: d.Normal("a", 1.0),
    lambda d, t: d.Uniform(t(1.0), t(0.0)),
    lambda d, t: d.Exponential(t(0.0)),
    lambda d, t: d.Bernoulli(t(1.5)),
    lambda d, t: d.Bernoulli(),
    lambda d, t: d.Bernoulli(t(0.5), t(0.5)),
    lambda d, t: d.Geometric(t(0.0)),
    lambda d, t: d.Categorical(t(1.0)),
    lambda d, t: d.Categorical(t([-1.0, 2.0])),
    lambda d, t: d.Categorical(t([0.5, 0.5])).log_prob(t(2.0)),
    lambda d, t: d.MultivariateNormal(t([0.0, 0.0]), t([[1.0, 2.0], [2.0, 1.0]])),
    lambda d, t: d.MultivariateNormal(t([0.0, 0.0])),
    lambda d, t: d.MultivariateNormal(t(0.0), t([[1.0]])),
    lambda d, t: d.Normal(t([0.0]), t([1.0])).log_prob(t([float("nan")])),
    lambda d, t: d.Normal(t([0.0]), t([1.0])).log_prob(0.5),
    lambda d, t: d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0])),
    lambda d, t: d.Uniform(0.0, 1.0).log_prob(t(2.0)),
    lambda d, t: d.Exponential(t(1.0)).log_prob(t(-1.0)),
    lambda d, t: d.Gamma(t(-1.0), t(1.0)),
    lambda d, t: d.Gamma(t(1.0), t(1.0)).log_prob(t(-1.0)),
    lambda d, t: d.Dirichlet(t(1.0)),
    lambda d, t: d.Dirichlet(t([1.0, 0.0])),
    lambda d, t: d.Dirichlet(t([1.0, 2.0])).log_prob(t([1.0, 2.0])),
    lambda d, t: d.Beta(t(1.0), t(1.0)).log_prob(t(1.5)),
    lambda d, t: d.Binomial(3),
    lambda d, t: d.Binomial(3, t(0.5), t(0.5)),
    lambda d, t: d.Binomial(t(1.5), t(0.5)),
    lambda d, t: d.Binomial(3, t(0.5)).log_prob(t(4.0)),
    lambda d, t: d.Binomial(t([3.0, 4.0]), t(0.5)).entropy(),
    lambda d, t: d.NegativeBinomial(t(1.0), t(1.0)),
    lambda d, t: d.Multinomial(t(3.0), t([0.5, 0.5])),
    lambda d, t: d.Multinomial(3, t([0.5, 0.5])).log_prob(t([4.0, 0.0])),
    lambda d, t: d.Poisson(t(-1.0)),
    lambda d, t: d.Poisson(t(1.0)).log_prob(t(0.5)),
    lambda d, t: d.Poisson(t(1.0)).rsample(),
    lambda d, t: d.Poisson(t(1.0)).entropy(),
    lambda d, t: d.StudentT(t(0.0)),
    lambda d, t: d.Pareto(t(1.0), t(1.0)).log_prob(t(0.5)),
    lambda d, t: d.kl_divergence(d.Binomial(2, t(0.5)), d.Binomial(3, t(0.5))),
    lambda d, t: d.Bernoulli(t(0.5)).log_prob(t(0.5)),
    lambda d, t: d.OneHotCategorical(t([0.5, 0.5])).log_prob(t([1.0, 1.0])),
    lambda d, t: d.Independent(d.Normal(0.0, 1.0), 1),
    lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), [3]),
    lambda d, t: d.TransformedDistribution(d.Normal(0.0, 1.0), d.StickBreakingTransform()),
    lambda d, t: d.MixtureSameFamily(d.Categorical(t([0.5, 0.5])), d.Normal(t([0.0, 1.0, 2.0]), 1.0)),
    lambda d, t: d.kl_divergence(d.Normal(0.0, 1.0), d.Cauchy(0.0, 1.0)),
    lambda d, t: d.kl_divergence(d.Categorical(t([0.5])), d.Normal(0.0, 1.0)),
    lambda d, t: d.Normal(0.0, 1.0).enumerate_support(),
    lambda d, t: d.Bernoulli(t(0.5)).rsample(),
    lambda d, t: d.Categorical(t([0.5])).cdf(t(0.0)),
    lambda d, t: d.Distribution.set_default_validate_args(3),
    lambda d, t: d.ReshapeTransform((2,), (3,)),
    lambda d, t: d.ExpTransform(cache_size=2),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_errors_have_torchs_types(number: int) -> None:
    with pytest.raises(Exception) as expected:  # noqa: B017 - whichever it is
        REFUSED[number](theirs, t_theirs)
    with pytest.raises(expected.type):
        REFUSED[number](ours, t_ours)


def test_text() -> None:
    for name in ("Normal", "Bernoulli", "Categorical", "Independent", "Exponential"):
        mine, other, _ = both(name)
        assert repr(mine).replace("verigrad", "torch") == repr(other)
    assert repr(ours.Normal(0.0, 1.0)) == repr(theirs.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"

"""Kullback and Leibler's divergence, sum p log(p / q), between pairs of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from .. import _C
from .._C import Tensor
from .bernoulli import Bernoulli
from .categorical import Categorical
from .cauchy import Cauchy
from .counts import Binomial, Poisson
from .dirichlet import Beta, Dirichlet, _log_beta
from .distribution import Distribution
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .log_normal import LogNormal
from .multivariate_normal import MultivariateNormal
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .powers import EULER, Pareto
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import solve_lower, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

_F = TypeVar("_F", bound=Callable[..., Tensor])
_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[_F], _F]:
    """A decorator: the function of (p, q) is the divergence for these classes and their subclasses.

    Raises:
        TypeError: one of them is no class of distributions.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected a subclass of Distribution but got {kind}")

    def register(function: _F) -> _F:
        _FORMULAS[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The divergence of q from p, with their batch shape.

    Raises:
        NotImplementedError: no formula is registered for their classes.
    """
    kinds = type(p).__mro__, type(q).__mro__
    found = [
        (kinds[0].index(a) + kinds[1].index(b), kinds[0].index(a), function)
        for (a, b), function in _FORMULAS.items()
        if a in kinds[0] and b in kinds[1]
    ]
    if not found:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return min(found, key=lambda each: each[:2])[2](p, q)


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio: Tensor = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    def part(a: Tensor, b: Tensor) -> Tensor:
        # Nothing where p is 0, infinite where q alone is.
        found = _C.where(b == 0, math.inf, a * (a / b).log())
        return _C.where(a == 0, 0.0, found)

    return part(p.probs, q.probs) + part(1 - p.probs, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    found = p.probs * (p.logits - q.logits)
    found = _C.where((q.probs == 0).expand(found.shape), math.inf, found)
    return _C.where((p.probs == 0).expand(found.shape), 0.0, found).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - _C.log1p(-q.probs) / p.probs - q.logits


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * _C.exp(-distance / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    # F. Chyzak, F. Nielsen, "A closed-form formula for the Kullback-Leibler divergence between Cauchy
    # distributions" (arXiv 1905.10965).
    above = (p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2
    return above.log() - (4 * p.scale * q.scale).log()


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return _C.where((q.low > p.low) | (q.high < p.high), math.inf, found)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    second = width**2 / 12 + ((p.high + p.low) / 2 - q.loc) ** 2
    return (math.sqrt(2 * math.pi) * q.scale / width).log() + second / (2 * q.scale**2)


@register_kl(Exponential, Normal)
def _exponential_normal(p: Exponential, q: Normal) -> Tensor:
    second = 2 / p.rate**2 - 2 * q.loc / p.rate + q.loc**2
    return (p.rate * q.scale * math.sqrt(2 * math.pi)).log() - 1 + second / (2 * q.scale**2)


@register_kl(Laplace, Normal)
def _laplace_normal(p: Laplace, q: Normal) -> Tensor:
    second = 2 * p.scale**2 + (p.loc - q.loc) ** 2
    return (math.sqrt(2 * math.pi) * q.scale / (2 * p.scale)).log() - 1 + second / (2 * q.scale**2)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be computed"
        )
    ratio = solve_lower(q.scale_tril, p.scale_tril)
    z = solve_lower(q.scale_tril, (p.loc - q.loc).unsqueeze(-1))
    squares = (ratio**2).sum((-2, -1)) + (z**2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (squares - p.event_shape[0])


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent distributions with other numbers of dimensions")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of transformed distributions with other transforms or shapes")
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), max(extra, 0))


@register_kl(LogNormal, LogNormal)
def _log_normal(p: LogNormal, q: LogNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


# -- of the gamma function: minus the entropy of p, and the mean of ln q under p -----------------------------


def _mean_x_log_gamma(q: Gamma, mean: Tensor, mean_log: Tensor) -> Tensor:
    """Minus the mean of ln q, from the means of x and ln x."""
    c = q.concentration
    return _C.lgamma(c) - c * q.rate.log() - (c - 1) * mean_log + q.rate * mean


@register_kl(Gamma, Gamma)
@register_kl(Beta, Gamma)
def _to_gamma(p: Any, q: Gamma) -> Tensor:
    found: Tensor = _mean_x_log_gamma(q, p.mean, p._mean_log()) - p.entropy()
    return found


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    return _mean_x_log_gamma(q, p.mean, -EULER - p.rate.log()) - p.entropy()


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Pareto, q: Gamma) -> Tensor:
    found = _mean_x_log_gamma(q, p.mean, p.scale.log() + 1 / p.alpha) - p.entropy()
    return _C.where(p.alpha <= 1, math.inf, found)


@register_kl(Gamma, Exponential)
@register_kl(Beta, Exponential)
@register_kl(Pareto, Exponential)
def _to_exponential(p: Any, q: Exponential) -> Tensor:
    found: Tensor = q.rate * p.mean - q.rate.log() - p.entropy()
    return found


@register_kl(Gamma, Normal)
@register_kl(Beta, Normal)
@register_kl(Pareto, Normal)
def _to_normal(p: Any, q: Normal) -> Tensor:
    second = p.variance + (p.mean - q.loc) ** 2
    found: Tensor = (math.sqrt(2 * math.pi) * q.scale).log() + second / (2 * q.scale**2) - p.entropy()
    return found


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Gamma, q: Gumbel) -> Tensor:
    # The mean of exp(-x / scale) is the Laplace transform of the gamma density.
    mean_exp = _C.exp(q.loc / q.scale - p.concentration * _C.log1p(1 / (p.rate * q.scale)))
    return q.scale.log() + (p.mean - q.loc) / q.scale + mean_exp - p.entropy()


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    mean_log = _C.digamma(a) - _C.digamma(a.sum(-1, True))
    return _log_beta(b) - _log_beta(a) + ((a - b) * mean_log).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._dirichlet(), q._dirichlet())


@register_kl(Beta, Uniform)
def _beta_uniform(p: Beta, q: Uniform) -> Tensor:
    return _C.where((q.low > 0) | (q.high < 1), math.inf, (q.high - q.low).log() - p.entropy())


def _mean_log_uniform(low: Tensor, high: Tensor) -> Tensor:
    """The mean of ln x, from the integral x ln x - x."""
    return (_C.xlogy(high, high) - _C.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _uniform_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    powers = (a - 1) * _mean_log_uniform(p.low, p.high) + (b - 1) * _mean_log_uniform(1 - p.high, 1 - p.low)
    found = _C.lgamma(a) + _C.lgamma(b) - _C.lgamma(a + b) - powers - p.entropy()
    return _C.where((p.high > 1) | (p.low < 0), math.inf, found)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Uniform, q: Gamma) -> Tensor:
    found = _mean_x_log_gamma(q, p.mean, _mean_log_uniform(p.low, p.high)) - p.entropy()
    return _C.where(p.low < 0, math.inf, found)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Uniform, q: Pareto) -> Tensor:
    powers = (q.alpha + 1) * _mean_log_uniform(p.low, p.high)
    found = powers - q.alpha.log() - q.alpha * q.scale.log() - p.entropy()
    return _C.where(p.low < q.scale, math.inf, found)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    found = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _C.where(p.scale < q.scale, math.inf, found)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate / q.rate).log() - p.rate + q.rate


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return q.rate - p.probs * q.rate.log() - p.entropy()


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    found = p.total_count * _bernoulli(Bernoulli(p.probs), Bernoulli(q.probs))
    return _C.where(p.total_count > q.total_count, math.inf, found)


@register_kl(Gamma, Beta)
@register_kl(Gamma, Pareto)
@register_kl(Gamma, Uniform)
@register_kl(Beta, Pareto)
@register_kl(Pareto, Beta)
@register_kl(Pareto, Uniform)
def _not_within(p: Distribution, q: Distribution) -> Tensor:
    return _C.full_like(p.mean, math.inf)


@register_kl(Poisson, Bernoulli)
@register_kl(Poisson, Binomial)
def _poisson_not_within(p: Poisson, q: Distribution) -> Tensor:
    return _C.full_like(p.rate, math.inf)

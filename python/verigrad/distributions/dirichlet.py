"""The Dirichlet distribution, and the beta distribution, that of two classes."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .._count_draws import log_gamma
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Beta", "Dirichlet"]


class Dirichlet(Distribution):
    """Probabilities x of classes, with the density prod x^(c - 1) / B(c), c = concentration.

    Args:
        concentration: above 0, [..., classes].
        validate_args: see `Distribution`.

    Draws are gamma variates divided by their sum, in logarithms; `rsample` is differentiable once.

    Raises:
        ValueError: concentration has no dimension.
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0)
        found = above / above.sum(-1, True)
        # Below 1 the density is greatest in the corners: the first class, as all are 0 above 1.
        corner = (_C.arange(above.shape[-1], device=above.device) == 0).to(above.dtype)
        return _C.where((self.concentration < 1).all(-1, True), corner, found)

    @property
    def variance(self) -> Tensor:
        total, mean = self.concentration.sum(-1, True), self.mean
        return mean * (1 - mean) / (total + 1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return _C.softmax(log_gamma(self.concentration.expand(self._extended_shape(sample_shape))), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        powers = _C.xlogy(self.concentration - 1, self._checked(value)).sum(-1)
        return powers - _log_beta(self.concentration)

    def entropy(self) -> Tensor:
        c = self.concentration
        total = c.sum(-1)
        own = ((c - 1) * _C.digamma(c)).sum(-1)
        return _log_beta(c) + (total - c.shape[-1]) * _C.digamma(total) - own


def _log_beta(concentration: Tensor) -> Tensor:
    """ln of the beta function of several arguments."""
    return _C.lgamma(concentration).sum(-1) - _C.lgamma(concentration.sum(-1))


class Beta(Distribution):
    """x^(c1 - 1) (1 - x)^(c0 - 1) / B(c1, c0) for x from 0 to 1.

    Args:
        concentration1, concentration0: above 0, tensors or numbers.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(
            *(float(c) if isinstance(c, int) else c for c in (concentration1, concentration0))
        )
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def _dirichlet(self) -> Dirichlet:
        return Dirichlet(_C.stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._dirichlet().mode[..., 0]

    @property
    def variance(self) -> Tensor:
        return self._dirichlet().variance[..., 0]

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet().rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        return self._dirichlet().log_prob(_C.stack([self._checked(value), 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._dirichlet().entropy()

    def _mean_log(self) -> Tensor:
        """The mean of ln x."""
        return _C.digamma(self.concentration1) - _C.digamma(self.concentration1 + self.concentration0)

    def __repr__(self) -> str:
        return "Beta()"

"""The gamma distribution, and those that are functions of gamma variates: Chi2 and InverseGamma."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._count_draws import log_gamma
from .._types import finfo
from . import constraints
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform
from .utils import broadcast_all

__all__ = ["Chi2", "Gamma", "InverseGamma"]


class Gamma(Distribution):
    """rate^c x^(c - 1) exp(-rate x) / Gamma(c) for x >= 0, with c = concentration.

    Args:
        concentration, rate: above 0, tensors or numbers.
        validate_args: see `Distribution`.

    `rsample` is differentiable by both parameters, once: implicitly (Figurnov et al. 2018) by the
    concentration. There is no `cdf`, which needs the incomplete gamma function.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    concentration: Tensor
    rate: Tensor

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        drawn = _C.exp(log_gamma(self.concentration.expand(shape))) / self.rate
        return drawn.clamp(min=finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(_C.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device))
        return (
            _C.xlogy(self.concentration, self.rate)
            + _C.xlogy(self.concentration - 1, value)
            - self.rate * value
            - _C.lgamma(self.concentration)
        )

    def entropy(self) -> Tensor:
        c = self.concentration
        return c - _C.log(self.rate) + _C.lgamma(c) + (1 - c) * _C.digamma(c)

    def _mean_log(self) -> Tensor:
        """The mean of ln x."""
        return _C.digamma(self.concentration) - _C.log(self.rate)


class Chi2(Gamma):
    """The sum of the squares of *df* standard normal numbers: Gamma(df / 2, 1 / 2).

    Args:
        df: above 0, a tensor or number; it need not be whole.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (half,) = broadcast_all(df)
        super().__init__(0.5 * half, 0.5, validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2

    def expand(self, batch_shape: Any, _instance: Any = None) -> Chi2:
        made: Chi2 = super().expand(batch_shape, _instance)
        made.concentration, made.rate = self.concentration.expand(batch_shape), self.rate.expand(batch_shape)
        return made

    def __repr__(self) -> str:
        return "Chi2()"


class InverseGamma(TransformedDistribution):
    """1 / x of a gamma distributed x.

    Args:
        concentration, rate, validate_args: as for `Gamma`.
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        power = PowerTransform(_C.tensor(-1.0, dtype=base.rate.dtype, device=base.rate.device))
        super().__init__(base, power, validate_args)

    @property
    def concentration(self) -> Tensor:
        """That of 1 / x."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """That of 1 / x."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        return _C.where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        c = self.concentration
        return _C.where(c > 2, self.rate**2 / ((c - 1) ** 2 * (c - 2)), math.inf)

    def entropy(self) -> Tensor:
        c = self.concentration
        return c + _C.log(self.rate) + _C.lgamma(c) - (1 + c) * _C.digamma(c)

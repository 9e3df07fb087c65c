"""Student's t and Fisher and Snedecor's F: quotients with chi-squared variates."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._count_draws import log_gamma
from .._types import finfo
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["FisherSnedecor", "StudentT"]


class StudentT(Distribution):
    """loc + scale x / sqrt(z / df) of a standard normal x and a z of the distribution Chi2(df).

    Args:
        df: above 0, a tensor or number.
        loc, scale: place and scale; scale above 0.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return _C.where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        finite = self.scale**2 * self.df / (self.df - 2)
        return _C.where(self.df > 2, finite, _C.where(self.df > 1, math.inf, _C.full_like(self.df, math.nan)))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        normal = _C.randn(shape, dtype=self.df.dtype, device=self.df.device)
        # ln(z / df) = ln(2 g / df) of a gamma variate g.
        log_ratio = log_gamma((0.5 * self.df).expand(shape)) + _C.log(2 / self.df)
        return self.loc + self.scale * (normal * _C.exp(-0.5 * log_ratio))

    def _log_norm(self) -> Tensor:
        """ln of sqrt(df) B(df / 2, 1 / 2)."""
        half = 0.5 * self.df
        return 0.5 * (self.df.log() + math.log(math.pi)) + _C.lgamma(half) - _C.lgamma(half + 0.5)

    def log_prob(self, value: Tensor) -> Tensor:
        y = (self._checked(value) - self.loc) / self.scale
        return -0.5 * (self.df + 1) * _C.log1p(y**2 / self.df) - self._log_norm() - self.scale.log()

    def entropy(self) -> Tensor:
        half = 0.5 * (self.df + 1)
        return self.scale.log() + self._log_norm() + half * (_C.digamma(half) - _C.digamma(half - 0.5))


class FisherSnedecor(Distribution):
    """(x1 / df1) / (x2 / df2) of x1 and x2 with the distributions Chi2(df1) and Chi2(df2).

    Args:
        df1, df2: above 0, tensors or numbers.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return _C.where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        found = (self.df1 - 2) / self.df1 * (self.df2 / (self.df2 + 2))
        return _C.where(self.df1 > 2, found, math.nan)

    @property
    def variance(self) -> Tensor:
        found = 2 * self.df2**2 * (self.df1 + self.df2 - 2)
        found = found / (self.df1 * (self.df2 - 2) ** 2 * (self.df2 - 4))
        return _C.where(self.df2 > 4, found, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        first, second = (log_gamma((0.5 * df).expand(shape)) - df.log() for df in (self.df1, self.df2))
        drawn = _C.exp(first - second)
        return drawn.clamp(min=finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        a, b, ratio = 0.5 * self.df1, 0.5 * self.df2, self.df1 / self.df2
        log_beta = _C.lgamma(a) + _C.lgamma(b) - _C.lgamma(a + b)
        return a * ratio.log() + (a - 1) * value.log() - (a + b) * _C.log1p(ratio * value) - log_beta

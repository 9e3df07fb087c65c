"""Laplace's distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._types import finfo
from ._location_scale import LocationScale

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """exp(-|x - loc| / scale) / (2 scale).

    Args:
        loc: mean, a tensor or number.
        scale: above 0.
        validate_args: see `Distribution`.
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return math.sqrt(2) * self.scale

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        # From -1 to 1 without -1, where the logarithm would be infinite.
        u = _C.rand(shape, dtype=self.loc.dtype, device=self.loc.device) * 2 - 1
        u = u.clamp(finfo(self.loc.dtype).eps - 1)
        return self.loc - self.scale * u.sign() * _C.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        return -_C.log(2 * self.scale) - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        distance = self._checked(value) - self.loc
        return 0.5 - 0.5 * distance.sign() * _C.expm1(-distance.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        u = value - 0.5
        return self.loc - self.scale * u.sign() * _C.log1p(-2 * u.abs())

    def entropy(self) -> Tensor:
        return 1 + _C.log(2 * self.scale)

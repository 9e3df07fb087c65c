"""Gumbel's distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._types import finfo
from ._location_scale import LocationScale

__all__ = ["Gumbel"]

_EULER = 0.57721566490153286061  # Euler and Mascheroni's constant


class Gumbel(LocationScale):
    """exp(-z - exp(-z)) / scale with z = (x - loc) / scale.

    Args:
        loc: mode, a tensor or number.
        scale: above 0.
        validate_args: see `Distribution`.
    """

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * _EULER

    @property
    def stddev(self) -> Tensor:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev**2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        u = _C.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        u = u.clamp(finfo(u.dtype).tiny)
        return self.loc - self.scale * _C.log(-_C.log(u))

    def log_prob(self, value: Tensor) -> Tensor:
        z = (self._checked(value) - self.loc) / self.scale
        return -z - _C.exp(-z) - _C.log(self.scale)

    def cdf(self, value: Tensor) -> Tensor:
        return _C.exp(-_C.exp(-(self._checked(value) - self.loc) / self.scale))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * _C.log(-_C.log(value))

    def entropy(self) -> Tensor:
        return _C.log(self.scale) + (1 + _EULER)

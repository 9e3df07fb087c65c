"""Cauchy's distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from ._location_scale import LocationScale

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """1 / (pi scale (1 + ((x - loc) / scale)^2)); it has neither mean nor variance.

    Args:
        loc: median, a tensor or number.
        scale: half the width at half the height, above 0.
        validate_args: see `Distribution`.
    """

    @property
    def mean(self) -> Tensor:
        return _C.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        return _C.full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        u = _C.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.scale * _C.tan(math.pi * (u - 0.5))

    def log_prob(self, value: Tensor) -> Tensor:
        z = (self._checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - _C.log(self.scale) - _C.log1p(z**2)

    def cdf(self, value: Tensor) -> Tensor:
        return _C.atan((self._checked(value) - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return _C.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + _C.log(self.scale)

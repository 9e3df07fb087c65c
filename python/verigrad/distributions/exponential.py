"""The exponential distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Exponential"]


class Exponential(Distribution):
    """rate exp(-rate x) for x >= 0.

    Args:
        rate: above 0, a tensor or number.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return 1 / self.rate

    @property
    def mode(self) -> Tensor:
        return _C.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return 1 / self.rate

    @property
    def variance(self) -> Tensor:
        return self.rate**-2

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return -_C.log1p(-_C.rand(shape, dtype=self.rate.dtype, device=self.rate.device)) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        return _C.log(self.rate) - self.rate * self._checked(value)

    def cdf(self, value: Tensor) -> Tensor:
        return -_C.expm1(-self.rate * self._checked(value))

    def icdf(self, value: Tensor) -> Tensor:
        return -_C.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1 - _C.log(self.rate)

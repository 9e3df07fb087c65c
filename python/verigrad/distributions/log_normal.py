"""The log-normal distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform

__all__ = ["LogNormal"]


class LogNormal(TransformedDistribution):
    """exp(x) of a normal x.

    Args:
        loc, scale: mean and standard deviation of x; scale above 0.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    base_dist: Normal

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        return _C.exp(self.loc + self.scale**2 / 2)

    @property
    def mode(self) -> Tensor:
        return _C.exp(self.loc - self.scale**2)

    @property
    def variance(self) -> Tensor:
        return _C.expm1(self.scale**2) * _C.exp(2 * self.loc + self.scale**2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc

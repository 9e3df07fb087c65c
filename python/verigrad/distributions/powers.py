"""Distributions of powers of exponential and uniform variates: Weibull, Pareto and Kumaraswamy."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._types import finfo
from . import constraints
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all

__all__ = ["Kumaraswamy", "Pareto", "Weibull"]

EULER = 0.57721566490153286


class _Parametrised(TransformedDistribution):
    """One whose transforms are made of its parameters."""

    def _remake(self, batch_shape: Any) -> Any:
        made = type(self).__new__(type(self))
        parameters = {name: getattr(self, name).expand(batch_shape) for name in self.arg_constraints}
        type(self).__init__(made, **parameters, validate_args=False)
        made._validate_args = self._validate_args
        return made

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._remake(batch_shape)


class Weibull(_Parametrised):
    """scale times the power 1 / concentration of a standard exponential variate.

    Args:
        scale, concentration: above 0, tensors or numbers.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(_C.ones_like(self.scale), validate_args=validate_args)
        transforms = [PowerTransform(1 / self.concentration), AffineTransform(0, self.scale)]
        super().__init__(base, transforms, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.scale * _C.exp(_C.lgamma(1 + 1 / self.concentration))

    @property
    def mode(self) -> Tensor:
        return self.scale * ((self.concentration - 1) / self.concentration) ** (1 / self.concentration)

    @property
    def variance(self) -> Tensor:
        first, second = (_C.lgamma(1 + n / self.concentration) for n in (1, 2))
        return self.scale**2 * (_C.exp(second) - _C.exp(2 * first))

    def entropy(self) -> Tensor:
        return EULER * (1 - 1 / self.concentration) + _C.log(self.scale / self.concentration) + 1


class Pareto(_Parametrised):
    """alpha scale^alpha / x^(alpha + 1) for x >= scale.

    Args:
        scale, alpha: above 0, tensors or numbers.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        super().__init__(base, [ExpTransform(), AffineTransform(0, self.scale)], validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)  # no mean up to 1: infinity
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)
        return self.scale**2 * a / ((a - 1) ** 2 * (a - 2))

    def entropy(self) -> Tensor:
        return _C.log(self.scale / self.alpha) + (1 + 1 / self.alpha)


class Kumaraswamy(_Parametrised):
    """a b x^(a - 1) (1 - x^a)^(b - 1) for x from 0 to 1, with a = concentration1 and b = concentration0.

    P. Kumaraswamy, "A generalized probability density function for double-bounded random processes" (1980).

    Args:
        concentration1, concentration0: above 0, tensors or numbers.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        eps = finfo(self.concentration1.dtype).eps
        low = _C.zeros_like(self.concentration0)
        base = Uniform(low + eps, low + 1, validate_args=validate_args)  # the powers of 0 have no slope
        transforms = [
            PowerTransform(1 / self.concentration0),
            AffineTransform(1.0, -1.0),
            PowerTransform(1 / self.concentration1),
        ]
        super().__init__(base, transforms, validate_args)

    def _moment(self, n: int) -> Tensor:
        """The mean of x^n: b B(1 + n / a, b)."""
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * _C.exp(_C.lgamma(a) + _C.lgamma(b) - _C.lgamma(a + b))

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """NaN where a parameter is below 1, or both are 1."""
        a, b = self.concentration1, self.concentration0
        found = ((a - 1) / (a * b - 1)) ** (1 / a)
        return _C.where((a < 1) | (b < 1), math.nan, found)

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean**2

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = _C.digamma(b + 1) + EULER
        return (1 - 1 / b) + (1 - 1 / a) * harmonic - _C.log(a) - _C.log(b)

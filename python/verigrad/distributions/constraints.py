"""What parameters and values of distributions must satisfy. ``check`` answers for each element or event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .utils import cholesky

__all__ = [
    "Constraint",
    "boolean",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "real",
    "real_vector",
    "simplex",
    "square",
    "symmetric",
    "unit_interval",
]


class Constraint:
    """A set of values: ``event_dim`` dimensions make one of them; ``is_discrete``: it is countable."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Tensor) -> Tensor:
        """A bool tensor with an answer for each event.

        Raises:
            NotImplementedError: the subclass did not define it.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__.removeprefix('_')}()"


class _Simple(Constraint):
    """One that a function of the value decides."""

    def __init__(
        self, name: str, check: Callable[[Tensor], Tensor], event_dim: int = 0, discrete: bool = False
    ) -> None:
        self._name, self._check = name, check
        self.event_dim, self.is_discrete = event_dim, discrete

    def check(self, value: Tensor) -> Tensor:
        return self._check(value)

    def __repr__(self) -> str:
        return f"{self._name}()"


class _Dependent(Constraint):
    """Depends on other parameters, and is not checked."""

    def __init__(self, *, is_discrete: bool = False, event_dim: int = 0) -> None:
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def check(self, value: Tensor) -> Tensor:
        raise ValueError("Cannot determine validity of dependent constraint")


class dependent_property(property, _Dependent):
    """A property whose value is a constraint that depends on the instance."""

    def __init__(
        self, fn: Callable[..., Any] | None = None, *, is_discrete: bool = False, event_dim: int = 0
    ) -> None:
        super().__init__(fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable[..., Any]) -> dependent_property:
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


def is_dependent(constraint: object) -> bool:
    """Whether it depends on other parameters."""
    return isinstance(constraint, _Dependent)


class independent(Constraint):
    """Events of *base_constraint* with so many dimensions more, all of which must satisfy it."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.is_discrete = base_constraint.is_discrete
        self.event_dim = base_constraint.event_dim + reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        result = self.base_constraint.check(value)
        if result.ndim < self.reinterpreted_batch_ndims:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim} dimensions")
        return result.reshape(*result.shape[: result.ndim - self.reinterpreted_batch_ndims], -1).all(-1)

    def __repr__(self) -> str:
        return f"independent({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class _Bounded(Constraint):
    """Numbers between two bounds, each of which may be missing, a number or a tensor."""

    def __init__(self, lower_bound: Any = None, upper_bound: Any = None) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    def __repr__(self) -> str:
        bounds = (("lower_bound", self.lower_bound), ("upper_bound", self.upper_bound))
        named = ", ".join(f"{name}={bound}" for name, bound in bounds if bound is not None)
        return f"{type(self).__name__}({named})"


class interval(_Bounded):
    """[lower_bound, upper_bound]."""

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = (value >= self.lower_bound) & (value <= self.upper_bound)
        return answer


class half_open_interval(_Bounded):
    """[lower_bound, upper_bound)."""

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = (value >= self.lower_bound) & (value < self.upper_bound)
        return answer


class integer_interval(_Bounded):
    """The whole numbers of [lower_bound, upper_bound]."""

    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = (value % 1 == 0) & (value >= self.lower_bound) & (value <= self.upper_bound)
        return answer


class greater_than(_Bounded):
    """Above lower_bound."""

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = value > self.lower_bound
        return answer


class greater_than_eq(_Bounded):
    """lower_bound and above."""

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = value >= self.lower_bound
        return answer


class less_than(_Bounded):
    """Below upper_bound."""

    def __init__(self, upper_bound: Any) -> None:
        super().__init__(None, upper_bound)

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = value < self.upper_bound
        return answer


class multinomial(Constraint):
    """Whole numbers from 0 on, for each class, whose sum is *upper_bound* at most."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)
        return answer


class _IntegerGreaterThanEq(_Bounded):
    is_discrete = True

    def check(self, value: Tensor) -> Tensor:
        answer: Tensor = (value % 1 == 0) & (value >= self.lower_bound)
        return answer


def _is_simplex(value: Tensor) -> Tensor:
    return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


def _is_one_hot(value: Tensor) -> Tensor:
    return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


def _whole(matrix: Tensor) -> Tensor:
    """Whether all elements of each matrix hold."""
    return matrix.flatten(-2).all(-1)


def _is_square(value: Tensor) -> Tensor:
    return _C.full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=_C.bool, device=value.device)


def _is_symmetric(value: Tensor) -> Tensor:
    square_ones = _is_square(value)
    return _whole(_C.isclose(value, value.mT, atol=1e-6)) if bool(square_ones.all()) else square_ones


def _is_positive_definite(value: Tensor) -> Tensor:
    good = _is_symmetric(value)
    return good & _whole(~_C.isnan(cholesky(value.detach()))) if bool(good.all()) else good


def _is_lower_cholesky(value: Tensor) -> Tensor:
    return _whole(value.tril() == value) & (value.diagonal(0, -2, -1) > 0).all(-1)


dependent = _Dependent()
real = _Simple("Real", lambda value: value == value)
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
boolean = _Simple("Boolean", lambda value: (value == 0) | (value == 1), discrete=True)
nonnegative_integer = _IntegerGreaterThanEq(0)
positive_integer = _IntegerGreaterThanEq(1)
simplex = _Simple("Simplex", _is_simplex, 1)
one_hot = _Simple("OneHot", _is_one_hot, 1, discrete=True)
square = _Simple("Square", _is_square, 2)
symmetric = _Simple("Symmetric", _is_symmetric, 2)
positive_definite = _Simple("PositiveDefinite", _is_positive_definite, 2)
lower_triangular = _Simple("LowerTriangular", lambda value: _whole(value.tril() == value), 2)
lower_cholesky = _Simple("LowerCholesky", _is_lower_cholesky, 2)

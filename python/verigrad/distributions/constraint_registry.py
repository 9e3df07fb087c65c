"""Transforms from all real numbers to what satisfies a constraint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constraints, transforms
from .constraints import Constraint
from .transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Finds a transform for a constraint by its class, or by itself where it is registered alone."""

    def __init__(self) -> None:
        self._by_class: dict[type, Callable[[Any], Transform]] = {}
        self._by_object: dict[int, Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Callable[[Any], Transform] | None = None) -> Any:
        """Registers what makes the transform of a constraint, or of a class of them; also a decorator.

        Raises:
            TypeError: it is neither.
        """
        if factory is None:
            return lambda function: self.register(constraint, function)
        if isinstance(constraint, type) and issubclass(constraint, Constraint):
            self._by_class[constraint] = factory
        elif isinstance(constraint, Constraint):
            self._by_object[id(constraint)] = factory
        else:
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform.

        Raises:
            NotImplementedError: none is registered.
        """
        factory = self._by_object.get(id(constraint)) or self._by_class.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {constraint!r} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _bounded(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    return transforms.ComposeTransform(
        [transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)]
    )


def _from_below(constraint: Any) -> Transform:
    shift = transforms.AffineTransform(constraint.lower_bound, 1)
    return transforms.ComposeTransform([transforms.ExpTransform(), shift])


def _from_above(constraint: Any) -> Transform:
    shift = transforms.AffineTransform(constraint.upper_bound, -1)
    return transforms.ComposeTransform([transforms.ExpTransform(), shift])


def _independent(registry: ConstraintRegistry) -> Callable[[Any], Transform]:
    return lambda constraint: transforms.IndependentTransform(
        registry(constraint.base_constraint), constraint.reinterpreted_batch_ndims
    )


for _registry in (biject_to, transform_to):
    _registry.register(constraints.real, lambda constraint: transforms.identity_transform)
    _registry.register(constraints.independent, _independent(_registry))
    _registry.register(constraints.interval, _bounded)
    _registry.register(constraints.half_open_interval, _bounded)
    _registry.register(constraints.greater_than, _from_below)
    _registry.register(constraints.greater_than_eq, _from_below)
    _registry.register(constraints.less_than, _from_above)
    _registry.register(constraints.positive, lambda constraint: transforms.ExpTransform())
    _registry.register(constraints.nonnegative, lambda constraint: transforms.ExpTransform())
    _registry.register(constraints.unit_interval, lambda constraint: transforms.SigmoidTransform())
    _registry.register(constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform())
biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())

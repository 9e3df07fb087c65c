"""The distribution of a function of random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .. import _C
from .._C import Size, Tensor
from ..autograd import no_grad
from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """y = T(x), where x has another distribution: log p(y) = log p(x) - log |dy / dx|.

    Args:
        base_distribution: of x.
        transforms: a transform, or several, the first one first.
        validate_args: see `Distribution`.

    Raises:
        ValueError: what transforms is no transform, or the base has too few dimensions for it.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(transform, Transform) for transform in self.transforms):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        self._place(base_distribution, validate_args)

    def _place(self, base: Distribution, validate_args: bool | None) -> None:
        chain = ComposeTransform(self.transforms)
        shape = base.batch_shape + base.event_shape
        if len(shape) < chain.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {chain.domain.event_dim}, "
                f"but got {tuple(shape)}."
            )
        forward = chain.forward_shape(shape)
        # What the transforms broadcast, and what an event of theirs takes in.
        wider = chain.inverse_shape(forward)
        if tuple(wider) != tuple(shape):
            base = base.expand(wider[: len(wider) - len(base.event_shape)])
        missing = chain.domain.event_dim - len(base.event_shape)
        if missing > 0:
            base = Independent(base, missing)
        self.base_dist = base
        events = chain.codomain.event_dim + max(len(base.event_shape) - chain.domain.event_dim, 0)
        cut = len(forward) - events
        super().__init__(forward[:cut], forward[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> TransformedDistribution:
        made: TransformedDistribution = (
            TransformedDistribution.__new__(type(self)) if _instance is None else _instance
        )
        made.transforms = self.transforms
        chain = ComposeTransform(self.transforms)
        shape = chain.inverse_shape(Size(batch_shape) + self._event_shape)
        made._validate_args = self._validate_args
        made._place(self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)]), False)
        made._validate_args = self._validate_args
        return made

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        missing = len(self._event_shape) - found.event_dim
        return constraints.independent(found, missing) if missing > 0 else found

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._forward(self.base_dist.rsample(sample_shape))

    def _forward(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        y = self._checked(value)
        dims = len(self._event_shape)
        total: Any = 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            dims += transform.domain.event_dim - transform.codomain.event_dim
            found = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(found, dims - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + sum_rightmost(base, dims - len(self.base_dist.event_shape))  # type: ignore[no-any-return]

    def _turned(self, value: Tensor) -> Tensor:
        """1 - value where the transforms fall."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if not isinstance(sign, Tensor):
            return value if sign == 1 else 1 - value
        return _C.where(sign > 0, value, 1 - value)

    def cdf(self, value: Tensor) -> Tensor:
        x = self._checked(value)
        for transform in reversed(self.transforms):
            x = transform.inv(x)
        return self._turned(self.base_dist.cdf(x))

    def icdf(self, value: Tensor) -> Tensor:
        return self._forward(self.base_dist.icdf(self._turned(value)))

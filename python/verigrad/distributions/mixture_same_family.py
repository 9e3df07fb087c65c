"""Mixtures of distributions of one kind."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """One of several distributions, chosen by a `Categorical`.

    Args:
        mixture_distribution: which; its number of classes is the last batch dimension of the components.
        component_distribution: the distributions, along their last batch dimension.
        validate_args: see `Distribution`.

    Raises:
        ValueError: the kinds or shapes do not fit.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an instance of torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of torch.distributions.Distribution"
            )
        batch = component_distribution.batch_shape
        counts = mixture_distribution.probs.shape[-1], batch[-1] if batch else None
        if counts[0] != counts[1]:
            raise ValueError(f"expected as many components as classes, {counts[0]}, got {counts[1]}")
        shape = _C.broadcast_shapes(tuple(mixture_distribution.batch_shape), tuple(batch[:-1]))
        if tuple(shape) != tuple(batch[:-1]):
            raise ValueError(
                f"`mixture_distribution.batch_shape` {mixture_distribution.batch_shape} is not compatible "
                f"with `component_distribution.batch_shape` {batch}"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args=validate_args)

    @property
    def mixture_distribution(self) -> Categorical:
        """The distribution of the component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def expand(self, batch_shape: Any, _instance: Any = None) -> MixtureSameFamily:
        made: MixtureSameFamily = super().expand(batch_shape, _instance)
        made._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        count = self._mixture_distribution.probs.shape[-1]
        made._component_distribution = self._component_distribution.expand((*batch_shape, count))
        return made

    @constraints.dependent_property
    def support(self) -> Any:
        return self._component_distribution.support

    def _weights(self) -> Tensor:
        probs = self._mixture_distribution.probs
        return probs.reshape(*probs.shape, *[1] * len(self._event_shape))

    def _dim(self) -> int:
        return -1 - len(self._event_shape)

    @property
    def mean(self) -> Tensor:
        return (self._weights() * self._component_distribution.mean).sum(self._dim())

    @property
    def variance(self) -> Tensor:
        # That within the components, and that of their means.
        within = (self._weights() * self._component_distribution.variance).sum(self._dim())
        off = self._component_distribution.mean - self.mean.unsqueeze(self._dim())
        return within + (self._weights() * off**2).sum(self._dim())

    def log_prob(self, value: Tensor) -> Tensor:
        padded = self._checked(value).unsqueeze(self._dim())
        logits = _C.log_softmax(self._mixture_distribution.logits, -1)
        return (self._component_distribution.log_prob(padded) + logits).logsumexp(-1)

    def cdf(self, value: Tensor) -> Tensor:
        found = self._component_distribution.cdf(self._checked(value).unsqueeze(self._dim()))
        return (found * self._weights()).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            events = len(self._event_shape)
            which = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            index = which.reshape(*which.shape, *[1] * (events + 1))
            shape = (*which.shape, 1, *self._event_shape)
            return drawn.gather(self._dim(), index.expand(shape)).squeeze(self._dim())

    def __repr__(self) -> str:
        return f"MixtureSameFamily({self._mixture_distribution!r}, {self._component_distribution!r})"

"""The categorical distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Size, Tensor
from .._draws import multinomial
from .._types import finfo
from ..autograd import no_grad
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Categorical"]


class Categorical(Distribution):
    """The number 0, 1, .. of a class, with a probability for each.

    Args:
        probs: weights along the last dimension, which are divided by their sum.
        logits: logarithms of weights; one of both is given.
        validate_args: see `Distribution`.

    Raises:
        ValueError: both or none are given, or the parameter has no dimension.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        assert given is not None
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        total = given.sum(-1, keepdim=True) if name == "probs" else given.logsumexp(-1, keepdim=True)
        self.__dict__[name] = given / total if name == "probs" else given - total
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def _param(self) -> Tensor:
        held: Tensor = self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]
        return held

    @property
    def _num_events(self) -> int:
        return self._param.shape[-1]

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape

    @property
    def mean(self) -> Tensor:
        return _C.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        return _C.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            count = math.prod(sample_shape)
            shape = self._extended_shape(sample_shape)
            if not math.prod(shape):
                return _C.empty(shape, dtype=_C.int64, device=self.probs.device)
            drawn = multinomial(self.probs.reshape(-1, self._num_events), count, True)
            return drawn.t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        index = self._checked(value).long().unsqueeze(-1)
        shape = _C.broadcast_shapes(tuple(index.shape[:-1]), tuple(self._batch_shape))
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, index.expand(*shape, 1)).squeeze(-1)

    def entropy(self) -> Tensor:
        # A class of probability 0 adds nothing, though its logarithm is infinite.
        return -(self.logits.clamp(finfo(self.logits.dtype).min) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = _C.arange(self._num_events, dtype=_C.int64, device=self._param.device)
        values = values.reshape(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

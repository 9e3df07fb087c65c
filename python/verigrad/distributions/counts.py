"""Distributions of counts: Poisson, Binomial, NegativeBinomial and Multinomial."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Size, Tensor
from .._count_draws import binomial, log_gamma, poisson
from ..autograd import no_grad
from ..nn.functional import logsigmoid
from . import constraints
from ._binary import Binary
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Binomial", "Multinomial", "NegativeBinomial", "Poisson"]


class Poisson(Distribution):
    """rate^k exp(-rate) / k!: the number of events of which there are *rate* on the average.

    Args:
        rate: 0 and above, a tensor or number.
        validate_args: see `Distribution`.
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        rate, value = broadcast_all(self.rate, self._checked(value))
        return _C.xlogy(value, rate) - rate - _C.lgamma(value + 1)


class _Counted(Binary):
    """A number of trials, and their probability or its log-odds."""

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        given = probs if logits is None else logits
        if (probs is None) == (logits is None):
            given = 0.5  # the base refuses it
        counts, given = broadcast_all(total_count, given)
        self.total_count = counts.to(given.dtype)
        chosen = {"probs": None if probs is None else given, "logits": None if logits is None else given}
        super().__init__(**chosen, validate_args=validate_args)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.shape


class Binomial(_Counted):
    """The number of successes in *total_count* trials.

    Args:
        total_count: whole numbers, 0 and above.
        probs: the probability of a success, a tensor or number.
        logits: its log-odds; one of both is given.
        validate_args: see `Distribution`.
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(total_count, probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return _C.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        n, k = self.total_count, self._checked(value)
        chosen = _C.lgamma(n + 1) - _C.lgamma(k + 1) - _C.lgamma(n - k + 1)
        return chosen + k * logsigmoid(self.logits) + (n - k) * logsigmoid(-self.logits)

    def entropy(self) -> Tensor:
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = int(self.total_count.max().item())
        if int(self.total_count.min().item()) != count:
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        values = _C.arange(count + 1, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape(-1, *(1 for _ in self._batch_shape))
        return values.expand(count + 1, *self._batch_shape) if expand else values


class NegativeBinomial(_Counted):
    """The number of successes before *total_count* failures: a Poisson number with a gamma distributed rate.

    Args:
        total_count: 0 and above, a tensor or number; it need not be whole.
        probs: the probability of a success, below 1.
        logits: its log-odds; one of both is given.
        validate_args: see `Distribution`.
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.mean / _C.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            return poisson(_C.exp(log_gamma(self.total_count.expand(shape)) + self.logits))

    def log_prob(self, value: Tensor) -> Tensor:
        n, k = self.total_count, self._checked(value)
        chosen = _C.lgamma(n + k) - _C.lgamma(1 + k) - _C.lgamma(n)
        chosen = _C.where(n + k == 0, 0.0, chosen)
        return chosen + n * logsigmoid(-self.logits) + k * logsigmoid(self.logits)


class Multinomial(Distribution):
    """How often each class comes up in *total_count* draws.

    Args:
        total_count: how many draws.
        probs, logits, validate_args: as for `Categorical`.

    Raises:
        NotImplementedError: total_count is no whole number.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        shape = self._categorical.param_shape
        super().__init__(self._categorical.batch_shape, shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Multinomial:
        made: Multinomial = super().expand(batch_shape, _instance)
        made._categorical = self._categorical.expand(batch_shape)
        return made

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape))
            drawn = drawn.movedim(0, -1) if self.total_count else drawn.reshape(*drawn.shape[1:], 0)
            counts = _C.zeros(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=drawn.device)
            return counts.scatter_add(-1, drawn, _C.ones_like(drawn).to(counts.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        # No draw of a class that cannot come up weighs nothing.
        logits = _C.where((value == 0) & (logits == -_C.tensor(float("inf"))), 0.0, logits)
        chosen = _C.lgamma(value.sum(-1) + 1) - _C.lgamma(value + 1).sum(-1)
        return chosen + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n = _C.tensor(float(self.total_count), dtype=self.probs.dtype, device=self.probs.device)
        own = Binomial(self.total_count, self.probs, validate_args=False)
        counts = own.enumerate_support(False)[1:]
        weights = (own.log_prob(counts).exp() * _C.lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - _C.lgamma(n + 1) + weights

    def __repr__(self) -> str:
        return "Multinomial()"

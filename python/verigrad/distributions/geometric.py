"""The geometric distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from ..nn.functional import binary_cross_entropy_with_logits
from . import constraints
from ._binary import Binary
from .utils import broadcast_all

__all__ = ["Geometric"]


class Geometric(Binary):
    """(1 - probs)^k probs: the number of failures before the first success.

    Args:
        probs: the probability of a success, above 0, a tensor or number.
        logits: its log-odds; one of both is given.
        validate_args: see `Distribution`.
    """

    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs of distribution {self!r} to be positive but found invalid "
                f"values:\n{self.probs}"
            )

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        return _C.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            u = _C.rand(shape, dtype=self.probs.dtype, device=self.probs.device)
            return (_C.log1p(-u) / _C.log1p(-self.probs)).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        value, probs = broadcast_all(self._checked(value), self.probs)
        # Where probs is 1 no failure has no weight, though its logarithm is infinite.
        failures = _C.where((probs == 1) & (value == 0), 0.0, probs)
        return value * _C.log1p(-failures) + _C.log(self.probs)

    def entropy(self) -> Tensor:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs

"""A layer that adds noise while training."""

from __future__ import annotations

import math

from .. import _C
from .._C import Tensor
from .module import Module

__all__ = ["GaussianNoise"]


class GaussianNoise(Module):
    """Adds normal noise with mean 0 to its input while training; evaluation passes the input on.

    At the inputs of a network small noise acts as a penalty of the derivatives: Bishop 1995, "Training with
    Noise is Equivalent to Tikhonov Regularization". PyTorch has no such layer; the name is Keras's. The noise
    is that of the default generator. Input and output have one shape and dtype.

    Args:
        std: the standard deviation; default 0.1.

    Raises:
        ValueError: ``std`` is negative or not finite.
        TypeError: while training, the input is not floating-point.
    """

    def __init__(self, std: float = 0.1) -> None:
        super().__init__()
        if not 0 <= std < math.inf:
            raise ValueError(f"GaussianNoise: expected std to be finite and at least 0, got {std}")
        self.std = std

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        if not input.is_floating_point():
            raise TypeError(f"GaussianNoise: expected a floating-point input, got {input.dtype}")
        return input + _C.randn_like(input) * self.std

    def extra_repr(self) -> str:
        return f"std={self.std}"

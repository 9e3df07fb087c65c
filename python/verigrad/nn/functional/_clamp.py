"""Lower limits with PyTorch's gradients, which are not those of ``maximum``."""

from __future__ import annotations

from ..._C import Tensor
from ...autograd import no_grad


def not_negative(x: Tensor) -> Tensor:
    """``max(x, 0)`` whose gradient at 0 is 1, as that of PyTorch's ``clamp_min``; ``relu`` has 0 there."""
    return x.masked_fill(x < 0, 0.0)


def at_least(x: Tensor, least: float) -> Tensor:
    """``max(x, least)`` whose gradient is that of ``x`` everywhere, as PyTorch's clamping under no_grad."""
    clamped = x.clone()
    with no_grad():
        clamped.copy_(x.masked_fill(x < least, least))
    return clamped

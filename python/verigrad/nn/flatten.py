"""Layers that change only the shape."""

from __future__ import annotations

from .._C import Tensor
from .module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Joins the dimensions from ``start_dim`` to ``end_dim`` into one; by default all but the batch
    dimension.

    Args:
        start_dim: first dimension to join; default 1.
        end_dim: last dimension to join; default -1.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"

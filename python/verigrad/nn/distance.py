"""Distances as modules."""

from __future__ import annotations

from .._C import Tensor
from . import functional
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """Cosine of the angle between vectors; see ``functional.cosine_similarity``.

    Args:
        dim: the dimension of the vectors; default 1.
        eps: the least length that a vector is divided by; default 1e-8.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of differences over the last dimension; see ``functional.pairwise_distance``.

    Args:
        p: of the norm; default 2.
        eps: added to each component; default 1e-6.
        keepdim: keep the last dimension with size 1; default False.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)

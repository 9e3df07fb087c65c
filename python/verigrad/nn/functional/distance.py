"""Distances between vectors."""

from __future__ import annotations

import math

from ... import _C
from ..._C import Tensor
from ._clamp import at_least

__all__ = ["cosine_similarity", "pairwise_distance"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Returns the cosine of the angle between vectors:
    ``sum(x1 x2) / (max(|x1|, eps) max(|x2|, eps))`` along ``dim``.

    Args:
        x1: of any shape.
        x2: of the same shape or one that is broadcast.
        dim: the dimension of the vectors, counted in the broadcast shape; default 1.
        eps: the least length that a vector is divided by; default 1e-8. It does not change gradients.

    Raises:
        RuntimeError: shapes cannot be broadcast, or no tensor is floating point.
        IndexError: ``dim`` is out of range.
    """
    dtype = _C.result_type(x1, x2)
    if not dtype.is_floating_point:
        raise RuntimeError(
            f"cosine_similarity: expected common dtype to be floating point, yet common dtype is {dtype}"
        )
    shape = _common_shape(x1, x2)
    units = []
    for x in (x1.to(dtype).expand(shape), x2.to(dtype).expand(shape)):
        units.append(x / at_least(vector_norm(x, 2, dim, keepdim=True), eps))
    return _C.mul(*units).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Returns the p-norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        x1: vectors, [..., D].
        x2: of the same shape or one that is broadcast.
        p: of the norm, any number: infinity is the greatest absolute value, 0 the number of components that
            are not 0. Default 2.
        eps: added to each component, so that the gradient is finite; default 1e-6.
        keepdim: keep the last dimension with size 1. Default False.

    Raises:
        RuntimeError: shapes cannot be broadcast, or the greatest of no components is asked for.
        IndexError: the tensors have no dimension.
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def vector_norm(x: Tensor, p: float, dim: int, keepdim: bool = False) -> Tensor:
    """``sum(|x|^p)^(1/p)`` along ``dim`` and its limits for p 0, infinity and minus infinity. Where a
    component or the norm is 0, and the gradient does not exist, it is 0."""
    if p == 2:
        return _root((x * x).sum(dim, keepdim), 2)
    if p == 0:
        return (x != 0).to(x.dtype).sum(dim, keepdim)
    size = x.abs()
    if p == 1:
        return size.sum(dim, keepdim)
    if math.isinf(p):
        if size.ndim and size.shape[dim] == 0:
            raise RuntimeError(
                f"vector_norm: expected at least one component for the norm of order {p}, got shape {x.shape}"
            )
        return size.amax(dim, keepdim) if p > 0 else size.amin(dim, keepdim)
    zero = size == 0
    powers = (size.masked_fill(zero, 1.0) ** p).masked_fill(zero, 0.0 if p > 0 else math.inf)
    return _root(powers.sum(dim, keepdim), p)


def _root(x: Tensor, p: float) -> Tensor:
    """``x^(1/p)`` with the gradient 0 where x is 0 or infinite."""
    zero = x == 0
    safe = x.masked_fill(zero, 1.0)
    return (safe.sqrt() if p == 2 else safe ** (1 / p)).masked_fill(zero, 0.0)


def _common_shape(x1: Tensor, x2: Tensor) -> tuple[int, ...]:
    """The shape that both are broadcast to; raises RuntimeError where there is none."""
    long, short = (x1, x2) if x1.ndim >= x2.ndim else (x2, x1)
    lead = long.ndim - short.ndim
    shape = list(long.shape)
    for i, size in enumerate(short.shape, lead):
        if shape[i] == 1:
            shape[i] = size
        elif size not in (1, shape[i]):
            raise RuntimeError(
                f"cosine_similarity: The size of tensor a ({x1.shape}) must match the size of tensor b "
                f"({x2.shape}) at non-singleton dimension {i}"
            )
    return tuple(shape)

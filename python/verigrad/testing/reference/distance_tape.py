"""Compositions of the distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.loss_tape import at_least
from verigrad.testing.reference.normalization_tape import norm


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> tape.Var:
    """The p-norm of the difference."""
    difference = tape.var(x1) - x2 + eps
    return norm(difference, float(p), (difference.ndim - 1,), keepdim)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> tape.Var:
    """The sum of the products of unit vectors."""
    x, y = tape.var(x1), tape.var(x2)
    shape = np.broadcast_shapes(x.shape, y.shape)
    axis = dim % len(shape)
    first, second = (
        v / at_least(norm(v, 2.0, (axis,), keepdims=True), eps) for v in (x.expand(*shape), y.expand(*shape))
    )
    return (first * second).sum(axis)

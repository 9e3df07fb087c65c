"""Norms of tensors, for functions that need no gradient of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import _C
from ..._C import Tensor


def listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """One tensor, or several, as a list."""
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def norm(tensor: Tensor, order: float) -> Tensor:
    """The norm of all elements together, a 0-d tensor; of no elements, 0.

    ``order`` 0 counts the elements that are not 0, infinity is the largest magnitude and minus infinity the
    smallest. Sums of powers that overflow or vanish are taken again, relative to the largest magnitude.
    """
    if tensor.numel() == 0:
        return _C.zeros((), dtype=tensor.dtype)
    if order == math.inf:
        return tensor.abs().max()
    if order == -math.inf:
        return tensor.abs().min()
    if order == 0:
        return (tensor != 0).sum().to(tensor.dtype)
    result = _power_norm(tensor, order)
    # The host looks whether that is needed; another device would have to be waited for.
    if order < 0 or (tensor.is_cpu and 0 < result.item() < math.inf):
        return result
    largest = tensor.abs().max()
    relative = largest * _power_norm(tensor / largest, order)
    right = (result > 0) & (result < math.inf)
    return _C.where(right | (largest == 0) | (largest == math.inf), result, relative)


def _power_norm(tensor: Tensor, order: float) -> Tensor:
    if order == 1:
        return tensor.abs().sum()
    if order == 2:
        return (tensor * tensor).sum().sqrt()
    return tensor.abs().pow(order).sum().pow(1.0 / order)

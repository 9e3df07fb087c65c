"""Constraints on weights, applied after a step of the optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import _C
from ..._C import Tensor
from ...autograd import no_grad
from ._norms import listed

__all__ = ["max_norm_"]


def max_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2, dim: int = 0
) -> None:
    """Scales the weights of each unit in place so that their norm is at most ``max_norm``.

    Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 5.1:
    with dropout, the vector of incoming weights of every hidden unit is kept in a ball; radii of 3 to 4 are
    usual. It is called after each step of the optimizer. PyTorch has no function of this name.

    Args:
        parameters: one tensor or several. Those with fewer than two dimensions, such as biases, are left
            alone.
        max_norm: the radius.
        norm_type: the p of the norm; infinity is the largest magnitude. Default 2.
        dim: the dimension that counts the units: 0, the default, for the weights of Linear and Conv, 1 for
            those of ConvTranspose.

    Raises:
        ValueError: ``max_norm`` is negative or NaN, or ``norm_type`` is not positive.
        IndexError: a tensor of two or more dimensions has no dimension ``dim``.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm_: expected max_norm >= 0, got {max_norm}")
    order = float(norm_type)
    if not order > 0:
        raise ValueError(f"max_norm_: expected norm_type > 0, got {norm_type}")
    tensors = [tensor for tensor in listed(parameters) if tensor.dim() >= 2]
    for tensor in tensors:
        if not -tensor.dim() <= dim < tensor.dim():
            raise IndexError(
                f"max_norm_: expected dim within [{-tensor.dim()}, {tensor.dim() - 1}], got {dim}"
            )
    with no_grad():
        for tensor in tensors:
            if tensor.numel() == 0:
                continue
            others = [d for d in range(tensor.dim()) if d != dim % tensor.dim()]
            magnitudes = tensor.abs()
            largest = magnitudes.amax(others, True)
            if order == math.inf:
                norms = largest
            else:
                # Relative to the largest magnitude, so that no power overflows; a row of zeros stays one.
                scale = _C.where(largest > 0, largest, 1)
                norms = (magnitudes / scale).pow(order).sum(others, True).pow(1.0 / order) * scale
            outside = norms > max_norm
            if outside.is_cuda or outside.any().item():  # the host looks whether there is anything to do
                factors = _C.where(outside, max_norm / norms, 1)
                tensor.mul_(factors)

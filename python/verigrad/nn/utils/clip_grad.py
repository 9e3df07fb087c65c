"""Keeping gradients small: by the norm of all of them, or element by element."""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable

from ... import _C
from ..._C import Tensor
from ...autograd import no_grad
from ._norms import listed, norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Returns the norm of all elements of all tensors together, a 0-d tensor.

    Args:
        tensors: one tensor or several; none have the norm 0.
        norm_type: the p of the norm; infinity and "inf" stand for the largest magnitude. Default 2.
        error_if_nonfinite: raise where the norm is infinite or NaN; default False.
        foreach: accepted for compatibility; there is one implementation.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite`` is set.
    """
    order = float(norm_type)
    with no_grad():
        norms = [norm(tensor, order) for tensor in listed(tensors)]
        if not norms:
            return _C.tensor(0.0)
        dtype = norms[0].dtype
        for each in norms[1:]:
            dtype = _C.promote_types(dtype, each.dtype)
        joined = _C.stack([each.to(norms[0].device, dtype) for each in norms])
        total = joined.sum() if order == 0 else norm(joined, order)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Multiplies all gradients in place by ``max_norm / (total_norm + 1e-6)``, if that is below 1.

    Args:
        parameters: one tensor or several; those without a gradient are left alone.
        max_norm: the norm to stay under.
        total_norm: the norm of all gradients together, see ``get_total_norm``.
        foreach: accepted for compatibility; there is one implementation.
    """
    gradients = [each.grad for each in listed(parameters) if each.grad is not None]
    if not gradients:
        return
    with no_grad():
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        if factor.is_cpu and factor.item() == 1.0:  # another device would have to be waited for
            return
        for gradient in gradients:
            gradient.mul_(factor.to(gradient.device))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales the gradients in place so that the norm of all of them together is at most ``max_norm``.

    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks" (arXiv 1211.5063),
    algorithm 1.

    Args:
        parameters: one tensor or several; those without a gradient are left alone.
        max_norm: the norm to stay under.
        norm_type: the p of the norm; infinity and "inf" stand for the largest magnitude. Default 2.
        error_if_nonfinite: raise, before anything is changed, where the norm is infinite or NaN; default
            False, which makes the gradients NaN or 0.
        foreach: accepted for compatibility; there is one implementation.

    Returns:
        The norm before, a 0-d tensor.

    Warns:
        UserWarning: ``parameters`` is a generator that yields nothing, perhaps because it was used before.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite`` is set.
    """
    tensors = listed(parameters)
    if not tensors and isinstance(parameters, types.GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    gradients = [each.grad for each in tensors if each.grad is not None]
    total = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(tensors, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Puts the elements of all gradients into [-clip_value, clip_value], in place; NaN stays.

    Args:
        parameters: one tensor or several; those without a gradient are left alone.
        clip_value: the largest magnitude allowed.
        foreach: accepted for compatibility; there is one implementation.
    """
    bound = float(clip_value)
    with no_grad():
        for each in listed(parameters):
            gradient = each.grad
            if gradient is not None:
                gradient.clamp_(-bound, bound)

"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._C import Tensor
from .adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself and leaves the moments alone.

    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, with the decay
    multiplied by the learning rate. The formulas and the arguments are those of ``Adam`` with
    ``decoupled_weight_decay=True``.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-3.
        betas: beta1 and beta2, each in [0, 1); default (0.9, 0.999).
        eps: added to the denominator; default 1e-8.
        weight_decay: the parameter loses the share ``lr * weight_decay`` of itself in each step; default
            1e-2.
        amsgrad: use the largest second moment so far; default False.
        maximize: ascend; default False.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        differentiable: only False is supported.
        fused: accepted and without effect.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``, or ``foreach`` and ``fused`` are both True.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

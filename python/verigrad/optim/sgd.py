"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, floats
from .optimizer import as_number, check_finite, check_modes, check_range

__all__ = ["SGD"]


class SGD(NativeOptimizer):
    """Stochastic gradient descent, with momentum in PyTorch's form.

    For the gradient g (negated by ``maximize``) of a parameter p::

        g <- g + weight_decay * p
        b <- momentum * b + (1 - dampening) * g      (b <- g in the first step)
        p <- p - lr * b                              (p - lr * (g + momentum * b) with nesterov)

    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", eq. 1-4, where
    the learning rate multiplies g instead of b.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-3.
        momentum: factor of the buffer b; default 0, no buffer.
        dampening: share of the gradient that is kept out of the buffer; default 0.
        weight_decay: factor of the L2 penalty; default 0.
        nesterov: look ahead; needs a momentum and no dampening.
        maximize: ascend; default False.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        differentiable: only False is supported.
        fused: accepted and without effect.

    Raises:
        ValueError: an option is negative or not finite, or nesterov does not go with the others.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``, or ``foreach`` and ``fused`` are both True.
    """

    _rule = "sgd"
    _elementwise_state = ("momentum_buffer",)
    _kept_state = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("SGD", options)
        check_range("SGD", "momentum value", "momentum", options["momentum"])
        check_finite("SGD", "dampening", options["dampening"])
        if options["nesterov"] and (
            options["momentum"] <= 0 or as_number("SGD", "dampening", options["dampening"]) != 0
        ):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_modes("SGD", options)

    def _kept(self, group: dict[str, Any]) -> dict[str, float]:
        return {}

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        # In its first step the buffer becomes the gradient.
        return {"momentum_buffer": None} if group["momentum"] != 0 else {}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            **floats(group, "lr", "momentum", "dampening", "weight_decay"),
            "nesterov": group["nesterov"],
        }

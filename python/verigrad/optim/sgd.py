"""Stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from .optimizer import Optimizer, as_float, as_number, check_modes, check_range

__all__ = ["SGD"]


class SGD(Optimizer):
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

    _elementwise_state = ("momentum_buffer",)

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
        check_range("SGD", "learning rate", "lr", options["lr"])
        check_range("SGD", "momentum value", "momentum", options["momentum"])
        check_range("SGD", "weight_decay value", "weight_decay", options["weight_decay"])
        dampening = as_number("SGD", "dampening", options["dampening"])
        if not math.isfinite(dampening):
            raise ValueError(f"Invalid dampening value: {options['dampening']}")
        if options["nesterov"] and (options["momentum"] <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_modes("SGD", options)

    def _update(self, group: dict[str, Any]) -> None:
        params: list[Tensor] = []
        grads: list[Tensor] = []
        buffers: list[Tensor | None] = []
        momentum = as_float(group["momentum"])
        fresh = False
        state = self.state
        for param in group["params"]:
            grad = param.grad
            if grad is not None:
                params.append(param)
                grads.append(grad)
                if momentum:
                    known = state.get(param)
                    buffer = None if known is None else known.get("momentum_buffer")
                    fresh = fresh or buffer is None
                    buffers.append(buffer)
        if not params:
            return
        updated = _C._optim.sgd(
            params,
            grads,
            buffers if momentum else [None] * len(params),
            lr=as_float(group["lr"]),
            momentum=momentum,
            dampening=as_float(group["dampening"]),
            weight_decay=as_float(group["weight_decay"]),
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
        if fresh:
            for param, buffer in zip(params, updated, strict=True):
                state[param]["momentum_buffer"] = buffer

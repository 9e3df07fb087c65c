"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, floats
from .optimizer import check_modes, check_range

__all__ = ["RMSprop"]


class RMSprop(NativeOptimizer):
    """RMSprop: steps divided by the root of a running mean of the squared gradient.

    For the gradient g (negated by ``maximize``) of a parameter p::

        g <- g + weight_decay * p
        v <- alpha * v + (1 - alpha) * g^2
        a <- alpha * a + (1 - alpha) * g             (a = 0 unless centered)
        d = g / (sqrt(v - a^2) + eps)
        b <- momentum * b + d                        (b = d without momentum)
        p <- p - lr * b

    Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5; centered: Graves 2013,
    "Generating Sequences with Recurrent Neural Networks", eq. 38 to 45.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-2.
        alpha: factor of the running means; default 0.99.
        eps: added to the denominator; default 1e-8.
        weight_decay: factor of the L2 penalty; default 0.
        momentum: factor of the buffer b; default 0, no buffer.
        centered: take the variance of the gradient in place of its mean square; default False.
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        differentiable: only False is supported.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``.
    """

    _rule = "rmsprop"
    _elementwise_state = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("RMSprop", options)
        check_range("RMSprop", "momentum value", "momentum", options["momentum"])
        check_range("RMSprop", "alpha value", "alpha", options["alpha"])
        check_modes("RMSprop", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        states: dict[str, float | None] = {"square_avg": 0.0}
        if group["momentum"] > 0:
            states["momentum_buffer"] = 0.0
        if group["centered"]:
            states["grad_avg"] = 0.0
        return states

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        options = floats(group, "lr", "alpha", "eps", "weight_decay", "momentum")
        return {**options, "centered": group["centered"]}

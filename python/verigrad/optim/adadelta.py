"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, floats
from .optimizer import as_number, check_modes

__all__ = ["Adadelta"]


class Adadelta(NativeOptimizer):
    """Adadelta: steps in the ratio of the sizes of past updates and of past gradients.

    For the gradient g (negated by ``maximize``) of a parameter p::

        g <- g + weight_decay * p
        v <- rho * v + (1 - rho) * g^2
        d <- sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho * u + (1 - rho) * d^2
        p <- p - lr * d

    Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1, where lr is 1.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1.0.
        rho: factor of both running means, in [0, 1]; default 0.9.
        eps: added under the roots; default 1e-6.
        weight_decay: factor of the L2 penalty; default 0.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        maximize: ascend; default False.
        differentiable: only False is supported.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``.
    """

    _rule = "adadelta"
    _elementwise_state = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("Adadelta", options)
        if not 0.0 <= as_number("Adadelta", "rho", options["rho"]) <= 1.0:
            raise ValueError(f"Invalid rho value: {options['rho']}")
        check_modes("Adadelta", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return floats(group, "lr", "rho", "eps", "weight_decay")

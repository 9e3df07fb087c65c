"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, floats
from .optimizer import as_float, check_modes, check_range

__all__ = ["Adagrad"]


class Adagrad(NativeOptimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t::

        g <- g + weight_decay * p
        s <- s + g^2
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", figure 1, diagonal.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-2.
        lr_decay: how fast the learning rate falls; default 0.
        weight_decay: factor of the L2 penalty; default 0.
        initial_accumulator_value: what s starts from; default 0.
        eps: added to the denominator; default 1e-10.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        differentiable: only False is supported.
        fused: accepted and without effect.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``, or ``foreach`` and ``fused`` are both True.
    """

    _rule = "adagrad"
    _elementwise_state = ("sum",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self._make_state(param, group)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("Adagrad", options)
        check_range("Adagrad", "lr_decay value", "lr_decay", options["lr_decay"])
        start = options["initial_accumulator_value"]
        check_range("Adagrad", "initial_accumulator_value value", "initial_accumulator_value", start)
        check_modes("Adagrad", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"sum": as_float(group["initial_accumulator_value"])}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return floats(group, "lr", "lr_decay", "weight_decay", "eps")

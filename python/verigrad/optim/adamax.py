"""Adamax, the variant of Adam with the infinity norm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, betas_of, check_betas, check_common, floats
from .optimizer import check_modes

__all__ = ["Adamax"]


class Adamax(NativeOptimizer):
    """Adamax: Adam with a running maximum in place of the second moment.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t::

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 2e-3.
        betas: beta1 and beta2, each in [0, 1); default (0.9, 0.999).
        eps: added to the size of the gradient; default 1e-8.
        weight_decay: factor of the L2 penalty; default 0.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        differentiable: only False is supported.
        capturable: accepted and without effect: there are no CUDA graphs to capture.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``.
    """

    _rule = "adamax"
    _elementwise_state = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("Adamax", options)
        check_betas("Adamax", options)
        check_modes("Adamax", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return {**floats(group, "lr", "eps", "weight_decay"), **betas_of(group)}

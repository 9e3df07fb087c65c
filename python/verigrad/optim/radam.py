"""Rectified Adam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, betas_of, check_betas, check_common, floats
from .optimizer import check_modes

__all__ = ["RAdam"]


class RAdam(NativeOptimizer):
    """RAdam: Adam that takes plain steps until its second moment can be trusted.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t, with
    ``rho_inf = 2 / (1 - beta2) - 1`` and ``rho_t = rho_inf - 2 * t * beta2^t / (1 - beta2^t)``::

        g <- g + weight_decay * p                    (p <- p - lr * weight_decay * p if decoupled)
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * m / (1 - beta1^t) * r_t * sqrt(1 - beta2^t) / (sqrt(v) + eps)      if rho_t > 5
        p <- p - lr * m / (1 - beta1^t)                                                  else

        r_t = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))

    Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", algorithm 2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-3.
        betas: beta1 and beta2, each in [0, 1); default (0.9, 0.999).
        eps: added to the denominator; default 1e-8.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled; default 0.
        decoupled_weight_decay: decay the parameter itself, as AdamW does; default False.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        differentiable: only False is supported.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``.
    """

    _rule = "radam"
    _elementwise_state = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("RAdam", options)
        check_betas("RAdam", options)
        check_modes("RAdam", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        options = floats(group, "lr", "eps", "weight_decay")
        return {**options, **betas_of(group), "decoupled_weight_decay": group["decoupled_weight_decay"]}

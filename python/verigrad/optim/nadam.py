"""Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, betas_of, check_betas, check_common, floats
from .optimizer import check_modes, check_range

__all__ = ["NAdam"]


class NAdam(NativeOptimizer):
    """NAdam: Adam that looks ahead along its momentum.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t, with M the product of mu_1
    to mu_t::

        mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        g <- g + weight_decay * p                    (p <- p - lr * weight_decay * p if decoupled)
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        d = sqrt(v / (1 - beta2^t)) + eps
        p <- p - lr * (1 - mu_t) / (1 - M) * g / d - lr * mu_(t+1) / (1 - M * mu_(t+1)) * m / d

    Dozat 2016, "Incorporating Nesterov Momentum into Adam", algorithm 2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 2e-3.
        betas: beta1 and beta2, each in [0, 1); default (0.9, 0.999).
        eps: added to the denominator; default 1e-8.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled; default 0.
        momentum_decay: how fast mu_t rises to beta1; default 4e-3.
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

    _rule = "nadam"
    _elementwise_state = ("exp_avg", "exp_avg_sq")
    _kept_state = ("step", "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("NAdam", options)
        check_betas("NAdam", options)
        check_range("NAdam", "momentum_decay value", "momentum_decay", options["momentum_decay"])
        check_modes("NAdam", options)

    def _kept(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        options = floats(group, "lr", "eps", "weight_decay", "momentum_decay")
        return {**options, **betas_of(group), "decoupled_weight_decay": group["decoupled_weight_decay"]}

"""Adam and its AMSGrad variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, betas_of, check_betas, check_common, floats
from .optimizer import check_modes

__all__ = ["Adam"]


class Adam(NativeOptimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t::

        g <- g + weight_decay * p                    (p <- p - lr * weight_decay * p if decoupled)
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1. With ``amsgrad`` the
    largest v so far takes the place of v in the last line: Reddi et al. 2018, "On the Convergence of Adam and
    Beyond", algorithm 2, with Adam's bias correction.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-3.
        betas: beta1 and beta2, each in [0, 1); default (0.9, 0.999).
        eps: added to the denominator; default 1e-8.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled; default 0.
        amsgrad: use the largest second moment so far; default False.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        differentiable: only False is supported.
        fused: accepted and without effect.
        decoupled_weight_decay: decay the parameter itself, as AdamW does; default False.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``, or ``foreach`` and ``fused`` are both True.
    """

    _rule = "adam"
    _elementwise_state = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        name = type(self).__name__
        check_common(name, options)
        check_betas(name, options)
        check_modes(name, options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        states: dict[str, float | None] = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        if group["amsgrad"]:
            states["max_exp_avg_sq"] = 0.0
        return states

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            **floats(group, "lr", "eps", "weight_decay"),
            **betas_of(group),
            "decoupled_weight_decay": group["decoupled_weight_decay"],
            "amsgrad": group["amsgrad"],
        }

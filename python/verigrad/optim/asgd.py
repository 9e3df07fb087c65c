"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, floats
from .optimizer import as_float, check_finite, check_modes

__all__ = ["ASGD"]


class ASGD(NativeOptimizer):
    """Stochastic gradient descent that also averages the parameters.

    For the gradient g (negated by ``maximize``) of a parameter p in its step t::

        g <- g + weight_decay * p
        p <- (1 - lambd * eta) * p - eta * g
        ax <- ax + mu * (p - ax)
        eta <- lr / (1 + lambd * lr * t)^alpha;  mu <- 1 / max(1, t - t0)

    The average is in ``state[p]["ax"]``. Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation
    by Averaging"; the schedule of eta is Bottou's, "Stochastic Gradient Descent Tricks" 2012, section 5.2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 1e-2.
        lambd: decay of the parameter and of the step size; default 1e-4.
        alpha: exponent of the step size's decay; default 0.75.
        t0: the step from which on the average is one; default 1e6.
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

    _rule = "asgd"
    _elementwise_state = ("ax",)
    _kept_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("ASGD", options)
        for name in ("lambd", "alpha", "t0"):
            check_finite("ASGD", name, options[name])
        check_modes("ASGD", options)

    def _kept(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "eta": as_float(group["lr"]), "mu": 1.0}

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"ax": 0.0}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        return floats(group, "lr", "lambd", "alpha", "t0", "weight_decay")

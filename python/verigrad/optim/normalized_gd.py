"""Normalised gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from .optimizer import Optimizer, as_float, check_range

__all__ = ["NormalizedGD"]


class NormalizedGD(Optimizer):
    """Normalised gradient descent: steps of a fixed length along the gradient, or along its running mean.

    For the gradient g (negated by ``maximize``) of all parameters of a group together::

        g <- g + weight_decay * p
        m <- momentum * m + (1 - momentum) * g       (m = g without momentum)
        p <- p - lr * m / (||m|| + eps)

    Hazan, Levy and Shalev-Shwartz 2015, "Beyond Convexity: Stochastic Quasi-Convex Optimization", algorithm
    1; with momentum: Cutkosky and Mehta 2020, "Momentum Improves Normalized SGD", algorithm 1.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: length of a step, a number or a one-element tensor; default 1e-2.
        momentum: factor of the running mean, below 1; default 0.
        weight_decay: factor of the L2 penalty; default 0.
        eps: added to the norm; default 1e-8.
        maximize: ascend; default False.

    Raises:
        ValueError: an option is out of range.
        TypeError: an option is no number.
    """

    _elementwise_state = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        eps: float = 1e-8,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_range("NormalizedGD", "learning rate", "lr", options["lr"])
        for name in ("momentum", "weight_decay", "eps"):
            check_range("NormalizedGD", f"{name} value", name, options[name])
        if not options["momentum"] < 1:
            raise ValueError(f"Invalid momentum value: {options['momentum']}")

    @no_grad()
    def _update(self, group: dict[str, Any]) -> None:
        momentum, decay = as_float(group["momentum"]), as_float(group["weight_decay"])
        params = [param for param in group["params"] if param.grad is not None]
        means = []
        for param in params:
            grad = -param.grad if group["maximize"] else param.grad
            grad = grad + param * decay if decay else grad
            if momentum:
                state = self.state[param]
                if "exp_avg" not in state:
                    state["exp_avg"] = _C.zeros_like(param.detach())
                grad = state["exp_avg"].mul_(momentum).add_(grad, alpha=1.0 - momentum)
            means.append(grad)
        norm = math.sqrt(sum((mean * mean).sum().item() for mean in means))
        rate = as_float(group["lr"]) / (norm + as_float(group["eps"])) if norm > 0 else 0.0
        for param, mean in zip(params, means, strict=True):
            param.add_(mean, alpha=-rate)

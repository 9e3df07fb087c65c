"""Adam and its AMSGrad variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from .._text import short
from .optimizer import Optimizer, as_float, as_number, check_modes, check_range

__all__ = ["Adam"]


class Adam(Optimizer):
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
        capturable: only False is supported.
        differentiable: only False is supported.
        fused: accepted and without effect.
        decoupled_weight_decay: decay the parameter itself, as AdamW does; default False.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``capturable`` or ``differentiable``, or ``foreach`` and ``fused`` are both True.
    """

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
        check_range(name, "learning rate", "lr", options["lr"])
        check_range(name, "epsilon value", "eps", options["eps"])
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{name}: expected betas to be a pair of numbers, got {short(betas)}")
        for index, beta in enumerate(betas):
            if not 0.0 <= as_number(name, f"betas[{index}]", beta) < 1.0:
                raise ValueError(f"Invalid beta parameter at index {index}: {beta}")
        check_range(name, "weight_decay value", "weight_decay", options["weight_decay"])
        check_modes(name, options)

    def _update(self, group: dict[str, Any]) -> None:
        params: list[Tensor] = []
        grads: list[Tensor] = []
        means: list[Tensor] = []
        squares: list[Tensor] = []
        largest: list[Tensor] = []
        steps: list[Tensor] = []
        amsgrad = group["amsgrad"]
        all_state = self.state
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = all_state[param]
            if not state:
                state["step"] = _C.zeros((), dtype=_C.float32)
                state["exp_avg"] = _C.zeros_like(param, requires_grad=False)
                state["exp_avg_sq"] = _C.zeros_like(param, requires_grad=False)
            params.append(param)
            grads.append(grad)
            means.append(state["exp_avg"])
            squares.append(state["exp_avg_sq"])
            steps.append(state["step"])
            if amsgrad:
                if "max_exp_avg_sq" not in state:
                    state["max_exp_avg_sq"] = _C.zeros_like(param, requires_grad=False)
                largest.append(state["max_exp_avg_sq"])
        if not params:
            return
        beta1, beta2 = group["betas"]
        _C._optim.adam(
            params,
            grads,
            means,
            squares,
            largest,
            steps,
            lr=as_float(group["lr"]),
            beta1=as_float(beta1),
            beta2=as_float(beta2),
            eps=as_float(group["eps"]),
            weight_decay=as_float(group["weight_decay"]),
            decoupled_weight_decay=group["decoupled_weight_decay"],
            amsgrad=amsgrad,
            maximize=group["maximize"],
        )

    def _load_value(self, number: Any, param: Tensor, name: str, value: Any) -> Any:
        if name == "step" and not isinstance(value, Tensor):
            value = _C.tensor(as_number(type(self).__name__, "step", value), dtype=_C.float32)
        return super()._load_value(number, param, name, value)

"""Adafactor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from .._text import short
from ..autograd import no_grad
from .optimizer import Optimizer, as_float, as_number, check_modes

__all__ = ["Adafactor"]

EPSILON = {_C.float32: 2.0**-23, _C.float64: 2.0**-52}  # the machine epsilon of PyTorch's finfo


class Adafactor(Optimizer):
    """Adafactor: the second moment of a matrix as the product of a column and a row, in little memory.

    For the gradient G (negated by ``maximize``) of a parameter X of two dimensions or more in its step t,
    with ``b = 1 - t^beta2_decay``, means along the last two dimensions and ``RMS(U)`` the root of the mean
    square::

        X <- X - lr * weight_decay * X
        R <- b * R + (1 - b) * mean of G^2 over columns
        C <- b * C + (1 - b) * mean of G^2 over rows
        V = R C / max(mean of R, eps1)               (V <- b * V + (1 - b) * G^2 for vectors)
        U = G / sqrt(max(V, eps1^2))
        X <- X - max(eps2, RMS(X)) * min(lr, 1 / sqrt(t)) * U / max(1, RMS(U) / d)

    Shazeer and Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithms 4
    and 5, with PyTorch's use of lr and eps1.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: the largest relative step, a number or a one-element tensor; default 1e-2.
        beta2_decay: exponent of the decay of 1 - b, not positive; default -0.8.
        eps: eps1, or None for the machine epsilon of the dtype, and eps2; default (None, 1e-3).
        d: largest RMS of an update, at least 1; default 1.
        weight_decay: the parameter loses the share ``lr * weight_decay`` of itself in each step; default 0.
        foreach: accepted and without effect.
        maximize: ascend; default False.

    Raises:
        ValueError: an option is out of range.
        TypeError: an option is no number.
    """

    _elementwise_state = ("variance",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        eps = options["eps"]
        if not isinstance(eps, (tuple, list)) or len(eps) != 2:
            raise TypeError(f"Adafactor: expected eps to be a pair of numbers, got {short(eps)}")
        numbers = {
            "Learning rate": options["lr"],
            "weight_decay": options["weight_decay"],
            "epsilon1": 0.0 if eps[0] is None else eps[0],
            "epsilon2": eps[1],
        }
        for name, value in numbers.items():
            if not 0.0 <= as_number("Adafactor", name, value) < math.inf:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if not -math.inf < as_number("Adafactor", "beta2_decay", options["beta2_decay"]) <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {options['beta2_decay']}")
        if not 1.0 <= as_number("Adafactor", "d", options["d"]) < math.inf:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {options['d']}")
        check_modes("Adafactor", options)

    @no_grad()
    def _update(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            if param.grad is not None:
                self._update_one(param, -param.grad if group["maximize"] else param.grad, group)

    def _update_one(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[param]
        if not state:
            state["step"] = _C.zeros((), dtype=_C.get_default_dtype())
            if grad.ndim > 1:
                state["row_var"] = _C.zeros_like(grad[..., :1])
                state["col_var"] = _C.zeros_like(grad[..., :1, :])
            else:
                state["variance"] = _C.zeros_like(grad)
        state["step"] += 1
        step, lr = state["step"].item(), as_float(group["lr"])
        eps1, eps2 = group["eps"]
        eps1 = EPSILON[param.dtype] if eps1 is None else eps1
        rest = step ** as_float(group["beta2_decay"])
        if param.numel() == 0:
            return
        rate = max(eps2, _rms(param)) * min(lr, 1.0 / math.sqrt(step))
        if group["weight_decay"] != 0:
            param.mul_(1.0 - lr * group["weight_decay"])
        square = grad * grad
        if grad.ndim > 1:
            row, column = state["row_var"], state["col_var"]
            _mix(row, square.mean(dim=-1, keepdim=True), rest)
            _mix(column, square.mean(dim=-2, keepdim=True), rest)
            variance = row * column / row.mean(dim=-2, keepdim=True).clamp(min=eps1)
        else:
            _mix(state["variance"], square, rest)
            variance = state["variance"]
        update = grad * variance.clamp(min=eps1 * eps1).rsqrt()
        param.add_(update, alpha=-rate / max(1.0, _rms(update) / group["d"]))


def _rms(x: Tensor) -> float:
    return math.sqrt((x * x).sum().item()) / math.sqrt(x.numel())


def _mix(mean: Tensor, new: Tensor, weight: float) -> None:
    """Moves a running mean; exact at both ends."""
    if weight < 0.5:
        mean.add_(new - mean, alpha=weight)
    else:
        mean.copy_(new - (new - mean) * (1.0 - weight))

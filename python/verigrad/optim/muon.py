"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from .._text import short
from ..autograd import no_grad
from .optimizer import Optimizer, as_float, as_number, check_finite, check_range

__all__ = ["Muon"]


class Muon(Optimizer):
    """Muon: momentum of which each matrix is replaced by the nearest orthogonal one, nearly.

    For the gradient G of a matrix X of shape [a, b]::

        B <- momentum * B + (1 - momentum) * G
        O = orthogonal((1 - momentum) * G + momentum * B if nesterov else B)
        X <- X - lr * weight_decay * X - lr * r * O

    ``orthogonal`` divides by the Frobenius norm and repeats ``X <- a X + (b A + c A A) X`` with ``A = X
    X^T``, the Newton-Schulz iteration, ``ns_steps`` times; all singular values come near 1. r is
    ``sqrt(max(1, a / b))`` for "original" and ``0.2 sqrt(max(a, b))`` for "match_rms_adamw". Computed in
    the dtype of the parameter, where PyTorch rounds to bfloat16. Jordan et al. 2024, "Muon: An optimizer
    for hidden layers in neural networks"; Liu et al. 2025, "Muon is Scalable for LLM Training", arXiv
    2502.16982. Biases and embeddings want another optimizer.

    Args:
        params: matrices, (name, matrix) pairs, or dicts that describe groups.
        lr: learning rate; default 1e-3.
        weight_decay: the matrix loses the share ``lr * weight_decay`` of itself in each step; default 0.1.
        momentum: factor of the buffer; default 0.95.
        nesterov: look ahead; default True.
        ns_coefficients: a, b and c; default (3.4445, -4.775, 2.0315).
        eps: least norm that is divided by; default 1e-7.
        ns_steps: iterations, fewer than 100; default 5.
        adjust_lr_fn: "original" or "match_rms_adamw"; default None, which is "original".

    Raises:
        ValueError: a parameter is no matrix, or an option is out of range.
        TypeError: an option is no number.
    """

    _elementwise_state = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        for what, name in (
            ("Learning rate", "lr"),
            ("momentum", "momentum"),
            ("weight decay", "weight_decay"),
        ):
            if not 0.0 <= as_number("Muon", name, options[name]) < math.inf:
                raise ValueError(f"{what} should be >= 0 but is: {options[name]}")
        check_range("Muon", "epsilon value", "eps", options["eps"])
        if options["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {options['adjust_lr_fn']} is not supported")
        steps = options["ns_steps"]
        if not isinstance(steps, int) or not 0 <= steps < 100:
            raise ValueError(f"Muon: expected ns_steps to be an int in [0, 100), got {steps!r}")
        coefficients = options["ns_coefficients"]
        if not isinstance(coefficients, (tuple, list)) or len(coefficients) != 3:
            raise ValueError(f"Muon: expected ns_coefficients to be three numbers, got {short(coefficients)}")
        for index, value in enumerate(coefficients):
            check_finite("Muon", f"ns_coefficients[{index}]", value)
        for param in options.get("params", ()):
            if param.ndim != 2:
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {param.size()}"
                )

    @no_grad()
    def _update(self, group: dict[str, Any]) -> None:
        lr, momentum = as_float(group["lr"]), as_float(group["momentum"])
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = _C.zeros_like(param.detach())
            buffer = state["momentum_buffer"]
            buffer.copy_(_mix(buffer, grad, 1.0 - momentum))
            update = _mix(grad, buffer, momentum) if group["nesterov"] else buffer
            update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
            rows, columns = param.shape
            if group["adjust_lr_fn"] == "match_rms_adamw":
                ratio = 0.2 * math.sqrt(max(rows, columns))
            else:
                ratio = math.sqrt(max(1.0, rows / max(columns, 1)))
            param.mul_(1.0 - lr * as_float(group["weight_decay"]))
            param.add_(update, alpha=-lr * ratio)


def orthogonal(x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with its singular values moved near 1; see :class:`Muon`."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    x = x / max((x * x).sum().sqrt().item(), eps)
    for _ in range(steps):
        gram = x @ x.t()
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    return x.t() if tall else x


def _mix(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """a moved towards b; exact at both ends."""
    return a + (b - a) * weight if weight < 0.5 else b - (b - a) * (1.0 - weight)

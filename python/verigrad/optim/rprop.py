"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .native import NativeOptimizer, check_common, numbers
from .optimizer import as_float, check_modes

__all__ = ["Rprop"]


class Rprop(NativeOptimizer):
    """Rprop: each element has a step size of its own, which follows the signs of its gradients alone.

    For the gradient g (negated by ``maximize``) of a parameter p, element by element, with e- and e+ the
    ``etas``::

        s <- clamp(s * e+, min, max)            if g * g_prev > 0
        s <- clamp(s * e-, min, max);  g <- 0   if g * g_prev < 0
        p <- p - sign(g) * s
        g_prev <- g

    Riedmiller and Braun 1993, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
    Algorithm", without taking steps back. Meant for gradients of the whole set of data.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: step size at the start, a number or a one-element tensor; default 1e-2.
        etas: factors of a step size after a change of sign and after none; default (0.5, 1.2).
        step_sizes: the smallest and the largest step size; default (1e-6, 50).
        capturable: accepted and without effect: there are no CUDA graphs to capture.
        foreach: accepted and without effect: one native call updates all tensors of a group.
        maximize: ascend; default False.
        differentiable: only False is supported.

    Raises:
        ValueError: an option is out of range or not finite.
        TypeError: an option is no number.
        RuntimeError: ``differentiable=True``.
    """

    _rule = "rprop"
    _elementwise_state = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_common("Rprop", options)
        minus, plus = numbers("Rprop", "etas", options["etas"])
        if not 0.0 < minus < 1.0 < plus:
            raise ValueError(f"Invalid eta values: {minus}, {plus}")
        least, most = numbers("Rprop", "step_sizes", options["step_sizes"])
        if not 0.0 <= least <= most:
            raise ValueError(f"Invalid step sizes: {least}, {most}")
        check_modes("Rprop", options)

    def _states(self, group: dict[str, Any]) -> dict[str, float | None]:
        return {"prev": 0.0, "step_size": as_float(group["lr"])}

    def _options(self, group: dict[str, Any]) -> dict[str, float]:
        (minus, plus), (least, most) = group["etas"], group["step_sizes"]
        return {
            "eta_minus": as_float(minus),
            "eta_plus": as_float(plus),
            "step_size_min": as_float(least),
            "step_size_max": as_float(most),
            "maximize": group["maximize"],
        }

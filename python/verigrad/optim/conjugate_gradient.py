"""The nonlinear conjugate gradient method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._C import Tensor
from .full_batch import FullBatchOptimizer

__all__ = ["ConjugateGradient"]

RESTART = 0.1  # Nocedal and Wright, eq. 5.52


class ConjugateGradient(FullBatchOptimizer):
    """Nonlinear conjugate gradients: each direction keeps a share of the last one.

    For the gradient g and the one before, h, the direction is ``-g + beta * d`` with::

        beta = g (g - h) / (h h), not below 0      (Polak and Ribiere 1969)
        beta = g g / (h h)                         (Fletcher and Reeves 1964)

    Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithm 5.4, eq. 5.44 and 5.45; a direction
    that does not descend is replaced by ``-g``. The first step of a line search continues the decrease of
    the last one (eq. 3.60). Fletcher and Reeves's method begins anew where eq. 5.52 asks for it. The loss
    must be the same function in each call of the closure.

    Args:
        params: tensors or (name, tensor) pairs; a single group.
        lr: factor of the first step of all; default 1.
        method: "polak_ribiere" or "fletcher_reeves"; default "polak_ribiere".
        max_iter: directions of one ``step``; default 20.
        max_eval: evaluations of one ``step``; default 2.5 times ``max_iter``.
        tolerance_grad: ends where no element of the gradient is larger; default 1e-7.
        tolerance_change: ends where the loss or the parameters change less; default 1e-9.

    Raises:
        ValueError: an option is out of range or unknown, or there are several groups.
    """

    _curvature = 0.1  # directions become conjugate only where the search is nearly exact

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        method: str = "polak_ribiere",
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
    ) -> None:
        defaults = {
            "lr": lr,
            "method": method,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 2 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "line_search_fn": "strong_wolfe",
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        super()._check_options(options)
        if options["method"] not in ("polak_ribiere", "fletcher_reeves"):
            raise ValueError(
                "ConjugateGradient: expected method 'polak_ribiere' or 'fletcher_reeves', "
                f"got {options['method']!r}"
            )

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        if state["n_iter"] == 1:
            return -grad
        before = state["prev_flat_grad"]
        square = (before @ before).item()
        if self.param_groups[0]["method"] == "polak_ribiere":
            beta = max(0.0, (grad @ (grad - before)).item() / square)
        else:
            now = (grad @ grad).item()
            # Gradients that are far from orthogonal: the directions have lost their conjugacy.
            beta = now / square if abs((grad @ before).item()) < RESTART * now else 0.0
        d = state["d"] * beta - grad
        return d if (grad @ d).item() < 0 else -grad

    def _first_t(self, state: dict[str, Any], grad: Tensor, slope: float, lr: float) -> float:
        if state["n_iter"] == 1:
            return super()._first_t(state, grad, slope, lr)
        return float(state["t"]) * float(state["slope"]) / slope if slope < 0 else lr

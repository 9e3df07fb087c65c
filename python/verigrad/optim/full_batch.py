"""Methods that evaluate the model several times in a step, on the same data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import enable_grad, no_grad
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, as_float, as_number, check_range

__all__ = ["FullBatchOptimizer"]


class FullBatchOptimizer(Optimizer):
    """Base class of methods that follow a direction computed from all parameters together.

    A subclass defines ``_direction``. The state of all parameters is kept under the first one.
    """

    # The share of the slope that a line search may leave.
    _curvature = 0.9

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            name = type(self).__name__
            raise ValueError(f"{name} doesn't support per-parameter options (parameter groups)")

    def _check_options(self, options: Mapping[str, Any]) -> None:
        name = type(self).__name__
        check_range(name, "learning rate", "lr", options["lr"])
        for option in ("tolerance_grad", "tolerance_change"):
            check_range(name, option, option, options[option])
        for option in ("max_iter", "max_eval"):
            if not isinstance(options[option], int) or options[option] < 1:
                raise ValueError(f"{name}: expected {option} to be a positive int, got {options[option]!r}")
        search = options["line_search_fn"]
        if search not in (None, "strong_wolfe"):
            raise RuntimeError(f"{name}: only 'strong_wolfe' is supported as line_search_fn, got {search!r}")

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        """The direction at a point with this gradient, flat; keeps what the next one needs."""
        raise NotImplementedError

    def _first_t(self, state: dict[str, Any], grad: Tensor, slope: float, lr: float) -> float:
        """How far along the direction to look first."""
        if state["n_iter"] == 1:
            return min(1.0, 1.0 / float(grad.abs().sum().item())) * lr
        return lr

    @no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Goes up to ``max_iter`` directions on.

        Args:
            closure: clears the gradients, evaluates the model, calls ``backward`` and returns the loss;
            called
                several times.

        Returns:
            What ``closure`` returned first.

        Raises:
            TypeError: ``closure`` is missing.
        """
        if not callable(closure):
            name = type(self).__name__
            raise TypeError(f"{name}: expected step to get a closure, got {type(closure).__name__}")
        group = self.param_groups[0]
        params: list[Tensor] = group["params"]
        lr, tolerance = as_float(group["lr"]), group["tolerance_change"]
        state = self.state[params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def run() -> Any:
            with enable_grad():
                return closure()

        first = run()
        loss, grad, evals = as_number("closure", "loss", first), _flat_grad(params), 1
        state["func_evals"] += 1
        if grad.abs().max().item() <= group["tolerance_grad"]:
            return first
        for iteration in range(group["max_iter"]):
            state["n_iter"] += 1
            d = self._direction(state, grad)
            slope = (grad @ d).item()
            t = self._first_t(state, grad, slope, lr)
            state.update(d=d, t=t, prev_flat_grad=grad, prev_loss=loss, slope=slope)
            if slope > -tolerance:
                break
            before, size = loss, d.abs().max().item()
            if group["line_search_fn"] is None:
                _move(params, d, t)
                if iteration + 1 < group["max_iter"]:
                    loss, grad, evals = as_number("closure", "loss", run()), _flat_grad(params), evals + 1
                    state["func_evals"] += 1
            else:
                origin = [param.detach().clone() for param in params]

                def evaluate(t: float, d: Tensor = d, origin: list[Tensor] = origin) -> Point:
                    _move(params, d, t)
                    loss, grad = as_number("closure", "loss", run()), _flat_grad(params)
                    for param, value in zip(params, origin, strict=True):
                        param.copy_(value)
                    return Point(t, loss, grad, (grad @ d).item())

                point, count = strong_wolfe(
                    evaluate,
                    Point(0.0, loss, grad, slope),
                    t,
                    size=size,
                    max_evals=group["max_eval"] - evals,
                    curvature=self._curvature,
                )
                t, loss, grad, evals = point.t, point.loss, point.grad, evals + count
                state["func_evals"] += count
                state["t"] = t
                _move(params, d, t)
            small = grad.abs().max().item() <= group["tolerance_grad"]
            if evals >= group["max_eval"] or small:
                break
            if size * abs(t) <= tolerance or not abs(loss - before) >= tolerance:
                break
        return first


def _flat_grad(params: list[Tensor]) -> Tensor:
    """All gradients as one vector; zeros for a parameter without one."""
    parts = []
    for param in params:
        grad = param.grad
        given = _C.zeros_like(param.detach()) if grad is None else grad.detach()
        parts.append(given.reshape(-1))
    return _C.cat(parts)


def _move(params: list[Tensor], d: Tensor, t: float) -> None:
    """Adds t times the direction to the parameters."""
    start = 0
    for param in params:
        part = d[start : start + param.numel()]
        param.add_(part.reshape(param.shape), alpha=t)
        start += param.numel()


def difference(state: dict[str, Any], grad: Tensor) -> tuple[Tensor, Tensor, float]:
    """The last change of the gradient, that of the parameters, and their product."""
    y, s = grad - state["prev_flat_grad"], state["d"] * float(state["t"])
    product = (y @ s).item()
    return y, s, product if math.isfinite(product) else 0.0

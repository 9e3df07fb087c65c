"""The quasi-Newton methods BFGS and L-BFGS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from .full_batch import FullBatchOptimizer, difference

__all__ = ["BFGS", "LBFGS"]

# Below this product of the two changes the curvature says nothing.
LEAST_CURVATURE = 1e-10


class LBFGS(FullBatchOptimizer):
    """L-BFGS: a Newton step with an inverse Hessian that the last changes of the gradient stand for.

    With ``s_i`` and ``y_i`` the last changes of the parameters and of the gradient, and ``rho_i = 1 / (y_i
    s_i)``, the direction is ``-H g`` by the two loops of Nocedal and Wright, "Numerical Optimization", 2nd
    edition, algorithm 7.4, from ``H_0 = (s y) / (y y) I`` (eq. 7.20). The loss must be the same function in
    each call of the closure.

    Args:
        params: tensors or (name, tensor) pairs; a single group.
        lr: learning rate, the first step of a line search; default 1.
        max_iter: directions of one ``step``; default 20.
        max_eval: evaluations of one ``step``; default 1.25 times ``max_iter``.
        tolerance_grad: ends where no element of the gradient is larger; default 1e-7.
        tolerance_change: ends where the loss or the parameters change less; default 1e-9.
        history_size: how many changes are kept, each as large as the parameters, twice; default 100.
        line_search_fn: "strong_wolfe", or None for steps of ``lr``; default None.

    Raises:
        ValueError: an option is out of range, or there are several groups.
        RuntimeError: another ``line_search_fn``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        super()._check_options(options)
        if not isinstance(options["history_size"], int) or options["history_size"] < 1:
            raise ValueError(
                f"LBFGS: expected history_size to be a positive int, got {options['history_size']!r}"
            )

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -grad
        changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
        y, s, product = difference(state, grad)
        if product > LEAST_CURVATURE:
            if len(changes) == self.param_groups[0]["history_size"]:
                for kept in (changes, steps, inverse):
                    kept.pop(0)
            changes.append(y)
            steps.append(s)
            inverse.append(1.0 / product)
            state["H_diag"] = product / (y @ y).item()
        q = -grad
        shares = []
        for y, s, rho in zip(reversed(changes), reversed(steps), reversed(inverse), strict=True):
            shares.append((s @ q).item() * float(rho))
            q.add_(y, alpha=-shares[-1])
        d = q * float(state["H_diag"])
        for y, s, rho, share in zip(changes, steps, inverse, reversed(shares), strict=True):
            d.add_(s, alpha=share - (y @ d).item() * float(rho))
        return d


class BFGS(FullBatchOptimizer):
    """BFGS: a Newton step with an approximation of the whole inverse Hessian, for few parameters.

    With s and y the last changes of the parameters and of the gradient, and ``rho = 1 / (y s)``::

        H <- (I - rho s y^T) H (I - rho y s^T) + rho s s^T

    Nocedal and Wright, "Numerical Optimization", 2nd edition, eq. 6.17 and 6.20 (the first H). H has the
    square of the number of parameters. The loss must be the same function in each call of the closure.

    Args:
        params: tensors or (name, tensor) pairs; a single group.
        lr: the first step of a line search; default 1.
        max_iter: directions of one ``step``; default 20.
        max_eval: evaluations of one ``step``; default 1.25 times ``max_iter``.
        tolerance_grad: ends where no element of the gradient is larger; default 1e-7.
        tolerance_change: ends where the loss or the parameters change less; default 1e-9.
        line_search_fn: "strong_wolfe", or None for steps of ``lr``; default "strong_wolfe".

    Raises:
        ValueError: an option is out of range, or there are several groups.
        RuntimeError: another ``line_search_fn``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        line_search_fn: str | None = "strong_wolfe",
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        if state["n_iter"] == 1:
            return -grad
        y, s, product = difference(state, grad)
        h = state.get("inverse_hessian")
        if product > LEAST_CURVATURE:
            if h is None:
                index = _C.arange(grad.numel(), device=grad.device)
                unit = (index.unsqueeze(0) == index.unsqueeze(1)).to(grad.dtype)
                h = unit * (product / (y @ y).item())
            hy = h @ y
            cross = s.unsqueeze(1) * hy
            scale = (1.0 + (y @ hy).item() / product) / product
            h = h - (cross + cross.t()) / product + s.unsqueeze(1) * s * scale
            state["inverse_hessian"] = h
        return -grad if h is None else -(h @ grad)

"""Shampoo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from .optimizer import Optimizer, as_float, check_range

__all__ = ["Shampoo"]


class Shampoo(Optimizer):
    """Shampoo: the gradient is multiplied along each dimension by a root of the sum of its products.

    For the gradient G (negated by ``maximize``) of a parameter W of k dimensions, with ``G_i`` the matrix
    whose rows run along dimension i::

        G <- G + weight_decay * W
        H_i <- H_i + G_i G_i^T                       (from eps * I)
        D = G multiplied along each dimension i by H_i^(-1 / (2 k))
        B <- momentum * B + D                        (B = D without momentum)
        W <- W - lr * B

    Gupta, Koren and Singer 2018, "Shampoo: Preconditioned Stochastic Tensor Optimization", algorithms 1 and
    2. The roots come from the eigenvalues, computed by LAPACK in float64 on the CPU; with n elements along
    a dimension its matrix has n^2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts that describe groups.
        lr: learning rate, a number or a one-element tensor; default 0.1.
        momentum: factor of the buffer B; default 0, no buffer.
        weight_decay: factor of the L2 penalty; default 0.
        eps: what the diagonals start from, positive; default 1e-4.
        update_freq: steps after which the roots are computed again; default 1.
        maximize: ascend; default False.

    Raises:
        ValueError: an option is out of range.
        TypeError: an option is no number.
    """

    _elementwise_state = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 0.1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        eps: float = 1e-4,
        update_freq: int = 1,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "eps": eps,
            "update_freq": update_freq,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        check_range("Shampoo", "learning rate", "lr", options["lr"])
        for name in ("momentum", "weight_decay", "eps"):
            check_range("Shampoo", f"{name} value", name, options[name])
        if options["eps"] == 0:
            raise ValueError(f"Invalid eps value: {options['eps']}")
        if not isinstance(options["update_freq"], int) or options["update_freq"] < 1:
            raise ValueError(
                f"Shampoo: expected update_freq to be a positive int, got {options['update_freq']!r}"
            )

    @no_grad()
    def _update(self, group: dict[str, Any]) -> None:
        momentum, decay = as_float(group["momentum"]), as_float(group["weight_decay"])
        for param in group["params"]:
            if param.grad is None or param.numel() == 0:
                continue
            grad = -param.grad if group["maximize"] else param.grad
            grad = grad + param * decay if decay else grad
            # A number is a vector of one element.
            direction = self._precondition(self.state[param], grad.reshape(param.shape or (1,)), group)
            direction = direction.reshape(param.shape)
            if momentum:
                state = self.state[param]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = _C.zeros_like(param.detach())
                buffer = state["momentum_buffer"]
                buffer.mul_(momentum).add_(direction)
                direction = buffer
            param.add_(direction, alpha=-as_float(group["lr"]))

    def _precondition(self, state: dict[str, Any], grad: Tensor, group: dict[str, Any]) -> Tensor:
        step = state.get("step", 0)
        state["step"] = step + 1
        result = grad
        for dim, size in enumerate(grad.shape):
            # Dimension `dim` first, the others in their order.
            order = (dim, *(d for d in range(grad.ndim) if d != dim))
            back = tuple(order.index(d) for d in range(grad.ndim))
            rows = grad.permute(order).reshape(size, -1)
            name = f"precond_{dim}"
            if name not in state:
                index = _C.arange(size, device=grad.device)
                unit = (index.unsqueeze(0) == index.unsqueeze(1)).to(grad.dtype)
                state[name] = unit * as_float(group["eps"])
            state[name].add_(rows @ rows.t())
            if step % group["update_freq"] == 0:
                state[f"inv_{name}"] = inverse_root(state[name], 2 * grad.ndim)
            moved = result.permute(order)
            result = (state[f"inv_{name}"] @ moved.reshape(size, -1)).reshape(moved.shape).permute(back)
        return result


def inverse_root(matrix: Tensor, degree: int) -> Tensor:
    """The matrix to the power -1 / degree, for a symmetric positive one."""
    import numpy as np  # here, so that importing verigrad does not pay for it

    values, vectors = np.linalg.eigh(matrix.cpu().numpy().astype(np.float64))
    # Rounding may leave eigenvalues that are not positive.
    least = max(float(values.max()) * 1e-15, float(np.finfo(np.float64).tiny))
    root = (vectors * np.maximum(values, least) ** (-1.0 / degree)) @ vectors.T
    return _C.tensor(root, dtype=matrix.dtype, device=matrix.device)

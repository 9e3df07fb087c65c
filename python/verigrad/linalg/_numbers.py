"""Numbers that belong to a matrix: determinants, rank, condition.

The derivative of a determinant is Jacobi's formula, as in M. B. Giles, "Collected matrix derivative results
for forward and reverse mode algorithmic differentiation" (2008).
"""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from .._out import takes_out
from ..autograd import Function
from ._decompositions import eigvalsh, svdvals
from ._numpy import LinAlgError, adjoint, check, lapack, result_type
from ._solving import cutoff, inv

__all__ = ["cond", "det", "logdet", "matrix_rank", "slogdet"]

slogdet_result = result_type("linalg_slogdet", "sign logabsdet")


class _Det(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        import numpy as np

        ctx.save_for_backward(a)
        found: Tensor = lapack("linalg.det", "the factorization failed", np.linalg.det, a)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        cofactors: Tensor = _Cofactors.apply(ctx.saved_tensors[0])
        return grad.unsqueeze(-1).unsqueeze(-1) * cofactors


class _Cofactors(Function):
    """The derivative of the determinant by each element, of singular matrices too: with A = U S V' it is
    det(U V') U P V', where P has the product of all other singular values on its diagonal. For regular
    matrices it is det(A) times the inverse transposed, whose derivative follows by the product rule."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        import numpy as np

        def cofactors(array: Any) -> Any:
            u, s, vh = np.linalg.svd(array)
            others = np.repeat(s[..., None, :], s.shape[-1], -2)
            others[..., range(s.shape[-1]), range(s.shape[-1])] = 1
            sign = np.linalg.det(u) * np.linalg.det(vh)
            return sign[..., None, None] * ((u * others.prod(-1)[..., None, :]) @ vh)

        found: Tensor = lapack("linalg.det", "its gradient has no finite values", cofactors, a)
        ctx.save_for_backward(a, found)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        a, found = ctx.saved_tensors
        y = adjoint(inv(a))
        total = (grad * found).sum((-2, -1), keepdim=True)
        by_a: Tensor = total * y - found @ adjoint(grad) @ y
        return by_a


@takes_out("linalg.det")
def det(A: Tensor) -> Tensor:
    """The determinant [*] of each matrix [*, n, n]; of singular matrices it has a gradient, but no second
    one.

    Raises:
        RuntimeError: no floats, or no square matrices.
    """
    check("linalg.det", A, square=True)
    return _Det.apply(A)  # type: ignore[no-any-return]


class _SLogDet(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        import numpy as np

        def decomposed(array: Any) -> Any:
            return tuple(np.linalg.slogdet(array))

        sign, logabsdet = lapack("linalg.slogdet", "the factorization failed", decomposed, a)
        ctx.mark_non_differentiable(sign)
        ctx.save_for_backward(a)
        return sign, logabsdet

    @staticmethod
    def backward(ctx: Any, by_sign: Tensor, grad: Tensor) -> Tensor:
        return grad.unsqueeze(-1).unsqueeze(-1) * adjoint(inv(ctx.saved_tensors[0]))


@takes_out("linalg.slogdet")
def slogdet(A: Tensor) -> Any:
    """(sign, logabsdet) of the determinant of each matrix [*, n, n]: 1, -1 or 0, and log |det A|, which
    neither overflows nor underflows; 0 and -inf for singular matrices, which have no gradient.

    Raises:
        RuntimeError: no floats, or no square matrices.
        LinAlgError: in the backward pass, for a singular matrix.
    """
    check("linalg.slogdet", A, square=True)
    return slogdet_result(*_SLogDet.apply(A))


def logdet(input: Tensor) -> Tensor:
    """The logarithm [*] of the determinant of each matrix [*, n, n]: NaN if negative, -inf for 0."""
    sign, logabsdet = slogdet(input)
    return logabsdet + _C.where(sign < 0, math.nan, 0.0).to(logabsdet.dtype)  # type: ignore[no-any-return]


@takes_out("linalg.matrix_rank")
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values of each matrix [*, m, n] count: int64 [*], without gradient.

    Args:
        tol: `atol`, without a relative part.
        hermitian: the matrices are symmetric, of which the lower triangle is read.
        atol: singular values up to this count as zeros; a number or a tensor of the batch's shape. Default 0.
        rtol: the same relative to the largest; default max(m, n) times the dtype's epsilon, and 0 where
            `atol` is given.

    Raises:
        LinAlgError: NaN or infinity.
        RuntimeError: no floats; `hermitian` and not square.
    """
    check("linalg.matrix_rank", A, square=hermitian)
    if tol is not None:
        if atol is not None or rtol is not None:
            raise TypeError("linalg.matrix_rank: expected tol, or atol and rtol, got both")
        atol, rtol = tol, 0.0
    values = eigvalsh(A.detach()).abs() if hermitian else svdvals(A.detach())
    return (values > cutoff(values, tuple(A.shape[-2:]), atol, rtol).unsqueeze(-1)).sum(-1)


def _inverses(a: Tensor) -> Tensor:
    """The inverse of each matrix; infinite where there is none."""
    try:
        return inv(a)
    except LinAlgError:
        if a.ndim == 2:
            return _C.full_like(a, math.inf)
        return _C.stack([_inverses(one) for one in a.reshape(-1, *a.shape[-2:])]).reshape(a.shape)


@takes_out("linalg.cond")
def cond(A: Tensor, p: int | float | str | None = None) -> Tensor:
    """The condition number [*] of each matrix [*, m, n] in a norm: |A| |A^-1|, infinite for singular
    matrices.

    Args:
        p: the norm: None or 2, the largest over the least singular value; -2, its reciprocal; "nuc", "fro",
            inf, -inf, 1 or -1, for square matrices only.

    Raises:
        RuntimeError: no floats, another norm, no square matrices where they have to be.
        LinAlgError: NaN or infinity, for norms that need singular values.
    """
    op = "linalg.cond"
    if isinstance(A, Tensor) and A.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor must have at least 2 dimensions.")
    if p not in (None, 2, -2, 1, -1, math.inf, -math.inf, "fro", "nuc"):
        raise RuntimeError(f"{op} got an invalid norm type: {p}")
    check(op, A, square=p not in (None, 2, -2))
    if A.shape[-1] == 0 or A.shape[-2] == 0:
        return A.new_zeros(A.shape[:-2])
    if p in (None, 2, -2, "nuc"):
        s = svdvals(A)
        if p == "nuc":
            return s.sum(-1) * (1 / s).sum(-1)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    norm: Any = _C.linalg.matrix_norm
    return norm(A, p) * norm(_inverses(A), p)  # type: ignore[no-any-return]

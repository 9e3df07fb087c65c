"""Cholesky, QR, singular values and symmetric eigenvalues.

The sources of the gradients stand with them. Where a decomposition is not unique (equal singular values or
eigenvalues, dependent columns) its vectors have no derivative, and their gradients are infinite or NaN.
"""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .._out import takes_out
from ..autograd import Function
from ._numpy import adjoint, check, gap, lapack, result_type
from ._solving import solve_triangular

__all__ = ["cholesky", "eigh", "eigvalsh", "qr", "svd", "svdvals"]

eigh_result = result_type("linalg_eigh", "eigenvalues eigenvectors")
qr_result = result_type("linalg_qr", "Q R")
svd_result = result_type("linalg_svd", "U S Vh")


class _Cholesky(Function):
    """I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527 (2016), equation 10."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        import numpy as np

        failure = "The factorization could not be completed because the input is not positive-definite."
        factor: Tensor = lapack("linalg.cholesky", failure, np.linalg.cholesky, a)
        ctx.save_for_backward(factor)
        return factor

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (factor,) = ctx.saved_tensors
        lower = (adjoint(factor) @ grad).tril()
        middle = lower + adjoint(lower.tril(-1))  # twice the symmetric part of Murray's Phi
        by_rows = solve_triangular(adjoint(factor), middle, upper=True)
        return solve_triangular(factor, by_rows, upper=False, left=False) / 2


@takes_out("linalg.cholesky")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular L with A = L L' (`upper`: A = L' L), for positive definite A [*, n, n].

    One triangle of A is read. The gradient is symmetric.

    Raises:
        LinAlgError: a matrix is not positive definite.
        RuntimeError: no floats, or no square matrices.
    """
    check("linalg.cholesky", A, square=True)
    factor: Tensor = _Cholesky.apply(adjoint(A) if upper else A)
    return adjoint(factor) if upper else factor


class _QR(Function):
    """M. W. Seeger et al., "Auto-differentiating linear algebra", arXiv:1710.08717 (2017), for LQ; wide
    matrices as in D. A. O. Roberts and L. R. Roberts, "QR and LQ decomposition matrix backpropagation
    algorithms for square, wide, and deep matrices", arXiv:2009.10071 (2020)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, mode: str) -> tuple[Tensor, Tensor]:
        import numpy as np

        def decomposed(array: Any) -> Any:
            found: Any = np.linalg.qr(array, mode=mode)  # type: ignore[call-overload]
            return (np.empty(0, array.dtype), found) if mode == "r" else tuple(found)

        q, r = lapack("linalg.qr", "the factorization failed", decomposed, a)
        ctx.mode = mode
        ctx.save_for_backward(a, q, r)
        if mode == "r":
            ctx.mark_non_differentiable(q)
        return q, r

    @staticmethod
    def backward(ctx: Any, by_q: Tensor, by_r: Tensor) -> tuple[Tensor, None]:
        a, q, r = ctx.saved_tensors
        m, n = a.shape[-2:]
        if ctx.mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
                "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
            )
        if ctx.mode == "complete" and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
            )
        if m >= n:
            return _qr_gradient(q, r, by_q, by_r), None
        rest = by_r[..., m:]
        by_q = by_q + a[..., m:] @ adjoint(rest)
        return _C.cat([_qr_gradient(q, r[..., :m], by_q, by_r[..., :m]), q @ rest], dim=-1), None


def _qr_gradient(q: Tensor, r: Tensor, by_q: Tensor, by_r: Tensor) -> Tensor:
    m = r @ adjoint(by_r) - adjoint(by_q) @ q
    symmetric = m.tril() + adjoint(m.tril(-1))
    return adjoint(solve_triangular(r, adjoint(by_q + q @ symmetric), upper=True))


@takes_out("linalg.qr")
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """(Q, R) with A = Q R, Q with orthonormal columns and R upper triangular, for matrices A [*, m, n].

    Args:
        mode: "reduced", Q [*, m, k] and R [*, k, n] with k = min(m, n); "complete", Q [*, m, m] and
            R [*, m, n]; or "r", R [*, k, n] and an empty Q. There are gradients for "reduced", and for
            "complete" where m <= n, if the first k columns of A are independent.

    Raises:
        RuntimeError: no floats, an unknown mode; in the backward pass, without gradients.
    """
    check("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    return qr_result(*_QR.apply(A, mode))


class _SVD(Function):
    """J. Townsend, "Differentiating the singular value decomposition" (2016); C. Ionescu, O. Vantzos and
    C. Sminchisescu, "Training deep networks with structured layers by matrix backpropagation",
    arXiv:1509.07838 (2015).

    Of full matrices only the first min(m, n) vectors have gradients, as in PyTorch."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, full: bool) -> tuple[Tensor, ...]:
        import numpy as np

        def decomposed(array: Any) -> Any:
            return tuple(np.linalg.svd(array, full_matrices=full))

        u, s, vh = lapack("linalg.svd", _NO_CONVERGENCE, decomposed, a)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(u, s, vh)
        return u, s, vh

    @staticmethod
    def backward(
        ctx: Any, by_u: Tensor | None, by_s: Tensor | None, by_vh: Tensor | None
    ) -> tuple[Tensor | None, None]:
        u, s, vh = ctx.saved_tensors
        k = s.shape[-1]
        u, v = u[..., :k], adjoint(vh)[..., :k]
        middle = s.new_zeros(()) if by_s is None else by_s.diag_embed()
        outside = s.new_zeros(())
        squares = gap(s * s) if by_u is not None or by_vh is not None else s
        if by_u is not None:
            by_u = by_u[..., :k]
            inner = (adjoint(u) @ by_u) / squares
            middle = middle + (inner + adjoint(inner)) * s.unsqueeze(-2)
            if u.shape[-2] > k:
                rest = by_u - u @ (adjoint(u) @ by_u)
                outside = outside + (rest / s.unsqueeze(-2)) @ adjoint(v)
        if by_vh is not None:
            by_v = adjoint(by_vh)[..., :k]
            inner = (adjoint(v) @ by_v) / squares
            middle = middle + s.unsqueeze(-1) * (inner + adjoint(inner))
            if v.shape[-2] > k:
                rest = by_v - v @ (adjoint(v) @ by_v)
                outside = outside + (u / s.unsqueeze(-2)) @ adjoint(rest)
        return u @ middle @ adjoint(v) + outside, None


_NO_CONVERGENCE = (
    "The algorithm failed to converge because the input matrix contained non-finite values, or is "
    "ill-conditioned."
)


@takes_out("linalg.svd")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """(U, S, Vh) with A = U diag(S) Vh for matrices A [*, m, n]; singular values S [*, min(m, n)] descend.

    The gradients by U and Vh are finite where the singular values differ from each other, and for matrices
    that are not square also from 0. They are right for functions that the signs of the vectors do not change.

    Args:
        full_matrices: U [*, m, m] and Vh [*, n, n] rather than [*, m, k] and [*, k, n].
        driver: of CUDA; None here.

    Raises:
        LinAlgError: NaN or infinity, or no convergence.
        RuntimeError: no floats, a driver.
    """
    check("linalg.svd", A)
    if driver is not None:
        raise RuntimeError("linalg.svd: keyword argument `driver=` is only supported on CUDA inputs")
    if A.numel() == 0:
        m, n = A.shape[-2:]
        k = min(m, n)
        rows, columns = (m, n) if full_matrices else (k, k)
        identity = [_C.eye(size, dtype=A.dtype).expand(*A.shape[:-2], size, size) for size in (m, n)]
        u, v = identity[0][..., :rows].clone(), identity[1][..., :columns, :].clone()
        return svd_result(u, A.new_zeros((*A.shape[:-2], k)), v)
    return svd_result(*_SVD.apply(A, full_matrices))


@takes_out("linalg.svdvals")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values [*, min(m, n)] of matrices [*, m, n], descending. Errors as for `svd`."""
    return svd(A, full_matrices=False, driver=driver).S  # type: ignore[no-any-return]


class _Eigh(Function):
    """M. B. Giles, "An extended collection of matrix derivative results for forward and reverse mode
    algorithmic differentiation", report 08/01, Oxford University (2008), section 3.1, for symmetric
    matrices."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, uplo: str) -> tuple[Tensor, Tensor]:
        import numpy as np

        def decomposed(array: Any) -> Any:
            return tuple(np.linalg.eigh(array, UPLO=uplo))  # type: ignore[call-overload]

        failure = "The algorithm failed to converge because the input matrix is ill-conditioned."
        values, vectors = lapack("linalg.eigh", failure, decomposed, a)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, by_values: Tensor | None, by_vectors: Tensor | None) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        middle = values.new_zeros(()) if by_values is None else by_values.diag_embed()
        if by_vectors is not None:
            inner = adjoint(vectors) @ by_vectors
            middle = middle + (inner - adjoint(inner)) / 2 / gap(values)
        return vectors @ middle @ adjoint(vectors), None


@takes_out("linalg.eigh")
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of symmetric matrices [*, n, n]: the values [*, n] ascending, the vectors
    in the columns of [*, n, n].

    The gradient by the vectors is finite where the values differ. It is symmetric, and right for functions
    that the signs of the vectors do not change.

    Args:
        UPLO: which triangle is read, "L" or "U".

    Raises:
        LinAlgError: no convergence.
        RuntimeError: no floats, no square matrices, another `UPLO`.
    """
    check("linalg.eigh", A, square=True)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return eigh_result(*_Eigh.apply(A, UPLO.upper()))


@takes_out("linalg.eigvalsh")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues [*, n] of symmetric matrices [*, n, n], ascending. Errors as for `eigh`."""
    return eigh(A, UPLO).eigenvalues  # type: ignore[no-any-return]

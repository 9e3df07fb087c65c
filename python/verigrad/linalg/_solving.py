"""Inverses and linear equations.

M. B. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation",
Advances in Automatic Differentiation (2008), for `inv`, `solve` and `solve_triangular`; G. H. Golub and V.
Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
separate", SIAM Journal on Numerical Analysis 10 (1973), for `pinv` and `lstsq`.
"""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .._out import takes_out
from ..autograd import Function
from ._numpy import LinAlgError, adjoint, as_tensor, check, lapack, result_type

__all__ = ["inv", "lstsq", "pinv", "solve", "solve_triangular"]

lstsq_result = result_type("linalg_lstsq", "solution residuals rank singular_values")


class _Inverse(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        import numpy as np

        failure = "The inversion could not be completed because the input matrix is singular."
        y: Tensor = lapack("linalg.inv", failure, np.linalg.inv, a)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        y = adjoint(ctx.saved_tensors[0])
        return -(y @ grad @ y)


@takes_out("linalg.inv")
def inv(A: Tensor) -> Tensor:
    """The inverse of each matrix [*, n, n].

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: no floats, or no square matrices.
        NotImplementedError: a CUDA tensor, as everywhere in linalg where LAPACK computes.
    """
    check("linalg.inv", A, square=True)
    return _Inverse.apply(A)  # type: ignore[no-any-return]


class _Solve(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        import numpy as np

        failure = "The solver failed because the input matrix is singular."
        x: Tensor = lapack("linalg.solve", failure, np.linalg.solve, a, b)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        a, x = ctx.saved_tensors
        by_b = _Solve.apply(adjoint(a), grad)
        return -(by_b @ adjoint(x)) if ctx.needs_input_grad[0] else None, by_b


def _incompatible(op: str, a: Tensor, b: Tensor, left: bool) -> RuntimeError:
    (n, m), (k, r) = a.shape[-2:], b.shape[-2:]
    return RuntimeError(
        f"{op}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
        f"({n}x{m} and {k}x{r})"
    )


@takes_out("linalg.solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or with X A = B where not `left`.

    Args:
        A: square matrices [*, n, n].
        B: matrices [*, n, k] (not `left`: [*, k, n]), or vectors: [n], or [*, n] with the batch of A.
        left: on which side A stands.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: no floats of one dtype, or shapes that do not fit.
    """
    op = "linalg.solve"
    check(op, A, B, square=True)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    b = B.unsqueeze(-1) if vector else B
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False."
        )
    if b.shape[-2 if left else -1] != A.shape[-1]:
        raise _incompatible(op, A, b, left)
    if left:
        x = _Solve.apply(A, b)
        return x.squeeze(-1) if vector else x  # type: ignore[no-any-return]
    return adjoint(_Solve.apply(adjoint(A), adjoint(b)))


def _substitute(a: Any, b: Any, upper: bool) -> Any:
    """Back substitution by LAPACK; where the diagonal has a zero, by numpy, with infinities as they come."""
    import numpy as np

    if (
        not upper
    ):  # the reverse order of rows and columns: elimination has nothing to do, and so nothing to exchange
        return _substitute(a[..., ::-1, ::-1], b[..., ::-1, :], True)[..., ::-1, :]
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        x = np.array(np.broadcast_to(b, batch + b.shape[-2:]))
        with np.errstate(all="ignore"):
            for row in range(a.shape[-1] - 1, -1, -1):
                x[..., row, :] /= a[..., row, row, None]
                x[..., :row, :] -= a[..., :row, row, None] * x[..., row, None, :]
        return x


def _triangle(a: Tensor, upper: bool, unit: bool) -> Tensor:
    part = a.triu(1 if unit else 0) if upper else a.tril(-1 if unit else 0)
    return part + _C.eye(a.shape[-1], dtype=a.dtype) if unit else part


class _SolveTriangular(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, upper: bool, unit: bool) -> Tensor:
        triangle = _triangle(a.detach(), upper, unit).numpy()
        x = as_tensor(_substitute(triangle, b.detach().numpy(), upper), b.dtype)
        ctx.save_for_backward(a, x)
        ctx.upper, ctx.unit = upper, unit
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, x = ctx.saved_tensors
        by_b = _SolveTriangular.apply(adjoint(a), grad, not ctx.upper, ctx.unit)
        by_a = -(by_b @ adjoint(x))
        off = int(ctx.unit)
        return by_a.triu(off) if ctx.upper else by_a.tril(-off), by_b, None, None


@takes_out("linalg.solve_triangular")
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A X = B, or with X A = B where not `left`, for triangular matrices A.

    A zero on the diagonal gives infinity or NaN, and no error.

    Args:
        A: matrices [*, n, n], of which one triangle is read.
        B: matrices [*, n, k] (not `left`: [*, k, n]).
        upper: which triangle.
        left: on which side A stands.
        unitriangular: take the diagonal for ones, and do not read it.

    Raises:
        RuntimeError: no floats of one dtype, or shapes that do not fit.
    """
    op = "linalg.solve_triangular"
    check(op, A, B, square=True)
    if B.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor B must have at least 2 dimensions.")
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise _incompatible(op, A, B, left)
    if left:
        return _SolveTriangular.apply(A, B, upper, unitriangular)  # type: ignore[no-any-return]
    return adjoint(_SolveTriangular.apply(adjoint(A), adjoint(B), not upper, unitriangular))


def cutoff(values: Tensor, size: tuple[int, ...], atol: Any, rtol: Any) -> Tensor:
    """Below which singular value one counts as zero: max(atol, rtol times the largest)."""
    largest = values.amax(-1) if values.shape[-1] else values.new_zeros(values.shape[:-1])
    if rtol is None:
        given = atol is not None and bool((_C.as_tensor(atol) > 0).any())
        rtol = 0.0 if given else max(size) * _epsilon(values)
    relative = largest * _C.as_tensor(rtol, dtype=values.dtype)
    return _C.maximum(relative, _C.as_tensor(0.0 if atol is None else atol, dtype=values.dtype))


def _epsilon(values: Tensor) -> float:
    return 2.0 ** (-23 if values.dtype == _C.float32 else -52)


class _PseudoInverse(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, atol: Any, rtol: Any, hermitian: bool) -> Tensor:
        p = _pseudo_inverse(a.detach(), atol, rtol, hermitian)
        ctx.save_for_backward(a, p)
        return p

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, p = ctx.saved_tensors
        return pinv_gradient(a, p, grad), None, None, None


def _pseudo_inverse(a: Tensor, atol: Any, rtol: Any, hermitian: bool) -> Tensor:
    from ._decompositions import eigh, svd

    if a.numel() == 0:
        return a.new_zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]))
    if hermitian:
        values, vectors = eigh(a)
        left, right, sizes = vectors, adjoint(vectors), values.abs()
    else:
        left, values, right = svd(a, full_matrices=False)
        sizes = values
    kept = sizes > cutoff(sizes, tuple(a.shape[-2:]), atol, rtol).unsqueeze(-1)
    inverse = _C.where(kept, 1 / _C.where(kept, values, _C.ones_like(values)), _C.zeros_like(values))
    return (adjoint(right) * inverse.unsqueeze(-2)) @ adjoint(left)


def pinv_gradient(a: Tensor, p: Tensor, grad: Tensor) -> Tensor:
    """The gradient by a of what has the gradient `grad` by its pseudo-inverse p: the transpose of
    dP = -P dA P + P P' dA' (I - A P) + (I - P A) dA' P' P."""
    g, q = adjoint(grad), adjoint(p)
    one, two = g @ p @ q, q @ p @ g
    return -(q @ grad @ q) + (one - a @ (p @ one)) + (two - (two @ p) @ a)


@takes_out("linalg.pinv")
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudo-inverse [*, n, m] of matrices [*, m, n]; in its neighbourhood the rank must be constant for
    the gradient to be right.

    Args:
        rcond: another name of `rtol`, by position.
        hermitian: the matrices are symmetric, of which the lower triangle is read.
        atol: singular values up to this count as zeros; a number or a tensor of the batch's shape. Default 0.
        rtol: the same relative to the largest; default max(m, n) times the dtype's epsilon, and 0 where
            `atol` is given.

    Raises:
        LinAlgError: NaN or infinity.
        RuntimeError: no floats; `hermitian` and not square.
    """
    check("linalg.pinv", A, square=hermitian)
    if rcond is not None and rtol is not None:
        raise TypeError("linalg.pinv: expected rcond or rtol, got both")
    relative = rcond if rtol is None else rtol
    return _PseudoInverse.apply(A, atol, relative, hermitian)  # type: ignore[no-any-return]


class _LeastSquares(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, rcond: float | None) -> tuple[Tensor, ...]:
        import numpy as np

        flat_a, flat_b = (one.detach().reshape(-1, *one.shape[-2:]) for one in (a, b))
        (m, n), k = a.shape[-2:], b.shape[-1]
        least = max(m, n) * _epsilon(a) if rcond is None else rcond
        try:
            found = [
                np.linalg.lstsq(one.numpy(), other.numpy(), rcond=least)
                for one, other in zip(flat_a, flat_b, strict=True)
            ]
        except np.linalg.LinAlgError:
            raise LinAlgError("linalg.lstsq: the singular value decomposition did not converge") from None
        batch = tuple(a.shape[:-2])
        x = np.array([one[0] for one in found]).reshape(*batch, n, k)
        rank = np.array([one[2] for one in found], dtype=np.int64).reshape(batch)
        values = np.array([one[3] for one in found]).reshape(*batch, min(m, n))
        solution = as_tensor(x, a.dtype)
        others = as_tensor(rank, a.dtype), as_tensor(values, a.dtype)
        ctx.save_for_backward(a, b)
        ctx.rcond = least
        ctx.mark_non_differentiable(*others)
        return solution, *others

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        p = pinv(a, rtol=ctx.rcond)
        return pinv_gradient(a, p, grad @ adjoint(b)), adjoint(p) @ grad, None


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@takes_out("linalg.lstsq")
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The X of least norm among those with the least |A X - B|, for matrices A [*, m, n] and B [*, m, k] or
    [*, m].

    Args:
        rcond: singular values up to this, relative to the largest, count as zeros; default max(m, n) times
            the dtype's epsilon.
        driver: "gelsy" (the default), "gelsd", "gelss" or "gels", names of LAPACK's. All compute by the
            singular value decomposition here; as in PyTorch they decide which of the other results are
            filled.

    Returns:
        (solution, residuals, rank, singular_values): the solution [*, n, k]; the squared residuals [*, k]
        where m > n and all ranks are n, else empty; the ranks [*], empty for "gels"; the singular values for
        "gelsd" and "gelss", else empty. Gradients go through the solution and the residuals.

    Raises:
        LinAlgError: no convergence.
        RuntimeError: no floats of one dtype, shapes that do not fit, an unknown driver.
    """
    op = "linalg.lstsq"
    check(op, A, B)
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(
            f"{op}: parameter `driver` should be one of ({', '.join(_DRIVERS)}), got {driver!r}"
        )
    vector = A.ndim - 1 == B.ndim and B.shape == A.shape[:-1]
    b = B.unsqueeze(-1) if vector else B
    if b.ndim < 2 or b.shape[-2] != A.shape[-2]:
        raise RuntimeError(f"{op}: input.size(-2) should match other.size(-2), got {A.shape} and {B.shape}")
    batch = _C.broadcast_shapes(A.shape[:-2], b.shape[:-2])
    a, b = A.expand(*batch, *A.shape[-2:]), b.expand(*batch, *b.shape[-2:])
    solution, rank, values = _LeastSquares.apply(a, b, rcond)
    (m, n) = A.shape[-2:]
    full = m > n and bool((rank == n).all())
    # PyTorch fills the residuals of "gelsy" never.
    residuals = (
        (a @ solution - b).square().sum(-2)
        if full and driver in _DRIVERS[:1] + _DRIVERS[2:]
        else A.new_empty(0)
    )
    return lstsq_result(
        solution.squeeze(-1) if vector else solution,
        residuals,
        rank if driver != "gels" else rank.new_empty(0),
        values if driver in ("gelsd", "gelss") else A.new_empty(0),
    )

"""The names that these functions have outside of ``linalg``, with the arguments of their time."""

from __future__ import annotations

from typing import Any

from .._C import Tensor
from .._out import takes_out, without_out
from . import _decompositions, _solving
from ._functions import geqrf, householder_product, matrix_exp
from ._numbers import det, logdet, slogdet
from ._numpy import adjoint, result_type

__all__ = [
    "cholesky",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "matrix_exp",
    "orgqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
]

inverse = _solving.inv
orgqr = householder_product
qr_result = result_type("qr", "Q R")
svd_result = result_type("svd", "U S V")


@takes_out("cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """`linalg.cholesky`."""
    return _decompositions.cholesky(input, upper=upper)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` with a relative tolerance of `rcond`."""
    return _solving.pinv(input, rtol=rcond)


@takes_out("qr")
def qr(input: Tensor, some: bool = True) -> Any:
    """`linalg.qr`, with ``mode="complete"`` where not `some`."""
    return qr_result(*_decompositions.qr(input, "reduced" if some else "complete"))


@takes_out("svd")
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, V) with input = U diag(S) V': `linalg.svd` with V rather than its transpose.

    Args:
        some: only the first min(m, n) vectors.
        compute_uv: False for zeros [*, m, m] and [*, n, n] in the place of U and V.
    """
    if not compute_uv:
        m, n = input.shape[-2:]
        batch = tuple(input.shape[:-2])
        values = _decompositions.svdvals(input)
        return svd_result(input.new_zeros((*batch, m, m)), values, input.new_zeros((*batch, n, n)))
    u, s, vh = _decompositions.svd(input, full_matrices=not some)
    return svd_result(u, s, adjoint(vh))


def attach() -> None:
    """Gives them to `Tensor` as methods."""
    for name in __all__:
        setattr(Tensor, name, without_out(globals()[name]))

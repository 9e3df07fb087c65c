"""The exponential of matrices, and products of reflections."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from ._numpy import adjoint, as_tensor, check, result_type
from ._solving import solve_triangular

__all__ = ["geqrf", "householder_product", "matrix_exp"]

geqrf_result = result_type("geqrf", "a tau")

# Of the Taylor polynomial. Of matrices up to the norm of 1/2, what it leaves out is below the rounding of
# float64: 0.5**17 / 17! = 2e-20.
_DEGREE = 16


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential, sum of A^k / k!, of each matrix [*, n, n].

    By scaling and squaring (N. J. Higham, "Functions of matrices", SIAM, 2008, section 10.3): the exponential
    of A / 2^s, a polynomial of degree 16, is squared s times. It is composed of products, so it has gradients
    of any order and runs on every device.

    Raises:
        RuntimeError: no floats, or no square matrices.
    """
    check("linalg.matrix_exp", A, square=True, lapack=False)
    if A.numel() == 0:
        return A.clone()
    with no_grad():
        norm = A.abs().sum(-2).amax(-1)
        squarings = (norm * 2).log2().ceil().clamp(min=0)
        squarings = _C.where(norm.isfinite(), squarings, _C.zeros_like(squarings))[..., None, None]
        most = int(squarings.max().item())
    power = _taylor(A * _C.pow(2.0, -squarings))
    for done in range(most):
        # Those of a batch with a smaller norm are done before.
        squared = power @ power
        power = squared if A.ndim == 2 else _C.where(squarings > done, squared, power)
    return power


def _taylor(a: Tensor) -> Tensor:
    """The polynomial by powers up to the fourth and Horner's rule in that (M. S. Paterson and L. J.
    Stockmeyer, "On the number of nonscalar multiplications necessary to evaluate polynomials", 1973)."""
    a2 = a @ a
    a3, a4 = a2 @ a, a2 @ a2
    one = _C.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    found = a4 * (1 / math.factorial(_DEGREE))
    for first in range(_DEGREE - 4, -1, -4):
        c = [1 / math.factorial(first + i) for i in range(4)]
        part = c[0] * one + c[1] * a + c[2] * a2 + c[3] * a3
        found = part + (found if first == _DEGREE - 4 else found @ a4)
    return found


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first n columns [*, m, n] of the product of reflections H_1 H_2 ... H_k.

    H_i is I - tau_i v_i v_i'. The vector v_i is 0 in its first i - 1 elements, 1 in the next, and below that
    column i of ``input``. The product is I - V T V' with the triangular T of R. Schreiber and C. Van Loan,
    "A storage-efficient WY representation for products of Householder transformations", SIAM Journal on
    Scientific and Statistical Computing 10 (1989).

    Args:
        input: matrices [*, m, n] with m >= n, of which what is below the diagonal is read.
        tau: factors [*, k] with k <= n.

    Raises:
        RuntimeError: no floats of one dtype, or shapes that do not fit.
        NotImplementedError: a CUDA tensor.
    """
    op = "linalg.householder_product"
    check(op, input)
    if not isinstance(tau, Tensor):
        raise TypeError(f"{op}: expected argument 2 to be a Tensor, got {type(tau).__name__}")
    (m, n), k = input.shape[-2:], tau.shape[-1] if tau.ndim else 0
    if m < n:
        raise RuntimeError(
            f"{op}: input.shape[-2] must be greater than or equal to input.shape[-1], got {m} < {n}"
        )
    if tau.shape[:-1] != input.shape[:-2] or tau.ndim != input.ndim - 1 or k > n:
        raise RuntimeError(
            f"{op}: expected tau of shape {[*input.shape[:-2], 'k']} with k <= {n}, got {list(tau.shape)}"
        )
    if tau.dtype != input.dtype:
        raise RuntimeError(f"{op}: tau dtype {tau.dtype} does not match input dtype {input.dtype}")
    ends = _C.eye(m, n, dtype=input.dtype)
    v = input[..., :k].tril(-1) + ends[:, :k]
    # T = (D^-1 + U)^-1 = (I + D U)^-1 D, where D has tau and U is the strict upper triangle of V'V: the
    # second form is there for factors of 0, too.
    strict = (adjoint(v) @ v).triu(1) * tau.unsqueeze(-1)
    right = tau.unsqueeze(-1) * adjoint(v)[..., :n]
    return ends - v @ solve_triangular(strict, right, upper=True, unitriangular=True)


def geqrf(input: Tensor) -> Any:
    """(a, tau) as LAPACK keeps the QR decomposition of matrices [*, m, n]: R in the upper triangle of a, and
    below it and in tau [*, min(m, n)] what `householder_product` makes Q of. It has no gradient.

    Raises:
        RuntimeError: no floats, or fewer than two dimensions.
        NotImplementedError: a CUDA tensor.
    """
    import numpy as np

    check("geqrf", input)
    if input.requires_grad and _C.is_grad_enabled():
        raise RuntimeError(
            "geqrf: expected a tensor that requires no gradient, since it has none; use linalg.qr"
        )
    a, tau = np.linalg.qr(input.detach().numpy(), mode="raw")
    return geqrf_result(as_tensor(np.swapaxes(a, -2, -1), input.dtype), as_tensor(tau, input.dtype))

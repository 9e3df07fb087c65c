"""Linear algebra, by the names of ``torch.linalg``: norms and products, and what LAPACK computes.

The solvers and decompositions take float32 and float64 matrices and batches of them, on the CPU: numpy's
LAPACK computes them, so that they import numpy. Gradients are verigrad's, and can be differentiated again.
`matrix_exp` is composed of products and runs on every device.

So do norms that need singular values (``"nuc"``, 2 and -2 of a matrix) and negative powers, which need an
inverse.
"""

from __future__ import annotations

from .. import _C
from ._decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from ._functions import householder_product, matrix_exp
from ._numbers import cond, det, matrix_rank, slogdet
from ._numpy import LinAlgError
from ._solving import inv, lstsq, pinv, solve, solve_triangular

cross = _C.linalg.cross
matmul = _C.linalg.matmul
matrix_norm = _C.linalg.matrix_norm
matrix_power = _C.linalg.matrix_power
multi_dot = _C.linalg.multi_dot
norm = _C.linalg.norm
vecdot = _C.linalg.vecdot
vector_norm = _C.linalg.vector_norm

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "eigh",
    "eigvalsh",
    "householder_product",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]

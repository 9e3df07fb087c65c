"""Linear algebra: norms and products, by the names of ``torch.linalg``.

Norms that need singular values (``"nuc"``, 2 and -2 of a matrix) and negative powers, which need an inverse,
raise ``NotImplementedError``.
"""

from __future__ import annotations

from . import _C

cross = _C.linalg.cross
matmul = _C.linalg.matmul
matrix_norm = _C.linalg.matrix_norm
matrix_power = _C.linalg.matrix_power
multi_dot = _C.linalg.multi_dot
norm = _C.linalg.norm
vecdot = _C.linalg.vecdot
vector_norm = _C.linalg.vector_norm

__all__ = [
    "cross",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "vecdot",
    "vector_norm",
]

"""Verification of the library and of the user's own functions.

``gradcheck`` and ``gradgradcheck`` are PyTorch's. ``Sample``, ``OpSpec`` and the checks made from them are
what ``verigrad verify`` and the test suite run; they need numba (``pip install "verigrad[verify]"``) and are
imported where they are used:

    verify       every record against its reference, its gradients and its errors
    opspec       the records, one file per family in ``opspec_*.py``
    reference    independent implementations in plain loops
    strategies   shapes, layouts, dtypes and indices for hypothesis
"""

from __future__ import annotations

from verigrad.testing.gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

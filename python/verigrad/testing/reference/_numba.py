"""The one place that imports numba.

The references are plain Python loops; numba only makes them quick enough to run on every sample. They are
compiled in memory and never cached on disk, so that a read-only installation works.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

try:
    import numba
except ImportError as error:
    raise ImportError(
        'verigrad.testing: expected numba for the references, got none; pip install "verigrad[verify]"'
    ) from error

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a loop. Division by zero follows IEEE 754 instead of raising, as in the library's kernels."""
    return cast("Callable[P, R]", numba.njit(error_model="numpy")(function))

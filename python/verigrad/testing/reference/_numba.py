"""The one place that imports numba.

The references are plain Python loops; numba only makes them quick enough to run on every sample. They are
compiled in memory, so that a read-only installation works; with the environment variable NUMBA_CACHE_DIR they
are kept in that folder, which several processes share.
"""

from __future__ import annotations

import os
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
    cache = bool(os.environ.get("NUMBA_CACHE_DIR"))
    return cast("Callable[P, R]", numba.njit(error_model="numpy", cache=cache)(function))

"""A check of sums that are compensated: what lies between two terms that cancel is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError
from verigrad.testing.library import Library

GREAT = 2.0**70  # a float64 next to it is further away than the ones between them


def mean_check(lib: Library, dtype: str) -> Callable[[], float]:
    """Rows of 0, a great number, ones and the opposite number, in runs of their own (normalize_sum_run): the
    mean is that of the ones."""

    def run() -> float:
        length = lib.get("_C._testing.boundaries")()["normalize_sum_run"][0]
        x = np.zeros((2, 3 * length), dtype)
        x[:, 1], x[:, 2 * length], x[:, length : 2 * length] = GREAT, -GREAT, 1.0
        wanted = (1.0 - 1.0 / 3.0) / np.sqrt(2.0 * GREAT**2 / x.shape[1])
        result = lib.to_numpy(lib.get("nn.functional.layer_norm")(lib.from_numpy(x), (x.shape[1],)))
        got = result[:, length : 2 * length].astype(np.float64)
        worst = float(np.max(np.abs(got / wanted - 1.0))) / float(np.finfo(dtype).eps)
        if not worst <= 8.0:
            raise CheckError(f"layer_norm of great numbers that cancel: expected {wanted}, got {got[0, 0]}")
        return worst

    return run


def mean_checks(lib: Library, check: Any) -> None:
    """The check in float32, whose sums are in float64. PyTorch's are not compensated."""
    if lib.name == "verigrad":
        check("float32", "great numbers that cancel", mean_check(lib, "float32"))

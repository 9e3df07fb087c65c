"""A check of sums that are compensated: what lies between two terms that cancel is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError
from verigrad.testing.library import Library

GREAT = 2.0**70  # a float64 next to it is further away than a run of ones adds


def mean_check(lib: Library, unit: float) -> Callable[[], float]:
    """Rows of 0, a great number, units and the opposite number, in runs of their own (normalize_sum_run): the
    mean is that of the units."""

    def run() -> float:
        length = lib.get("_C._testing.boundaries")()["normalize_sum_run"][0]
        great = GREAT * unit
        x = np.zeros((2, 3 * length), np.float32)
        x[:, 1], x[:, 2 * length], x[:, length : 2 * length] = great, -great, unit
        wanted = (unit - unit / 3.0) / np.sqrt(2.0 * great**2 / x.shape[1])
        norm = lib.get("nn.functional.layer_norm")
        result = lib.to_numpy(norm(lib.from_numpy(x), (x.shape[1],), eps=1e-40))
        got = result[:, length : 2 * length].astype(np.float64)
        worst = float(np.max(np.abs(got / wanted - 1.0))) / float(np.finfo(np.float32).eps)
        if not worst <= 8.0:
            raise CheckError(f"layer_norm of great numbers that cancel: expected {wanted}, got {got[0, 0]}")
        return worst

    return run


def mean_checks(lib: Library, check: Any) -> None:
    """The check in float32, whose sums are in float64, with sums above and below 1. PyTorch's are not
    compensated."""
    if lib.name == "verigrad":
        for power in (0, -71):
            run = mean_check(lib, 2.0**power)
            check("float32", f"great numbers that cancel, units of 2^{power}", run)

"""Intel's MKL, which verigrad does not use: OpenBLAS computes products."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False

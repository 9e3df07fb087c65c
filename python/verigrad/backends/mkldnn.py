"""oneDNN, which verigrad does not use: its convolutions are kernels of its own."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False

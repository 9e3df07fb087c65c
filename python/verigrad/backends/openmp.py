"""OpenMP, which verigrad does not use: its threads are its own, see `verigrad.set_num_threads`."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False

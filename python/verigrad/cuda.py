"""CUDA, as far as a program asks whether there is any: this build has none."""

from __future__ import annotations

__all__ = ["device_count", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """Whether tensors can be made on a CUDA device: False in this build."""
    return False


def device_count() -> int:
    """The number of CUDA devices that can be used: 0 in this build."""
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the current CUDA device's generator; there is none, and as in PyTorch nothing happens."""


def manual_seed_all(seed: int) -> None:
    """Seeds every CUDA device's generator; there is none, and as in PyTorch nothing happens."""

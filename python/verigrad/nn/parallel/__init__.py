"""Models on several devices, by PyTorch's names; here on one."""

from __future__ import annotations

from .data_parallel import DataParallel

__all__ = ["DataParallel"]

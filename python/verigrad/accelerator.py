"""The device beside the CPU, by PyTorch's names for any kind of it; here it is CUDA or none."""

from __future__ import annotations

from typing import Any

from . import _C, cuda
from .cuda import (
    current_stream as current_stream,
)
from .cuda import (
    device as device_index,
)
from .cuda import (
    device_count as device_count,
)
from .cuda import (
    empty_cache as empty_cache,
)
from .cuda import (
    get_device_capability as get_device_capability,
)
from .cuda import (
    is_available as is_available,
)
from .cuda import (
    max_memory_allocated as max_memory_allocated,
)
from .cuda import (
    memory_allocated as memory_allocated,
)
from .cuda import (
    memory_reserved as memory_reserved,
)
from .cuda import (
    reset_peak_memory_stats as reset_peak_memory_stats,
)
from .cuda import (
    set_stream as set_stream,
)

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "get_device_capability",
    "is_available",
    "max_memory_allocated",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def current_accelerator(check_available: bool = False) -> _C.device | None:
    """The current CUDA device, or None where there is none.

    Args:
        check_available: makes no difference; a build for CUDA without a device counts as having none.
    """
    return _C.device("cuda") if is_available() else None


def _present() -> None:
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def current_device_index() -> int:
    """The index of the current device. Raises RuntimeError where there is none."""
    _present()
    return cuda.current_device()


def set_device_index(device: Any) -> None:
    """Makes a device the current one of this thread. Raises RuntimeError where there is none."""
    _present()
    cuda.set_device(device)


def synchronize(device: Any = None) -> None:
    """Waits for all work of a device. Raises RuntimeError where there is none."""
    _present()
    cuda.synchronize(device)


current_device_idx = current_device_index
set_device_idx = set_device_index

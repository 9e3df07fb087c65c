"""cuDNN, which verigrad does not use: its flags may be set and change nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

__all__ = [
    "allow_tf32",
    "benchmark",
    "benchmark_limit",
    "deterministic",
    "enabled",
    "flags",
    "is_acceptable",
    "is_available",
    "set_flags",
    "version",
]

enabled: bool = True
benchmark: bool = False
benchmark_limit: int | None = 10
deterministic: bool = False
allow_tf32: bool = True

_NAMES = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None: there is none."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False: no tensor goes to cuDNN."""
    return False


def set_flags(**values: Any) -> dict[str, Any]:
    """Sets flags by their names and returns what they were. Raises TypeError for an unknown one."""
    module = sys.modules[__name__]
    for name in values:
        if name not in _NAMES:
            raise TypeError(f"set_flags: expected flags of {_NAMES}, got {name!r}")
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    return before


@contextlib.contextmanager
def flags(**values: Any) -> Iterator[None]:
    """Sets flags inside of a ``with`` block. Raises TypeError for an unknown one."""
    before = set_flags(**values)
    try:
        yield
    finally:
        set_flags(**before)

"""Linear maps."""

from __future__ import annotations

from ..._C import nn_functional as _native

__all__ = ["linear"]

linear = _native.linear

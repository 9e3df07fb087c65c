"""`verigrad.amp` under its older path: ``autocast()`` needs no device here."""

from __future__ import annotations

from typing import Any

from .. import amp
from ..amp import GradScaler as GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """`verigrad.amp.autocast` for "cuda"."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


def custom_fwd(fwd: Any = None, *, cast_inputs: Any = None) -> Any:
    """`verigrad.amp.custom_fwd` for "cuda"."""
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Any = None) -> Any:
    """`verigrad.amp.custom_bwd` for "cuda"."""
    return amp.custom_bwd(bwd, device_type="cuda")

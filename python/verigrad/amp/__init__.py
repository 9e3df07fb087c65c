"""Mixed precision by PyTorch's names, for programs that switch it on: everything stays in float32.

PyTorch's `autocast` computes some ops in float16 or bfloat16, and its `GradScaler` keeps their gradients
from vanishing. verigrad has neither dtype, so there is nothing to cast and nothing to scale: `autocast`
changes no op, and a `GradScaler` is what PyTorch's is with ``enabled=False``.
"""

from __future__ import annotations

from .autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

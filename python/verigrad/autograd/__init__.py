"""Grad modes, the functions that run backpropagation, and ops of one's own.

``no_grad``, ``enable_grad``, ``inference_mode`` and ``set_grad_enabled`` are context managers and decorators.
The mode belongs to the thread that sets it. ``backward`` and ``grad`` run the native engine; a `Function` is
an op with a backward of its own; ``gradcheck`` and ``gradgradcheck`` compare with finite differences.
``detect_anomaly`` finds the line behind a NaN; `graph` has hooks on what ops save.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .._C import is_grad_enabled, is_inference_mode_enabled
from . import function, graph
from ._modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ._passes import backward, grad
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function
from .variable import Variable

if TYPE_CHECKING:
    from ..testing.gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    """gradcheck and gradgradcheck come from ``verigrad.testing`` on first use: they need numpy at import."""
    if name in ("gradcheck", "gradgradcheck"):
        return getattr(importlib.import_module("verigrad.testing.gradcheck"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

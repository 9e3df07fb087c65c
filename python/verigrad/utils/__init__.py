"""Tools around models, `summary`, and PyTorch's path for the data tools, `verigrad.utils.data`.

Both are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data
    from ._summary import summary

__all__ = ["data", "summary"]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "data":
        return importlib.import_module(f"{__name__}.data")
    if name == "summary":
        return importlib.import_module(f"{__name__}._summary").summary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

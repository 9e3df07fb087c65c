"""Tools around models, `summary`; `checkpoint`, which saves memory; `tensorboard`, which writes for that
program; `einops`, layers of that package; and `dlpack` and `data` by PyTorch's paths.

All are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import checkpoint, data, dlpack, einops, tensorboard
    from ._summary import summary

__all__ = ["checkpoint", "data", "dlpack", "einops", "summary", "tensorboard"]


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("checkpoint", "data", "dlpack", "einops", "tensorboard"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "summary":
        return importlib.import_module(f"{__name__}._summary").summary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""DLPack by PyTorch's path: `from_dlpack`, and `to_dlpack` for programs from before ``__dlpack__``."""

from __future__ import annotations

from typing import Any

from .._C import Tensor
from .._exchange import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over the tensor's memory, for one call of ``from_dlpack``.

    Raises:
        BufferError: the tensor requires a gradient.
    """
    return tensor.__dlpack__()

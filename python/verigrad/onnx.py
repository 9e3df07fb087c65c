"""ONNX, which verigrad does not write."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: there is no translation of the graph to ONNX's operators.

    A model reaches other programs by its weights: ``verigrad.save(model.state_dict(), path, format="torch")``
    writes a file that PyTorch loads into the same model, which it can export.
    """
    raise NotImplementedError(
        "onnx.export: there is no translation of ops to ONNX's; verigrad.save(model.state_dict(), path, "
        'format="torch") writes what PyTorch loads into the same model, and that can be exported'
    )

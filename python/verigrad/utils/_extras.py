"""Optional packages: imported where they are used, and named with their extra where they are missing."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, package: str, extra: str, what_for: str) -> Any:
    """Import *module*, or raise ImportError saying which extra brings it.

    Args:
        module: what to import.
        package: its name for pip.
        extra: the extra of verigrad that holds it.
        what_for: the function or feature that needs it; begins the message.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what_for}: expected {package} to be installed, got: {error}. "
            f'pip install "verigrad[{extra}]" brings it'
        ) from error

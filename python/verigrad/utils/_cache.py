"""The folder for downloaded data."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_dir() -> Path:
    """The user's cache folder of verigrad; it need not exist.

    The environment variable ``VERIGRAD_CACHE`` names it. Otherwise it is ``verigrad`` in the platform's
    place: ``$XDG_CACHE_HOME`` or ``~/.cache`` (Linux), ``~/Library/Caches`` (macOS), ``%LOCALAPPDATA%``
    (Windows).
    """
    if chosen := os.environ.get("VERIGRAD_CACHE"):
        return Path(chosen).expanduser()
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "verigrad" if base else home / "AppData" / "Local" / "verigrad"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "verigrad"
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says that a relative path here is to be ignored.
    return (Path(base) if base and os.path.isabs(base) else home / ".cache") / "verigrad"

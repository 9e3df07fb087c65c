"""Versions: of verigrad, and of what it was built with."""

from __future__ import annotations

from importlib.metadata import version as _installed

__all__ = ["cuda", "debug", "git_version", "hip"]

__version__ = _installed("verigrad")
debug = False
cuda: str | None = None  # the driver's matter: a build for CUDA takes what it finds
hip: str | None = None
git_version: str | None = None

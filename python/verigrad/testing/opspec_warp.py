"""Records of the warp functions."""

from __future__ import annotations

from verigrad.testing.opspec import OpSpec

SPECS: tuple[OpSpec, ...] = ()

"""Records of the dropout functions."""

from __future__ import annotations

from verigrad.testing.opspec import OpSpec

SPECS: tuple[OpSpec, ...] = ()

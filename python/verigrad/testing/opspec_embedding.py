"""Records of the embedding functions."""

from __future__ import annotations

from verigrad.testing.opspec import OpSpec

SPECS: tuple[OpSpec, ...] = ()

"""Records of the convolution functions."""

from __future__ import annotations

from verigrad.testing.opspec import OpSpec

SPECS: tuple[OpSpec, ...] = ()

"""How messages quote what a caller passed."""

from __future__ import annotations

import reprlib

__all__ = ["short"]

_reader = reprlib.Repr()
_reader.maxstring = _reader.maxother = 200
_reader.maxlong = 60


def short(value: object) -> str:
    """`repr` of a value, of a few hundred characters at most: the middle of long texts and the rest of long
    containers are left out."""
    text = _reader.repr(value)
    return text if len(text) <= 600 else text[:400] + " ... " + text[-100:]

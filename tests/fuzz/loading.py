"""`load` under watch: what it does beside reading, what it raises, and how much memory it takes."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
import tracemalloc
from typing import Any

from tests.fuzz import pickles

import verigrad

SLACK = 1 << 20  # bytes
FACTOR = 400  # bytes of memory for a byte of the file: a pickle makes an object with one byte
_HARMLESS = {"builtins.id", "object.__getattr__", "gc.get_objects", "array.__new__"}
_events: list[str] | None = None


class Surprise(Exception):
    """Something that `load` must not do."""


def _audit(event: str, arguments: Any) -> None:
    # Python tells of every import, call of eval, opened file, started process and the like.
    if _events is not None and event not in _HARMLESS:
        _events.append(f"{event} {arguments!r}"[:200])


sys.addaudithook(_audit)


@functools.cache
def warm() -> None:
    """Imports what `load` imports when it is called first, which is no surprise."""
    for format in ("safetensors", "torch"):
        buffer = io.BytesIO()
        verigrad.save([verigrad.ones(1)], buffer, format=format)
        verigrad.load(io.BytesIO(buffer.getvalue()))
    for content in (b"", pickles.archive(pickles.pickled(b"\xff")), pickles.stream(pickles.pickled())):
        with contextlib.suppress(RuntimeError):
            verigrad.load(io.BytesIO(content))


def watched(content: bytes, measured: bool = True) -> tuple[Any, str, int]:
    """Loads a file in memory.

    Returns:
        The object, or else the text of the RuntimeError, and, if *measured*, the most bytes of Python and
        numpy at once. That takes ten times as long.

    Raises:
        Surprise: it ran or opened something, raised another error, or took too much memory.
    """
    global _events
    result, text = None, ""
    peak = 0
    if measured:
        tracemalloc.start()
    _events = []
    try:
        result = verigrad.load(io.BytesIO(content))
    except RuntimeError as error:
        text = str(error)
    finally:
        seen, _events = _events, None
        if measured:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    if seen:
        raise Surprise(f"load did {seen[0]}")
    if text and not text.startswith("load: ") or len(text) > 2000:
        raise Surprise(f"load raised an error of {len(text)} characters: {text[:80]}")
    if peak > SLACK + FACTOR * len(content):
        raise Surprise(f"load took {peak} bytes for a file of {len(content)}")
    return result, text, peak

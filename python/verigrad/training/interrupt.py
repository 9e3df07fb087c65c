"""Ctrl-C and SIGTERM, held until a training run is at a place where it can stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A training run was stopped by a signal, at a place where its state was whole.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int, where: str) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name} {where}")
        self.signal = number


@contextlib.contextmanager
def held_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of acting on them; a second one acts at once.

    Outside of the main thread, where Python lets nobody handle signals, nothing changes.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before: dict[int, Any] = {}

    def put_back() -> None:
        while before:
            number, handler = before.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        put_back()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, note)
    try:
        yield came
    finally:
        put_back()

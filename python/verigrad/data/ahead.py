"""Batches of a dataset in memory that a thread gathers while the program works on the one before."""

from __future__ import annotations

import itertools
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import verigrad

DEPTH = 2  # batches ahead: one that is ready and one that is being gathered


class Ahead:
    """``function(argument)`` for each of *arguments*, in their order, called by a thread.

    An exception is raised by the `next` for its argument, and the one after it can still be asked for. The
    thread ends with this object. A forked child, which has no such thread, calls the function itself.
    """

    def __init__(self, function: Callable[[Any], Any], arguments: Iterable[Any]) -> None:
        self._function = function
        self._recording = verigrad.is_grad_enabled()  # a mode belongs to its thread
        self._arguments: Iterator[Any] = iter(arguments)
        self._process = os.getpid()
        self._thread = ThreadPoolExecutor(1, "verigrad-prefetch")
        self._waiting: deque[tuple[Any, Future[Any]]] = deque()
        self._end = weakref.finalize(self, self._thread.shutdown, wait=False, cancel_futures=True)
        self._top_up()

    def _top_up(self) -> None:
        for argument in itertools.islice(self._arguments, DEPTH - len(self._waiting)):
            future = self._thread.submit(_called, self._function, argument, self._recording)
            self._waiting.append((argument, future))

    def next(self) -> Any:
        """The next result."""
        if os.getpid() != self._process:
            argument = self._waiting.popleft()[0] if self._waiting else next(self._arguments)
            return self._function(argument)
        _, future = self._waiting.popleft()
        self._top_up()
        return future.result()

    def close(self) -> None:
        """Ends the thread; what it has not begun is not done."""
        self._end()


def _called(function: Callable[[Any], Any], argument: Any, recording: bool) -> Any:
    with verigrad.set_grad_enabled(recording):
        return function(argument)

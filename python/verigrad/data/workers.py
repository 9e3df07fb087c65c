"""One pass of a loader whose batches are fetched by worker processes."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import worker
from .iterators import EpochIterator
from .position import Epoch

if TYPE_CHECKING:
    from .crew import Crew
    from .loader import DataLoader


class WorkerIterator(EpochIterator):
    """Keeps ``prefetch_factor`` tasks for each worker under way, and hands the results out in the order of
    the tasks (``in_order=False``: in that of their arrival).

    Tasks go round the workers whose streams have not ended. A result counts when its turn comes, the end of a
    stream too, so the order of batches does not depend on which worker is faster.

    Args:
        states: the random state that each worker begins with, None for that of its seed.
    """

    def __init__(self, loader: DataLoader[Any], epoch: Epoch, crew: Crew, states: list[Any]) -> None:
        super().__init__(loader, epoch)
        self._crew = crew
        crew.epochs += 1
        self._tag = crew.epochs
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._skip = 0
        if loader._streams:
            # The streams run again up to where they were.
            self._skip, self._number = epoch.batches, 0
            self._indices: Iterator[Any] = itertools.repeat(None)
        else:
            self._indices = itertools.islice(iter(loader._index_sampler), epoch.batches, None)
        self._turn = self._sent = self._number  # number of the task to hand out next, and to send next
        self._owner: dict[int, int] = {}  # of each task under way, its worker
        self._arrived: dict[int, worker.Result] = {}
        self._active = [True] * len(crew)
        self._load = [0] * len(crew)
        self._cycle = itertools.cycle(range(len(crew)))
        for _ in range(self._sent % len(crew)):
            next(self._cycle)
        self._most = (loader.prefetch_factor or 0) * len(crew)
        self._over = False
        self._failed = ""
        epoch.workers = list(states)
        with self._all_or_nothing():
            for number, state in enumerate(states):
                crew.send(number, worker.Epoch(self._tag, epoch.base_seed, state))
        for _ in range(self._most):
            self._refill()

    def _next(self) -> Any:
        if self._over:
            raise StopIteration
        if self._failed:
            raise RuntimeError(self._failed)
        if self._tag != self._crew.epochs:
            raise RuntimeError(
                "DataLoader with persistent_workers=True: expected one iterator at a time, got an older one "
                "after another was made"
            )
        self._receive(0)  # a worker that has died is reported now, not when its batch is missed
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else None
        while self._owner:
            turn = self._turn if self._in_order else next(iter(self._arrived), -1)
            if turn not in self._arrived:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
                self._receive(left)
                continue
            result = self._arrived.pop(turn)
            self._turn += 1
            number = self._owner.pop(turn)
            self._load[number] -= 1
            if isinstance(result.content, worker.Ended):
                if self._active[number]:
                    self._active[number] = False
                    self._refill()
                continue
            self._refill()
            if result.random_state is not None:
                self._epoch.workers[number] = result.random_state
            self._number += 1
            if self._number <= self._skip:
                continue
            if isinstance(result.content, worker.Failure):
                result.content.reraise()
            return result.content
        self._over = True
        if not self._loader.persistent_workers:
            self._crew.close()
        raise StopIteration

    def _refill(self) -> None:
        """Send one more task, if there is one and a worker for it."""
        if not any(self._active):
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        room = -(-self._most // sum(self._active))
        number = next(
            one for one in self._cycle if self._active[one] and (self._in_order or self._load[one] < room)
        )
        with self._all_or_nothing():
            self._crew.send(number, worker.Task(self._tag, self._sent, indices, self._sent < self._skip))
        self._owner[self._sent] = number
        self._load[number] += 1
        self._sent += 1

    def _receive(self, timeout: float | None) -> None:
        with self._all_or_nothing():
            for _, result in self._crew.receive(timeout):
                if result.epoch == self._tag:
                    self._arrived[result.number] = result

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        # What is raised here, a KeyboardInterrupt too, may have lost a message: the workers end, and the
        # iterator says so from then on, rather than wait for a batch that never comes.
        try:
            yield
        except BaseException as error:
            self._crew.close()
            died = isinstance(error, RuntimeError)
            self._failed = str(error) if died else f"DataLoader: its workers were ended by {error!r}"
            raise

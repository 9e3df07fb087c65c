"""What runs in a worker process of a `DataLoader`."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import socket
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import verigrad

from . import info
from .channel import Channel, ClosedError, Shipped
from .fetch import MapFetcher, StreamFetcher

_WATCH = 5.0  # seconds between two looks whether the parent lives, where its end of the socket stayed open


class Settings(NamedTuple):
    """What a worker needs to know; made by the loader."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batched: bool
    streams: bool
    batch_size: int | None
    drop_last: bool
    worker_init_fn: Callable[[int], None] | None
    num_workers: int
    dtype: Any


class Epoch(NamedTuple):
    """To a worker: an epoch begins. *random_state*, if any, is what `random_state` gave."""

    number: int
    base_seed: int
    random_state: Any


class Task(NamedTuple):
    """To a worker: fetch a batch. With *skip* its content is not wanted, only what fetching it changes."""

    epoch: int
    number: int
    indices: Any
    skip: bool


class Result(NamedTuple):
    """From a worker. *random_state* is the one after the batch, or None if it has not changed since the last
    result of the epoch."""

    epoch: int
    number: int
    content: Any
    random_state: Any


class Skipped:
    """The content of a `Result` that was not wanted."""


class Ended:
    """The content of a `Result`: the worker's stream has no more."""


class Failure:
    """An exception, as text and, where it can travel, its type."""

    def __init__(self, error: BaseException, worker: int) -> None:
        self.name = type(error).__name__
        self.where = f"in DataLoader worker process {worker}"
        self.text = "".join(traceback.format_exception(error))
        try:
            self.kind: bytes | None = pickle.dumps(type(error))
        except Exception:  # a class that is local to a function
            self.kind = None

    def reraise(self) -> None:
        """Raise it, the worker's traceback as its message; a RuntimeError where the type cannot be made."""
        message = f"Caught {self.name} {self.where}.\nOriginal {self.text}"
        try:
            kind: Any = RuntimeError if self.kind is None else pickle.loads(self.kind)
            error = kind(_Verbatim(message) if issubclass(kind, KeyError) else message)
        except Exception:
            error = RuntimeError(message)
        raise error


class _Verbatim(str):
    """KeyError shows the repr of its argument, which would put a traceback on one line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def random_state() -> Any:
    """Where the generators of this process are: verigrad's, Python's and numpy's."""
    import numpy

    return verigrad.get_rng_state().tolist(), random.getstate(), numpy.random.get_state()


def same_random_state(left: Any, right: Any) -> bool:
    """Whether two results of `random_state` are equal."""
    (_, keys, *position), (_, other_keys, *other_position) = left[2], right[2]
    return bool(left[:2] == right[:2]) and position == other_position and bytes(keys) == bytes(other_keys)


def _set_random_state(state: Any) -> None:
    import numpy

    verigrad.set_rng_state(verigrad.tensor(state[0], dtype=verigrad.uint8))
    random.setstate(state[1])
    numpy.random.set_state(state[2])


def _seed(base_seed: int, worker: int) -> None:
    import numpy

    verigrad.default_generator.manual_seed(base_seed + worker)
    random.seed(base_seed + worker)
    # Python's generator and numpy's are the same: started from the same number they would give the same.
    entropy = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    numpy.random.seed(numpy.random.SeedSequence(entropy).generate_state(4))


def run(shipped: Shipped, worker: int, end: socket.socket) -> None:
    """The main function of a worker process: fetches what it is asked for until its socket is closed."""
    # Ctrl-C reaches the whole group of processes; the loader's process decides what it means. Handlers of the
    # parent, which a fork passes on, are not for this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    settings: Settings = shipped.value
    verigrad.set_num_threads(1)
    verigrad.set_default_device("cpu")
    verigrad.set_default_dtype(settings.dtype)
    end.settimeout(_WATCH)
    with contextlib.suppress(ClosedError):
        _Worker(settings, worker, Channel(end)).work()


class _Worker:
    def __init__(self, settings: Settings, worker: int, channel: Channel) -> None:
        self._settings = settings
        self._id = worker
        self._channel = channel
        self._parent = os.getppid()
        self._inbox: deque[Epoch | Task] = deque()
        self._failure: Failure | None = None  # of worker_init_fn, or of iter(dataset)
        self._initialized = False
        self._ended = False
        self._random_state: Any = None
        self._fetch: Any = None

    def work(self) -> None:
        while True:
            order = self._next_order()
            if isinstance(order, Epoch):
                self._begin(order)
            else:
                self._answer(order)

    def _begin(self, epoch: Epoch) -> None:
        settings = self._settings
        _seed(epoch.base_seed, self._id)
        info.current = info.WorkerInfo(
            self._id, settings.num_workers, epoch.base_seed + self._id, settings.dataset
        )
        self._ended, self._random_state = False, None
        try:
            if not self._initialized:
                self._failure = None
                if settings.worker_init_fn is not None:
                    settings.worker_init_fn(self._id)
                self._initialized = True
            dataset, collate_fn = settings.dataset, settings.collate_fn
            if settings.streams:
                self._failure = None
                self._fetch = StreamFetcher(dataset, collate_fn, settings.batch_size, settings.drop_last)
            else:
                self._fetch = MapFetcher(dataset, collate_fn, settings.batched)
        except Exception as error:
            self._failure = Failure(error, self._id)
        if epoch.random_state is not None:
            _set_random_state(epoch.random_state)  # last: worker_init_fn may have drawn

    def _answer(self, task: Task) -> None:
        content: Any
        if self._ended:
            content = Ended()
        elif self._failure is not None:
            content = self._failure
        else:
            try:
                content = self._fetch(task.indices)
                if task.skip:
                    content = Skipped()
            except StopIteration:
                self._ended, content = True, Ended()
            except Exception as error:
                content = Failure(error, self._id)
        state = random_state()
        if self._random_state is not None and same_random_state(state, self._random_state):
            state = None
        else:
            self._random_state = state
        try:
            self._send(Result(task.epoch, task.number, content, state))
        except (ClosedError, OSError):
            raise
        except Exception as error:  # a batch that cannot be pickled
            self._send(Result(task.epoch, task.number, Failure(error, self._id), state))

    def _send(self, result: Result) -> None:
        try:
            self._channel.send(result)
        except TimeoutError:
            self._until_done(self._channel.flush)

    def _next_order(self) -> Epoch | Task:
        # All that has arrived is looked at: a loader that is gone, or is in its next epoch, does not want
        # what was asked for before.
        while self._channel.ready() or not self._inbox:
            order = self._until_done(self._channel.receive)
            if isinstance(order, Epoch):
                self._inbox.clear()
            self._inbox.append(order)
        return self._inbox.popleft()

    def _until_done(self, act: Callable[[], Any]) -> Any:
        while True:
            try:
                return act()
            except TimeoutError:
                if os.getppid() != self._parent:
                    raise ClosedError from None

"""The worker processes of a loader: starting them, talking to them, noticing their end, ending them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import selectors
import signal
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import verigrad

from .channel import Channel, ClosedError, Shipped, pair
from .worker import Settings, run

if TYPE_CHECKING:
    from .loader import DataLoader

_LOOK = 5.0  # seconds between two looks whether all workers live, should a socket not tell
_PATIENCE = 5.0  # seconds for workers to end by themselves before they are ended


class Crew:
    """The workers of one epoch or, where they persist, of a loader."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        import numpy.random  # noqa: F401  # once, before the fork; each worker seeds it

        context = loader.multiprocessing_context or multiprocessing.get_context()
        shipped = Shipped(
            Settings(
                loader.dataset,
                loader.collate_fn,
                loader.batch_sampler is not None,
                loader._streams,
                loader.batch_size,
                loader.drop_last,
                loader.worker_init_fn,
                loader.num_workers,
                verigrad.get_default_dtype(),
            )
        )
        self.epochs = 0
        self._channels: list[Channel] = []
        self._processes: list[Any] = []
        self._selector = selectors.DefaultSelector()
        self._looked = time.monotonic()
        # Runs too when the last reference goes, and at exit.
        self.close = weakref.finalize(
            self, _close, os.getpid(), self._selector, self._channels, self._processes
        )
        try:
            for number in range(loader.num_workers):
                self._start(context, shipped, number)
        except BaseException:
            self.close()
            raise

    def _start(self, context: Any, shipped: Shipped, number: int) -> None:
        channel, end = pair()
        self._channels.append(channel)
        self._selector.register(channel, selectors.EVENT_READ, number)
        # A Ctrl-C before the worker has left it to this process would end it; `run` unblocks it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = context.Process(target=run, args=(shipped, number, end), daemon=True)
            with warnings.catch_warnings():
                # Python warns of a fork beside threads. The library's own survive one (see Threads in the
                # architecture), and a worker runs nothing of the others'.
                warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
                process.start()
        except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
            error.add_note(
                f"DataLoader: the start method {context.get_start_method()!r} sends dataset, collate_fn and "
                "worker_init_fn to the workers by pickle. Define them at the top of a module, or ask for "
                "multiprocessing_context='fork'."
            )
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            end.close()
        self._processes.append(process)

    def __len__(self) -> int:
        return len(self._channels)

    def send(self, worker: int, message: Any) -> None:
        """Send *message* without waiting."""
        channel = self._channels[worker]
        try:
            channel.send(message)
        except ClosedError:
            self._report(worker)
        self._want(worker, channel)

    def receive(self, timeout: float | None) -> list[tuple[int, Any]]:
        """What has arrived, with the number of its worker; waits up to *timeout* seconds for the first.

        Raises:
            RuntimeError: a worker has died.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            rest = _LOOK if end is None else max(0.0, min(_LOOK, end - time.monotonic()))
            events = self._selector.select(rest)
            found = []
            for key, mask in events:
                if mask & selectors.EVENT_WRITE:
                    self._flush(key.data)
                if mask & selectors.EVENT_READ:
                    found += [(key.data, message) for message in self._read(key.data)]
            now = time.monotonic()
            if not found and now - self._looked > _LOOK:
                self._looked = now
                for worker, process in enumerate(self._processes):
                    if not process.is_alive():
                        self._report(worker)
            if found or (end is not None and now >= end):
                return found

    def _read(self, worker: int) -> list[Any]:
        found = []
        try:
            while True:
                found.append(self._channels[worker].receive())
        except BlockingIOError:
            return found
        except ClosedError:
            self._report(worker)
        return found

    def _flush(self, worker: int) -> None:
        channel = self._channels[worker]
        try:
            channel.flush()
        except ClosedError:
            self._report(worker)
        self._want(worker, channel)

    def _want(self, worker: int, channel: Channel) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.waiting else 0)
        if self._selector.get_key(channel).events != events:
            self._selector.modify(channel, events, worker)

    def _report(self, worker: int) -> None:
        process = self._processes[worker]
        process.join(_PATIENCE)
        code = process.exitcode
        if code is not None and code < 0:
            name = signal.strsignal(-code) or f"signal {-code}"
            message = f"DataLoader worker (pid {process.pid}) is killed by signal: {name}. "
            if -code == signal.SIGBUS:
                message += (
                    "It is possible that dataloader's workers are out of shared memory. Please try to raise "
                    "your shared memory limit."
                )
        else:
            message = (
                f"DataLoader worker (pid {process.pid}) exited unexpectedly with exit code {code}. "
                "Details are lost due to multiprocessing. Rerunning with num_workers=0 may give better error "
                "trace."
            )
        self.close()
        raise RuntimeError(message)


def _close(owner: int, selector: Any, channels: list[Channel], processes: list[Any]) -> None:
    if os.getpid() != owner:
        return  # a forked child that drops its copy of the iterator
    selector.close()
    for channel in channels:
        channel.close()  # which ends a worker when it next looks
    deadline = time.monotonic() + _PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for end in ("terminate", "kill"):
        for process in processes:
            if process.is_alive():
                getattr(process, end)()
                process.join(1)

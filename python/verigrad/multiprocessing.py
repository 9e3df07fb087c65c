"""Python's ``multiprocessing``, with tensors that processes share and `spawn` for several of them.

Tensors in queues, pipes and arguments arrive as copies; those after ``share_memory_()`` as the same memory.
"""

from __future__ import annotations

import contextlib
import multiprocessing as _python
import multiprocessing.connection as _connection
import time
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

from ._pickling import _register_with_multiprocessing

_register_with_multiprocessing()

__all__ = [*_python.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException"]
__all__ += ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn"]
__all__ += ["start_processes"]


def get_all_sharing_strategies() -> set[str]:
    """How memory is shared: by files without a name."""
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """ "file_descriptor"."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Takes "file_descriptor". Raises ValueError for another one."""
    if new_strategy != "file_descriptor":
        raise ValueError(f"set_sharing_strategy: expected 'file_descriptor', got {new_strategy!r}")


class ProcessRaisedException(Exception):
    """A process of `spawn` raised; the message has its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, error_pid


class ProcessExitedException(Exception):
    """A process of `spawn` ended with an exit code or by a signal."""

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid, self.exit_code = msg, error_index, error_pid, exit_code


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], errors: Any) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """The processes of `spawn` with ``join=False``."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors
        self._left = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Waits for a process to end; True where all have.

        Args:
            timeout: seconds to wait at most; None has no end.

        Raises:
            ProcessRaisedException: one raised. The others are ended.
            ProcessExitedException: one ended otherwise.
        """
        for sentinel in _connection.wait(list(self._left), timeout) if self._left else []:
            index = self._left.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode:
                self._end_others()
                self._raise(index, process)
        return not self._left

    def _end_others(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        end = time.monotonic() + 30
        for process in self.processes:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _raise(self, index: int, process: Any) -> None:
        code = process.exitcode
        text = None
        with contextlib.suppress(EOFError):  # it said nothing
            text = self._errors[index].recv()
        if text is not None:
            message = f"\n\n-- Process {index} terminated with the following error:\n{text}"
            raise ProcessRaisedException(message, index, process.pid)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ProcessExitedException(f"process {index} terminated with {how}", index, process.pid, code)


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Starts processes that call ``fn(i, *args)`` with i from 0 on.

    Args:
        fn: a function at the top of a module.
        args: its further arguments.
        nprocs: how many.
        join: wait for all of them; otherwise a `ProcessContext` is returned.
        daemon: whether they end with this process.
        start_method: "spawn", "fork" or "forkserver".

    Raises:
        ProcessRaisedException, ProcessExitedException: see `ProcessContext.join`.
    """
    context: Any = _python.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        ours, theirs = context.Pipe(False)
        process = context.Process(target=_run, args=(fn, index, args, theirs), daemon=daemon)
        process.start()
        theirs.close()
        processes.append(process)
        errors.append(ours)
    made = ProcessContext(processes, errors)
    if not join:
        return made
    while not made.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` with fresh processes.

    Raises:
        ValueError: *start_method* is another one.
    """
    if start_method != "spawn":
        raise ValueError(
            f"spawn: expected start_method 'spawn', got {start_method!r}; start_processes takes others"
        )
    return start_processes(fn, args, nprocs, join, daemon)

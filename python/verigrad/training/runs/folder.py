"""The folder of a run: its files, and the order in which they appear.

``config.json`` makes a folder a run. It is written after everything else that is new, and where an older run
is replaced it is taken away before anything else is touched. So a process that is killed at any moment leaves
the older run, the new one, or a folder without ``config.json``, which nothing takes for a run; never the
model of one beside the config of the other.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from verigrad.utils._files import atomic_write, sync_folder

from ..checkpoints import Checkpoints

CONFIG, METRICS, CURVES = "config.json", "metrics.csv", "curves.png"
MISTAKES, FILTERS = "misclassified.png", "filters.png"
MODEL, BEST = "model.safetensors", "best.safetensors"
FILES = (CONFIG, METRICS, CURVES, MISTAKES, FILTERS, MODEL, BEST)
CHECKPOINTS = "checkpoints"


class RunFolder:
    """The folder of a run that is being trained.

    Attributes:
        path: of the folder.
        begun: whether anything of this run has been written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = False

    def put(self, writers: Mapping[str, Callable[[IO[bytes]], object]]) -> None:
        """Write the files that *writers* names; the first time, those of an older run go away.

        All are on the disk before the first of them appears, so that an error (a full disk) changes nothing.
        """
        with contextlib.ExitStack() as stack:
            # They appear in the reverse order: the config, which comes first here, last.
            names = [name for name in FILES if name in writers]
            files = {name: stack.enter_context(atomic_write(self.path / name)) for name in names}
            for name in names:
                writers[name](files[name])
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
            if not self.begun:
                self._remove_older_run()
        self.begun = True

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints of the run, and their folder unless something else is in it."""
        for path in Checkpoints(self.path / CHECKPOINTS).paths():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.path / CHECKPOINTS).rmdir()

    def _remove_older_run(self) -> None:
        for name in FILES:
            (self.path / name).unlink(missing_ok=True)
            if name == CONFIG:
                sync_folder(os.fspath(self.path))
        self.remove_checkpoints()


@contextlib.contextmanager
def run_folder(out: Path | None, name: str, overwrite: bool) -> Iterator[RunFolder]:
    """A writable folder for the block; if that fails, folders that were made and are empty go away again.

    Args:
        out: the folder, made with its parents if it is missing. None makes the first free of
            ``runs/<name>-<number>``.
        name: see *out*.
        overwrite: whether *out* may hold a run.

    Raises:
        FileExistsError: *out* holds a run, or a part of one, and *overwrite* does not allow it.
        OSError: the folder cannot be made or written.
    """
    made: list[Path] = []
    try:
        folder = _numbered(name, made) if out is None else out
        _make(folder, made)
        _check_writable(folder)
        if not overwrite:
            _check_unused(folder)
        yield RunFolder(folder)
    except BaseException:
        for one in reversed(made):
            with contextlib.suppress(OSError):  # something else is in it by now
                one.rmdir()
        raise


def _numbered(name: str, made: list[Path]) -> Path:
    base = Path("runs")
    _make(base, made)
    number = 1
    while True:
        folder = base / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        made.append(folder)
        return folder


def _make(folder: Path, made: list[Path]) -> None:
    missing = []
    one = folder
    while not one.exists():
        missing.append(one)
        one = one.parent
    if not one.is_dir():
        raise NotADirectoryError(20, "expected a folder, got a file", str(one))
    for part in reversed(missing):
        part.mkdir(exist_ok=True)
        made.append(part)


def _check_writable(folder: Path) -> None:
    # By writing: what os.access says is wrong on read-only mounts and for the superuser. Before the training.
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"verigrad")
    for name in FILES:
        if (folder / name).is_dir():
            raise IsADirectoryError(21, "expected a file name, got a folder", str(folder / name))


def _check_unused(folder: Path) -> None:
    for name in FILES:
        if os.path.lexists(folder / name):
            raise FileExistsError(
                17,
                f"expected a folder without a run, got one with {name} (--overwrite replaces it)",
                str(folder),
            )

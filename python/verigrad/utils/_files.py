"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from typing import IO

_SUFFIX = ".verigrad-tmp"
_STALE_AFTER = 24 * 3600.0  # seconds; for temporary files of another host, whose processes cannot be asked
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # what a write says, without a name
_active: set[str] = set()  # temporary files being written by this process
_lock = threading.Lock()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file for writing that replaces *path* when the block ends without an error.

    `atomic_path` says how.

    Raises:
        OSError: the folder is missing or not writable, the disk is full, or *path* is a folder or a device.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        yield file


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """A path whose file replaces *path* when the block ends without an error.

    It is an empty file in a temporary folder beside *path*; what writes it may replace it, or put files of
    its own beside it. At the end it is flushed to the disk and renamed, and the folder of *path* is flushed.
    At every moment *path* is the old file or the new one; an error leaves the old one. A symbolic link is
    followed. The mode is what the umask says. What a killed process left for the same *path* is removed
    first.

    Raises:
        OSError: as for `atomic_write`, with the name *path*.
    """
    import shutil  # here, so that importing verigrad does not pay for it

    target = os.path.realpath(os.fspath(path))
    _refuse_special(target)
    folder, last = os.path.split(target)
    prefix = _prefix(last)
    remove_stale(folder, prefix)
    name = f"{prefix}{_host()}-{os.getpid()}-{os.urandom(6).hex()}{_SUFFIX}"
    place = os.path.join(folder, name)
    with _lock:
        _active.add(name)
    try:
        os.mkdir(place)
        try:
            temporary = os.path.join(place, "new")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)  # 0o666 less the umask, as open() does
            os.close(descriptor)
            yield temporary
            os.chmod(temporary, mode)
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        sync_folder(folder)
    except OSError as error:
        inside = str(error.filename).startswith(place)
        if not inside and (error.filename is not None or error.errno not in _FULL):
            raise
        # The name that the caller knows, not that of a temporary file.
        raise OSError(error.errno, error.strerror, target) from None
    finally:
        with _lock:
            _active.discard(name)


def _refuse_special(target: str) -> None:
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "expected a file name, got a folder", target)
    if not stat.S_ISREG(mode):
        # Renaming over it would replace the device itself.
        raise OSError(22, "expected a regular file, got a device, pipe or socket", target)


def _prefix(name: str) -> str:
    # Recognisable, yet short enough for any file name that the file system accepts.
    return f".{name[:24]}.{zlib.crc32(os.fsencode(name)):08x}."


def _host() -> str:
    name = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return f"{zlib.crc32(os.fsencode(name)):08x}"


def remove_stale(folder: str, prefix: str) -> None:
    """Remove what killed processes have left in *folder*, of temporary files whose names begin with
    *prefix*."""
    import shutil

    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (
                entry.name.startswith(prefix)
                and entry.name.endswith(_SUFFIX)
                and _is_stale(entry, entry.name.removesuffix(_SUFFIX).rpartition(".")[2])
            ):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_stale(entry: os.DirEntry[str], tag: str) -> bool:
    host, _, rest = tag.partition("-")
    process = rest.partition("-")[0]
    if host == _host() and process.isdigit():
        if int(process) == os.getpid():
            with _lock:
                return entry.name not in _active
        if not _is_running(int(process)):
            return True
    with contextlib.suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_AFTER
    return False


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill(pid, 0) would end it there; age decides
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def sync_folder(folder: str) -> None:
    """Have the names in a folder reach the disk, where the file system can."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)

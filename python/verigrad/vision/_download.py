"""Downloading the files of a data set: from the first mirror that serves the right content."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import io
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from verigrad.utils._files import atomic_write

_TIMEOUT = 30.0  # seconds without an answer
_BLOCK = 1 << 16
_LARGEST = 1 << 30  # bytes of an archive; EMNIST's has 562 million


class Resource(NamedTuple):
    """One gzipped file of a data set. *name* is that of the unpacked file; at least one checksum is known."""

    name: str
    size: int  # bytes, unpacked
    sha256: str | None = None  # of the unpacked content
    md5: str | None = None  # of the gzipped file, as its publisher states it


def download(resource: Resource, mirrors: Sequence[str], folder: Path) -> Path:
    """Download *resource* from the first of *mirrors* (base addresses) that has it, and unpack it into
    *folder*.

    The content is checked in memory (its length, and its SHA-256 or the MD5 of the gzipped file) before a
    file appears; the file appears complete.

    Raises:
        RuntimeError: no mirror gave the right content; the message has the reason for each.
        OSError: *folder* cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for mirror in mirrors:
        address = f"{mirror}{resource.name}.gz"
        try:
            content = _unpacked(_fetch(address, resource), resource)
        except (OSError, ValueError, EOFError, http.client.HTTPException, zlib.error) as error:
            reasons.append(f"{address}: {str(error) or type(error).__name__}")
            continue
        with atomic_write(folder / resource.name) as file:
            file.write(content)
        return folder / resource.name
    raise RuntimeError(
        f"Error downloading {resource.name}: {'; '.join(reasons)}. Without a network, put {resource.name} "
        f"(or {resource.name}.gz) into {folder}"
    )


def _fetch(address: str, resource: Resource) -> bytes:
    if not address.startswith(("http://", "https://")):
        raise ValueError("expected an http or https address")
    request = urllib.request.Request(address, headers={"User-Agent": "verigrad"})
    limit = resource.size + 4096  # gzip adds a few bytes at most, so more cannot be the right file
    buffer = io.BytesIO()
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        stated = answer.headers.get("Content-Length", "")
        length = int(stated) if stated.isdigit() else None
        if length is not None and length > limit:
            raise ValueError(f"expected at most {limit} bytes, got {length}")
        with _progress(f"{resource.name}.gz", address, length) as advance:
            while block := answer.read(_BLOCK):
                buffer.write(block)
                advance(len(block))
                if buffer.tell() > limit:
                    raise ValueError(f"expected at most {limit} bytes, got more")
    if length is not None and buffer.tell() != length:
        raise ValueError(f"expected {length} bytes, got {buffer.tell()}: the connection was cut")
    return buffer.getvalue()


def download_archive(address: str, md5: str, members: dict[str, str], folder: Path) -> list[Path]:
    """Download a ``.zip`` or ``.tar.gz`` archive and unpack *members* (name inside -> name of the file) into
    *folder*.

    The archive goes to a temporary file, and its MD5 is checked before anything is unpacked; each file
    appears complete.

    Raises:
        RuntimeError: it could not be fetched, is not the right one, or lacks a member.
        OSError: *folder* cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            found = _stream(address, file)
            if found != md5:
                raise ValueError(f"expected a file with MD5 {md5}, got {found}")
            return [
                _written(folder / name, content)
                for name, content in _members(file, address.endswith(".zip"), members)
            ]
        except (
            ValueError, EOFError, KeyError, http.client.HTTPException, urllib.error.URLError, TimeoutError,
            ConnectionError, zipfile.BadZipFile, tarfile.TarError, zlib.error,
        ) as error:  # fmt: skip
            raise RuntimeError(
                f"Error downloading {address}: {error}. Without a network, put "
                f"{', '.join(members.values())} into {folder}"
            ) from error


def _stream(address: str, file: IO[bytes]) -> str:
    """Fetch *address* into *file*; returns its MD5."""
    request = urllib.request.Request(address, headers={"User-Agent": "verigrad"})
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        stated = answer.headers.get("Content-Length", "")
        length = int(stated) if stated.isdigit() else None
        if length is not None and length > _LARGEST:
            raise ValueError(f"expected at most {_LARGEST} bytes, got {length}")
        with _progress(address.rpartition("/")[2], address, length) as advance:
            while block := answer.read(_BLOCK):
                file.write(block)
                digest.update(block)
                advance(len(block))
                if file.tell() > _LARGEST:
                    raise ValueError(f"expected at most {_LARGEST} bytes, got more")
    if length is not None and file.tell() != length:
        raise ValueError(f"expected {length} bytes, got {file.tell()}: the connection was cut")
    file.seek(0)
    return digest.hexdigest()


def _members(file: IO[bytes], zipped: bool, members: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    if zipped:
        with zipfile.ZipFile(file) as archive:
            for inside, name in members.items():
                yield name, archive.read(inside)
        return
    with tarfile.open(fileobj=file, mode="r:gz") as tar:
        for inside, name in members.items():
            content = tar.extractfile(inside)
            if content is None:
                raise ValueError(f"expected a file {inside!r} in the archive, got none")
            yield name, content.read()


def _written(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path


def _unpacked(zipped: bytes, resource: Resource) -> bytes:
    if resource.md5 is not None:
        found = hashlib.md5(zipped, usedforsecurity=False).hexdigest()
        if found != resource.md5:
            raise ValueError(f"expected a file with MD5 {resource.md5}, got {found}")
    with gzip.GzipFile(fileobj=io.BytesIO(zipped)) as file:
        content = file.read(resource.size + 1)  # one more than wanted, so that a longer file is noticed
    if len(content) != resource.size:
        more = "more" if len(content) > resource.size else str(len(content))
        raise ValueError(f"expected {resource.size} bytes of content, got {more}")
    if resource.sha256 is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != resource.sha256:
            raise ValueError(f"expected content with SHA-256 {resource.sha256}, got {found}")
    return content


@contextlib.contextmanager
def _progress(name: str, address: str, length: int | None) -> Iterator[Callable[[int], object]]:
    # A bar on a terminal (if tqdm is there), one line elsewhere.
    if sys.stderr is not None and sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            with tqdm(total=length, unit="B", unit_scale=True, desc=name, file=sys.stderr) as bar:
                yield bar.update
            return
    if sys.stderr is not None:
        print(f"downloading {address}", file=sys.stderr)
    yield lambda count: None

"""Reads files of `torch.save` without PyTorch and without unpickling: zip archives, and older streams.

The structure is a pickle, which `_torch_pickle` reads as data. The elements are records of the archive, or
follow the pickle. Every size is compared with what the file really has before memory is taken for it.
"""

from __future__ import annotations

import io
import mmap
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO, Any

import numpy

import verigrad
from verigrad._safetensors import DamagedFileError, checked_bools
from verigrad._text import short
from verigrad._torch_pickle import Buffer, Interpreter
from verigrad._torch_tensors import Placed, Storage, Tensors

_MAGIC = 0x1950A86A20F9469CFC6C  # the first object of a stream
_STREAM_VERSION = 1001
_ARCHIVE_VERSIONS = range(1, 11)
_MAX_PICKLE = 100_000_000  # bytes, as for the header of a safetensors file
_LOCAL = struct.Struct("<4s5H3I2H")  # the header in front of a record
_CHUNK = 1 << 24  # bytes
_UNPICKLES = "verigrad never unpickles: doing so can run any program"


def read(source: str | bytes, placed: Placed) -> Any:
    """The object in the file at a path, or in the content of one.

    Raises:
        DamagedFileError: the file is damaged, or holds what is no data or what verigrad has no place for.
        RuntimeError: from *placed*.
        OSError: the file cannot be read.
    """
    with open(source, "rb") if isinstance(source, str) else io.BytesIO(source) as file:
        if file.read(1) == b"P":
            return _read_archive(file, placed)
        if isinstance(source, bytes):
            return _read_stream(source, placed)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _read_stream(content, placed)


# Zip archives


class _Record:
    """Where the bytes of a record are."""

    __slots__ = ("crc", "size", "start")

    def __init__(self, start: int, size: int, crc: int) -> None:
        self.start, self.size, self.crc = start, size, crc


class _Archive:
    """The records of a zip archive whose headers agree, whose records are stored and do not overlap."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.records: dict[str, _Record] = {}
        try:
            with zipfile.ZipFile(file) as archive:
                entries, end = archive.infolist(), archive.start_dir
        except (
            zipfile.BadZipFile,
            ValueError,
            OverflowError,
            NotImplementedError,
            EOFError,
            struct.error,
        ) as error:
            raise DamagedFileError(f"expected an intact zip archive, got {error}") from None
        previous = 0
        for entry in sorted(entries, key=lambda one: one.header_offset):
            record = self._located(entry)
            if entry.header_offset < previous or record.start + record.size > end:
                raise DamagedFileError(
                    f"expected records beside each other, got {short(entry.filename)} over another"
                )
            if entry.filename in self.records:
                raise DamagedFileError(f"expected distinct records, got two {short(entry.filename)}")
            self.records[entry.filename] = record
            previous = record.start + record.size
        # What `torch.serialization.set_crc32_options(False)` leaves out.
        self._checked = any(record.crc for record in self.records.values())

    def _located(self, entry: zipfile.ZipInfo) -> _Record:
        name = short(entry.filename)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 0x61:
            raise DamagedFileError(
                f"expected stored records, as torch.save writes, got {name} compressed or encrypted"
            )
        if entry.file_size != entry.compress_size:
            raise DamagedFileError(
                f"expected record {name} of {entry.compress_size} bytes, got {entry.file_size}"
            )
        self._file.seek(max(entry.header_offset, 0))  # negative where the directory lies about its place
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
            raise DamagedFileError(f"expected a header of record {name}, got none")
        _, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(header)
        encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
        given = self._file.read(name_length)
        if given != entry.orig_filename.encode(encoding) or method or flags & 0x61:
            raise DamagedFileError(f"expected the headers of record {name} to agree, got {short(given)}")
        start = entry.header_offset + _LOCAL.size + name_length + extra_length
        return _Record(start, entry.file_size, entry.CRC)

    def into(self, name: str, array: numpy.ndarray[Any, Any]) -> None:
        """Fills an array with the beginning of a record, and compares the checksum of the whole."""
        record = self.records[name]
        self._file.seek(record.start)
        crc = 0
        content = array.view(numpy.uint8).data
        for begin in range(0, len(content), _CHUNK):
            part = content[begin : begin + _CHUNK]
            if _fill(self._file, part) < len(part):
                raise DamagedFileError(f"expected {record.size} bytes of record {name!r}, got fewer")
            crc = zlib.crc32(part, crc)
        crc = zlib.crc32(self._file.read(record.size - len(content)), crc)
        if self._checked and crc != record.crc:
            raise DamagedFileError(
                f"expected record {name!r} intact, got data that do not match its checksum"
            )

    def bytes(self, name: str, most: int) -> bytes:
        """A record as a whole."""
        record = self.records.get(name)
        if record is None:
            raise DamagedFileError(f"expected a record {name!r}, got none of that name")
        if record.size > most:
            raise DamagedFileError(f"expected record {name!r} of at most {most} bytes, got {record.size}")
        array = numpy.empty(record.size, numpy.uint8)
        self.into(name, array)
        return array.tobytes()


def _fill(file: IO[bytes], part: memoryview) -> int:
    done = 0
    while done < len(part) and (count := file.readinto(part[done:])):  # type: ignore[attr-defined]
        done += count
    return done


def _read_archive(file: IO[bytes], placed: Placed) -> Any:
    archive = _Archive(file)
    folder = _folder(archive.records)
    if f"{folder}/constants.pkl" in archive.records:
        raise DamagedFileError("expected a file of torch.save, got a TorchScript archive, which is a program")
    if f"{folder}/version" in archive.records:
        version = archive.bytes(f"{folder}/version", 20).strip()
        if not version.isdigit() or int(version) not in _ARCHIVE_VERSIONS:
            raise DamagedFileError(f"expected an archive of version 1 to 10, got {short(version)}")
    order: str = sys.byteorder
    if f"{folder}/byteorder" in archive.records:
        order = archive.bytes(f"{folder}/byteorder", 20).decode("latin-1")
    if order not in ("little", "big"):
        raise DamagedFileError(f"expected the byteorder little or big, got {short(order)}")

    def elements(key: str, dtype: str, count: int) -> numpy.ndarray[Any, Any]:
        name = f"{folder}/data/{key}"
        size, width = archive.records.get(name), numpy.dtype(dtype).itemsize
        if size is None:
            raise DamagedFileError(f"expected a record {short(name)}, got none of that name")
        if not 0 <= size.size - count * width < width:
            raise DamagedFileError(
                f"expected {count} elements of {dtype} in record {short(name)}, got {size.size} bytes"
            )
        array: numpy.ndarray[Any, Any] = numpy.empty(count, dtype)
        archive.into(name, array)
        return _native(key, array, order)

    tensors = Tensors(elements, placed)
    content = archive.bytes(f"{folder}/data.pkl", _MAX_PICKLE)
    result, end = Interpreter(content, tensors.names, tensors.storage).run()
    if end != len(content):
        raise DamagedFileError("expected one pickle in record data.pkl, got more")
    return result


def _folder(names: Iterable[str]) -> str:
    """The folder that holds everything, whatever its name: torch.save takes that of the file."""
    folders = {name.partition("/")[0] for name in names}
    if len(folders) != 1 or folders & {"", ".", ".."}:
        raise DamagedFileError(
            f"expected a zip archive of torch.save, with one folder, got {short(sorted(folders))} in it"
        )
    return folders.pop()


def _native(key: str, array: numpy.ndarray[Any, Any], order: str) -> numpy.ndarray[Any, Any]:
    if order != sys.byteorder:
        array.byteswap(inplace=True)
    return checked_bools(f"of storage {key}", array)


# Streams: pickles of a number, a version, the system, the object, the keys of the storages; then the storages


class _Layout(Tensors):
    """Learns what storages there are, before any of them is read: they follow the pickle."""

    def __init__(self) -> None:
        self.storages: dict[str, tuple[str, int]] = {}
        super().__init__(self._noted, lambda location: verigrad.device("cpu"))

    def _noted(self, key: str, dtype: str, count: int) -> numpy.ndarray[Any, Any]:
        self.storages[key] = dtype, count
        return numpy.empty(0, dtype)

    def view(self, storage: Storage, *where: object) -> verigrad.Tensor:
        return verigrad.from_numpy(storage.array)


def _read_stream(content: Buffer, placed: Placed) -> Any:
    plain = Interpreter(content, {})
    try:
        magic, at = plain.run()
    except DamagedFileError:
        magic, at = None, 0
    if magic != _MAGIC:
        raise DamagedFileError(f"expected a file of torch.save, got a pickle file. {_UNPICKLES}")
    version, at = plain.run(at)
    if version != _STREAM_VERSION:
        raise DamagedFileError(f"expected version {_STREAM_VERSION} of the stream, got {short(version)}")
    system, at = plain.run(at)
    little = system.get("little_endian") if type(system) is dict else None
    if type(little) is not bool:
        raise DamagedFileError(f"expected a system with its order of bytes, got {short(system)}")
    order, prefix, first = *(("little", "<") if little else ("big", ">")), at
    layout = _Layout()
    _, at = Interpreter(content, layout.names, layout.storage).run(first)
    keys, at = plain.run(at)
    known = type(keys) is list and all(type(key) is str for key in keys)
    if not known or sorted(keys) != sorted(layout.storages):
        raise DamagedFileError(f"expected the storages of the tensors, got {short(keys)}")
    places = {}
    for key in keys:
        dtype, count = layout.storages[key]
        size = 8 + count * numpy.dtype(dtype).itemsize
        if size > len(content) - at or struct.unpack(prefix + "q", content[at : at + 8])[0] != count:
            raise DamagedFileError(
                f"expected {count} elements of {dtype} for storage {key!r}, got another number"
            )
        places[key] = at + 8
        at += size
    if at != len(content):
        raise DamagedFileError(
            f"expected the end of the file after the storages, got {len(content) - at} more bytes"
        )

    def elements(key: str, dtype: str, count: int) -> numpy.ndarray[Any, Any]:
        array: numpy.ndarray[Any, Any] = numpy.empty(count, dtype)
        array[:] = numpy.frombuffer(content, dtype, count, places[key])  # type: ignore[call-overload]
        return _native(key, array, order)

    tensors = Tensors(elements, placed)
    return Interpreter(content, tensors.names, tensors.storage).run(first)[0]

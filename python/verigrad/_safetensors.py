"""Arrays and one text to a safetensors file and back; the one module that calls the `safetensors` package.

The package checks the format (sizes, overlaps, holes, UTF-8, JSON) before it allocates. Here is what it
leaves to its callers: dtypes that verigrad lacks, the bytes of a bool, and errors that say what a file is.
"""

from __future__ import annotations

import errno
import math
import os
from io import RawIOBase
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

RESERVED = "__metadata__"  # the one name that no tensor can have
_KEY = "verigrad"  # of the text. One key only: the package does not keep the order of several.
MAX_DIMS = 16  # of a verigrad tensor
_MAX_HEADER = 100_000_000  # bytes, the limit of the format's readers
_CHUNK = 1 << 20  # bytes for one call of write(), so that no copy of the whole file is made
_DTYPES = {"BOOL": "bool", "U8": "uint8", "I32": "int32", "I64": "int64", "F32": "float32", "F64": "float64"}
START = 512  # bytes from which the format of a file is told
# What starts a file of another format -> what to say about it.
_FOREIGN = {
    b"\x93NUMPY": "a .npy file; use numpy.load and verigrad.from_numpy",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
}
_TAR = 257, b"ustar"  # where it stands, and what


class DamagedFileError(Exception):
    """The content of a file is not as it should be; the text goes on with "expected ..., got ..."."""


def write(target: str | IO[bytes], arrays: dict[str, ndarray[Any, Any]], text: str) -> None:
    """Write C-contiguous *arrays* and *text* to a file, which may appear under the path *target* by renaming.

    The same arguments give the same bytes. Writing to a path takes no memory for the arrays.

    Raises:
        OSError: the file cannot be written.
        ValueError: names and text are too long for the format.
    """
    import re  # here, as everywhere in this module, so that importing verigrad stays fast

    from safetensors import SafetensorError
    from safetensors.numpy import save, save_file

    metadata = {_KEY: f"{_KEY} {text}"}
    try:
        if isinstance(target, str):
            save_file(arrays, target, metadata)
            with open(target, "rb") as file:
                _check_header(file.read(8))
        else:
            content = save(arrays, metadata)
            _check_header(content[:8])
            write_all(target, content)
    except SafetensorError as error:
        # "(os error 28)", in older versions "Os { code: 28, .."
        if code := re.search(r"(?:os error|code:) (\d+)", str(error)):
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from None
        raise ValueError(f"save: expected values that the format can hold, got {error}") from None


def write_all(target: IO[bytes], content: bytes) -> None:
    """Write all of *content*, also to an unbuffered file, which may take a part of it at a time."""
    begin = 0
    while begin < len(content):
        part = content[begin : begin + _CHUNK]
        written = target.write(part)
        if written is None and isinstance(target, RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "expected a file that waits, got a non-blocking one")
        if written is None:  # what many objects that are no files say
            written = len(part)
        if not isinstance(written, int) or not 0 < written <= len(part):
            raise OSError(
                errno.EIO,
                f"save: expected write() to take up to {len(part)} bytes, got the answer {written!r}",
            )
        begin += written


def _check_header(start: bytes) -> None:
    length = int.from_bytes(start, "little")
    if length > _MAX_HEADER:  # which older versions of the package write, but do not read
        raise ValueError(f"save: expected a header of at most {_MAX_HEADER} bytes, got {length}")


def may_be_torch(start: bytes) -> bool:
    """Whether a file with this start is a zip archive or a pickle, and no safetensors file."""
    if start[4:9] == b"\0\0\0\0{":  # after a header's length, which may look like either
        return False
    return start[:4] == b"PK\x03\x04" or start[:2] in [bytes([0x80, protocol]) for protocol in range(2, 6)]


def read(source: str | bytes, start: bytes) -> tuple[str | None, dict[str, ndarray[Any, Any]]]:
    """The text, None if it has none, and the arrays by name, of the file at a path or of the content of one.

    Args:
        source: the path or the content.
        start: its first `START` bytes.

    Raises:
        DamagedFileError: it is not a safetensors file, or has a tensor that verigrad cannot hold.
        OSError: the file cannot be read.
    """
    from safetensors import SafetensorError

    try:
        return _read_path(source) if isinstance(source, str) else _read_bytes(source)
    except SafetensorError as error:
        # Only now: a good file may begin with these bytes too, as its header's length.
        reason = str(error).removeprefix("Error while deserializing").removeprefix(" header")
        reason = f"another or a damaged one{reason}"
        what = next((what for magic, what in _FOREIGN.items() if start.startswith(magic)), reason)
        if start.startswith(_TAR[1], _TAR[0]):
            what = "a tar archive, such as the first versions of PyTorch wrote"
        raise DamagedFileError(f"expected a safetensors file, got {what}") from None


def _read_path(path: str) -> tuple[str | None, dict[str, ndarray[Any, Any]]]:
    from safetensors import safe_open

    arrays = {}
    with safe_open(path, framework="np") as file:
        for name in sorted(file.keys()):
            view = file.get_slice(name)
            _check(name, view.get_dtype(), view.get_shape())
            arrays[name] = checked_bools(name, file.get_tensor(name))
        return _text(file.metadata() or {}), arrays


def _read_bytes(content: bytes) -> tuple[str | None, dict[str, ndarray[Any, Any]]]:
    import json

    import numpy
    from safetensors import deserialize

    arrays = {}
    for name, one in sorted(deserialize(content), key=lambda item: item[0]):  # type: ignore[no-untyped-call]
        _check(name, one["dtype"], one["shape"])
        array = numpy.frombuffer(one["data"], _DTYPES[one["dtype"]]).reshape(one["shape"])
        arrays[name] = checked_bools(name, array)
    # The package checks the metadata of a file in memory but does not give them.
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"expected a header in JSON, got {error}") from None
    return _text(header.get(RESERVED) or {}), arrays


def _text(metadata: dict[str, str]) -> str | None:
    # The name stands in the value as well, so that damage to the key is noticed.
    import re

    for key, value in metadata.items():
        # Texts of other programs may begin with the name too.
        if key == _KEY or re.match(_KEY + " [0-9a-f]{8} ", value):
            start, _, text = value.partition(" ")
            if key != _KEY or start != _KEY:
                raise DamagedFileError(f"expected the metadata {_KEY!r}, got damage to it")
            return text
    return None


def _check(name: str, kind: str, shape: list[int]) -> None:
    if kind not in _DTYPES:
        raise DamagedFileError(f"expected tensor {name!r} of dtype {', '.join(_DTYPES)}, got {kind!r}")
    # The strides of an empty tensor count its other dimensions, so their product must be small as well.
    if len(shape) > MAX_DIMS or math.prod(max(size, 1) for size in shape) >= 2**60:
        raise DamagedFileError(
            f"expected tensor {name!r} of up to {MAX_DIMS} dimensions and 2**60 elements, got shape {shape}"
        )


def checked_bools(name: str, array: ndarray[Any, Any]) -> ndarray[Any, Any]:
    if array.dtype == bool and array.size and array.view("uint8").max() > 1:
        raise DamagedFileError(f"expected the bools of tensor {name!r} to be 0 or 1, got another byte")
    return array


def as_stored(array: ndarray[Any, Any]) -> ndarray[Any, Any]:
    """The array as files have it: in memory every byte but 0 is a true bool, in a file it is 1."""
    import numpy

    if array.dtype == bool and array.size and array.view("uint8").max() > 1:
        return numpy.asarray(array.view("uint8") != 0)
    return array

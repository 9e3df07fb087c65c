"""The IDX file format of the MNIST family (Y. LeCun, "The MNIST database of handwritten digits"), read
strictly.

A file is: two zero bytes, a code for the element type, the number of dimensions, each dimension as a
big-endian uint32, then the elements in C order, big-endian. It may be wrapped in gzip.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from typing import IO, TYPE_CHECKING

import verigrad
from verigrad.utils._files import atomic_write

if TYPE_CHECKING:
    from verigrad import Tensor

#: The largest content that `read_idx` accepts unless told otherwise, in bytes (1 GiB).
MAX_BYTES = 2**30

# Code -> numpy's name of the type in the file. int8 and int16 are widened to int32, for want of the types.
_STORED = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_MAX_RATIO = 1040  # deflate cannot do better than 1032 to 1


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Tensor:
    """Read an IDX file, plain or gzipped (told by its content, not its name).

    Args:
        path: the file.
        max_bytes: refuse a file that declares more elements than this many bytes, before anything is
            allocated.

    Returns:
        A tensor of the declared shape: uint8, int32 (also for the 8- and 16-bit signed types), float32 or
            float64.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an IDX file, or shorter, longer or larger than it should be, or its gzip is
            damaged.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        zipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        try:
            if not zipped:
                return _read(file, name, max_bytes, at_most=size)
            with gzip.GzipFile(fileobj=file, mode="rb") as content:
                return _read(content, name, max_bytes, at_most=size * _GZIP_MAX_RATIO)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"read_idx: expected an intact gzip file, got {name!r}: {error}") from None


def _read(file: IO[bytes] | gzip.GzipFile, name: str, max_bytes: int, at_most: int) -> Tensor:
    import numpy

    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _STORED:
        raise ValueError(
            f"read_idx: expected {name!r} to begin with 00 00, a type code and a number of dimensions, "
            f"got {magic.hex(' ') or 'an empty file'}"
        )
    stored, rank = numpy.dtype(_STORED[magic[2]]), magic[3]
    if not 1 <= rank <= 8:
        raise ValueError(f"read_idx: expected 1 to 8 dimensions in {name!r}, got {rank}")
    header = file.read(4 * rank)
    if len(header) < 4 * rank:
        raise ValueError(f"read_idx: expected {4 * rank} bytes of dimensions in {name!r}, got {len(header)}")
    shape = [int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 * rank, 4)]
    length = math.prod(shape) * stored.itemsize
    if length > max_bytes:
        raise ValueError(
            f"read_idx: expected at most {max_bytes} bytes in {name!r}, got {length} for shape {shape}"
        )
    if length > at_most:
        raise ValueError(
            f"read_idx: expected {length} bytes for shape {shape} in {name!r}, got too short a file"
        )
    content = _read_up_to(file, length + 1)
    if len(content) != length:
        found = "more" if len(content) > length else str(len(content))
        raise ValueError(f"read_idx: expected {length} bytes for shape {shape} in {name!r}, got {found}")
    array = numpy.frombuffer(content, dtype=stored).reshape(shape)
    native = numpy.dtype("int32") if stored.kind == "i" else stored.newbyteorder("=")
    return verigrad.from_numpy(array.astype(native))


def _read_up_to(file: IO[bytes] | gzip.GzipFile, limit: int) -> bytes:
    # Never asks the decompressor for more than the limit, so that a gzip bomb stops there.
    buffer = io.BytesIO()
    while (missing := limit - buffer.tell()) > 0:
        block = file.read(min(missing, 1 << 20))
        if not block:
            break
        buffer.write(block)
    return buffer.getvalue()


def write_idx(path: str | os.PathLike[str], tensor: Tensor) -> None:
    """Write *tensor* (uint8, int32, float32 or float64; 1 to 8 dimensions) as an IDX file, gzipped if *path*
    ends in ``.gz``.

    The same tensor gives the same bytes: the gzip header holds neither name nor time. The file appears only
    when it is complete.

    Raises:
        TypeError: another dtype.
        ValueError: another number of dimensions, or a dimension of 2**32 or more.
        OSError: the file cannot be written.
    """
    import numpy

    array = tensor.detach().numpy()
    codes = {
        numpy.dtype(stored).newbyteorder("="): code for code, stored in _STORED.items() if code not in (9, 11)
    }
    if array.dtype not in codes:
        raise TypeError(f"write_idx: expected a uint8, int32, float32 or float64 tensor, got {tensor.dtype}")
    if not 1 <= array.ndim <= 8 or any(size >= 2**32 for size in array.shape):
        raise ValueError(f"write_idx: expected 1 to 8 dimensions below 2**32, got shape {list(array.shape)}")
    code = codes[array.dtype]
    header = bytes((0, 0, code, array.ndim)) + b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    content = header + array.astype(_STORED[code]).tobytes()
    if os.fspath(path).endswith(".gz"):
        zipped = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=zipped, compresslevel=9, mtime=0) as file:
            file.write(content)
        content = zipped.getvalue()
    with atomic_write(path) as out:
        out.write(content)

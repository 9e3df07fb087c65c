"""The safetensors format, read and written strictly.

Eight bytes: the length of the header, little-endian. The header: a JSON object from each tensor's name to
``{"dtype", "shape", "data_offsets"}``, and from ``__metadata__`` to a dict of strings. Then the data, without
holes or overlaps. (github.com/huggingface/safetensors, "Format".)

This module rather than the `safetensors` package because every byte is checked before anything is allocated,
reading goes straight into the tensor's memory, and writing streams into a file that is renamed when complete.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import verigrad

if TYPE_CHECKING:
    from verigrad import Tensor

METADATA = "__metadata__"
MAX_HEADER = 100_000_000  # bytes, the format's own limit
_MAX_RANK = 64
_SIZES = {"BOOL": 1, "U8": 1, "I32": 4, "I64": 8, "F32": 4, "F64": 8}
# What starts a file of another format -> what to say about it.
_PICKLE = (
    "a pickle file. verigrad never unpickles: doing so can run any program. In PyTorch, load it and write "
    "its tensors with safetensors.torch.save_file"
)
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive, such as torch.save writes: " + _PICKLE),
    (b"\x80\x02", _PICKLE),
    (b"\x80\x03", _PICKLE),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"\x93NUMPY", "a .npy file; use numpy.load and verigrad.from_numpy"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
)


class Entry(NamedTuple):
    """One tensor of a file: *kind* is the format's name of the dtype, *begin* and *end* are bytes in the
    file."""

    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def _kinds() -> dict[str, Any]:
    return {
        "BOOL": verigrad.bool,
        "U8": verigrad.uint8,
        "I32": verigrad.int32,
        "I64": verigrad.int64,
        "F32": verigrad.float32,
        "F64": verigrad.float64,
    }


def entry(name: str, tensor: Tensor) -> Entry:
    """The entry of *tensor*, with begin and end to be filled in by `write`."""
    for kind, dtype in _kinds().items():
        if tensor.dtype == dtype:
            return Entry(name, kind, tuple(tensor.shape), 0, tensor.numel() * _SIZES[kind])
    raise TypeError(
        f"save: expected a bool, uint8, int32, int64, float32 or float64 tensor, got {tensor.dtype}"
    )


def payload(tensor: Tensor) -> memoryview:
    """The bytes of *tensor* in C order, little-endian; its own memory where it is laid out like that."""
    import numpy

    array = tensor.contiguous().numpy().reshape(-1)
    if sys.byteorder == "big":
        array = array.byteswap()
    return array.view(numpy.uint8).data


def write(
    file: IO[bytes], entries: Iterable[Entry], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a whole file. Wide types come first, so that every tensor is aligned to its element size.

    Raises:
        ValueError: the header would exceed the format's limit.
    """
    import json

    ordered = sorted(entries, key=lambda one: -_SIZES[one.kind])
    header: dict[str, Any] = {METADATA: dict(metadata)}
    position = 0
    for one in ordered:
        end = position + one.end
        header[one.name] = {"dtype": one.kind, "shape": list(one.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)  # the data begins at a multiple of eight
    if len(text) > MAX_HEADER:
        raise ValueError(
            f"save: expected a header of at most {MAX_HEADER} bytes, got {len(text)}: too many values"
        )
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for one in ordered:
        file.write(payload(tensors[one.name]))


def read_header(file: IO[bytes], size: int) -> tuple[list[Entry], dict[str, str]]:
    """The entries (in the order of the header) and the metadata of a file of *size* bytes.

    Raises:
        RuntimeError: anything about it is not as the format says.
    """
    start = file.read(8)
    if len(start) < 8:
        raise _no_file(start, f"at least 8 bytes, got {len(start)}")
    length = int.from_bytes(start, "little")
    limit = min(MAX_HEADER, size - 8)
    if not 2 <= length <= limit:
        raise _no_file(start, f"a header of 2 to {limit} bytes, got {length}")
    raw = file.read(length)
    if len(raw) != length or raw[:1] != b"{":
        raise _no_file(start, f"a header that begins with '{{', got {raw[:8]!r}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise RuntimeError(f"load: expected a header in UTF-8, got {error}") from None
    header = parse_json(text, "the header")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise RuntimeError(f"load: expected {METADATA} to be a dict of strings, got something else")
    entries = [_entry(name, value, 8 + length) for name, value in header.items()]
    _check_coverage(entries, 8 + length, size)
    return entries, metadata


def _no_file(start: bytes, otherwise: str) -> RuntimeError:
    # Only for what has failed already: a good file may begin with these bytes too, as its header's length.
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            return RuntimeError(f"load: expected a safetensors file, got {what}")
    return RuntimeError(f"load: expected a safetensors file with {otherwise}")


def parse_json(text: str, what: str) -> Any:
    """*text* as JSON: no NaN, no duplicate keys, no nesting that exhausts the stack; RuntimeError
    otherwise."""
    import json

    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"load: expected {what} to be JSON, got {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"the constant {name}")


def _entry(name: str, value: Any, data_start: int) -> Entry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise RuntimeError(
            f"load: expected dtype, shape and data_offsets of tensor {name!r}, got something else"
        )
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in _SIZES:
        raise RuntimeError(f"load: expected tensor {name!r} of dtype {', '.join(_SIZES)}, got {kind!r}")
    if not _are_sizes(shape) or len(shape) > _MAX_RANK:
        raise RuntimeError(
            f"load: expected tensor {name!r} to have a shape of up to {_MAX_RANK} sizes, got {shape!r}"
        )
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise RuntimeError(f"load: expected tensor {name!r} to have offsets [begin, end], got {offsets!r}")
    # The strides of an empty tensor count the other dimensions: keep their product representable as well.
    if math.prod(max(one, 1) for one in shape) >= 2**60:
        raise RuntimeError(
            f"load: expected tensor {name!r} to have fewer than 2**60 elements, got shape {shape!r}"
        )
    if offsets[1] - offsets[0] != math.prod(shape) * _SIZES[kind]:
        raise RuntimeError(
            f"load: expected {math.prod(shape) * _SIZES[kind]} bytes for tensor {name!r} "
            f"({kind}, shape {shape!r}), got offsets {offsets!r}"
        )
    return Entry(name, kind, tuple(shape), data_start + offsets[0], data_start + offsets[1])


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 2**63 for one in value)


def _check_coverage(entries: list[Entry], data_start: int, size: int) -> None:
    position = data_start
    for one in sorted(entries, key=lambda one: (one.begin, one.end)):
        if one.begin != position:
            what = "a hole before it" if one.begin > position else "an overlap with the one before"
            raise RuntimeError(f"load: expected tensor {one.name!r} to follow the one before, got {what}")
        position = one.end
    if position != size:
        raise RuntimeError(
            f"load: expected a file of {position} bytes, got {size}: truncated, or with a tail"
        )


def read_tensor(file: IO[bytes], one: Entry) -> tuple[Tensor, memoryview]:
    """The tensor of an entry, in memory of its own, and its bytes as they are in the file.

    Raises:
        RuntimeError: the file has become shorter, or a bool is neither 0 nor 1.
    """
    import numpy

    flat = verigrad.empty((math.prod(one.shape),), dtype=_kinds()[one.kind])
    array = flat.numpy()
    data = array.view(numpy.uint8).data
    file.seek(one.begin)
    done = 0
    while done < len(data):
        count = file.readinto(data[done:])  # type: ignore[attr-defined]  # buffered and in-memory files have it
        if not count:
            raise RuntimeError(f"load: expected {len(data)} bytes of tensor {one.name!r}, got {done}")
        done += count
    if one.kind == "BOOL" and len(data) and int(array.view(numpy.uint8).max()) > 1:
        raise RuntimeError(f"load: expected the bools of tensor {one.name!r} to be 0 or 1, got another byte")
    if sys.byteorder == "big":
        data = memoryview(bytes(data))
        array.byteswap(inplace=True)
    return flat.reshape(one.shape), data

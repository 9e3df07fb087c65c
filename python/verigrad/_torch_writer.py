"""Writes files that `torch.load(weights_only=True)` reads: a zip archive of a pickle and of storages."""

from __future__ import annotations

import math
import pickle as op  # the names of the opcodes alone
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy

from verigrad._safetensors import as_stored
from verigrad._torch_pickle import MAX_KEY

if TYPE_CHECKING:
    from verigrad import Tensor

_FOLDER = "archive"
_ALIGNMENT = 64  # bytes, of the data of a record, as PyTorch has it, so that files can be mapped
_CHUNK = 1 << 24  # bytes
_LARGE = (1 << 31) - (1 << 20)  # bytes from which a record has the sizes of zip64
_MOST = 255  # bytes of an int that PyTorch reads
_STORAGES = {
    "bool": "BoolStorage",
    "uint8": "ByteStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
}


def write(file: IO[bytes], tree: Any, tensors: dict[str, Tensor]) -> None:
    """Write to a seekable file what `serialization._Encoder` has made of an object.

    The same arguments give the same bytes. Storages are copied one at a time, and only if they have to be.

    Raises:
        ValueError: an int of the tree is too long for PyTorch, or a key of a dict too long for `load`.
        OSError: the file cannot be written.
    """
    storages = list(_storages(tensors))
    places = {name: place for storage in storages for name, place in storage.places.items()}
    content = _Pickler(places).pickle(tree)
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, file, "data.pkl", memoryview(content))
        _add(archive, file, "byteorder", memoryview(sys.byteorder.encode()))
        for storage in storages:
            array = as_stored(storage.array())
            _add(archive, file, f"data/{storage.key}", array.view(numpy.uint8).data)
        _add(archive, file, "version", memoryview(b"3\n"))


def _add(archive: zipfile.ZipFile, file: IO[bytes], name: str, content: memoryview) -> None:
    entry = zipfile.ZipInfo(f"{_FOLDER}/{name}", (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o600 << 16  # the same on all systems
    entry.file_size = len(content)
    large = len(content) >= _LARGE
    # A field of the header that readers skip moves the data to where they should begin. Before it are 30
    # bytes, the name, and 20 bytes of zip64; itself it begins with 4.
    gap = -(file.tell() + 30 + len(entry.filename) + 20 * large + 4) % _ALIGNMENT
    entry.extra = struct.pack("<2sH", b"FB", gap) + b"Z" * gap
    with archive.open(entry, "w", force_zip64=large) as record:
        for begin in range(0, len(content), _CHUNK):
            record.write(content[begin : begin + _CHUNK])


# Storages


class _Place:
    """Where a tensor stands in a storage."""

    def __init__(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


class _Storage:
    """A run of elements, and the tensors that show it."""

    def __init__(
        self, key: str, tensor: Tensor, count: int, array: Callable[[], numpy.ndarray[Any, Any]]
    ) -> None:
        self.key, self.count, self.array = key, count, array
        self.kind, self.location = _STORAGES[str(tensor.dtype).partition(".")[2]], str(tensor.device)
        self.places: dict[str, _Place] = {}

    def add(self, name: str, offset: int, tensor: Tensor, stride: tuple[int, ...]) -> None:
        self.places[name] = _Place(self, offset, tuple(tensor.shape), stride)


def _storages(tensors: dict[str, Tensor]) -> Iterator[_Storage]:
    """Tensors that overlap share a storage, from the first of their elements to the last."""
    groups = [[name] for name, tensor in tensors.items() if not tensor.numel()]
    filled = [name for name, tensor in tensors.items() if tensor.numel()]
    end, previous = 0, None
    for name in sorted(filled, key=lambda name: _memory(tensors[name])):
        kind, start, size = _memory(tensors[name])
        if kind == previous and start < end:
            groups[-1].append(name)
        else:
            groups.append([name])
            end = start
        end, previous = max(end, start + size), kind if kind[0] == "cpu" else None
    order = {name: position for position, name in enumerate(tensors)}
    for key, group in enumerate(sorted(groups, key=lambda names: min(order[name] for name in names))):
        yield _storage(str(key), {name: tensors[name] for name in group})


def _memory(tensor: Tensor) -> tuple[tuple[str, str, int], int, int]:
    """What tensors of one storage have in common; the address; bytes from there to the end."""
    start, width = tensor.data_ptr(), tensor.element_size()
    return (str(tensor.device), str(tensor.dtype), start % width), start, _extent(tensor) * width


def _extent(tensor: Tensor) -> int:
    if not tensor.numel():
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))


def _storage(key: str, group: dict[str, Tensor]) -> _Storage:
    name, first = next(iter(group.items()))  # the one that begins first
    if len(group) == 1 and (first.device.type != "cpu" or _extent(first) > first.numel()):
        # Nothing shares its memory, so what lies between its elements need not be written.
        storage = _Storage(key, first, first.numel(), lambda: first.cpu().contiguous().numpy().reshape(-1))
        storage.add(name, 0, first, _contiguous(first))
        return storage
    begin, width = first.data_ptr(), first.element_size()
    count = max((one.data_ptr() - begin) // width + _extent(one) for one in group.values())

    def array() -> numpy.ndarray[Any, Any]:
        return numpy.lib.stride_tricks.as_strided(first.numpy(), (count,), (width,))

    storage = _Storage(key, first, count, array)
    for name, tensor in group.items():
        storage.add(name, (tensor.data_ptr() - begin) // width, tensor, tuple(tensor.stride()))
    return storage


def _contiguous(tensor: Tensor) -> tuple[int, ...]:
    sizes = [max(size, 1) for size in tensor.shape]
    return tuple(math.prod(sizes[position + 1 :]) for position in range(len(sizes)))


# The pickle


class _Pickler:
    """Writes a tree of `serialization._Encoder` as a pickle of protocol 2, in opcodes that PyTorch knows."""

    def __init__(self, places: dict[str, _Place]) -> None:
        self._places = places
        self._memo: dict[tuple[str, str], int] = {}

    def pickle(self, tree: Any) -> bytes:
        self._out = bytearray(op.PROTO + b"\2")
        self._value(tree)
        return bytes(self._out + op.STOP)

    def _value(self, node: Any) -> None:
        if isinstance(node, list):
            self._container(*node)
        elif isinstance(node, str):
            self._text(node)
        elif isinstance(node, float):
            self._out += op.BINFLOAT + struct.pack(">d", node)
        elif isinstance(node, int) and not isinstance(node, bool):
            self._int(node)
        else:
            self._out += {None: op.NONE, True: op.NEWTRUE, False: op.NEWFALSE}[node]

    def _container(self, kind: str, content: Any, *more: Any) -> None:
        if kind == "int":
            self._int(int(content, 16))
        elif kind == "float":
            self._value(float(content))
        elif kind == "tensor":
            self._tensor(self._places[content], more[0])
        elif kind == "Parameter":
            self._named("torch._utils", "_rebuild_parameter")
            self._tensor(self._places[content], False)
            self._value(more[0])
            self._ordered()
            self._out += op.TUPLE3 + op.REDUCE
        elif kind in ("dict", "OrderedDict"):
            if kind == "dict":
                self._out += op.EMPTY_DICT
            else:
                self._ordered()
            self._items(content)
            if more:
                self._value(["dict", [["_metadata", more[0]]]])
                self._out += op.BUILD
        elif kind == "list":
            self._out += op.EMPTY_LIST + op.MARK
            self._values(content)
            self._out += op.APPENDS
        elif kind == "tuple":
            self._tuple(content)
        else:
            self._named("torch", kind)  # Size
            self._tuple(content)
            self._out += op.TUPLE1 + op.REDUCE

    def _items(self, pairs: list[list[Any]]) -> None:
        self._out += op.MARK
        for pair in pairs:
            if (count := _values_of_key(pair[0])) > MAX_KEY:
                raise ValueError(
                    f"save: expected keys of at most {MAX_KEY} values with format='torch', got {count}"
                )
            self._values(pair)
        self._out += op.SETITEMS

    def _values(self, nodes: Any) -> None:
        for node in nodes:
            self._value(node)

    def _tuple(self, nodes: Any) -> None:
        self._out += op.MARK
        self._values(nodes)
        self._out += op.TUPLE

    def _tensor(self, place: _Place, requires_grad: bool) -> None:
        storage = place.storage
        self._named("torch._utils", "_rebuild_tensor_v2")
        self._out += op.MARK + op.MARK
        self._text("storage")
        self._named("torch", storage.kind)
        self._values([storage.key, storage.location, storage.count])
        self._out += op.TUPLE + op.BINPERSID
        self._int(place.offset)
        self._tuple(place.size)
        self._tuple(place.stride)
        self._value(requires_grad)
        self._ordered()
        self._out += op.TUPLE + op.REDUCE

    def _ordered(self) -> None:
        self._named("collections", "OrderedDict")
        self._out += op.EMPTY_TUPLE + op.REDUCE

    def _int(self, value: int) -> None:
        if 0 <= value < 2**8:
            self._out += op.BININT1 + struct.pack("<B", value)
        elif -(2**31) <= value < 2**31:
            self._out += op.BININT + struct.pack("<i", value)
        else:
            content = op.encode_long(value)
            if len(content) > _MOST:
                raise ValueError(
                    f"save: expected ints of at most {_MOST} bytes with format='torch', got {len(content)}"
                )
            self._out += op.LONG1 + struct.pack("<B", len(content)) + content

    def _text(self, text: str) -> None:
        content = text.encode()
        self._once("text", text, op.BINUNICODE + struct.pack("<I", len(content)) + content)

    def _named(self, module: str, name: str) -> None:
        self._once(module, name, op.GLOBAL + f"{module}\n{name}\n".encode())

    def _once(self, kind: str, value: str, content: bytes) -> None:
        """What has been written before is taken from the memo."""
        place = self._memo.get((kind, value))
        if place is None:
            place = self._memo[kind, value] = len(self._memo)
            self._out += content + op.LONG_BINPUT
        else:
            self._out += op.LONG_BINGET
        self._out += struct.pack("<I", place)


def _values_of_key(node: Any) -> int:
    """How many values a key has. `load` refuses keys of many values, and ints whose hashes can be chosen."""
    if not isinstance(node, list):
        return 1
    if node[0] == "int":
        raise ValueError("save: expected integer keys of 64 bits with format='torch', got a longer one")
    return 1 + sum(map(_values_of_key, node[1])) if node[0] == "tuple" else 1

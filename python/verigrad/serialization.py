"""`save` and `load`: nested containers of tensors in one file, without pickle.

The file is an ordinary safetensors file: any reader of that format sees the tensors, named by their path
(``model.0.weight``). The containers around them are JSON in the file's metadata, with CRC-32 checksums of
that JSON and of each tensor, so that a damaged file is refused. A safetensors file from elsewhere loads as a
dict of tensors. Files of `torch.save` are read and written by the modules `_torch_*`.
"""

from __future__ import annotations

import functools
import io
import math
import os
import re
import sys
import zlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import verigrad
from verigrad import _safetensors
from verigrad._safetensors import DamagedFileError
from verigrad.utils._files import atomic_path, atomic_write

if TYPE_CHECKING:
    from numpy import ndarray

    from verigrad import _C, Tensor

__all__ = ["load", "save"]

_VERSION = 1
_MAX_DEPTH = 100  # of containers; also what stops a list that contains itself
# What a defaultdict may make, by name; all else would have to be imported.
_FACTORIES: dict[str | None, Any] = {
    None: None,
    **{kind.__name__: kind for kind in (list, dict, set, int, float, str, bool, tuple)},
}
_ARRAY_DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
_MAX_VALUES = 5_000_000  # of a structure, so that shared lists cannot grow without bound when written out


def save(obj: object, f: str | os.PathLike[str] | IO[bytes], *, format: str = "safetensors") -> None:
    """Write *obj* to a file.

    Args:
        obj: tensors, `nn.Parameter` s, None, bools, ints (of any size), floats (NaN and infinities too),
            strings; dicts and `OrderedDict` s (with keys of these plain types or tuples of them), lists,
            tuples and `Size` s of all these, nested up to 100 deep; with format "safetensors" also sets and
            frozensets of plain values, `Counter` s, `defaultdict` s (of list, dict, set, int, float, str,
            bool, tuple or None), `argparse.Namespace` s, and numpy arrays and numbers (bool, integers,
            floating point, complex, texts). Exactly these types: a subclass would come back as something
            else. (`numpy.float64`, which is a Python float, is written as one.)
        f: a path, or an object with ``write(bytes)``. One whose ``write`` takes less than it is given, as
            unbuffered files may, is asked again for the rest.
        format: "safetensors" (the default), or "torch" for a file that ``torch.load(weights_only=True)``
            reads: there Parameters are torch's, views keep their strides and the memory that they share, and
            a state_dict its versions (``_metadata``).

    A path is replaced atomically: the data goes to a temporary folder beside it, is flushed to the disk and
    renamed. If anything fails, the old file is untouched. What killed processes left is removed. Writing to a
    path takes no memory beyond copies of what is not contiguous; writing to an object builds the file in
    memory first.

    Tensors with the same memory, shape and strides are written once and share memory after loading. Other
    views are written as contiguous copies, but for those on the CPU with format "torch". The flag
    ``requires_grad`` is kept; graph and ``.grad`` are not.

    Raises:
        TypeError: *obj* holds something else; the message has its path and type.
        ValueError: nested too deep (or in itself), too large for the format, or no such format.
        OSError: the file cannot be written.
    """
    if format not in ("safetensors", "torch"):
        raise ValueError(f"save: expected format 'safetensors' or 'torch', got {format!r}")
    if not isinstance(f, str | os.PathLike) and not callable(getattr(f, "write", None)):
        raise TypeError(f"save: expected a path or a binary file, got {type(f).__name__}")
    encoder = _Encoder(annotated=format == "torch")
    tree = encoder.encode(obj, "", 0)
    if format == "torch":
        _save_torch(f, tree, encoder.tensors)
        return
    import json  # here, so that importing verigrad does not pay for it

    arrays = {
        name: _safetensors.as_stored(tensor.cpu().contiguous().numpy())
        for name, tensor in encoder.tensors.items()
    }
    content = {"version": _VERSION, "tree": tree, "crc32": {name: _crc(one) for name, one in arrays.items()}}
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    text = f"{zlib.crc32(text.encode()):08x} {text}"
    if isinstance(f, str | os.PathLike):
        with atomic_path(f) as path:
            _safetensors.write(path, arrays, text)
    else:
        _safetensors.write(f, arrays, text)


def _save_torch(f: str | os.PathLike[str] | IO[bytes], tree: Any, tensors: dict[str, Tensor]) -> None:
    from verigrad import _torch_writer

    if isinstance(f, str | os.PathLike):
        with atomic_write(f) as file:
            _torch_writer.write(file, tree, tensors)
    else:
        content = io.BytesIO()
        _torch_writer.write(content, tree, tensors)
        _safetensors.write_all(f, content.getvalue())


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: object = None,
    weights_only: bool | None = True,
) -> Any:
    """Read what `save` has written, any safetensors file (as a dict of tensors), or a file of `torch.save`.

    Files of `torch.save` may hold tensors, Parameters, numbers, texts, containers, sizes, dtypes and devices:
    state_dicts of modules, optimizers and schedules. Anything else is refused by its name.

    Args:
        f: a path, or a binary file with ``read``.
        map_location: where the tensors go: None for where they were, a device or its name, or a dict such as
            ``{"cuda:0": "cpu"}`` from where they were to where they go.
        weights_only: accepted for PyTorch's sake. Nothing but data is ever read, whatever it says: nothing is
            unpickled, no code is run.

    Returns:
        The object, in fresh memory. Tensors are contiguous, but for those of `torch.save` on the CPU, which
        keep their strides and the memory that they share.

    Raises:
        RuntimeError: the file is damaged, malformed, of another format, of a dtype that verigrad lacks, or
            holds more than data; or a device that is not there is asked for.
        TypeError: *f* is neither a path nor a binary file.
        OSError: the file cannot be read.
    """
    placed = _places(map_location)
    source: str | bytes
    if isinstance(f, str | os.PathLike):
        name = source = os.fsdecode(f)
        with open(source, "rb") as file:  # the packages have no such clear error for a folder
            start = file.read(_safetensors.START)
    elif callable(getattr(f, "read", None)):
        content = f.read()
        if not isinstance(content, bytes | bytearray | memoryview):
            raise TypeError(
                f"load: expected a binary file, got one whose read() gives {type(content).__name__}"
            )
        name, source = getattr(f, "name", type(f).__name__), bytes(content)
        start = source[: _safetensors.START]
    else:
        raise TypeError(f"load: expected a path or a binary file, got {type(f).__name__}")
    try:
        if _safetensors.may_be_torch(start):
            from verigrad import _torch_reader

            return _torch_reader.read(source, placed)
        return _decoded(*_safetensors.read(source, start), placed)
    except DamagedFileError as error:
        raise RuntimeError(f"load: {error} (file {name!r})") from None


def _decoded(
    text: str | None, arrays: dict[str, ndarray[Any, Any]], placed: Callable[[str], _C.device]
) -> Any:
    import json

    tensors = {name: verigrad.from_numpy(array) for name, array in arrays.items()}
    if text is None:
        target = placed("cpu")
        return {name: tensor.to(target) for name, tensor in tensors.items()}
    crc, _, text = text.partition(" ")
    if crc != f"{zlib.crc32(text.encode()):08x}":
        raise DamagedFileError("expected an intact structure, got one that does not match its checksum")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"expected the structure to be JSON, got {error}") from None
    if not isinstance(content, dict) or content.keys() != {"version", "tree", "crc32"}:
        raise DamagedFileError("expected a structure with version, tree and crc32, got other keys")
    if content["version"] != _VERSION or type(content["version"]) is not int:
        raise DamagedFileError(
            f"expected format version {_VERSION}, got {content['version']!r}: a newer verigrad?"
        )
    crcs = content["crc32"]
    if not isinstance(crcs, dict) or crcs.keys() != arrays.keys():
        raise DamagedFileError("expected the tensors that the structure names, got others")
    for name, array in arrays.items():
        if _crc(array) != crcs[name]:
            raise DamagedFileError(
                f"expected tensor {name!r} intact, got data that do not match its checksum"
            )
    decoder = _Decoder(tensors, placed)
    result = decoder.decode(content["tree"], 0)
    if decoder.unused:
        raise DamagedFileError(
            f"expected every tensor in the structure, got {min(decoder.unused)!r} outside it"
        )
    return result


def _places(location: Any) -> Callable[[str], _C.device]:
    """Where a tensor goes, from the name of the device where it was. Checks the argument and that its devices
    are there."""

    def target(value: Any) -> _C.device:
        if not isinstance(value, str | verigrad.device):
            raise TypeError(
                f"load: expected map_location None, a device, its name or a dict of these, "
                f"got {type(value).__name__}"
            )
        return present(value)

    def present(value: str | _C.device) -> _C.device:
        try:
            device = verigrad.device(value)
            verigrad.empty(0, device=device)
        except RuntimeError as error:
            raise RuntimeError(f"load: {error}; map_location says where the tensors go instead") from None
        return device

    def spelled(key: Any) -> str:
        if not isinstance(key, str | verigrad.device):
            raise TypeError(f"load: expected devices as keys of map_location, got {type(key).__name__}")
        try:
            device = verigrad.device(key)
            numbered = device.type == "cpu" or device.index is not None
            return str(device) if numbered else f"{device}:{verigrad.cuda.current_device()}"
        except RuntimeError:
            return str(key)  # a file may name devices that verigrad does not know; they can be mapped as well

    if location is None:
        return functools.cache(present)
    if not isinstance(location, dict):
        fixed = target(location)
        return lambda device: fixed
    moved = {spelled(key): target(value) for key, value in location.items() if value is not None}
    return functools.cache(lambda name: moved[name] if name in moved else present(name))


def _crc(array: ndarray[Any, Any]) -> str:
    # The dtype and shape as well: a flipped bit there need not change the number of bytes.
    return f"{zlib.crc32(array.data, zlib.crc32(f'{array.dtype}{list(array.shape)}'.encode())):08x}"


class _Encoder:
    """Turns an object into JSON values, and collects its tensors under unique names.

    None, bools, strings, finite floats and 64-bit ints are themselves. Everything else is a list that begins
    with its kind: ``["dict", [[key, value], ..]]``, ``["list", [..]]``, ``["tensor", name, requires_grad]``.
    """

    def __init__(self, annotated: bool = False) -> None:
        self._annotated = annotated  # whether a state_dict's _metadata comes after its items
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}  # memory, shape, strides, dtype -> name
        self._values = 0

    def encode(self, value: Any, path: str, depth: int) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise ValueError(f"save: expected at most {_MAX_VALUES} values, got more")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return _checked_text(value, path)
        if kind is int:
            return value if -(2**63) <= value < 2**63 else ["int", hex(value)]
        if isinstance(value, float) and (kind is float or kind.__module__ == "numpy"):
            return float(value) if math.isfinite(value) else ["float", repr(float(value))]
        if isinstance(value, verigrad.Tensor):
            return self._tensor(value, path)
        if depth >= _MAX_DEPTH:
            raise ValueError(
                f"save: expected at most {_MAX_DEPTH} levels of containers, got more (or one in itself)"
            )
        if kind is dict or kind is OrderedDict:
            pairs = [
                [self._key(key, path, depth + 1), self.encode(item, _join(path, key), depth + 1)]
                for key, item in value.items()
            ]
            notes = getattr(value, "_metadata", None) if self._annotated else None
            more = [self.encode(notes, _join(path, "_metadata"), depth + 1)] if notes else []
            return ["dict" if kind is dict else "OrderedDict", pairs, *more]
        extra = None if self._annotated else self._extra(value, path, depth + 1)
        if extra is not None:
            return extra
        if kind in (list, tuple, verigrad.Size):
            items = [self.encode(item, _join(path, i), depth + 1) for i, item in enumerate(value)]
            return [kind.__name__, items]
        raise TypeError(
            f"save: expected tensors, None, bools, numbers, strings, dicts, lists and tuples, "
            f"got {kind.__module__}.{kind.__qualname__} at {path or 'the top'}{_hint(value)}"
        )

    def _extra(self, value: Any, path: str, depth: int) -> Any:
        """What files of torch.save cannot hold: sets, dicts of other classes, numpy's arrays and numbers."""
        kind = type(value)
        if kind is set or kind is frozenset:
            # A set has no order, a file depends on its content alone.
            return [kind.__name__, sorted((self._key(item, path, depth) for item in value), key=repr)]
        argparse, numpy = sys.modules.get("argparse"), sys.modules.get("numpy")
        if kind is Counter or kind is defaultdict or (argparse and kind is argparse.Namespace):
            items = vars(value) if kind.__name__ == "Namespace" else value
            pairs = [
                [self._key(key, path, depth), self.encode(item, _join(path, key), depth)]
                for key, item in items.items()
            ]
            if kind is not defaultdict:
                return [kind.__name__, pairs]
            factory = getattr(value.default_factory, "__name__", None)
            if value.default_factory is not _FACTORIES.get(factory):
                raise TypeError(
                    f"save: expected a defaultdict of one of {', '.join(map(str, _FACTORIES))}, "
                    f"got {value.default_factory!r} at {path or 'the top'}"
                )
            return ["defaultdict", pairs, factory]
        if numpy is None or not (kind is numpy.ndarray or isinstance(value, numpy.generic)):
            return None
        if value.dtype.kind not in "biufcSU":
            raise TypeError(
                f"save: expected an array of numbers or texts, got {value.dtype} at {path or 'the top'}"
            )
        array = numpy.array(value, value.dtype.newbyteorder("="), order="C")
        if kind is not numpy.ndarray:
            return ["scalar", array.dtype.str, array.tobytes().hex()]
        name = self._unique(path)
        stored = (
            array if array.dtype.name in _ARRAY_DTYPES else numpy.frombuffer(array.tobytes(), "u1").copy()
        )
        self.tensors[name] = verigrad.from_numpy(stored)
        return ["array", name, array.dtype.str, list(array.shape)]

    def _key(self, key: Any, path: str, depth: int) -> Any:
        if isinstance(key, verigrad.Tensor) or not _is_plain(key):
            raise TypeError(
                f"save: expected dict keys that are strings, numbers, bools, None or tuples of these, "
                f"got {type(key).__name__} at {path or 'the top'}"
            )
        return self.encode(key, path, depth)

    def _tensor(self, value: Tensor, path: str) -> Any:
        flag = bool(value.requires_grad)
        if type(value) is verigrad.Tensor:
            kind = "tensor"
        elif type(value) is verigrad.nn.Parameter:
            kind = "Parameter"
        else:
            raise TypeError(
                f"save: expected a Tensor or Parameter, got {type(value).__qualname__} at {path or 'the top'}"
            )
        tensor = value.detach()
        memory: tuple[Any, ...] = (
            tensor.data_ptr(),
            tuple(tensor.shape),
            tuple(tensor.stride()),
            str(tensor.dtype),
        )
        if not tensor.numel():
            memory = (path, *memory[1:])  # nothing to share
        name = self._names.get(memory)
        if name is None:
            name = self._names[memory] = self._unique(path)
            self.tensors[name] = tensor  # also keeps the memory alive, so that its address stays taken
        # Where it was, if not on the CPU: files of CPU tensors are the same whatever devices there are.
        return [kind, name, flag] if tensor.device.type == "cpu" else [kind, name, flag, str(tensor.device)]

    def _unique(self, path: str) -> str:
        name = path or "tensor"
        count = 1
        while name in self.tensors or name == _safetensors.RESERVED:
            count += 1
            name = f"{path or 'tensor'}#{count}"
        return name


class _Decoder:
    """The reverse of `_Encoder`; trusts nothing."""

    def __init__(self, tensors: dict[str, Tensor], placed: Callable[[str], _C.device]) -> None:
        self._tensors = dict(tensors)
        self._placed = placed
        self.unused = set(tensors)

    def decode(self, node: Any, depth: int) -> Any:
        if not isinstance(node, list):
            if isinstance(node, dict):
                raise self._bad(node)
            return node
        if depth > _MAX_DEPTH:
            raise DamagedFileError(f"expected at most {_MAX_DEPTH} levels of containers, got more")
        if len(node) in (3, 4) and node[0] in ("tensor", "Parameter"):
            return self._tensor(node)
        if len(node) == 4 and node[0] == "array":
            return self._array(node)
        if len(node) == 3 and node[0] == "scalar":
            return self._scalar(node)
        if len(node) == 3 and node[0] == "defaultdict" and isinstance(node[1], list):
            if not isinstance(node[2], str | None) or node[2] not in _FACTORIES:
                raise self._bad(node)
            return defaultdict(_FACTORIES[node[2]], self._dict("dict", node[1], depth + 1))
        if len(node) != 2 or not isinstance(node[0], str):
            raise self._bad(node)
        kind, content = node
        if kind == "int" or kind == "float":
            return self._number(kind, content)
        if not isinstance(content, list):
            raise self._bad(node)
        if kind in ("dict", "OrderedDict"):
            return self._dict(kind, content, depth + 1)
        if kind == "Counter":
            return Counter(self._dict("dict", content, depth + 1))
        if kind == "Namespace":
            from argparse import Namespace

            attributes = self._dict("dict", content, depth + 1)
            if not all(isinstance(name, str) for name in attributes):
                raise self._bad(node)
            return Namespace(**attributes)
        sequences: dict[str, Callable[[list[Any]], Any]] = {
            "list": list,
            "tuple": tuple,
            "Size": verigrad.Size,
            "set": set,
            "frozenset": frozenset,
        }
        if kind not in sequences:
            raise self._bad(node)
        items = [self.decode(item, depth + 1) for item in content]
        if "set" in kind and not (all(map(_is_plain, items)) and len(set(items)) == len(items)):
            raise self._bad(node)
        if kind == "Size" and not all(type(item) is int and 0 <= item < 2**63 for item in items):
            raise self._bad(node)
        return sequences[kind](items)

    def _dict(self, kind: str, pairs: list[Any], depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {} if kind == "dict" else OrderedDict()
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise self._bad(pair)
            key = self.decode(pair[0], depth)
            if not _is_plain(key) or key in result:
                raise DamagedFileError(f"expected distinct plain dict keys, got {_shown(pair[0])}")
            result[key] = self.decode(pair[1], depth)
        return result

    def _number(self, kind: str, content: Any) -> Any:
        try:
            if isinstance(content, str) and kind == "int":
                return int(content, 16)
            if content in ("nan", "inf", "-inf") and kind == "float":
                return float(content)
        except ValueError:
            pass
        raise self._bad([kind, content])

    def _tensor(self, node: list[Any]) -> Any:
        kind, name, flag, *where = node
        if not isinstance(name, str) or type(flag) is not bool or name not in self._tensors:
            raise self._bad(node)
        if where and not (isinstance(where[0], str) and re.fullmatch(r"cuda:\d\d?", where[0])):
            raise self._bad(node)
        tensor = self._tensors[name]
        if flag and not tensor.dtype.is_floating_point:
            raise self._bad(node)
        if name not in self.unused:
            tensor = tensor.detach()  # a second reference: another tensor on the same memory
        else:
            tensor = self._tensors[name] = tensor.to(self._placed(where[0] if where else "cpu"))
        self.unused.discard(name)
        if kind == "Parameter":
            return verigrad.nn.Parameter(tensor, requires_grad=flag)
        return tensor.requires_grad_(flag)

    def _array(self, node: list[Any]) -> Any:
        _, name, dtype, shape = node
        sizes_fit = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
        if not isinstance(name, str) or name not in self._tensors or not sizes_fit:
            raise self._bad(node)
        self.unused.discard(name)
        array = self._tensors[name].numpy()
        if array.dtype.str != dtype:
            kind = self._numpy_dtype(dtype, node)
            if array.dtype.str != "|u1" or array.nbytes != kind.itemsize * math.prod(shape):
                raise self._bad(node)
            array = array.view(kind) if array.size else array.astype(kind)
        if array.size != math.prod(shape):
            raise self._bad(node)
        return array.reshape(shape)

    def _scalar(self, node: list[Any]) -> Any:
        import numpy

        kind = self._numpy_dtype(node[1], node)
        try:
            content = bytes.fromhex(node[2])
        except (TypeError, ValueError):
            raise self._bad(node) from None
        if len(content) != kind.itemsize:
            raise self._bad(node)
        return numpy.frombuffer(content, kind)[0] if content else kind.type()

    def _numpy_dtype(self, text: Any, node: list[Any]) -> Any:
        import numpy

        if not isinstance(text, str) or not re.fullmatch(r"[<>|=]?[biufcSU]\d{1,6}", text):
            raise self._bad(node)
        try:
            return numpy.dtype(text)
        except TypeError:
            raise self._bad(node) from None

    def _bad(self, node: Any) -> DamagedFileError:
        return DamagedFileError(f"expected a structure written by verigrad.save, got {_shown(node)} in it")


def _is_plain(key: Any) -> bool:
    if type(key) is tuple:
        return all(map(_is_plain, key))
    return key is None or isinstance(key, str | int | float)


def _join(path: str, key: Any) -> str:
    text = key if isinstance(key, str) else repr(key)
    return f"{path}.{text}" if path else text


def _checked_text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"save: expected text that UTF-8 can hold, got a lone surrogate at {path or 'the top'}"
        ) from None
    return text


def _hint(value: Any) -> str:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
        return ""
    return "; use .item()" if isinstance(value, numpy.generic) else "; use verigrad.from_numpy"


def _shown(node: Any) -> str:
    text = repr(node)
    return text if len(text) <= 80 else f"{text[:77]}..."

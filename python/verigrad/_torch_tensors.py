"""What the pickle in a file of `torch.save` may name: tensors over the storages of the file, sizes, devices,
dtypes and containers."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

import verigrad
from verigrad._safetensors import MAX_DIMS, DamagedFileError
from verigrad._text import short
from verigrad._torch_pickle import LEAVES, Name, Refusal, Refused, checked_key

if TYPE_CHECKING:
    from verigrad import _C

Placed = Callable[[str], "_C.device"]  # where a tensor goes, from the name of the device where it was
_STORAGES = {
    "torch.BoolStorage": "bool",
    "torch.ByteStorage": "uint8",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
}
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_OTHER_STORAGES = {
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.QInt8Storage": "qint8",
    "torch.QUInt8Storage": "quint8",
    "torch.QInt32Storage": "qint32",
    "torch.QUInt4x2Storage": "quint4x2",
    "torch.QUInt2x4Storage": "quint2x4",
}
_OTHER_DTYPES = (
    *_OTHER_STORAGES.values(), "complex32", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2",
)  # fmt: skip
_OTHER_TENSORS = {
    "_rebuild_tensor_v3": "a tensor of a dtype that verigrad lacks",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantized tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without elements, of the device 'meta'",
    "_rebuild_wrapper_subclass": "a subclass of Tensor",
}


class Storage:
    """The elements that one or more tensors show."""

    __slots__ = ("array", "count", "dtype", "key", "location")

    def __init__(
        self, key: str, dtype: str, location: str, count: int, array: numpy.ndarray[Any, Any]
    ) -> None:
        self.key, self.dtype, self.location, self.count, self.array = key, dtype, location, count, array


class Tensors:
    """Makes the tensors of one file.

    Args:
        elements: gives the array of a storage from its key, dtype and number of elements.
        placed: where tensors go.
    """

    def __init__(self, elements: Callable[[str, str, int], numpy.ndarray[Any, Any]], placed: Placed) -> None:
        self._elements, self._placed = elements, placed
        self._storages: dict[str, Storage] = {}
        self._moved: dict[tuple[Any, ...], verigrad.Tensor] = {}
        self.names: dict[str, Any] = {
            **{name: Name(name) for name in _STORAGES},
            **{f"torch.{dtype}": getattr(verigrad, dtype) for dtype in _STORAGES.values()},
            **{name: Name(name) for name in _OTHER_STORAGES},
            **{f"torch.{dtype}": Refused("a dtype that verigrad lacks") for dtype in _OTHER_DTYPES},
            **{f"torch._utils.{name}": Refused(reason) for name, reason in _OTHER_TENSORS.items()},
            "torch.storage.UntypedStorage": Refused("a storage by itself"),
            "torch.storage.TypedStorage": Refused("a storage by itself"),
            "torch.Tensor": Name("torch.Tensor"),
            **{name: Name(name, call) for name, call in _CALLS.items()},
            **{name: Name(name, self._tensor) for name in _TENSORS},
        }

    def storage(self, pid: Any) -> Storage:
        """What a persistent id of PyTorch's stands for."""
        match pid:
            case ("storage", Name() as kind, str(key), str(location), int(count), *view):
                pass
            case _:
                raise DamagedFileError(f"expected the id of a storage, got {short(pid)}")
        if kind.name in _OTHER_STORAGES:
            raise Refusal(f"{kind.name} (elements of {_OTHER_STORAGES[kind.name]})")
        if kind.name not in _STORAGES or count < 0 or len(view) > 1 or any(one is not None for one in view):
            raise DamagedFileError(f"expected the id of a storage of elements, got {short(pid)}")
        dtype = _STORAGES[kind.name]
        if key not in self._storages:
            array = self._elements(key, dtype, count)
            self._storages[key] = Storage(key, dtype, location, count, array)
        known = self._storages[key]
        if (known.dtype, known.location, known.count) != (dtype, location, count):
            raise DamagedFileError(
                f"expected one dtype, device and size of storage {short(key)}, got {known.dtype} on "
                f"{short(known.location)} with {known.count} elements and {dtype} on {short(location)} "
                f"with {count}"
            )
        return known

    def _tensor(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> verigrad.Tensor:
        if type(storage) is not Storage:
            raise DamagedFileError(f"expected a tensor over a storage, got one over {type(storage).__name__}")
        _check_bounds(storage, offset, size, stride)
        if type(requires_grad) is not bool:
            raise DamagedFileError(f"expected requires_grad to be a bool, got {short(requires_grad)}")
        if not _is_empty(hooks):
            raise Refusal("a tensor with hooks")
        if not _is_empty(metadata):
            raise Refusal("a tensor that is conjugate or negated lazily")
        tensor = self.view(storage, offset, tuple(size), tuple(stride))
        return _differentiable(tensor, requires_grad)

    def view(
        self, storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
    ) -> verigrad.Tensor:
        device = self._placed(storage.location)
        dtype = getattr(verigrad, storage.dtype)
        if 0 in size:
            return verigrad.empty(size, dtype=dtype, device=device)
        known = self._moved.get((storage.key, offset, size, stride))
        if known is not None:
            return known.detach()
        width = storage.array.itemsize
        strides = [step * width for step in stride]
        array: numpy.ndarray[Any, Any] = numpy.ndarray(
            size, storage.dtype, storage.array, offset * width, strides
        )
        tensor = verigrad.from_numpy(array)
        if device.type == "cpu":
            return tensor
        # Elsewhere a storage is shared by views that are the same, not by others.
        small = array[tuple(slice(1) if step == 0 else slice(None) for step in stride)]
        tensor = verigrad.from_numpy(small).to(device).expand(size)
        self._moved[storage.key, offset, size, stride] = tensor
        return tensor.detach()


def _check_bounds(storage: Storage, offset: Any, size: Any, stride: Any) -> None:
    numbers = size, stride, (offset,)
    if any(type(part) not in (tuple, verigrad.Size) for part in numbers) or any(
        type(number) is not int or not 0 <= number < 2**63 for part in numbers for number in part
    ):
        raise DamagedFileError(
            f"expected offset, size and stride of a tensor to be numbers from 0, "
            f"got {short(offset)}, {short(size)}, {short(stride)}"
        )
    # As for the other format: the strides of an empty tensor count its other dimensions.
    if len(size) != len(stride) or len(size) > MAX_DIMS or math.prod(max(one, 1) for one in size) >= 2**60:
        raise DamagedFileError(
            f"expected a tensor of up to {MAX_DIMS} dimensions, as many strides and less than 2**60 elements,"
            f" got size {short(size)} and stride {short(stride)}"
        )
    last = offset + sum((one - 1) * step for one, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.count:
        raise DamagedFileError(
            f"expected a tensor within the {storage.count} elements of storage {storage.key!r}, "
            f"got offset {offset}, size {size} and stride {stride}"
        )


def _differentiable(tensor: verigrad.Tensor, flag: bool) -> verigrad.Tensor:
    if flag and not tensor.dtype.is_floating_point:
        raise DamagedFileError(
            f"expected a tensor of {tensor.dtype} not to require a gradient, got one that does"
        )
    return tensor.requires_grad_() if flag else tensor


def _is_empty(notes: Any) -> bool:
    return notes is None or (type(notes) in (dict, collections.OrderedDict) and not notes)


# The other names that a file may use


def _parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> verigrad.Tensor:
    if type(data) is not verigrad.Tensor or type(requires_grad) is not bool:
        raise DamagedFileError(
            f"expected a Parameter of a tensor and a bool, "
            f"got {type(data).__name__} and {short(requires_grad)}"
        )
    if not _is_empty(hooks):
        raise Refusal("a Parameter with hooks")
    if requires_grad and not data.dtype.is_floating_point:
        raise DamagedFileError(
            f"expected a Parameter of {data.dtype} not to require a gradient, got one that does"
        )
    return _annotated(verigrad.nn.Parameter(data.detach(), requires_grad), state)


def _with_attributes(function: Any, kind: Any, arguments: Any, state: Any) -> verigrad.Tensor:
    names = [one.name if type(one) is Name else type(one).__name__ for one in (function, kind)]
    if names != [_TENSORS[1], "torch.Tensor"] or type(arguments) is not tuple:
        raise Refusal(f"a tensor of type {names[1]}, made by {names[0]}")
    return _annotated(function.call(*arguments), state)


def _annotated(tensor: verigrad.Tensor, state: Any) -> verigrad.Tensor:
    """Gives a tensor the attributes that a program has set, if they are plain and no part of Tensor."""
    if state is not None and type(state) is not dict:
        raise Refusal(f"a tensor with the state {short(state)}")
    for name, value in (state or {}).items():
        known = not isinstance(name, str) or not name.isidentifier() or hasattr(tensor, name)
        if known or name.startswith("__") or type(value) not in LEAVES:
            raise Refusal(f"a tensor with the attribute {short(name)} of type {type(value).__name__}")
        setattr(tensor, name, value)
    return tensor


def _size(sizes: Any) -> verigrad.Size:
    if type(sizes) is not tuple or not all(type(one) is int and 0 <= one < 2**63 for one in sizes):
        raise DamagedFileError(f"expected the sizes of a torch.Size, got {short(sizes)}")
    return verigrad.Size(sizes)


def _device(kind: Any, index: Any = None) -> _C.device:
    if type(kind) is not str or not (index is None or (type(index) is int and 0 <= index < 2**31)):
        raise DamagedFileError(f"expected a device, got {short(kind)}, {short(index)}")
    try:
        return verigrad.device(kind, index)
    except RuntimeError:
        raise Refusal(f"the device {short(kind if index is None else f'{kind}:{index}')}") from None


def _ordered(items: Any = ()) -> collections.OrderedDict[Any, Any]:
    # Python 2 gave the items here, each as a list of two.
    if type(items) not in (tuple, list) or any(type(one) is not list or len(one) != 2 for one in items):
        raise DamagedFileError(f"expected an OrderedDict of pairs, got {short(items)}")
    return collections.OrderedDict((checked_key(key), value) for key, value in items)


def _counter(counts: Any) -> collections.Counter[Any]:
    if type(counts) is not dict:
        raise DamagedFileError(f"expected a Counter of a dict, got {type(counts).__name__}")
    return collections.Counter(counts)


def _encoded(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or type(encoding) is not str or encoding not in ("latin1", "latin-1"):
        raise Refusal(f"text in the encoding {short(encoding)}")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise DamagedFileError("expected text in Latin-1, got other characters") from None


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    if encoding is not None:
        content = _encoded(content, encoding)
    if type(content) is not bytes:
        raise DamagedFileError(f"expected a bytearray of bytes, got one of {type(content).__name__}")
    return bytearray(content)


def _set(items: Any) -> set[Any]:
    if type(items) is not list:
        raise DamagedFileError(f"expected a set of a list, got one of {type(items).__name__}")
    return {checked_key(one) for one in items}


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise DamagedFileError(f"expected a complex of two floats, got {short(real)}, {short(imaginary)}")
    return complex(real, imaginary)


_CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _with_attributes,
    "torch.Size": _size,
    "torch.device": _device,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _counter,
    "_codecs.encode": _encoded,
    "builtins.bytearray": _bytearray,
    "builtins.set": _set,
    "builtins.complex": _complex,
}

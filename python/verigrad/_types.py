"""Names about dtypes: the typed constructors (``FloatTensor`` and the others), ``finfo``, ``iinfo``.

A typed constructor stands for a dtype on a kind of device. It makes tensors, ``isinstance`` asks a tensor for
both, and ``Tensor.type`` casts to it; it is no class that a tensor could have.
"""

from __future__ import annotations

import math
from typing import Any

from . import _C
from ._C import Tensor
from ._text import short

__all__ = [
    "can_cast",
    "finfo",
    "iinfo",
    "is_complex",
    "is_conj",
    "is_floating_point",
    "is_inference",
    "is_neg",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_storage",
    "is_tensor",
    "set_default_tensor_type",
    "typename",
]

_NAMES = {
    "FloatTensor": _C.float32,
    "DoubleTensor": _C.float64,
    "LongTensor": _C.int64,
    "IntTensor": _C.int32,
    "ByteTensor": _C.uint8,
    "BoolTensor": _C.bool,
}


class TensorType(type):
    """The class of the typed constructors."""

    dtype: _C.dtype
    is_cuda: bool

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return _new(cls, *args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and type_of(instance) is cls

    def __getattr__(cls, name: str) -> Any:
        return getattr(Tensor, name)


def _make(name: str, dtype: _C.dtype, cuda: bool) -> TensorType:
    where = "a CUDA device" if cuda else "the CPU"
    text = f"""Tensors of {dtype} on {where}.

    Called with sizes it gives uninitialised elements, with nested sequences or an array a copy of them, with
    a tensor of the same dtype and device one on the same memory, and without arguments an empty tensor.
    ``device=`` may name one of several devices. `verigrad.tensor` and `verigrad.empty` are the newer names.

    Raises:
        TypeError: neither sizes nor data, or a tensor of another dtype or device.
        RuntimeError: there is no such device, or a size is negative.
    """
    space = {"__module__": "verigrad.cuda" if cuda else "verigrad", "__doc__": text}
    return TensorType(name, (), {**space, "dtype": dtype, "is_cuda": cuda})


_TYPES = {(dtype, cuda): _make(name, dtype, cuda) for cuda in (False, True) for name, dtype in _NAMES.items()}
CPU_TYPES = {made.__name__: made for (_, cuda), made in _TYPES.items() if not cuda}
CUDA_TYPES = {made.__name__: made for (_, cuda), made in _TYPES.items() if cuda}
_BY_TEXT = {
    f"{root}.{'cuda.' if cuda else ''}{made.__name__}": made
    for root in ("verigrad", "torch")
    for (_, cuda), made in _TYPES.items()
}


def type_of(tensor: Tensor) -> TensorType:
    return _TYPES[tensor.dtype, tensor.is_cuda]


def _text_of(tensor: Tensor) -> str:
    made = type_of(tensor)
    return f"{made.__module__}.{made.__name__}"


def _new(cls: TensorType, *args: Any, size: Any = None, device: Any = None) -> Tensor:
    kind = "cuda" if cls.is_cuda else "cpu"
    where = _C.device(kind if device is None else device)
    if where.type != kind:
        raise RuntimeError(f"{cls.__name__}: expected a {kind} device, got {where}")
    if size is not None:
        args = (_C.Size(size), *args)
    data = args[0] if args else _C.Size((0,))
    if len(args) <= 1 and isinstance(data, Tensor):
        if type_of(data) is not cls:
            raise TypeError(
                f"{cls.__name__}: expected a tensor of {cls.dtype} on {where}, got {_text_of(data)}"
            )
        return data.detach()
    if isinstance(data, _C.Size) or (hasattr(type(data), "__index__") and getattr(data, "ndim", 0) == 0):
        return _C.empty(*args if args else data, dtype=cls.dtype, device=where)
    if len(args) > 1:
        raise TypeError(f"{cls.__name__}: expected sizes or data, got {len(args)} arguments")
    if isinstance(data, str | bytes):
        raise TypeError(f"new(): invalid data type {type(data).__name__!r}")
    if isinstance(data, float) or not hasattr(data, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    return _C.tensor(data, dtype=cls.dtype, device=where)


def _found(what: str, name: Any) -> TensorType:
    made = _BY_TEXT.get(name) if isinstance(name, str) else name
    if made is None:
        raise ValueError(f"{what}: invalid type: {name!r}")
    if not isinstance(made, TensorType):
        raise TypeError(f"{what}: dtype must be a type, str, or dtype object, got {short(name)}")
    return made


def cast_of(what: str, dtype: Any) -> tuple[_C.dtype, str | None]:
    """The dtype and the kind of device that a dtype, a typed constructor or its name means; None: as it is.

    Raises:
        TypeError: it is none of these.
        ValueError: no constructor has this name.
    """
    if isinstance(dtype, _C.dtype):
        return dtype, None
    made = CPU_TYPES["FloatTensor"] if dtype is Tensor else _found(what, dtype)
    return made.dtype, "cuda" if made.is_cuda else "cpu"


def tensor_type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, such as "verigrad.FloatTensor"; with *dtype* the tensor cast to it.

    Args:
        dtype: a dtype, a typed constructor, or its name ("torch.FloatTensor" is understood as well). A
            constructor also says where: on the CPU or on the current CUDA device. None asks for the name.
        non_blocking: as in `Tensor.to`.

    The tensor itself comes back where nothing changes.

    Raises:
        TypeError: *dtype* is none of these.
        ValueError: no constructor has this name.
    """
    if dtype is None:
        return _text_of(self)
    wanted, kind = cast_of("type", dtype)
    device = self.device if kind in (None, self.device.type) else _C.device(kind)
    return self.to(device, wanted, non_blocking)


def set_default_tensor_type(t: TensorType | str) -> None:
    """The same as `set_default_dtype` and `set_default_device` with those of a typed constructor.

    Raises:
        TypeError: the type is not of a floating-point dtype, or is no typed constructor.
        ValueError: no constructor has this name.
    """
    made = _found("set_default_tensor_type", t)
    if not made.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _C.set_default_device("cuda" if made.is_cuda else "cpu")
    _C.set_default_dtype(made.dtype)


# -- numbers of a dtype --------------------------------------------------------------------------------------


class _Info:
    """What `finfo` and `iinfo` share: they are equal where their dtypes are."""

    dtype: str
    bits: int

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.dtype == getattr(other, "dtype", None)

    def __hash__(self) -> int:
        return hash((type(self), self.dtype))


def _checked(what: str, type: Any) -> str:
    if not isinstance(type, _C.dtype):
        raise TypeError(f"{what}(): argument 'type' (position 1) must be verigrad.dtype, not {short(type)}")
    return str(type).partition(".")[2]


class finfo(_Info):
    """The numbers that a floating-point dtype can hold.

    Attributes: bits; eps (from 1 to the next number); max; min (-max); smallest_normal and tiny, the same;
    resolution (10 to the minus decimal digits that always survive); dtype, its name.

    Args:
        type: a floating-point dtype; default the default dtype.

    Raises:
        TypeError: *type* is something else.
    """

    # IEEE 754: bits of the significand with the hidden one, largest exponent, decimal digits.
    _FORMATS = {"float32": (32, 24, 128, 6), "float64": (64, 53, 1024, 15)}

    def __init__(self, type: _C.dtype | None = None) -> None:
        self.dtype = _checked("finfo", _C.get_default_dtype() if type is None else type)
        if self.dtype not in self._FORMATS:
            raise TypeError(
                f"finfo: expected a floating point dtype, got {type}; use iinfo for dtypes of integers"
            )
        self.bits, digits, exponent, decimals = self._FORMATS[self.dtype]
        self.eps = 2.0 ** (1 - digits)
        self.max = math.ldexp(1.0 - 2.0**-digits, exponent)
        self.min = -self.max
        self.smallest_normal = self.tiny = 2.0 ** (2 - exponent)
        self.resolution = 10.0**-decimals

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        numbers = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({numbers}, dtype={self.dtype})"


class iinfo(_Info):
    """The numbers that a dtype of integers can hold.

    Attributes: bits, min, max; dtype, its name.

    Raises:
        TypeError: *type* is no dtype of integers; bool is none.
    """

    def __init__(self, type: _C.dtype) -> None:
        self.dtype = _checked("iinfo", type)
        if type.is_floating_point or type == _C.bool:
            raise TypeError(f"iinfo: expected a dtype of integers, got {type}; use finfo for floating point")
        self.bits = 8 * type.itemsize
        signed = is_signed(type)
        self.min = -(2 ** (self.bits - 1)) if signed else 0
        self.max = 2 ** (self.bits - signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


# -- questions -----------------------------------------------------------------------------------------------


def is_tensor(obj: object) -> bool:
    """Whether *obj* is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: object) -> bool:
    """Whether it is the memory of a tensor, from `Tensor.storage` or `Tensor.untyped_storage`."""
    from ._storage import TypedStorage, UntypedStorage

    return isinstance(obj, (TypedStorage, UntypedStorage))


def _tensor(what: str, input: Any) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{what}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is float32 or float64. Raises TypeError for what is no tensor."""
    return _tensor("is_floating_point", input).dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """False: there are no complex dtypes. Raises TypeError for what is no tensor."""
    _tensor("is_complex", input)
    return False


def is_conj(input: Tensor) -> bool:
    """False: there are no complex dtypes. Raises TypeError for what is no tensor."""
    _tensor("is_conj", input)
    return False


def is_neg(input: Tensor) -> bool:
    """False: a view never negates. Raises TypeError for what is no tensor."""
    _tensor("is_neg", input)
    return False


def is_inference(input: Tensor) -> bool:
    """Whether it was made in inference mode. Raises TypeError for what is no tensor."""
    return _tensor("is_inference", input).is_inference()


def is_signed(input: Tensor | _C.dtype) -> bool:
    """Whether the dtype, or a tensor's, holds negative numbers: all but bool and uint8.

    Raises TypeError for what is neither.
    """
    dtype = input if isinstance(input, _C.dtype) else _tensor("is_signed", input).dtype
    return dtype not in (_C.bool, _C.uint8)


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero.

    Raises:
        TypeError: *input* is no tensor.
        RuntimeError: it has no element, or several.
    """
    return bool(_tensor("is_nonzero", input))


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape. Raises TypeError for what is no tensor."""
    return _tensor("is_same_size", input).shape == _tensor("is_same_size", other).shape


def can_cast(from_: _C.dtype, to: _C.dtype) -> bool:
    """Whether promotion allows results of the first dtype to be kept in the second.

    Not from floating point to integers, and not from anything else to bool; numbers may get lost otherwise.

    Raises:
        TypeError: one of them is no dtype.
    """
    for position, dtype in enumerate((from_, to), 1):
        if not isinstance(dtype, _C.dtype):
            raise TypeError(
                f"can_cast(): argument {position} must be verigrad.dtype, not {type(dtype).__name__}"
            )
    if from_.is_floating_point and not to.is_floating_point:
        return False
    return to != _C.bool or from_ == _C.bool


def typename(obj: Any) -> str:
    """The name of the object's class with its module; of a tensor that of its typed constructor."""
    if isinstance(obj, Tensor):
        return _text_of(obj)
    cls = obj if isinstance(obj, type) else type(obj)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"

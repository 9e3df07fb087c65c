"""The tensor that a Module counts among its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the Module it is assigned to.

    Args:
        data: the tensor whose storage to share; default an empty one.
        requires_grad: whether it is to be trained; default True.

    Raises:
        TypeError: ``data`` is no Tensor.
        RuntimeError: ``requires_grad`` with a dtype that is not floating point.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected data to be a Tensor, got {type(data).__name__}")
        if requires_grad and not data.dtype.is_floating_point:
            raise RuntimeError(
                f"Parameter: only Tensors of floating point dtype can require gradients, got {data.dtype}"
            )
        super().__init__(data)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Parameter:
        known: Parameter | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.detach().clone(), self.requires_grad)
            memo[id(self)] = known
        return known

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class _BufferMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and hasattr(instance, "_is_buffer")


class Buffer(metaclass=_BufferMeta):
    """``Buffer(data, persistent=True)`` is a tensor that becomes a buffer of the Module it is assigned to.

    It is an ordinary tensor on the same memory, of which ``isinstance(tensor, Buffer)`` is true.

    Args:
        data: the tensor; default an empty one.
        persistent: whether the state dict holds it.

    Raises:
        TypeError: *data* is no Tensor.
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Buffer: expected data to be a Tensor, got {type(data).__name__}")
        buffer: Any = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


# What an uninitialized tensor still answers; everything else of Tensor needs its elements.
_ANSWERS = frozenset(
    [
        "cpu",
        "cuda",
        "data",
        "detach",
        "detach_",
        "device",
        "double",
        "dtype",
        "element_size",
        "float",
        "grad",
        "grad_fn",
    ]
    + [
        "is_complex",
        "is_cpu",
        "is_cuda",
        "is_floating_point",
        "is_inference",
        "is_leaf",
        "itemsize",
        "output_nr",
        "register_hook",
    ]
    + ["requires_grad", "requires_grad_", "retain_grad", "retains_grad", "to", "type_as"]
)
_REFUSED = frozenset(name for name in dir(Tensor) if not name.startswith("_")) - _ANSWERS
_OPERATORS = [
    f"__{prefix}{name}__"
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
    for prefix in ("", "r", "i")
]
_OPERATORS += [
    f"__{name}__"
    for name in (
        "neg",
        "pos",
        "abs",
        "invert",
        "lt",
        "le",
        "gt",
        "ge",
        "eq",
        "ne",
        "getitem",
        "setitem",
        "len",
        "iter",
    )
]
_OPERATORS += [f"__{name}__" for name in ("bool", "float", "int", "index", "contains", "array")]


class UninitializedTensorMixin:
    """What parameters and buffers of unknown shape share."""

    __slots__ = ()

    cls_to_become: type[Tensor]

    def materialize(
        self, shape: Sequence[int] | int, device: Any = None, dtype: _C.dtype | None = None
    ) -> None:
        """Makes this object an ordinary one of the given shape; its elements are not initialised.

        Args:
            shape: the shape.
            device: default its own.
            dtype: default its own.
        """
        tensor: Any = self
        data = _C.empty(
            shape,
            dtype=tensor.dtype if dtype is None else dtype,
            device=tensor.device if device is None else device,
        )
        tensor.data = data
        tensor.__class__ = self.cls_to_become

    def __getattribute__(self, name: str) -> Any:
        if name == "shape":
            raise RuntimeError(
                "Can't access the shape of an uninitialized parameter or buffer. This error usually "
                "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
                "initialized one. Call `forward` to initialize the parameters before accessing their "
                "attributes."
            )
        if name in _REFUSED:
            _refuse(self, name)
        return object.__getattribute__(self, name)

    def __reduce__(self) -> Any:
        tensor: Any = self
        return type(self), (tensor.requires_grad, tensor.device, tensor.dtype)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _refuse(tensor: object, name: str) -> None:
    raise ValueError(
        f"Attempted to use an uninitialized parameter in {name}. This error happens when you are using a "
        f"`LazyModule` or explicitly manipulating `{type(tensor).__name__}` objects. When using LazyModules "
        "call `forward` with a dummy batch to initialize the parameters before calling other functions"
    )


def _refusing(name: str) -> Any:
    def operator(self: object, *args: object) -> None:
        _refuse(self, name)

    return operator


for _name in _OPERATORS:
    setattr(UninitializedTensorMixin, _name, _refusing(_name))


def is_lazy(param: object) -> bool:
    """Whether ``param`` is a parameter or buffer whose shape is not known yet."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter whose shape is not known yet; ``materialize`` makes it an ordinary one.

    It can be cast and moved. Its operators and methods raise ValueError, its shape RuntimeError; functions of
    the library take it for an empty tensor.

    Args:
        requires_grad: whether it is to be trained; default True.
        device: where it will live; default the CPU.
        dtype: what it will hold; default the default dtype.
    """

    cls_to_become = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: _C.dtype | None = None) -> None:
        super().__init__(_C.empty(0, device=device, dtype=dtype), requires_grad)

    __hash__ = Parameter.__hash__

    def __deepcopy__(self, memo: dict[Any, Any]) -> UninitializedParameter:
        known: UninitializedParameter | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.requires_grad, self.device, self.dtype)
            memo[id(self)] = known
        return known


class _Buffer(Tensor):
    """A buffer that began without a shape; an ordinary tensor otherwise."""

    def __repr__(self) -> str:
        return repr(self.detach())


class UninitializedBuffer(UninitializedTensorMixin, _Buffer):
    """A buffer without a shape yet, as ``UninitializedParameter``; Modules register it when assigned.

    Args:
        requires_grad: default False.
        device: where it will live; default the CPU.
        dtype: what it will hold; default the default dtype.
        persistent: whether the state dict holds it; default True.
    """

    cls_to_become = _Buffer

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: _C.dtype | None = None,
        persistent: bool = True,
    ) -> None:
        super().__init__(_C.empty(0, device=device, dtype=dtype))
        self.requires_grad_(requires_grad)
        self.persistent = persistent
        self._is_buffer = True

    __hash__ = Tensor.__hash__

    def __deepcopy__(self, memo: dict[Any, Any]) -> UninitializedBuffer:
        known: UninitializedBuffer | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.requires_grad, self.device, self.dtype, self.persistent)
            memo[id(self)] = known
        return known

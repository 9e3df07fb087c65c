"""Other dtypes, devices and data for the registered tensors of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _C
from .._C import Tensor
from .._text import short
from .._types import cast_of
from ..autograd import no_grad
from ._registry import BUFFERS, PARAMETERS
from .parameter import Parameter, is_lazy


def convert(places: Iterable[dict[str, Any]], fn: Callable[[Tensor], Tensor]) -> None:
    """Replaces the data of parameters and their gradients, and the buffers, by ``fn`` of them.

    Args:
        places: attributes of modules, see ``_registry``.
        fn: called for all before anything is replaced: an error leaves everything as it was.
    """
    changes: list[Callable[[], object]] = []
    seen: set[int] = set()
    with no_grad():
        for attributes in places:
            for name in attributes[PARAMETERS]:
                parameter = attributes[name]
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    changes.append(_change_parameter(parameter, fn))
            for name in attributes[BUFFERS]:
                if attributes[name] is not None:
                    changes.append(_change_buffer(attributes, name, fn))
        for change in changes:
            change()


def _change_parameter(parameter: Parameter, fn: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    data = fn(parameter.detach())
    old = parameter.grad
    gradient = None if old is None else fn(old.detach())

    def change() -> None:
        # The gradient must have the dtype of its tensor at any time, so it makes way first.
        parameter.grad = None
        parameter.data = data
        if old is not None and gradient is not None:
            parameter.grad = gradient.requires_grad_(old.requires_grad)

    return change


def _change_buffer(
    attributes: dict[str, Any], name: str, fn: Callable[[Tensor], Tensor]
) -> Callable[[], None]:
    buffer = attributes[name]
    if is_lazy(buffer):
        # It stays the same object, which learns its shape later.
        data = fn(buffer.detach())
        return lambda: setattr(buffer, "data", data)
    value = fn(buffer)
    return lambda: attributes.__setitem__(name, value)


def conversion(*args: Any, **kwargs: Any) -> Callable[[Tensor], Tensor]:
    """What the arguments of ``Module.to`` ask for, as a function of a tensor.

    Raises:
        TypeError: the dtype is not floating point, or an argument is of the wrong type.
    """
    device, dtype, non_blocking = _parse_to(*args, **kwargs)
    if dtype is not None and not dtype.is_floating_point:
        raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

    def converted(tensor: Tensor) -> Tensor:
        to = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
        return tensor.to(tensor.device if device is None else device, to, non_blocking)

    return converted


def cast_to(dst_type: Any, parameters: Iterable[Parameter]) -> Callable[[Tensor], Tensor]:
    """The cast of tensors to any dtype, by a typed constructor or its name also to the CPU or to CUDA.

    Raises:
        TypeError: it is no dtype.
        ValueError: no constructor has this name.
        RuntimeError: it is not floating-point, and one of the parameters requires a gradient.
    """
    dtype, _ = cast_of("Module.type", dst_type)
    if not dtype.is_floating_point and any(parameter.requires_grad for parameter in parameters):
        raise RuntimeError(
            f"data set to a tensor that requires gradients must be floating point, got {dtype}"
        )
    return lambda tensor: tensor.type(dst_type)


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool]:
    """Device and dtype asked of ``Module.to``, each None where not mentioned, and ``non_blocking``."""
    if args and isinstance(args[0], _C.dtype):
        args = (None, *args)
    elif args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    elif isinstance(kwargs.get("tensor"), Tensor):
        tensor = kwargs.pop("tensor")
        kwargs = {"device": tensor.device, "dtype": tensor.dtype, **kwargs}
    device, dtype, non_blocking = _bind_to(*args, **kwargs)
    if dtype is not None and not isinstance(dtype, _C.dtype):
        raise TypeError(f"Module.to: expected dtype to be a dtype, got {short(dtype)}")
    if isinstance(device, str):
        device = _C.device(device)
    if device is not None and not isinstance(device, _C.device):
        raise TypeError(f"Module.to: expected a device, a dtype or a Tensor, got {short(device)}")
    if not isinstance(non_blocking, bool):
        raise TypeError(f"Module.to: expected non_blocking to be a bool, got {short(non_blocking)}")
    return device, dtype, non_blocking


def _bind_to(device: Any = None, dtype: Any = None, non_blocking: Any = False) -> tuple[Any, Any, Any]:
    return device, dtype, non_blocking

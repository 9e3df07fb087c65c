"""Module: the base class of layers and models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, TypeVar

from .. import _C
from .._C import Tensor
from .._text import short
from ..autograd import no_grad
from ._hooks import Hooked
from ._loading import EXTRA_STATE, IncompatibleKeys, load
from ._tree import KINDS
from .parameter import Parameter, is_lazy

__all__ = ["Module"]

_M = TypeVar("_M", bound="Module")


class Module(Hooked):
    """Base class of all layers and models.

    Parameters and Modules that are assigned as attributes are registered: ``parameters()``, ``to()``,
    ``state_dict()`` and the like then see them. A subclass calls ``super().__init__()`` first and defines
    ``forward``.
    """

    # The version of the layout of the state dict, kept in its metadata.
    _version: int = 1

    def __init__(self) -> None:
        attributes = self.__dict__
        attributes["training"] = True
        for kind in KINDS:
            attributes[kind] = {}
        attributes["_non_persistent_buffers_set"] = set()

    # -- changing all of it ----------------------------------------------------------------------------------

    def apply(self: _M, fn: Callable[[Module], object]) -> _M:
        """Calls ``fn`` with every module of the tree, children first, and returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: _M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _M:
        """Replaces the data of all parameters, their gradients and the buffers by ``fn`` of them."""
        modules = list(self.modules()) if recurse else [self]
        changes: list[Callable[[], object]] = []
        seen: set[int] = set()
        with no_grad():
            # Everything is converted before anything is replaced: an error leaves the module as it was.
            for module in modules:
                for parameter in module._parameters.values():
                    if parameter is None or id(parameter) in seen:
                        continue
                    seen.add(id(parameter))
                    changes.append(_change_parameter(parameter, fn))
                for name, buffer in module._buffers.items():
                    if buffer is not None:
                        changes.append(_change_buffer(module, name, buffer, fn))
            for change in changes:
                change()
        return self

    def to(self: _M, *args: Any, **kwargs: Any) -> _M:
        """Moves and casts parameters and buffers in place and returns the module.

        Called as ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)`` or ``to(tensor)``, which
        stands for the device and dtype of the tensor. Only floating-point tensors are cast. *non_blocking* is
        that of `Tensor.to`: copies from page-locked memory may be done later.

        Raises:
            TypeError: the dtype is not floating point, or an argument is of the wrong type.
            RuntimeError: the device does not exist.
        """
        device, dtype, non_blocking = _parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor: Tensor) -> Tensor:
            to = dtype if dtype is not None and tensor.dtype.is_floating_point else tensor.dtype
            return tensor.to(tensor.device if device is None else device, to, non_blocking)

        return self._apply(convert)

    def type(self: _M, dst_type: _C.dtype) -> _M:
        """Casts all parameters and buffers to ``dst_type`` and returns the module.

        Raises:
            TypeError: ``dst_type`` is no dtype.
            RuntimeError: a parameter requires grad and ``dst_type`` is not floating point.
        """
        if not isinstance(dst_type, _C.dtype):
            raise TypeError(f"Module.type: expected a dtype, got {short(dst_type)}")
        if not dst_type.is_floating_point and any(parameter.requires_grad for parameter in self.parameters()):
            raise RuntimeError(
                f"data set to a tensor that requires gradients must be floating point, got {dst_type}"
            )
        return self._apply(lambda tensor: tensor.to(dst_type))

    def float(self: _M) -> _M:
        """Casts floating-point parameters and buffers to float32 and returns the module."""
        return self.to(_C.float32)

    def double(self: _M) -> _M:
        """Casts floating-point parameters and buffers to float64 and returns the module."""
        return self.to(_C.float64)

    def cuda(self: _M, device: Any = None) -> _M:
        """Moves parameters and buffers to a CUDA device, the current one for None, and returns the module."""
        return self._apply(lambda tensor: tensor.cuda(device))

    def cpu(self: _M) -> _M:
        """Moves parameters and buffers to the CPU and returns the module."""
        return self.to("cpu")

    def train(self: _M, mode: bool = True) -> _M:
        """Sets ``training`` for the whole tree and returns the module.

        Raises:
            ValueError: ``mode`` is not a bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: _M) -> _M:
        """The same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self: _M, requires_grad: bool = True) -> _M:
        """Sets ``requires_grad`` of all parameters and returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the gradients of all parameters, or with ``set_to_none=False`` fills them with zeros."""
        for parameter in self.parameters():
            gradient = parameter.grad
            if gradient is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = gradient.detach().zero_()

    # -- saving ----------------------------------------------------------------------------------------------

    def _persistent(self) -> Iterator[tuple[str, Tensor]]:
        """The module's own parameters and saved buffers, without its children's."""
        attributes = self.__dict__
        left_out = attributes["_non_persistent_buffers_set"]
        for kind in ("_parameter_names", "_buffer_names"):
            for name in attributes[kind]:
                if attributes[name] is not None and name not in left_out:
                    yield name, attributes[name]

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Returns parameters and persistent buffers by their dotted names; they share memory with the module.

        The dict's attribute ``_metadata`` holds the version of each module's layout.

        Args:
            destination: the dict to add to; default a new OrderedDict.
            prefix: put before the keys.
            keep_vars: return the parameters themselves instead of detached tensors.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        metadata: dict[str, Any] = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_hooks_of("save_pre"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_hooks_of("save_post"):
            if hook(self, destination, prefix, metadata) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, value in self._persistent():
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """What the module adds to its state dict beside tensors; a subclass may define it.

        It is kept under the key ``_extra_state``; loading gives it to ``set_extra_state``.

        Raises:
            RuntimeError: the subclass did not define it.
        """
        raise RuntimeError(
            f"{type(self).__name__}.get_extra_state: expected the class to define it, got none"
        )

    def set_extra_state(self, state: Any) -> None:
        """Takes what ``get_extra_state`` gave; a subclass that defines one defines both.

        Raises:
            RuntimeError: the subclass did not define it.
        """
        raise RuntimeError(
            f"{type(self).__name__}.set_extra_state: expected the class to define it, got none"
        )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies parameters and buffers out of ``state_dict``, casting to their own dtypes.

        Args:
            state_dict: what ``state_dict()`` returned.
            strict: demand exactly the module's keys; default True.
            assign: put the given tensors in place of the module's, with their dtype, instead of copying.

        Returns:
            The missing and the unexpected keys; it prints as ``<All keys matched successfully>`` where there
            are none.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            RuntimeError: keys are missing or unexpected (``strict``), or shapes differ. The message names all
                of them, and the module is left unchanged.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        return load(self, state_dict, strict, assign)

    def __copy__(self: _M) -> _M:
        # A copy shares the values but may register and forget names on its own.
        other: _M = object.__new__(type(self))
        attributes = dict(self.__dict__)
        for kind in (*KINDS, "_non_persistent_buffers_set", "_call_hooks", "_state_hooks"):
            if attributes.get(kind) is not None:
                attributes[kind] = attributes[kind].copy()
        other.__dict__.update(attributes)
        return other

    # -- printing --------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What ``repr`` shows between the parentheses; a subclass may define it."""
        return ""

    @recursive_repr()  # a module may contain itself
    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): " + indent(repr(module)) for name, module in self._modules.items()]
        return layout(self._get_name(), lines, children)


def indent(text: str) -> str:
    """Indents all lines but the first by two blanks."""
    return text.replace("\n", "\n  ")


def layout(name: str, extra: list[str], children: list[str]) -> str:
    """The representation of a module: one line where there is no child and at most one line of ``extra``."""
    if not children and len(extra) <= 1:
        return f"{name}({''.join(extra)})"
    return "\n  ".join([f"{name}(", *extra, *children]) + "\n)"


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
    module: Module, name: str, buffer: Tensor, fn: Callable[[Tensor], Tensor]
) -> Callable[[], None]:
    if is_lazy(buffer):
        # It stays the same object, which learns its shape later.
        data = fn(buffer.detach())
        return lambda: setattr(buffer, "data", data)
    value = fn(buffer)
    return lambda: module._buffers.__setitem__(name, value)


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

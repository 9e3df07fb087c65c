"""Module: the base class of layers and models."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from ._loading import IncompatibleKeys, load
from ._registry import Hook, RemovableHandle
from ._tree import KINDS, Tree
from .parameter import Parameter

__all__ = ["Module"]

_M = TypeVar("_M", bound="Module")


class Module(Tree):
    """Base class of all layers and models.

    Parameters and Modules that are assigned as attributes are registered: ``parameters()``, ``to()``,
    ``state_dict()`` and the like then see them. A subclass calls ``super().__init__()`` first and defines
    ``forward``.
    """

    _call_hooks: OrderedDict[int, Hook] | None = None

    def __init__(self) -> None:
        attributes = self.__dict__
        attributes["training"] = True
        for kind in KINDS:
            attributes[kind] = {}
        attributes["_non_persistent_buffers_set"] = set()

    # -- calling ---------------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass defines it.

        Raises:
            NotImplementedError: the subclass did not.
        """
        name = type(self).__name__
        raise NotImplementedError(f'Module [{name}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._call_hooks:
            return self._call_with_hooks(self._call_hooks, args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(
        self, hooks: OrderedDict[int, Hook], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        pending = {key: hook for key, hook in hooks.items() if not hook.before and hook.always_call}
        try:
            for hook in [hook for hook in hooks.values() if hook.before]:
                if hook.with_kwargs:
                    answer = hook.function(self, args, kwargs)
                    if answer is not None:
                        if not isinstance(answer, tuple) or len(answer) != 2:
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                                f"but got {answer}."
                            )
                        args, kwargs = answer
                else:
                    answer = hook.function(self, args)
                    if answer is not None:
                        args = answer if isinstance(answer, tuple) else (answer,)
            result = self.forward(*args, **kwargs)
            for key, hook in list(hooks.items()):
                if not hook.before:
                    pending.pop(key, None)
                    answer = (
                        hook.function(self, args, kwargs, result)
                        if hook.with_kwargs
                        else hook.function(self, args, result)
                    )
                    if answer is not None:
                        result = answer
            return result
        except Exception:
            for hook in pending.values():
                try:
                    if hook.with_kwargs:
                        hook.function(self, args, kwargs, None)
                    else:
                        hook.function(self, args, None)
                except Exception as error:  # the first error is the one to report
                    warnings.warn(
                        "a forward hook with always_call=True raised an exception that was silenced, "
                        f"because another error was raised first: {error}",
                        stacklevel=2,
                    )
            raise

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before ``forward``.

        What it returns, if not None, replaces the arguments.

        Args:
            hook: the function; with ``with_kwargs`` called as ``hook(module, args, kwargs)`` and free to
                return a new pair of both.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass the keyword arguments too.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register_hook(Hook(hook, True, with_kwargs, False), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after ``forward``.

        What it returns, if not None, replaces the output.

        Args:
            hook: the function; with ``with_kwargs`` called as ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass the keyword arguments too.
            always_call: call it with None as the output where ``forward`` or an earlier hook raised.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register_hook(Hook(hook, False, with_kwargs, always_call), prepend)

    def _register_hook(self, hook: Hook, prepend: bool) -> RemovableHandle:
        if not callable(hook.function):
            raise TypeError(
                f"{type(self).__name__}: expected hook to be callable, got {type(hook.function).__name__}"
            )
        hooks = self._call_hooks
        if hooks is None:
            hooks = self.__dict__["_call_hooks"] = OrderedDict()
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

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
                        changes.append(_change_buffer(module, name, fn(buffer)))
            for change in changes:
                change()
        return self

    def to(self: _M, *args: Any, **kwargs: Any) -> _M:
        """Moves and casts parameters and buffers in place and returns the module.

        Called as ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)`` or ``to(tensor)``, which
        stands for the device and dtype of the tensor. Only floating-point tensors are cast.

        Raises:
            TypeError: the dtype is not floating point, or an argument is of the wrong type.
            RuntimeError: the device does not exist.
        """
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}")

        def convert(tensor: Tensor) -> Tensor:
            if dtype is not None and tensor.dtype.is_floating_point:
                tensor = tensor.to(dtype)
            return tensor if device is None else tensor.to(device)

        return self._apply(convert)

    def type(self: _M, dst_type: _C.dtype) -> _M:
        """Casts all parameters and buffers to ``dst_type`` and returns the module.

        Raises:
            TypeError: ``dst_type`` is no dtype.
            RuntimeError: a parameter requires grad and ``dst_type`` is not floating point.
        """
        if not isinstance(dst_type, _C.dtype):
            raise TypeError(f"Module.type: expected a dtype, got {dst_type!r}")
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

        Args:
            destination: the dict to add to; default a new OrderedDict.
            prefix: put before the keys.
            keep_vars: return the parameters themselves instead of detached tensors.
        """
        destination = OrderedDict() if destination is None else destination
        for name, value in self._persistent():
            destination[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

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
        for kind in (*KINDS, "_non_persistent_buffers_set", "_call_hooks"):
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


def _change_buffer(module: Module, name: str, value: Tensor) -> Callable[[], None]:
    return lambda: module._buffers.__setitem__(name, value)


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Device and dtype asked of ``Module.to``, each None where not mentioned."""
    if args and isinstance(args[0], _C.dtype):
        args = (None, *args)
    elif args and isinstance(args[0], Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    elif isinstance(kwargs.get("tensor"), Tensor):
        tensor = kwargs.pop("tensor")
        kwargs = {"device": tensor.device, "dtype": tensor.dtype, **kwargs}
    device, dtype = _bind_to(*args, **kwargs)
    if dtype is not None and not isinstance(dtype, _C.dtype):
        raise TypeError(f"Module.to: expected dtype to be a dtype, got {dtype!r}")
    if isinstance(device, str):
        device = _C.device(device)
    if device is not None and not isinstance(device, _C.device):
        raise TypeError(f"Module.to: expected a device, a dtype or a Tensor, got {device!r}")
    return device, dtype


def _bind_to(device: Any = None, dtype: Any = None, non_blocking: bool = False) -> tuple[Any, Any]:
    return device, dtype

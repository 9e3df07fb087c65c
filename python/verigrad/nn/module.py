"""Module: the base class of layers and models.

What it is made of knows nothing of it: ``_registry`` (registered attributes), ``_tree`` (walking),
``_conversion`` (dtypes, devices), ``_hooks``, ``_backward_hooks``, ``_loading`` (state dicts), ``_layout``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from reprlib import recursive_repr
from typing import Any, TypeVar

from .. import _C
from .._C import Tensor
from . import _hooks, _registry
from ._conversion import cast_to, conversion, convert
from ._hooks import Hook, RemovableHandle, functions, register
from ._layout import indent, layout
from ._loading import EXTRA_STATE, IncompatibleKeys, Loading
from ._registry import BUFFERS, MODULES, PARAMETERS, Registry
from ._tree import walk
from .parameter import Parameter, is_lazy

__all__ = ["Module"]

_M = TypeVar("_M", bound="Module")


class Module:
    """Base class of all layers and models.

    Parameters and Modules that are assigned as attributes are registered: ``parameters()``, ``to()``,
    ``state_dict()`` and the like then see them. A subclass calls ``super().__init__()`` first and defines
    ``forward``.
    """

    training: bool
    # The version of the layout of the state dict, kept in its metadata.
    _version: int = 1
    # None until the first hook, so that a module without hooks pays for one look.
    _call_hooks: OrderedDict[int, Hook] | None = None
    _state_hooks: OrderedDict[int, Hook] | None = None

    def __init__(self) -> None:
        self.__dict__["training"] = True
        _registry.prepare(self.__dict__)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass defines it.

        Raises:
            NotImplementedError: the subclass did not.
        """
        raise NotImplementedError(f'Module [{self._get_name()}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._call_hooks:
            return _hooks.call(self, self.forward, self._call_hooks, args, kwargs)
        return self.forward(*args, **kwargs)

    # -- registering -------------------------------------------------------------------------------------

    @property
    def _parameters(self) -> Registry[Parameter | None]:
        return Registry(self.__dict__[PARAMETERS], self.__dict__)

    @property
    def _buffers(self) -> Registry[Tensor | None]:
        return Registry(self.__dict__[BUFFERS], self.__dict__)

    @property
    def _modules(self) -> Registry[Module | None]:
        return Registry(self.__dict__[MODULES], self.__dict__)

    def __getattr__(self, name: str) -> Any:
        # Reached where ordinary lookup failed, which then raises Python's own error, also one that a property
        # raised, or by super().__getattr__(name) in a subclass, which this answers.
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        kind = PARAMETERS if isinstance(value, Parameter) else MODULES if isinstance(value, Module) else None
        if kind is not None:
            if kind not in attributes:
                what = "parameters" if kind == PARAMETERS else "module"
                raise AttributeError(f"cannot assign {what} before Module.__init__() call")
            # A property with a setter decides for itself.
            if not hasattr(type(getattr(type(self), name, None)), "__set__"):
                if kind == PARAMETERS:
                    _registry.check_leaf(name, value)
                _registry.place(attributes, kind, name, value)
                return
        if isinstance(value, Tensor) and hasattr(value, "_is_buffer"):
            return _registry.assign_buffer(attributes, name, value)
        _registry.check_value(attributes, name, value)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        _registry.forget(self.__dict__, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under ``name``; None reserves the name and is left out of ``state_dict``.

        Raises:
            TypeError: ``name`` is no string or ``param`` is neither a Parameter nor None.
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
            ValueError: ``param`` is the result of an operation.
        """
        _registry.add_parameter(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the module's state but is not trained.

        Args:
            name: its name, without dots.
            tensor: its value; None reserves the name.
            persistent: whether it is part of ``state_dict``; default True.

        Raises:
            TypeError: ``name`` is no string or ``tensor`` is neither a Tensor nor None.
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
        """
        _registry.add_buffer(self, name, tensor, persistent)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module under ``name``.

        Raises:
            TypeError: ``name`` is no string or ``module`` is neither a Module nor None.
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        _registry.check_name(self, "module", MODULES, name)
        _registry.place(self.__dict__, MODULES, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as ``add_module``."""
        self.add_module(name, module)

    # -- looking around ----------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yields every module of the tree with its dotted name, this one first.

        Args:
            memo: modules to leave out; those yielded are added.
            prefix: put before the names.
            remove_duplicate: yield a module used in several places once.

        Raises:
            RecursionError: a module contains itself, without ``remove_duplicate``.
        """
        seen = None if not remove_duplicate else set() if memo is None else memo
        return walk(self, _registry.children, prefix, seen)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yields every module of the tree, this one first; arguments as for ``named_modules``."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yields the direct children with their names; one used twice comes once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yields the direct children; one used twice comes once."""
        for _, module in self.named_children():
            yield module

    def _named(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        return _registry.named(kind, ((base, module.__dict__) for base, module in modules), remove_duplicate)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields the parameters with their dotted names.

        Args:
            prefix: put before the names.
            recurse: include those of the children.
            remove_duplicate: yield a parameter used in several places once.
        """
        return self._named(PARAMETERS, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields the parameters, each once; without ``recurse`` only the module's own."""
        for _, parameter in self.named_parameters("", recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields the buffers with their dotted names; arguments as for ``named_parameters``."""
        return self._named(BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields the buffers, each once; without ``recurse`` only the module's own."""
        for _, buffer in self.named_buffers("", recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """Returns the module with the dotted name ``target``; the empty name is this module.

        Raises:
            AttributeError: there is none, or something on the way is no Module.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        found: Module = module
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts ``module`` in a place, whose dotted name must exist but for its last part, or ``strict``ly.

        Raises:
            ValueError: ``target`` is empty, or ``module`` is no Module.
            AttributeError: a part of the way does not exist or is no Module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        if hasattr(owner, name) and not isinstance(getattr(owner, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(owner, name, module)

    def _get(self, target: str) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        return owner, name, getattr(owner, name)

    def get_parameter(self, target: str) -> Parameter:
        """Returns the parameter with the dotted name ``target``.

        Raises:
            AttributeError: there is none.
        """
        _, name, value = self._get(target)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """Returns the buffer with the dotted name ``target``.

        Raises:
            AttributeError: there is none.
        """
        owner, name, value = self._get(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        buffer: Tensor = value
        return buffer

    # -- changing all of it ------------------------------------------------------------------------------

    def apply(self: _M, fn: Callable[[Module], object]) -> _M:
        """Calls ``fn`` with every module of the tree, children first, and returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: _M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _M:
        """Replaces the data of all parameters, their gradients and the buffers by ``fn`` of them."""
        convert([module.__dict__ for module in (self.modules() if recurse else [self])], fn)
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
        return self._apply(conversion(*args, **kwargs))

    def type(self: _M, dst_type: Any) -> _M:
        """Casts all parameters and buffers to ``dst_type`` and returns the module.

        It is what `Tensor.type` takes.

        Raises:
            TypeError: ``dst_type`` is no dtype and no typed constructor.
            ValueError: no constructor has this name.
            RuntimeError: a parameter requires grad and ``dst_type`` is not floating point.
        """
        return self._apply(cast_to(dst_type, self.parameters()))

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

    def share_memory(self: _M) -> _M:
        """Calls ``share_memory_`` of all parameters and buffers and returns the module."""
        list(map(Tensor.share_memory_, (*self.parameters(), *self.buffers())))
        return self

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
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    # -- hooks -------------------------------------------------------------------------------------------

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
        return register(self, "_call_hooks", Hook(hook, "before", with_kwargs), prepend)

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
        return register(self, "_call_hooks", Hook(hook, "after", with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` in the backward pass, before it goes through the module.

        ``grad_output`` is a tuple with the gradient of each output: None for what is no tensor, and for
        outputs that the pass did not reach. A tuple that the hook returns takes its place. The outputs, if
        tensors or a tuple, pass through one more node: the caller gets views, of several tensors copies.

        Args:
            hook: the function.
            prepend: run it before the hooks registered so far.

        Raises:
            TypeError: ``hook`` is not callable.
            RuntimeError: in the backward pass, where the hook returned a tuple of another length.
        """
        return register(self, "_call_hooks", Hook(hook, "backward_pre"), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` once the gradients of the inputs are known.

        ``grad_input`` is a tuple with an entry for each positional argument, None where it is no tensor or
        needs no gradient; a tuple that the hook returns takes its place. The rest is as for
        ``register_full_backward_pre_hook``; the inputs pass through one more node, too. If no input requires
        a gradient, the hook is called, with a warning, when the gradients of the outputs are known. Arguments
        and errors are the same.
        """
        return register(self, "_call_hooks", Hook(hook, "backward"), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects the module's tensors.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return register(self, "_state_hooks", Hook(hook, "save_pre"))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict`` of the module.

        The hook may change the dict in place.

        Raises:
            TypeError: ``hook`` is not callable.
            RuntimeError: in ``state_dict``, where the hook returned something.
        """
        return register(self, "_state_hooks", Hook(hook, "save_post"))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls the hook before ``load_state_dict`` looks for the module's keys.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` and may change the dict, a copy of the one given, and the lists.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return register(self, "_state_hooks", Hook(hook, "load_pre"))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after the values are loaded, children first.

        The hook may change the lists ``missing_keys`` and ``unexpected_keys`` in place. With ``strict``, what
        is left in them is an error then; the values that fit are loaded by that time.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return register(self, "_state_hooks", Hook(hook, "load_post"))

    # -- saving ------------------------------------------------------------------------------------------

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
        for hook in functions(self._state_hooks, "save_pre"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in functions(self._state_hooks, "save_post"):
            if hook(self, destination, prefix, metadata) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, value in _registry.saved(self.__dict__):
            destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """What the module adds to its state dict beside tensors; a subclass may define it.

        It is kept under the key ``_extra_state``; loading gives it to ``set_extra_state``.

        Raises:
            RuntimeError: the subclass did not define it.
        """
        raise RuntimeError(f"{self._get_name()}.get_extra_state: expected the class to define it, got none")

    def set_extra_state(self, state: Any) -> None:
        """Takes what ``get_extra_state`` gave; a subclass that defines one defines both.

        Raises:
            RuntimeError: the subclass did not define it.
        """
        raise RuntimeError(f"{self._get_name()}.set_extra_state: expected the class to define it, got none")

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
        plan = Loading(state_dict, assign)
        modules = list(self.named_modules(remove_duplicate=False))
        for path, module in modules:
            prefix = f"{path}." if path else ""
            for hook in functions(module._state_hooks, "load_pre"):
                hook(module, plan.values, prefix, plan.metadata(path), strict, *plan.keys, plan.errors)
            module._upgrade_state_dict(plan.values, prefix, plan.metadata(path))
            for name, current in _registry.saved(module.__dict__):
                plan.take_tensor(prefix + name, current, partial(setattr, module, name))
            if type(module).set_extra_state is not Module.set_extra_state:
                plan.take_extra(prefix + EXTRA_STATE, module.set_extra_state)
        afterwards = [
            partial(hook, module)
            for _, module in reversed(modules)
            for hook in functions(module._state_hooks, "load_post")
        ]
        return plan.finish(type(self).__name__, strict, afterwards)

    def _upgrade_state_dict(self, values: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
        """Makes a dict of an older version one of this version; a layer whose layout changed defines it."""

    def __copy__(self: _M) -> _M:
        # It shares the values, but registers and forgets names, and hooks, on its own.
        other: _M = object.__new__(type(self))
        other.__dict__.update(_registry.copied(self.__dict__, "_call_hooks", "_state_hooks"))
        return other

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

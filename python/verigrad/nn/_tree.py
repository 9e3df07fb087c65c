"""The tree of modules: registering parameters, buffers and children, and walking over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from .._C import Tensor
from ._registry import Registry
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

# The names of parameters, buffers and children are kept apart, in the order of their registration. The values
# themselves are ordinary attributes: reading one costs no more than reading any attribute.
KINDS = ("_parameter_names", "_buffer_names", "_module_names")


class Tree:
    """The part of Module that knows which attributes are registered."""

    training: bool

    # -- registration ----------------------------------------------------------------------------------------

    @property
    def _parameters(self) -> Registry[Parameter | None]:
        return Registry(self.__dict__["_parameter_names"], self.__dict__)

    @property
    def _buffers(self) -> Registry[Tensor | None]:
        return Registry(self.__dict__["_buffer_names"], self.__dict__)

    @property
    def _modules(self) -> Registry[Module | None]:
        return Registry(self.__dict__["_module_names"], self.__dict__)

    def __getattr__(self, name: str) -> Any:
        # Reached only where ordinary lookup failed, or by super().__getattr__(name) in a subclass. Looking
        # once more answers the latter, and raises Python's own error, also one that a property raised, for
        # the former.
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if isinstance(value, Parameter):
            if "_parameter_names" not in attributes:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            if not self._has_setter(name):
                self._check_leaf(name, value)
                self._place("_parameter_names", name, value)
                return
        elif isinstance(value, Tree):
            if "_module_names" not in attributes:
                raise AttributeError("cannot assign module before Module.__init__() call")
            if not self._has_setter(name):
                self._place("_module_names", name, value)
                return
        if "_parameter_names" in attributes:
            if name in attributes["_parameter_names"]:
                expected = "parameter '{}' (verigrad.nn.Parameter or None expected)"
                accepted = value is None
            elif name in attributes["_buffer_names"]:
                expected = "buffer '{}' (verigrad.Tensor or None expected)"
                accepted = value is None or isinstance(value, Tensor)
            elif name in attributes["_module_names"]:
                expected = "child module '{}' (verigrad.nn.Module or None expected)"
                accepted = value is None
            else:
                accepted = True
            if not accepted:
                raise TypeError(f"cannot assign '{type(value).__name__}' as {expected.format(name)}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        for kind in KINDS:
            self.__dict__.get(kind, {}).pop(name, None)
        self.__dict__.get("_non_persistent_buffers_set", set()).discard(name)

    def _has_setter(self, name: str) -> bool:
        return hasattr(type(getattr(type(self), name, None)), "__set__")

    def _place(self, kind: str, name: str, value: Any) -> None:
        """Makes the value an attribute of the given kind, and of no other."""
        attributes = self.__dict__
        for other in KINDS:
            if other != kind:
                attributes[other].pop(name, None)
        attributes["_non_persistent_buffers_set"].discard(name)
        attributes[kind][name] = None
        attributes[name] = value

    def _check_name(self, what: str, kind: str, name: Any) -> None:
        if kind not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self.__dict__[kind] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    @staticmethod
    def _check_leaf(name: str, param: Parameter) -> None:
        if param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                "the forward() method."
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under ``name``; None reserves the name and is left out of ``state_dict``.

        Raises:
            TypeError: ``name`` is no string or ``param`` is neither a Parameter nor None.
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
            ValueError: ``param`` is the result of an operation.
        """
        self._check_name("parameter", "_parameter_names", name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                    "(verigrad.nn.Parameter or None required)"
                )
            self._check_leaf(name, param)
        self._place("_parameter_names", name, param)

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
        self._check_name("buffer", "_buffer_names", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                "(verigrad.Tensor or None required)"
            )
        self._place("_buffer_names", name, tensor)
        if not persistent:
            self.__dict__["_non_persistent_buffers_set"].add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module under ``name``.

        Raises:
            TypeError: ``name`` is no string or ``module`` is neither a Module nor None.
            KeyError: the name is empty, holds a dot, or is taken by another attribute.
        """
        if module is not None and not isinstance(module, Tree):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", "_module_names", name)
        self._place("_module_names", name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as ``add_module``."""
        self.add_module(name, module)

    # -- looking around --------------------------------------------------------------------------------------

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
        memo = set() if memo is None else memo
        path: list[Module] = []  # the modules above the one in hand; only without the memo are they needed
        stack: list[tuple[str, Module, int]] = [(prefix, cast("Module", self), 0)]
        while stack:
            name, module, depth = stack.pop()
            if remove_duplicate:
                if module in memo:
                    continue
                memo.add(module)
            else:
                del path[depth:]
                if any(module is above for above in path):
                    raise RecursionError(
                        f"named_modules: expected a tree of modules, got a {type(module).__name__} that "
                        f"contains itself as {name!r}"
                    )
                path.append(module)
            yield name, module
            base = f"{name}." if name else ""
            attributes = module.__dict__
            children = [(base + child, attributes[child], depth + 1) for child in attributes["_module_names"]]
            stack.extend(entry for entry in reversed(children) if entry[1] is not None)

    def modules(self) -> Iterator[Module]:
        """Yields every module of the tree once, this one first."""
        for _, module in self.named_modules():
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
        seen: set[int] = set()
        modules = (
            self.named_modules(None, prefix, remove_duplicate)
            if recurse
            else iter([(prefix, cast("Module", self))])
        )
        for base, module in modules:
            attributes = module.__dict__
            for name in attributes[kind]:
                value = attributes[name]
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{base}.{name}" if base else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields the parameters with their dotted names.

        Args:
            prefix: put before the names.
            recurse: include those of the children.
            remove_duplicate: yield a parameter used in several places once.
        """
        return self._named("_parameter_names", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields the parameters, each once; without ``recurse`` only the module's own."""
        for _, parameter in self.named_parameters("", recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields the buffers with their dotted names; arguments as for ``named_parameters``."""
        return self._named("_buffer_names", prefix, recurse, remove_duplicate)

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
            if not isinstance(module, Tree):
                raise AttributeError(f"`{name}` is not an nn.Module")
        found: Module = module
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts ``module`` in the place with the dotted name ``target``.

        Args:
            target: the name; all but its last part must exist.
            module: the new module.
            strict: demand that the last part exists, too; default False.

        Raises:
            ValueError: ``target`` is empty, or ``module`` is no Module.
            AttributeError: a part of the way does not exist or is no Module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Tree):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        if hasattr(owner, name) and not isinstance(getattr(owner, name), Tree):
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

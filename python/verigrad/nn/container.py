"""Modules made of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, TypeVar, overload

from ._layout import indent, layout
from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

_L = TypeVar("_L", bound="_Indexed")


class _Indexed(Module):
    """What Sequential and ModuleList share: children in an order, mostly named by their places."""

    def _name_at(self, index: Any) -> str:
        names: dict[str, None] = self.__dict__["_module_names"]
        place = operator.index(index)
        if not -len(names) <= place < len(names):
            raise IndexError(f"index {place} is out of range")
        return list(names)[place]

    def _replace_all(self, entries: Iterable[tuple[str, Module]]) -> None:
        children = self._modules
        children.clear()
        for name, module in entries:
            children[name] = module

    @overload
    def __getitem__(self: _L, index: slice) -> _L: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...
    def __getitem__(self: _L, index: int | slice) -> _L | Module:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Module.__init__(part)
            part._replace_all(self._sliced(list(self._entries())[index]))
            return part
        module: Module = self.__dict__[self._name_at(index)]
        return module

    def _sliced(self, entries: list[tuple[str, Module]]) -> Iterable[tuple[str, Module]]:
        return entries

    def _entries(self) -> Iterator[tuple[str, Module]]:
        attributes = self.__dict__
        for name in attributes["_module_names"]:
            yield name, attributes[name]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self.__dict__["_module_names"])
        doomed = set(names[index]) if isinstance(index, slice) else {self._name_at(index)}
        kept = [module for name, module in self._entries() if name not in doomed]
        self._replace_all((str(place), module) for place, module in enumerate(kept))

    def __len__(self) -> int:
        return len(self.__dict__["_module_names"])

    def __iter__(self) -> Iterator[Module]:
        attributes = self.__dict__
        return iter([attributes[name] for name in attributes["_module_names"]])

    def append(self: _L, module: Module) -> _L:
        """Adds a module at the end and returns the container.

        Raises:
            TypeError: it is no Module.
        """
        self.add_module(str(len(self)), _checked(module))
        return self

    def _extend(self: _L, modules: Any) -> _L:
        if not isinstance(modules, Iterable):
            name = type(self).__name__
            raise TypeError(
                f"{name}.extend should be called with an iterable, but got {type(modules).__name__}"
            )
        for module in [_checked(module) for module in modules]:
            self.append(module)
        return self

    def _insert(self, place: int, module: Module) -> None:
        modules = list(self)
        modules.insert(place, _checked(module))
        self._replace_all((str(number), each) for number, each in enumerate(modules))

    def pop(self, key: int | slice = -1) -> Any:
        """Removes and returns the module at ``key``, by default the last; those behind move up.

        Raises:
            IndexError: there is none.
        """
        module = self[key]
        del self[key]
        return module


class Sequential(_Indexed):
    """Calls its modules one after the other, each with the answer of the one before.

    Args:
        args: the modules; or one OrderedDict of them, whose keys become their names.

    Raises:
        TypeError: something is no Module.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, _checked(module))
        else:
            for place, module in enumerate(args):
                self.add_module(str(place), _checked(module))

    def forward(self, input: Any) -> Any:
        attributes = self.__dict__
        for name in attributes["_module_names"]:
            input = attributes[name](input)
        return input

    def extend(self, sequential: Any) -> Sequential:
        """Adds several modules at the end and returns the container.

        Raises:
            TypeError: ``sequential`` is not iterable or holds something that is no Module.
        """
        return self._extend(sequential)

    def insert(self, index: int, module: Module) -> Sequential:
        """Inserts a module before ``index`` and returns the container; the modules are numbered anew.

        Raises:
            TypeError: it is no Module.
            IndexError: ``index`` is not between -len and len.
        """
        place = operator.index(index)
        if not -len(self) <= place <= len(self):
            raise IndexError(f"Index out of range: {place}")
        self._insert(place, module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )
        return self.extend(list(other))

    def _times(self, count: int) -> list[Module]:
        if not isinstance(count, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(count)}")
        if count <= 0:
            raise ValueError(f"Non-positive multiplication factor {count} for {type(self)}")
        return list(self) * count

    def __mul__(self, count: int) -> Sequential:
        return Sequential(*self._times(count))

    def __rmul__(self, count: int) -> Sequential:
        return self * count

    def __imul__(self, count: int) -> Sequential:
        return self.extend(self._times(count)[len(self) :])


class ModuleList(_Indexed):
    """A list of modules that registers them; it is not called itself.

    Args:
        modules: the modules to begin with.

    Raises:
        TypeError: ``modules`` is not iterable or holds something that is no Module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def extend(self, modules: Any) -> ModuleList:
        """Adds several modules at the end and returns the list.

        Raises:
            TypeError: ``modules`` is not iterable or holds something that is no Module.
        """
        return self._extend(modules)

    def _sliced(self, entries: list[tuple[str, Module]]) -> Iterable[tuple[str, Module]]:
        return ((str(place), module) for place, (_, module) in enumerate(entries))

    def insert(self, index: int, module: Module) -> None:
        """Inserts a module before ``index``, as ``list.insert`` does.

        Raises:
            TypeError: it is no Module.
        """
        self._insert(operator.index(index), module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)

    @recursive_repr()
    def __repr__(self) -> str:
        # Neighbours that print alike share a line.
        groups: list[tuple[int, int, str]] = []
        for place, module in enumerate(self):
            text = repr(module)
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], place, text)
            else:
                groups.append((place, place, text))
        lines = [
            f"({first}): {indent(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {indent(text)}"
            for first, last, text in groups
        ]
        return layout(self._get_name(), [], lines)


class ModuleDict(Module):
    """A dict of modules that registers them, in the order of insertion; it is not called itself.

    Args:
        modules: a mapping, or an iterable of pairs, to begin with.

    Raises:
        TypeError: a key is no string or a value no Module.
        KeyError: a key holds a dot, is empty, or is the name of an attribute of ModuleDict.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        module: Module = self._modules[key]  # type: ignore[assignment]
        return module

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, _checked(module))

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self.__dict__["_module_names"])

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__["_module_names"])

    def __contains__(self, key: object) -> bool:
        return key in self.__dict__["_module_names"]

    def clear(self) -> None:
        """Removes all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Removes and returns a module.

        Raises:
            KeyError: there is none of that name.
        """
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names and their modules."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Adds the modules of a mapping or of an iterable of pairs; those of the same name are replaced.

        Raises:
            TypeError: it is neither, a key is no string, or a value is no Module.
            ValueError: an element is no pair.
            KeyError: a key holds a dot, is empty, or is the name of an attribute of ModuleDict.
        """
        if isinstance(modules, (Mapping, ModuleDict)):
            for name, module in modules.items():
                self[name] = module
            return
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, "
                f"but got {type(modules).__name__}"
            )
        entry: Any
        for place, entry in enumerate(modules):
            if not isinstance(entry, Iterable):
                kind = type(entry).__name__
                raise TypeError(f"ModuleDict update sequence element #{place} should be Iterable; is {kind}")
            pair = tuple(entry)
            if len(pair) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element #{place} has length {len(pair)}; 2 is required"
                )
            self[pair[0]] = pair[1]


def _checked(module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{type(module).__name__} is not a Module subclass")
    return module

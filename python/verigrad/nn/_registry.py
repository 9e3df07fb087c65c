"""What Module is made of: the views of its registered attributes and the handles of its hooks."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple, TypeVar

_T = TypeVar("_T")


class Registry(MutableMapping[str, _T]):
    """A live, ordered view of one kind of registered attribute: parameters, buffers or children.

    The values are ordinary attributes of the module, so that reading ``self.weight`` costs one dictionary
    lookup; the module keeps the names of each kind apart. The view joins the two and holds nothing itself.
    """

    __slots__ = ("_attributes", "_names")

    def __init__(self, names: dict[str, None], attributes: dict[str, Any]) -> None:
        self._names = names
        self._attributes = attributes

    def __getitem__(self, name: str) -> _T:
        if name not in self._names:
            raise KeyError(name)
        value: _T = self._attributes[name]
        return value

    def __setitem__(self, name: str, value: _T) -> None:
        self._names[name] = None
        self._attributes[name] = value

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        del self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))

    def copy(self) -> dict[str, _T]:
        return dict(self)


class Hook(NamedTuple):
    """One hook, where it belongs, and the options it was registered with.

    ``kind`` is "before" or "after" (``forward``), "backward_pre" or "backward", "save_pre", "save_post",
    "load_pre" or "load_post" (``state_dict``).
    """

    function: Callable[..., Any]
    kind: str
    with_kwargs: bool = False
    always_call: bool = False


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook away; so does leaving a ``with`` block."""

    __slots__ = ("_hooks", "id")

    _ids = itertools.count()

    def __init__(self, hooks: OrderedDict[int, Any]) -> None:
        self._hooks = weakref.ref(hooks)
        self.id = next(self._ids)

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

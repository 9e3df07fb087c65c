"""The registered attributes of a module: parameters, buffers and children, in the order of registration.

The values are ordinary entries of the module's ``__dict__``, here called its attributes: reading one costs no
more than reading any attribute. The names of each kind are kept apart, in dicts under the names in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, TypeVar

from .._C import Tensor
from .parameter import Parameter

PARAMETERS, BUFFERS, MODULES = KINDS = ("_parameter_names", "_buffer_names", "_module_names")
# The buffers that are left out of the state dict.
UNSAVED = "_non_persistent_buffers_set"

_T = TypeVar("_T")


class Registry(MutableMapping[str, _T]):
    """A live, ordered view of one kind of registered attribute; it holds nothing itself."""

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


def prepare(attributes: dict[str, Any]) -> None:
    """Makes room for the names."""
    for kind in KINDS:
        attributes[kind] = {}
    attributes[UNSAVED] = set()


def copied(attributes: dict[str, Any], *others: str) -> dict[str, Any]:
    """The same values under names that can be registered and forgotten on their own.

    Args:
        attributes: of a module.
        others: further entries, dicts or None, that shall be copies.
    """
    own = {name: attributes[name] for name in (*KINDS, UNSAVED, *others) if attributes.get(name) is not None}
    return {**attributes, **{name: value.copy() for name, value in own.items()}}


def place(attributes: dict[str, Any], kind: str, name: str, value: Any) -> None:
    """Makes the value an attribute of the given kind, and of no other."""
    for other in KINDS:
        if other != kind:
            attributes[other].pop(name, None)
    attributes[UNSAVED].discard(name)
    attributes[kind][name] = None
    attributes[name] = value


def forget(attributes: dict[str, Any], name: str) -> None:
    """Takes the name out of all kinds."""
    for kind in KINDS:
        attributes.get(kind, {}).pop(name, None)
    attributes.get(UNSAVED, set()).discard(name)


def check_value(attributes: dict[str, Any], name: str, value: Any) -> None:
    """Raises TypeError if the name is registered for values of another kind."""
    if PARAMETERS not in attributes:
        return
    if name in attributes[PARAMETERS]:
        expected = "parameter '{}' (verigrad.nn.Parameter or None expected)"
        accepted = value is None
    elif name in attributes[BUFFERS]:
        expected = "buffer '{}' (verigrad.Tensor or None expected)"
        accepted = value is None or isinstance(value, Tensor)
    elif name in attributes[MODULES]:
        expected = "child module '{}' (verigrad.nn.Module or None expected)"
        accepted = value is None
    else:
        return
    if not accepted:
        raise TypeError(f"cannot assign '{type(value).__name__}' as {expected.format(name)}")


def check_name(owner: object, what: str, kind: str, name: Any) -> None:
    """Raises AttributeError, TypeError or KeyError for what cannot be a name of this kind."""
    attributes = owner.__dict__
    if kind not in attributes:
        raise AttributeError(f"cannot assign {what} before Module.__init__() call")
    if not isinstance(name, str):
        raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
    if "." in name:
        raise KeyError(f'{what} name can\'t contain ".", got: {name}')
    if name == "":
        raise KeyError(f'{what} name can\'t be empty string ""')
    if name not in attributes[kind] and hasattr(owner, name):
        raise KeyError(f"attribute '{name}' already exists")


def add_parameter(owner: object, name: str, param: Parameter | None) -> None:
    """Registers a parameter, or its name alone for None."""
    check_name(owner, "parameter", PARAMETERS, name)
    if param is not None:
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                "(verigrad.nn.Parameter or None required)"
            )
        check_leaf(name, param)
    place(owner.__dict__, PARAMETERS, name, param)


def add_buffer(owner: object, name: str, tensor: Tensor | None, persistent: bool) -> None:
    """Registers a buffer, or its name alone for None."""
    check_name(owner, "buffer", BUFFERS, name)
    if tensor is not None and not isinstance(tensor, Tensor):
        raise TypeError(
            f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
            "(verigrad.Tensor or None required)"
        )
    place_buffer(owner.__dict__, name, tensor, persistent)


def assign_buffer(attributes: dict[str, Any], name: str, buffer: Any) -> None:
    """Registers an ``nn.Buffer`` that is assigned. Raises AttributeError before ``Module.__init__``."""
    if BUFFERS not in attributes:
        raise AttributeError("cannot assign buffer before Module.__init__() call")
    place_buffer(attributes, name, buffer, buffer.persistent)


def place_buffer(attributes: dict[str, Any], name: str, tensor: Tensor | None, persistent: bool) -> None:
    """Makes the tensor a buffer, which the state dict holds if it is persistent."""
    place(attributes, BUFFERS, name, tensor)
    if not persistent:
        attributes[UNSAVED].add(name)


def check_leaf(name: str, param: Parameter) -> None:
    """Raises ValueError for the result of an operation."""
    if param.grad_fn is not None:
        raise ValueError(
            f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
            f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
            "the forward() method."
        )


def named(
    kind: str, places: Iterable[tuple[str, dict[str, Any]]], remove_duplicate: bool
) -> Iterator[tuple[str, Any]]:
    """Yields the values of one kind with their dotted names, from attributes and the names before them."""
    seen: set[int] = set()
    for base, attributes in places:
        for name in attributes[kind]:
            value = attributes[name]
            if value is None or id(value) in seen:
                continue
            if remove_duplicate:
                seen.add(id(value))
            yield f"{base}.{name}" if base else name, value


def children(module: Any) -> list[tuple[str, Any]]:
    """The children of a module with their names, None included."""
    attributes = module.__dict__
    return [(name, attributes[name]) for name in attributes[MODULES]]


def saved(attributes: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yields the parameters and buffers that belong to the state dict."""
    left_out = attributes[UNSAVED]
    for kind in (PARAMETERS, BUFFERS):
        for name in attributes[kind]:
            if attributes[name] is not None and name not in left_out:
                yield name, attributes[name]

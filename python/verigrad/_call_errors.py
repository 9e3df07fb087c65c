"""What is wrong with the arguments of a native function, in PyTorch's words.

pybind11 says that no signature fits, lists them and quotes every argument. Its text is read here, once a call
has failed; calls that succeed know nothing of this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ._C import Generator, Tensor, device, dtype
from ._text import short

__all__ = ["explain"]


class _Parameter(NamedTuple):
    name: str
    type: str
    default: str | None
    keyword_only: bool


class _Signature(NamedTuple):
    parameters: tuple[_Parameter, ...]
    variadic: bool

    @property
    def positional(self) -> list[_Parameter]:
        return [p for p in self.parameters if not p.keyword_only]


def _is_index(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return hasattr(value, "__float__") or hasattr(value, "__index__")


# What pybind11 calls a type: how PyTorch calls it, and whether a value is of it.
_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Tensor": ("Tensor", lambda value: isinstance(value, Tensor)),
    "Generator": ("Generator", lambda value: isinstance(value, Generator)),
    "dtype": ("dtype", lambda value: isinstance(value, dtype) or value in (bool, int, float)),
    "device": ("device", lambda value: isinstance(value, (device, str))),
    "str": ("str", lambda value: isinstance(value, (str, bytes))),
    "bool": ("bool", lambda value: isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")),
    "int": ("int", _is_index),
    "float": ("float", _is_number),
    "None": ("None", lambda value: value is None),
}
_SEQUENCES = {"int": "tuple of ints", "Tensor": "tuple of Tensors", "float": "tuple of floats"}
# Longer spellings first.
_SPELLINGS = (
    ("verigrad._C.", ""),
    ("verigrad.", ""),
    ("typing.SupportsInt | typing.SupportsIndex", "int"),
    ("typing.SupportsFloat | typing.SupportsIndex", "float"),
    ("typing.SupportsInt", "int"),
    ("typing.SupportsFloat", "float"),
    ("collections.abc.", ""),
    ("typing.", ""),
)
_NUMBER = ("float", "int", "bool")


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators outside of brackets and quotes."""
    parts, depth, quoted, last = [], 0, "", ""
    for character in text:
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        if character == separator and not depth and not quoted:
            parts.append(last.strip())
            last = ""
        else:
            last += character
    return [part for part in (*parts, last.strip()) if part]


@lru_cache(maxsize=256)
def _signature(text: str) -> _Signature:
    parameters, keyword_only, variadic = [], False, False
    for part in _split(text, ","):
        if part == "/":
            continue
        if part.startswith("*") and not part.startswith("**"):
            keyword_only, variadic = True, variadic or part != "*"
            continue
        name, _, rest = part.partition(": ")
        kind, equals, default = rest.partition(" = ")
        for old, new in _SPELLINGS:
            kind = kind.replace(old, new)
        if not name.startswith("**"):
            parameters.append(_Parameter(name, kind, default if equals else None, keyword_only))
    return _Signature(tuple(parameters), variadic)


def _alternatives(kind: str) -> list[str]:
    return _split(kind, "|")


def _fits(kind: str, value: object) -> bool:
    """Whether a value is of a type, as far as can be told from its name."""
    alternatives = _alternatives(kind)
    if isinstance(value, Tensor) and "Tensor" not in alternatives and set(_NUMBER) <= set(alternatives):
        return value.ndim == 0 and not value.requires_grad
    for each in alternatives:
        if each.startswith("Sequence["):
            inner = each[len("Sequence[") : -1]
            if isinstance(value, (list, tuple)) and all(_fits(inner, item) for item in value):
                return True
        elif each not in _TYPES or _TYPES[each][1](value):
            return True
    return False


def _called(kind: str) -> str:
    """The name of a type in a message."""
    names = [each for each in _alternatives(kind) if each != "None"]
    if all(each in names for each in _NUMBER):
        names = [each for each in names if each not in _NUMBER] + ["Number"]
    inner = [each[len("Sequence[") : -1] if each.startswith("Sequence[") else None for each in names]
    words = [
        _SEQUENCES.get(part, "tuple") if part is not None else name
        for name, part in zip(names, inner, strict=True)
    ]
    return " or ".join(words)


def _type_of(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, (list, tuple)) and value and len(value) <= 8 and type(value) in (list, tuple):
        return f"{name} of ({', '.join(type(item).__name__ for item in value)})"
    return name


class _Mismatch(NamedTuple):
    kind: str  # "type", "keyword", "count", "missing" or "unknown"
    text: str


def _mismatch(name: str, signature: _Signature, args: tuple[Any, ...], named: dict[str, Any]) -> _Mismatch:
    """Why a call does not fit a signature."""
    positional = signature.positional
    own = positional[0].name == "self" if positional else False
    counted = len(args) - own
    if len(args) > len(positional) and not signature.variadic:
        takes = len(positional) - own
        arguments = "argument" if takes == 1 else "arguments"
        were = "was" if counted == 1 else "were"
        text = f"{name}() takes {takes} positional {arguments} but {counted} {were} given"
        return _Mismatch("count", text)
    taken = {p.name: value for p, value in zip(positional, args, strict=False)}
    known = {p.name for p in signature.parameters}
    for key in named:
        if key not in known:
            return _Mismatch("keyword", f"{name}() got an unexpected keyword argument {short(key)}")
        if key in taken:
            return _Mismatch("keyword", f"{name}() got multiple values for argument {short(key)}")
    missing = [
        p.name
        for p in signature.parameters
        if p.default is None and p.name not in taken and p.name not in named
    ]
    if missing:
        quoted = ", ".join(f'"{each}"' for each in missing)
        arguments = "arguments" if len(missing) == 1 else "argument"  # PyTorch's words
        return _Mismatch(
            "missing", f"{name}() missing {len(missing)} required positional {arguments}: {quoted}"
        )
    for position, parameter in enumerate(signature.parameters):
        if parameter.name in taken or parameter.name in named:
            value = taken[parameter.name] if parameter.name in taken else named[parameter.name]
            if not _fits(parameter.type, value):
                place = (
                    f" (position {position + 1 - own})"
                    if parameter.name in taken and parameter.name != "self"
                    else ""
                )
                wanted = _called(parameter.type)
                return _Mismatch(
                    "type",
                    f"{name}(): argument '{parameter.name}'{place} must be {wanted}, not {_type_of(value)}",
                )
    return _Mismatch("unknown", "")


def _shown(signature: _Signature) -> str:
    """A signature in short."""
    parts, star = [], False
    for parameter in signature.parameters:
        if parameter.name == "self":
            continue
        if parameter.keyword_only and not star:
            star = True
            parts.append("*args" if signature.variadic else "*")
        equals = "" if parameter.default is None else f"={short_default(parameter.default)}"
        parts.append(f"{_called(parameter.type)} {parameter.name}{equals}")
    if signature.variadic and not star:
        parts.append("*args")
    return f"({', '.join(parts)})"


def short_default(text: str) -> str:
    """A default value as a message shows it."""
    return text if len(text) <= 20 and not text.startswith("<") else "..."


def explain(text: str, args: tuple[Any, ...], named: dict[str, Any]) -> str:
    """One line about a call that pybind11 refused, from its text about it and the arguments."""
    name = text.partition("(")[0]
    head = text.partition("\nInvoked with: ")[0]
    found = re.findall(r"^ +\d+\. ([\w.]*)\((.*)\)(?: -> .*)?$", head, flags=re.MULTILINE)
    if name == "__init__" and found:
        name = found[0][0].rpartition(".")[2] or name
        # pybind11 leaves the object out of the signatures of a constructor, and the arguments have it.
        args = args[1:]
    signatures = list(dict.fromkeys(_signature(parameters) for _, parameters in found))
    if not signatures:
        return head
    all_of = [_mismatch(name, signature, args, named) for signature in signatures]
    by_type = [each.text for each in all_of if each.kind == "type"]
    known = list(dict.fromkeys(each.text for each in all_of if each.kind != "unknown"))
    if len(by_type) == 1 and len(known) == len(set(all_of)):
        return by_type[0]
    if len(known) == 1 and len(set(all_of)) == 1:
        return known[0]
    own = bool(signatures[0].parameters) and signatures[0].parameters[0].name == "self"
    got = [*map(_type_of, args[own:]), *(f"{key}={_type_of(value)}" for key, value in named.items())]
    return (
        f"{name}() received an invalid combination of arguments - got ({', '.join(got)}), but expected "
        f"{'one of: ' if len(signatures) > 1 else ''}{', '.join(map(_shown, signatures))}"
    )

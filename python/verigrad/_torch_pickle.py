"""An interpreter of pickles that makes data and nothing else.

Python's unpickler imports whatever a file names and calls it: a file can run any program. This one looks
names up in a table that its caller gives, and calls nothing but what stands there. It knows the opcodes that
picklers of protocols 2 to 5 write for data; every other opcode and every other name is refused by its name.
Lengths are compared with what is left of the file before anything is made, and the memory that is taken stays
below a few hundred times the length of the pickle.
"""

from __future__ import annotations

import pickle as op  # the names of the opcodes alone
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import verigrad
from verigrad._safetensors import DamagedFileError
from verigrad._text import short

MAX_DEPTH = 100  # of containers, as in `save`
_MAX_VALUES = 5_000_000  # of what is loaded, shared containers counted each time, as in `save`
_MAX_STEPS = 10_000_000  # opcodes; a tensor takes about 30
MAX_KEY = 100  # values in a tuple that is a key: hashing one that holds itself many times takes forever
_SLACK = 1000  # bytes
_CONSTANTS: dict[bytes, Any] = {op.NONE: None, op.NEWTRUE: True, op.NEWFALSE: False, op.EMPTY_TUPLE: ()}
_EMPTY: dict[bytes, Callable[[], Any]] = {op.EMPTY_LIST: list, op.EMPTY_DICT: dict, op.EMPTY_SET: set}
_NUMBERS = {op.BININT: "<i", op.BININT1: "<B", op.BININT2: "<H", op.BINFLOAT: ">d"}
_TUPLES = {op.TUPLE1: 1, op.TUPLE2: 2, op.TUPLE3: 3}
_GETS = {op.BINGET: "<B", op.LONG_BINGET: "<I"}
_PUTS = {op.BINPUT: "<B", op.LONG_BINPUT: "<I"}
# Opcode -> the format of the length that follows, and what the bytes after that are.
_COUNTED: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    **dict.fromkeys((op.SHORT_BINUNICODE, op.SHORT_BINSTRING), ("<B", lambda raw: _text(raw))),
    **dict.fromkeys((op.BINUNICODE, op.BINSTRING), ("<I", lambda raw: _text(raw))),
    op.BINUNICODE8: ("<Q", lambda raw: _text(raw)),
    op.SHORT_BINBYTES: ("<B", bytes),
    op.BINBYTES: ("<I", bytes),
    op.BINBYTES8: ("<Q", bytes),
    op.BYTEARRAY8: ("<Q", bytearray),
    op.LONG1: ("<B", lambda raw: int.from_bytes(raw, "little", signed=True)),
    op.LONG4: ("<I", lambda raw: int.from_bytes(raw, "little", signed=True)),
}
LEAVES = (type(None), bool, int, float, complex, str, bytes, bytearray, verigrad.dtype, verigrad.device)
_MAPPINGS = (dict, OrderedDict, Counter)
_SEQUENCES = (list, tuple, set, verigrad.Size)


class Buffer(Protocol):
    """Bytes, or the memory map of a file."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice) -> bytes: ...
    def find(self, part: bytes, start: int, stop: int) -> int: ...


class Name:
    """What a file may name. It stands for a thing of PyTorch's and is never that thing.

    Args:
        name: as in the file, with its module.
        call: what op.REDUCE gives for a tuple of arguments; None where the name cannot be called.
    """

    __slots__ = ("call", "name")

    def __init__(self, name: str, call: Callable[..., Any] | None = None) -> None:
        self.name, self.call = name, call

    def __repr__(self) -> str:
        return self.name


class Interpreter:
    """Runs the pickles of one file.

    Args:
        data: the file.
        names: what may be named, by "module.name": a `Name`, a `Refused`, or a value such as a dtype.
        persistent: gives what a persistent id stands for.
    """

    def __init__(
        self, data: Buffer, names: Mapping[str, Any], persistent: Callable[[Any], Any] | None = None
    ) -> None:
        self._data, self._names, self._persistent = data, names, persistent
        self._copied = 0

    def run(self, at: int = 0) -> tuple[Any, int]:
        """The object of the pickle at byte *at*, and where the pickle ends.

        Raises:
            DamagedFileError: it is damaged, or holds anything but data.
        """
        self._at = at
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # for each mark the stack below it
        self._memo: dict[int, Any] = {}
        self._notes: list[Any] = []
        if self._take(1) != op.PROTO or not 2 <= self._number("<B") <= 5:
            raise DamagedFileError("expected a pickle of protocol 2 to 5, got another or none")
        for _ in range(_MAX_STEPS):
            code = self._take(1)
            if code == op.STOP:
                break
            self._step(code)
        else:
            raise DamagedFileError(f"expected at most {_MAX_STEPS} steps in a pickle, got more")
        result = self._pop()
        if self._stack or self._below:
            raise DamagedFileError("expected one object in a pickle, got more")
        known: dict[int, tuple[int, int]] = {}
        _measure(result, 0, known)
        for notes in self._notes:  # at the end, since a pickle may go on changing what it has made
            if any(type(one) not in _MAPPINGS for one in notes.values()):
                raise self._refused("a state_dict whose _metadata is not a dict of dicts")
            _measure(notes, 1, known)
        return result, self._at

    def near(self) -> str:
        """Where in the structure, for messages: the keys that are being filled."""
        texts = [[one for one in stack[-4:] if type(one) is str] for stack in (*self._below, self._stack)]
        keys = ".".join(text[-1] for text in texts if text)
        return f" near {short(keys)}" if keys else ""

    # The file

    def _take(self, count: int) -> bytes:
        left = len(self._data) - self._at
        if count > left:
            raise DamagedFileError(f"expected {count} more bytes of a pickle, got {left}")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._data.find(b"\n", self._at, self._at + _SLACK)
        if end < 0:
            raise DamagedFileError("expected a name in a pickle, got no end of it")
        return _text(self._take(end + 1 - self._at)[:-1])

    # The stack

    def _pop(self) -> Any:
        if not self._stack:
            raise DamagedFileError("expected a value on the stack of a pickle, got none")
        return self._stack.pop()

    def _top(self, *kinds: type) -> Any:
        """The value on top, which must be of one of these types."""
        value = self._pop()
        self._stack.append(value)
        if type(value) not in kinds:
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise DamagedFileError(f"expected {wanted} to be filled, got {_kind(value)}{self.near()}")
        return value

    def _to_mark(self) -> list[Any]:
        if not self._below:
            raise DamagedFileError("expected a mark on the stack of a pickle, got none")
        values, self._stack = self._stack, self._below.pop()
        return values

    # The opcodes

    def _step(self, code: bytes) -> None:
        push = self._stack.append
        if code in _GETS:
            index = self._number(_GETS[code])
            if index not in self._memo:
                raise DamagedFileError(f"expected a value in place {index} of a pickle's memo, got none")
            push(self._memo[index])
        elif code in _PUTS or code == op.MEMOIZE:
            index = len(self._memo) if code == op.MEMOIZE else self._number(_PUTS[code])
            push(self._pop())  # a value has to be there
            self._memo[index] = self._stack[-1]
        elif code in _CONSTANTS:
            push(_CONSTANTS[code])
        elif code in _NUMBERS:
            push(self._number(_NUMBERS[code]))
        elif code in _COUNTED:
            form, made = _COUNTED[code]
            push(made(self._take(self._number(form))))
        elif code in _EMPTY:
            push(_EMPTY[code]())
        elif code == op.MARK:
            self._below.append(self._stack)
            self._stack = []
        elif code == op.TUPLE:
            values = self._to_mark()
            self._stack.append(tuple(values))
        elif code in _TUPLES:
            values = [self._pop() for _ in range(_TUPLES[code])]
            push(tuple(reversed(values)))
        elif code in (op.APPEND, op.APPENDS, op.SETITEM, op.SETITEMS, op.ADDITEMS, op.BUILD):
            self._fill(code)
        elif code == op.GLOBAL:
            push(self._named(self._line(), self._line()))
        elif code == op.STACK_GLOBAL:
            name, module = self._pop(), self._pop()
            if type(name) is not str or type(module) is not str:
                raise DamagedFileError(f"expected a name in a pickle, got {_kind(module)} and {_kind(name)}")
            push(self._named(module, name))
        elif code == op.REDUCE:
            arguments, function = self._pop(), self._pop()
            push(self._called(function, arguments))
        elif code == op.BINPERSID and self._persistent is not None:
            push(self._given(self._persistent, self._pop()))
        elif code == op.FRAME:
            length = self._number("<Q")
            if length > len(self._data) - self._at:
                raise DamagedFileError(f"expected a frame within the pickle, got one of {length} bytes")
        elif code == op.INST:
            raise self._refused(f"{self._line()}.{self._line()}")
        else:
            raise self._refused(f"the opcode {_opcode(code)} of pickles")

    def _fill(self, code: bytes) -> None:
        if code == op.BUILD:
            return self._annotate(self._pop())
        values = self._to_mark() if code in (op.APPENDS, op.SETITEMS, op.ADDITEMS) else [self._pop()]
        if code == op.SETITEM:
            values.insert(0, self._pop())
        if code in (op.APPEND, op.APPENDS):
            self._top(list).extend(values)
        elif code == op.ADDITEMS:
            self._top(set).update(map(checked_key, values))
        elif len(values) % 2:
            raise DamagedFileError("expected a value for each key in a pickle, got none for the last")
        else:
            self._top(dict, OrderedDict).update(zip(map(checked_key, values[::2]), values[1::2], strict=True))
        return None

    def _annotate(self, state: Any) -> None:
        """The attribute ``_metadata`` of a state_dict is the one that is known."""
        target = self._top(OrderedDict)
        if type(state) is not dict or not state.keys() <= {"_metadata"}:
            names = sorted(map(str, state)) if type(state) is dict else _kind(state)
            raise self._refused(f"an OrderedDict with attributes {short(names)}")
        for notes in state.values():
            if type(notes) not in _MAPPINGS:
                raise self._refused("a state_dict whose _metadata is not a dict of dicts")
            self._notes.append(notes)
            target._metadata = notes

    def _named(self, module: str, name: str) -> Any:
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        full = full if full.isascii() and full.isprintable() else ascii(full)
        if full not in self._names:
            hint = "; save the state_dict() of a module" if full.startswith("torch.nn.") else ""
            raise self._refused(full, hint)
        value = self._names[full]
        if isinstance(value, Refused):
            raise self._refused(f"{full} ({value.reason})")
        return value

    def _called(self, function: Any, arguments: Any) -> Any:
        if type(function) is not Name or function.call is None:
            raise self._refused(f"a call of {_kind(function)}")
        if type(arguments) is not tuple:
            raise DamagedFileError(f"expected arguments for {function} in a tuple, got {_kind(arguments)}")
        # A pickler writes what a function copies, so all copies together are no longer than the file. Without
        # this limit a file could have one long text copied again and again.
        self._copied += sum(
            len(one) for one in arguments if isinstance(one, str | bytes | list | tuple | dict)
        )
        if self._copied > len(self._data) + _SLACK:
            raise DamagedFileError("expected each value of a pickle to be used once, got a copy of copies")
        try:
            return self._given(function.call, *arguments)
        except TypeError as error:
            # The functions of the table check their arguments. What is left is their number.
            raise DamagedFileError(
                f"expected other arguments for {function}, got {len(arguments)}: {error}"
            ) from None

    def _given(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Refusal as refusal:
            raise self._refused(str(refusal)) from None

    def _refused(self, what: str, hint: str = "") -> DamagedFileError:
        return DamagedFileError(
            f"expected tensors, numbers, texts and containers alone in a file of torch.save, "
            f"got {what[:300]}{self.near()}{hint}"
        )


class Refused:
    """In the table of names: one that is known and cannot be loaded."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Refusal(Exception):
    """Raised by a function of the table for what cannot be loaded; the interpreter adds the place."""


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise DamagedFileError(f"expected text in UTF-8, got {short(raw)}") from None


def _kind(value: Any) -> str:
    return value.name if type(value) is Name else type(value).__name__


def _opcode(code: bytes) -> str:
    import pickletools

    names = {one.code: one.name for one in pickletools.opcodes}
    return names.get(code.decode("latin-1"), repr(code))


def checked_key(key: Any) -> Any:
    """A key of a dict or an element of a set: what hashes and compares quickly."""
    pending, count = [key], 0
    while pending:
        one = pending.pop()
        count += 1
        if type(one) is tuple and len(one) <= MAX_KEY:
            pending.extend(one)
        # Longer ints can be chosen so that all of them have one hash.
        elif type(one) is int and not -(2**63) <= one < 2**64:
            raise DamagedFileError("expected integer keys of 64 bits, got a longer one")
        elif one is not None and type(one) not in (bool, int, float, str, bytes):
            raise DamagedFileError(
                f"expected keys that are texts, numbers, None or tuples of these, got {_kind(one)}"
            )
        if count > MAX_KEY:
            raise DamagedFileError(f"expected keys of at most {MAX_KEY} values, got more")
    return key


def _measure(value: Any, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Levels and number of the values in a value; refuses what is no data, or too much when written out."""
    kind = type(value)
    if kind in LEAVES:
        return 0, 1
    children: Any
    if kind in _MAPPINGS:
        children = value.values()
    elif kind in _SEQUENCES:
        children = value
    elif isinstance(value, verigrad.Tensor):
        return 0, 1
    else:
        raise DamagedFileError(f"expected data in a pickle, got {_kind(value)} by itself")
    if id(value) not in known:
        levels, count = 0, 1
        for child in children if depth < MAX_DEPTH else ():
            below, values = _measure(child, depth + 1, known)
            levels, count = max(levels, below), count + values
        known[id(value)] = levels + 1, count
    levels, count = known[id(value)]
    if depth + levels > MAX_DEPTH:
        raise DamagedFileError(
            f"expected at most {MAX_DEPTH} levels of containers, got more (or one in itself)"
        )
    if count > _MAX_VALUES:
        raise DamagedFileError(f"expected at most {_MAX_VALUES} values, got {count}")
    return levels, count

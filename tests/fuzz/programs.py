"""Programs as data, so that they can be written down, run again and made smaller.

A program is a list of steps ``{"call": name, "args": [...], "kw": {...}}``. Names: a dotted name of verigrad,
or ``.method`` of the first argument, or one of :data:`SPECIAL`. A value is a JSON value or a dictionary of
one key:

==========  ========================================================================================
``t``       a tensor: dtype, shape, layout, seed, and whether it requires a gradient
``n``       a numpy array: dtype, shape, order, and whether it is read-only
``v``       a tensor of these values: dtype and nested list
``r``       the result of an earlier step (any tensor in it), or of the last one
``d``       a dtype
``l u m``   list, tuple, dictionary
``s``       a slice
``f``       a float that JSON lacks: nan, inf, -inf
``o``       an object of :data:`OBJECTS`
==========  ========================================================================================
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import itertools
import operator
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tests.fuzz.loading import warm, watched

import verigrad

Value = Any
Step = dict[str, Any]
Program = list[Step]

# What a wrong call may raise. Anything else is a finding, SystemError above all.
ALLOWED = (
    RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError,
    AssertionError, OverflowError, ZeroDivisionError, MemoryError, StopIteration, OSError, BufferError,
    ImportError, Warning,
)  # fmt: skip
FORBIDDEN = (SystemError, RecursionError)
LAYOUTS = ("contiguous", "transposed", "sliced", "expanded", "offset")
MOST = 1 << 22  # elements of an argument


class TooLong(BaseException):
    """A program took longer than its limit and was interrupted, as by Ctrl-C: not a finding. One that cannot
    be interrupted is found by the driver."""


class Finding(Exception):
    """Something that must not happen; the text is its signature."""


class _LyingLength(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 1 << 20


class _Shrinking(list):  # type: ignore[type-arg]
    """Gets shorter while its numbers are read."""

    def __init__(self) -> None:
        super().__init__()
        self.extend([_Pop(self), 1.0, 2.0, 3.0])


class _Pop:
    def __init__(self, owner: list[Any]) -> None:
        self.owner = owner

    def __index__(self) -> int:
        del self.owner[1:]
        return 1

    def __float__(self) -> float:
        del self.owner[1:]
        return 1.0


class _BadIndex:
    def __index__(self) -> int:
        raise ValueError("no index")


class _HugeIndex:
    def __index__(self) -> int:
        return 1 << 80


class _Array(np.ndarray):  # type: ignore[type-arg]
    pass


def _named_like_numpy() -> object:
    kind = type("numpy.ndarray", (), {"shape": (3,), "dtype": "float32"})
    return kind()


def _self_containing() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


OBJECTS: dict[str, Callable[[], Any]] = {
    "lying length": lambda: _LyingLength([1.0, 2.0]),
    "shrinking": _Shrinking,
    "bad index": _BadIndex,
    "huge index": _HugeIndex,
    "array subclass": lambda: np.arange(6.0).view(_Array),
    "named like numpy": _named_like_numpy,
    "contains itself": _self_containing,
    "object": object,
    "class": lambda: verigrad.Tensor,
    "ellipsis": lambda: ...,
    "generator": lambda: verigrad.Generator(),
    "bytes": lambda: b"abc",
    "set": lambda: {1, 2},
    "complex": lambda: 1j,
    "range": lambda: range(3),
    "iterator": lambda: iter([1, 2]),
    "lambda": lambda: lambda *a: a[0] if a else None,
    "size": lambda: verigrad.Size([2, 3]),
    "device": lambda: verigrad.device("cpu"),
    "big endian": lambda: np.arange(4.0).astype(">f8"),
    "structured": lambda: np.zeros(2, [("a", "f4")]),
    "negative strides": lambda: np.arange(6.0)[::-1],
    "bytes as bools": lambda: np.array([0, 1, 2, 255], np.uint8).view(bool),
    "no own memory": lambda: np.frombuffer(b"\0" * 32, np.float32),
    "memmap-like": lambda: memoryview(b"\0" * 8),
}


def _set_item(x: Any, key: Any, value: Any) -> None:
    x[key] = value


def _item(x: Any, key: Any) -> Any:
    return x[key]


def _delete(x: Any, name: str) -> None:
    delattr(x, name)


def _grad(outputs: Any, inputs: Any, create_graph: bool = False) -> Any:
    total = outputs.sum() if hasattr(outputs, "sum") else outputs
    return verigrad.autograd.grad(total, inputs, create_graph=create_graph, allow_unused=True)


def _hook(x: Any, kind: str) -> Any:
    hooks: dict[str, Callable[[Any], Any]] = {
        "double": lambda g: g * 2,
        "none": lambda g: None,
        "wrong": lambda g: g.sum(),
        "raise": operator.itemgetter("nothing"),
    }
    return x.register_hook(hooks[kind])


def _hang() -> None:
    """What no signal ends."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        time.sleep(1.0)


def _record(name: str, *args: Any, **kwargs: Any) -> Any:
    """The operation of a record that is no function by one name."""
    from verigrad.testing.library import Library
    from verigrad.testing.opspec import records

    return records()[name].bind(Library("verigrad", "cpu"))(*args, **kwargs)


def _load_bytes(text: str) -> Any:
    warm()
    result, refusal, _ = watched(bytes.fromhex(text))
    if refusal:
        raise RuntimeError(refusal)
    return result


SPECIAL: dict[str, Callable[..., Any]] = {
    "getitem": _item,
    "setitem": _set_item,
    "setattr": setattr,
    "getattr": getattr,
    "delattr": _delete,
    "backward of sum": lambda x, **kw: x.sum().backward(**kw),
    "grad": _grad,
    "hook": _hook,
    "repr": repr,
    "format": format,
    "len": len,
    "list": lambda value: list(itertools.islice(value, 10_000)),  # samplers may be endless
    "bool": bool,
    "add": operator.add,
    "iadd": operator.iadd,
    "imul": operator.imul,
    "sub": operator.sub,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "matmul": operator.matmul,
    "and": operator.and_,
    "lt": operator.lt,
    "collect": gc.collect,
    "load bytes": _load_bytes,
    "record": _record,
    "planted crash": lambda *_: faulthandler._sigsegv(),  # type: ignore[attr-defined]  # for tests of the driver
    "planted wait": lambda: threading.Event().wait(),
    "planted hang": _hang,
    "call": lambda f, *a, **kw: f(*a, **kw),
}


def tensor(dtype: str, shape: list[int], layout: str, seed: int, grad: bool) -> Any:
    """A tensor of small numbers."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in shape]
    if layout == "expanded" and sizes:
        base = rng.integers(0, 4, [1] * len(sizes)).astype(dtype)
        return verigrad.from_numpy(base).expand(sizes)
    if np.prod(sizes, dtype=float) > MOST:
        raise ValueError("too large an argument")
    values = (
        rng.integers(-8, 9, sizes) / 4.0 if dtype.startswith("f") else rng.integers(0, 4, sizes)
    ).astype(dtype)
    if layout == "transposed" and len(sizes) > 1:
        t = verigrad.from_numpy(np.ascontiguousarray(values.T)).permute(*range(len(sizes) - 1, -1, -1))
    elif layout == "sliced" and sizes:
        wide = np.zeros([*sizes[:-1], 2 * sizes[-1] + 1], dtype)
        wide[..., 1::2] = values
        t = verigrad.from_numpy(wide)[..., 1::2]
    elif layout == "offset":
        flat = np.concatenate([np.zeros(1, dtype), values.reshape(-1)])
        t = verigrad.from_numpy(flat)[1:].reshape(sizes)
    else:
        t = verigrad.from_numpy(np.ascontiguousarray(values))
    return t.requires_grad_(True) if grad and dtype.startswith("f") else t


def find_tensor(value: Any, depth: int = 0) -> Any:
    """The first tensor in a result, or the result."""
    if isinstance(value, list | tuple) and depth < 3:
        for part in value:
            found = find_tensor(part, depth + 1)
            if isinstance(found, verigrad.Tensor):
                return found
    return value


def build(value: Value, results: list[Any]) -> Any:
    """The Python object of a value."""
    if not isinstance(value, dict):
        return value
    (kind, content), *_ = value.items()
    if kind == "t":
        return tensor(**content)
    if kind == "n":
        array = np.zeros(content["shape"], content["dtype"], order=content.get("order", "C"))
        array.flags.writeable = not content.get("readonly", False)
        return array
    if kind == "v":
        return verigrad.from_numpy(np.array(content["values"], content["dtype"]))
    if kind == "r":
        return find_tensor(results[content % len(results)]) if results else None
    if kind == "d":
        return getattr(verigrad, content)
    if kind == "l":
        return [build(v, results) for v in content]
    if kind == "u":
        return tuple(build(v, results) for v in content)
    if kind == "m":
        return {k: build(v, results) for k, v in content.items()}
    if kind == "s":
        return slice(*(build(v, results) for v in content))
    if kind == "f":
        return float(content)
    return OBJECTS[content]()


def resolve(name: str) -> Any:
    """What a dotted name of verigrad stands for."""
    found: Any = verigrad
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _look(value: Any) -> None:
    """Reads a result, so that a sanitizer sees memory that is not its own."""
    t = find_tensor(value)
    if isinstance(t, verigrad.Tensor) and t.numel() <= 4096:
        t.tolist()
        repr(t)


def _bytes(args: list[Any]) -> list[bytes | None]:
    return [
        a.detach().numpy().tobytes() if isinstance(a, verigrad.Tensor) and 0 < a.numel() <= 4096 else None
        for a in args
    ]


def _cyclic(args: list[Any]) -> bool:
    """Whether a module contains itself: walks of its tree then end in RecursionError, as in PyTorch."""
    found = [a for a in args if isinstance(a, verigrad.nn.Module)]
    return any(m in child.modules() for a in found for m in a.modules() for child in m.children())


def run(program: Program, seconds: float = 3.0) -> int:
    """Runs a program.

    Args:
        program: the steps.
        seconds: after which it is interrupted.

    Returns:
        How many steps came to their call.

    Raises:
        Finding: for an error that no call may raise, or a tensor that an error has changed.
    """

    def interrupt(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return _run(program)
    except TooLong:
        return len(program)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run(program: Program) -> int:
    results: list[Any] = []
    calls = 0
    for step in program:
        name = step["call"]
        try:
            args = [build(v, results) for v in step.get("args", [])]
            kwargs = {k: build(v, results) for k, v in step.get("kw", {}).items()}
            if name.startswith("."):
                function = getattr(args.pop(0), name[1:])
            else:
                function = SPECIAL[name] if name in SPECIAL else resolve(name)
        except (*ALLOWED, *FORBIDDEN):
            results.append(None)
            continue
        before = _bytes(args)
        calls += 1
        try:
            result = function(*args, **kwargs)
            _look(result)
            results.append(result)
        except ALLOWED as error:
            if isinstance(error, FORBIDDEN) and not (isinstance(error, RecursionError) and _cyclic(args)):
                raise Finding(f"{type(error).__name__} from {name}: {str(error)[:80]}") from error
            if len(str(error)) > 20_000:
                raise Finding(f"message of {len(str(error))} characters from {name}") from error
            results.append(None)
            with contextlib.suppress(*ALLOWED):
                if before != _bytes(args) and "backward" not in name:
                    raise Finding(f"{name} raised {type(error).__name__} and changed an argument") from error
        except Exception as error:
            raise Finding(f"{type(error).__name__} from {name}: {str(error)[:80]}") from error
    return calls

"""Names about how a program runs. What PyTorch lets one choose is decided here already, and said so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._text import short

__all__ = [
    "are_deterministic_algorithms_enabled",
    "compile",
    "get_deterministic_debug_mode",
    "get_num_interop_threads",
    "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_num_interop_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """The model itself: nothing is compiled, since ops are native code as they are.

    Args:
        model: a module or function; without it a decorator is returned.
        fullgraph, dynamic, backend, mode, options, disable: say how PyTorch compiles; they change no result
            there, and nothing here.

    Raises:
        TypeError: *model* cannot be called.
    """
    if model is None:
        return compile
    if not callable(model):
        raise TypeError(f"compile: expected a module or a function, got {short(model)}")
    return model


_chosen = {"deterministic": False, "warn_only": False, "warn_always": False}


def _flag(what: str, name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{what}: expected {name} to be a bool, got {short(value)}")
    return value


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Notes the wish. Every op is deterministic anyway: equal inputs give equal bits (docs/architecture.md).

    Raises:
        TypeError: an argument is no bool.
    """
    _chosen["warn_only"] = _flag("use_deterministic_algorithms", "warn_only", warn_only) and mode
    _chosen["deterministic"] = _flag("use_deterministic_algorithms", "mode", mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was said to `use_deterministic_algorithms`; False at first, as in PyTorch."""
    return _chosen["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was told to warn only."""
    return _chosen["warn_only"]


_DEBUG_MODES = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by a number or name: 0 or "default", 1 or "warn", 2 or "error".

    Raises:
        RuntimeError: it is none of these.
    """
    for number, name in enumerate(_DEBUG_MODES):
        if debug_mode in (number, name):
            return use_deterministic_algorithms(number > 0, warn_only=number == 1)
    raise RuntimeError(
        f"set_deterministic_debug_mode: expected 0, 1, 2 or one of {_DEBUG_MODES}, got {short(debug_mode)}"
    )


def get_deterministic_debug_mode() -> int:
    """The number that `set_deterministic_debug_mode` takes."""
    return 0 if not _chosen["deterministic"] else 1 if _chosen["warn_only"] else 2


def set_num_interop_threads(num: int) -> None:
    """Takes 1 or more: ops never run side by side, `set_num_threads` sets the threads inside of each.

    Raises:
        TypeError: *num* is no int.
        RuntimeError: it is below 1.
    """
    if not isinstance(num, int) or isinstance(num, bool):
        raise TypeError(f"set_num_interop_threads: expected an int, got {short(num)}")
    if num < 1:
        raise RuntimeError(f"set_num_interop_threads: expected a positive number of threads, got {num}")


def get_num_interop_threads() -> int:
    """1: ops run one after the other."""
    return 1


def set_warn_always(b: bool) -> None:
    """Notes the wish; warnings here follow Python's own filters. Raises TypeError for what is no bool."""
    _chosen["warn_always"] = _flag("set_warn_always", "b", b)


def is_warn_always_enabled() -> bool:
    """What was said to `set_warn_always`."""
    return _chosen["warn_always"]


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: `verigrad.amp.autocast` changes no dtype."""
    return False

"""`out=` for functions that are written in Python; cpp/bindings/out.cpp does it, and has the names of all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from . import _C

__all__ = ["takes_out", "without_out"]

_Result = TypeVar("_Result")


def takes_out(op: str) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Gives a function the keyword ``out``: a tensor, or a tuple of them, for its result.

    Args:
        op: its name in the table of dtypes that ``out`` may have.
    """

    def decorate(function: Callable[..., _Result]) -> Callable[..., _Result]:
        @functools.wraps(function)
        def call(*args: Any, out: Any = None, **named: Any) -> _Result:
            if out is None:
                return function(*args, **named)
            into: Any = _C._call_into(op, function, out, args, named)
            return into  # type: ignore[no-any-return]

        return call

    return decorate


def without_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it was: PyTorch's methods have no ``out``."""
    return getattr(function, "__wrapped__", function)

"""What programs ask of PyTorch's compiler. Ops are native code as they are; nothing is scripted or traced.

What marks or asks something answers for plain Python. What makes, writes or reads a scripted program raises.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

__all__ = [
    "export",
    "freeze",
    "ignore",
    "is_scripting",
    "is_tracing",
    "load",
    "optimize_for_inference",
    "save",
    "script",
    "trace",
    "unused",
]

_T = TypeVar("_T")


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def export(fn: _T) -> _T:
    """The function itself; a mark for `script`."""
    return fn


def unused(fn: _T) -> _T:
    """The function itself; a mark for `script`."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, with or without parentheses; a mark for `script`."""
    return drop if callable(drop) else lambda fn: fn


def _refusing(name: str, instead: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"jit.{name}: programs are not compiled here; {instead}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Raises NotImplementedError: {instead}."
    return refuse


script = _refusing("script", "call the module or function itself")
trace = _refusing("trace", "call the module or function itself")
freeze = _refusing("freeze", "call eval() of the module and use it under no_grad()")
optimize_for_inference = _refusing("optimize_for_inference", "use the module under no_grad()")
save = _refusing("save", "save the module's state_dict() with verigrad.save")
load = _refusing("load", "build the module in Python and load its state_dict() with verigrad.load")

"""Modes of the calling thread: whether ops are recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, TypeVar, overload

from .. import _C
from .._C import is_grad_enabled, is_inference_mode_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]

_F = TypeVar("_F", bound=Callable[..., Any])


class _GradMode:
    """What the four modes share: being a decorator."""

    __slots__ = ("_saved",)

    _saved: list[Any]

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        raise NotImplementedError

    def _again(self) -> _GradMode:
        """A context manager with the same mode, one for each call of a decorated function."""
        return type(self)()

    def __call__(self, function: _F) -> _F:
        import inspect  # only decorating needs it, and it is slow to import

        name = type(self).__name__
        if isinstance(function, type):
            raise TypeError(f"{name}: expected a function to decorate, got the class {function.__name__}")
        if not callable(function):
            raise TypeError(f"{name}: expected a function to decorate, got {type(function).__name__}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            # The mode belongs to the thread: held across an await it would leak into other tasks.
            raise TypeError(f"{name}: expected a function to decorate, got a coroutine function")
        if inspect.isgeneratorfunction(function):
            return _wrap_generator(self._again, function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _wrap_generator(mode: Callable[[], _GradMode], function: _F) -> _F:
    """Sets the mode while the generator runs and the caller's mode while it is suspended."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        resume: Callable[[Any], Any] = generator.send
        value: Any = None
        while True:
            with mode():
                try:
                    item = resume(value)
                except StopIteration as stop:
                    return stop.value
            try:
                value = yield item
                resume = generator.send
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:  # whatever is thrown in is the generator's to handle
                value = error
                resume = generator.throw

    return wrapper  # type: ignore[return-value]


class _FixedMode(_GradMode):
    """A mode without arguments: usable as ``@no_grad`` as well as ``@no_grad()``."""

    __slots__ = ()

    _enabled: bool

    @overload
    def __new__(cls) -> _FixedMode: ...
    @overload
    def __new__(cls, function: _F) -> _F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:
        self = object.__new__(cls)
        self._saved = []
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._saved.append(is_grad_enabled())
        _C._set_grad_enabled(self._enabled)

    def __exit__(self, *error: object) -> None:
        _C._set_grad_enabled(self._saved.pop())


class no_grad(_FixedMode):
    """Context manager and decorator under which no graph is recorded.

    Results have ``requires_grad=False``, whatever their inputs say. Creating a tensor with
    ``requires_grad=True`` still works.
    """

    __slots__ = ()
    _enabled = False


class enable_grad(_FixedMode):
    """Context manager and decorator that records the graph again inside ``no_grad``.

    It has no effect inside ``inference_mode``.
    """

    __slots__ = ()
    _enabled = True


class set_grad_enabled(_GradMode):
    """Turns recording of the graph on or off: at once as a function, for a block as a context manager.

    Args:
        mode: whether to record.

    Raises:
        TypeError: ``mode`` is not a bool.
    """

    __slots__ = ("mode",)

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled: expected mode to be a bool, got {type(mode).__name__}")
        self.mode = mode
        self._saved = [is_grad_enabled()]
        _C._set_grad_enabled(mode)

    def __enter__(self) -> None:
        _C._set_grad_enabled(self.mode)

    def __exit__(self, *error: object) -> None:
        _C._set_grad_enabled(self._saved[0])

    def _again(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __call__(self, function: _F) -> _F:
        # Decorating must not leave the mode set in the code around the function.
        _C._set_grad_enabled(self._saved[0])
        return super().__call__(function)


class inference_mode(_GradMode):
    """Context manager and decorator: ``no_grad`` whose tensors carry no version counter either.

    Tensors made inside cannot be saved for a later backward pass. ``inference_mode(False)`` inside it returns
    to ordinary tensors with recording on.

    Args:
        mode: whether to be in inference mode; default True.

    Raises:
        TypeError: ``mode`` is neither a bool nor a function to decorate.
    """

    __slots__ = ("mode",)

    mode: bool

    @overload
    def __new__(cls, mode: bool = True) -> inference_mode: ...
    @overload
    def __new__(cls, mode: _F) -> _F: ...  # type: ignore[misc]
    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        self._saved = []
        self.mode = True
        if isinstance(mode, bool):
            self.mode = mode
            return self
        if not callable(mode):
            raise TypeError(f"inference_mode: expected mode to be a bool, got {type(mode).__name__}")
        return self(mode)

    def __enter__(self) -> None:
        self._saved.append((is_inference_mode_enabled(), is_grad_enabled()))
        _C._set_inference_mode(self.mode)
        _C._set_grad_enabled(not self.mode)

    def __exit__(self, *error: object) -> None:
        inference, recording = self._saved.pop()
        _C._set_inference_mode(inference)
        _C._set_grad_enabled(recording)

    def _again(self) -> inference_mode:
        return inference_mode(self.mode)

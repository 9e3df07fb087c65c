"""Hooks of a module: what they are, how they are registered, and a call of ``forward`` among them."""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from ._backward_hooks import BackwardCall


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


def register(owner: object, place: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Adds a hook to those that the owner keeps as its attribute ``place``, None before the first one.

    Raises:
        TypeError: the function is not callable.
    """
    if not callable(hook.function):
        raise TypeError(
            f"{type(owner).__name__}: expected hook to be callable, got {type(hook.function).__name__}"
        )
    hooks: OrderedDict[int, Hook] | None = getattr(owner, place)
    if hooks is None:
        hooks = owner.__dict__[place] = OrderedDict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def functions(hooks: dict[int, Hook] | None, kind: str) -> list[Callable[..., Any]]:
    """The functions of one kind, in their order."""
    return [hook.function for hook in (hooks or {}).values() if hook.kind == kind]


def call(
    owner: object,
    forward: Callable[..., Any],
    hooks: OrderedDict[int, Hook],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """``forward(*args, **kwargs)`` among the hooks, which get ``owner`` as their module."""
    pending = {key: hook for key, hook in hooks.items() if hook.kind == "after" and hook.always_call}
    try:
        for hook in [hook for hook in hooks.values() if hook.kind == "before"]:
            if hook.with_kwargs:
                answer = hook.function(owner, args, kwargs)
                if answer is not None:
                    if not isinstance(answer, tuple) or len(answer) != 2:
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {answer}."
                        )
                    args, kwargs = answer
            else:
                answer = hook.function(owner, args)
                if answer is not None:
                    args = answer if isinstance(answer, tuple) else (answer,)
        backward = functions(hooks, "backward")
        backward_pre = functions(hooks, "backward_pre")
        passing = None
        if backward or backward_pre:
            passing = BackwardCall(owner, backward, backward_pre)
            args = passing.enter(args)
        result = forward(*args, **kwargs)
        for key, hook in list(hooks.items()):
            if hook.kind == "after":
                pending.pop(key, None)
                answer = (
                    hook.function(owner, args, kwargs, result)
                    if hook.with_kwargs
                    else hook.function(owner, args, result)
                )
                if answer is not None:
                    result = answer
        return result if passing is None else passing.leave(result)
    except Exception:
        for hook in pending.values():
            try:
                if hook.with_kwargs:
                    hook.function(owner, args, kwargs, None)
                else:
                    hook.function(owner, args, None)
            except Exception as error:  # the first error is the one to report
                warnings.warn(
                    "a forward hook with always_call=True raised an exception that was silenced, "
                    f"because another error was raised first: {error}",
                    stacklevel=2,
                )
        raise

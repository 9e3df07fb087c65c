"""The hooks of a Module: around its call, in the backward pass, and around its state dict."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from ._backward_hooks import BackwardCall
from ._registry import Hook, RemovableHandle
from ._tree import Tree

if TYPE_CHECKING:
    from .module import Module


class Hooked(Tree):
    """The part of Module that registers hooks and calls ``forward`` among them."""

    # Both stay None until the first hook, so that a module without hooks pays for one look.
    _call_hooks: OrderedDict[int, Hook] | None = None
    _state_hooks: OrderedDict[int, Hook] | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass defines it.

        Raises:
            NotImplementedError: the subclass did not.
        """
        name = type(self).__name__
        raise NotImplementedError(f'Module [{name}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._call_hooks:
            return self._call_with_hooks(self._call_hooks, args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(
        self, hooks: OrderedDict[int, Hook], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        pending = {key: hook for key, hook in hooks.items() if hook.kind == "after" and hook.always_call}
        try:
            for hook in _of_kind(hooks, "before"):
                if hook.with_kwargs:
                    answer = hook.function(self, args, kwargs)
                    if answer is not None:
                        if not isinstance(answer, tuple) or len(answer) != 2:
                            raise RuntimeError(
                                "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                                f"but got {answer}."
                            )
                        args, kwargs = answer
                else:
                    answer = hook.function(self, args)
                    if answer is not None:
                        args = answer if isinstance(answer, tuple) else (answer,)
            backward = [hook.function for hook in _of_kind(hooks, "backward")]
            backward_pre = [hook.function for hook in _of_kind(hooks, "backward_pre")]
            call = None
            if backward or backward_pre:
                call = BackwardCall(cast("Module", self), backward, backward_pre)
                args = call.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook in list(hooks.items()):
                if hook.kind == "after":
                    pending.pop(key, None)
                    answer = (
                        hook.function(self, args, kwargs, result)
                        if hook.with_kwargs
                        else hook.function(self, args, result)
                    )
                    if answer is not None:
                        result = answer
            return result if call is None else call.leave(result)
        except Exception:
            for hook in pending.values():
                try:
                    if hook.with_kwargs:
                        hook.function(self, args, kwargs, None)
                    else:
                        hook.function(self, args, None)
                except Exception as error:  # the first error is the one to report
                    warnings.warn(
                        "a forward hook with always_call=True raised an exception that was silenced, "
                        f"because another error was raised first: {error}",
                        stacklevel=2,
                    )
            raise

    # -- registering -----------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before ``forward``.

        What it returns, if not None, replaces the arguments.

        Args:
            hook: the function; with ``with_kwargs`` called as ``hook(module, args, kwargs)`` and free to
                return a new pair of both.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass the keyword arguments too.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register("_call_hooks", Hook(hook, "before", with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after ``forward``.

        What it returns, if not None, replaces the output.

        Args:
            hook: the function; with ``with_kwargs`` called as ``hook(module, args, kwargs, output)``.
            prepend: run it before the hooks registered so far.
            with_kwargs: pass the keyword arguments too.
            always_call: call it with None as the output where ``forward`` or an earlier hook raised.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register("_call_hooks", Hook(hook, "after", with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` in the backward pass, before it goes through the module.

        ``grad_output`` is a tuple with the gradient of each output: None for what is no tensor, and for
        outputs that the pass did not reach. A tuple that the hook returns takes its place.

        The outputs, if tensors or a tuple, pass through one more node: the caller gets views of them, and
        several tensors are copied.

        Args:
            hook: the function.
            prepend: run it before the hooks registered so far.

        Raises:
            TypeError: ``hook`` is not callable.
            RuntimeError: in the backward pass, where the hook returned a tuple of another length.
        """
        return self._register("_call_hooks", Hook(hook, "backward_pre"), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` once the gradients of the inputs are known.

        Both are tuples: ``grad_input`` has an entry for each positional argument, None where it is no tensor
        or needs no gradient; ``grad_output`` as for ``register_full_backward_pre_hook``. A tuple that the
        hook returns takes the place of ``grad_input``. If no input requires a gradient, the hook is called,
        with a warning, when the gradients of the outputs are known.

        Inputs and outputs pass through one more node: ``forward`` and the caller get views of them, and
        where there are several tensors, copies.

        Args:
            hook: the function.
            prepend: run it before the hooks registered so far.

        Raises:
            TypeError: ``hook`` is not callable.
            RuntimeError: in the backward pass, where the hook returned a tuple of another length.
        """
        return self._register("_call_hooks", Hook(hook, "backward"), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before ``state_dict`` collects the module's tensors.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register("_state_hooks", Hook(hook, "save_pre"), False)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict`` of the module.

        The hook may change the dict in place.

        Raises:
            TypeError: ``hook`` is not callable.
            RuntimeError: in ``state_dict``, where the hook returned something.
        """
        return self._register("_state_hooks", Hook(hook, "save_post"), False)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls the hook before ``load_state_dict`` looks for the module's keys.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` and may change the dict, a copy of the one given, and the lists.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register("_state_hooks", Hook(hook, "load_pre"), False)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after the values are loaded, children first.

        The hook may change the lists ``missing_keys`` and ``unexpected_keys`` in place. With ``strict``, what
        is left in them is an error then; the values that fit are loaded by that time.

        Raises:
            TypeError: ``hook`` is not callable.
        """
        return self._register("_state_hooks", Hook(hook, "load_post"), False)

    def _register(self, place: str, hook: Hook, prepend: bool) -> RemovableHandle:
        if not callable(hook.function):
            raise TypeError(
                f"{type(self).__name__}: expected hook to be callable, got {type(hook.function).__name__}"
            )
        hooks = getattr(self, place)
        if hooks is None:
            hooks = self.__dict__[place] = OrderedDict()
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def _state_hooks_of(self, kind: str) -> Iterator[Callable[..., Any]]:
        return (hook.function for hook in _of_kind(self._state_hooks or {}, kind))


def _of_kind(hooks: dict[int, Hook], kind: str) -> list[Hook]:
    return [hook for hook in hooks.values() if hook.kind == kind]

"""`Function`: an op whose forward and backward are written in Python."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _C
from .._C import Tensor, is_grad_enabled
from ._modes import no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

_F = TypeVar("_F", bound=Callable[..., Any])


class FunctionCtx:
    """What `forward` leaves for `backward`, the first argument of both. Any other attribute may be set on it.

    Attributes:
        needs_input_grad: for each argument of ``apply`` whether it is a tensor that requires a gradient.
    """

    def __init__(self, function: type[Function], arguments: Sequence[Any]) -> None:
        self._function = function
        self._are_tensors = [isinstance(one, Tensor) for one in arguments]
        self._are_outputs: list[bool] = []  # tensors, of what forward returned
        self._node: Any = None
        self._count = 0  # of saved tensors
        self.needs_input_grad = tuple(isinstance(one, Tensor) and one.requires_grad for one in arguments)
        self.to_save: tuple[Tensor | None, ...] = ()
        self.dirty_tensors: tuple[Tensor, ...] = ()
        self.non_differentiable: tuple[Tensor, ...] = ()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs, outputs or other tensors for `backward`, which finds them in `saved_tensors`.

        A change in place between forward and backward is noticed there, and they are freed with the graph:
        attributes have neither. None is kept as None.

        Raises:
            TypeError: one is neither a Tensor nor None.
        """
        for number, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {number} is of type "
                    f"{type(tensor).__name__}"
                )
        self.to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` kept.

        Raises:
            RuntimeError: one was changed in place since, or they were freed by an earlier backward pass.
        """
        if self._node is None or not self._count:
            return self.to_save
        saved: tuple[Tensor | None, ...] = self._node.saved(self._count)
        return saved

    def mark_dirty(self, *args: Tensor) -> None:
        """Says which inputs `forward` changes in place. Each must be among its outputs."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Says which outputs have no gradient. `backward` still gets one for each, of zeros.

        Outputs of integers and bools have none anyway."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (default), or None, for an output that nothing depends on."""
        self.materialize_grads = value

    def name(self) -> str:
        """The name of the node, such as ``"ExpBackward"``."""
        return f"{self._function.__name__}Backward"

    def _finish(self, arguments: Sequence[Any], output: Any) -> Any:
        """The outputs of `forward`, as parts of the graph where it is recorded."""
        outputs = output if isinstance(output, tuple) else (output,)
        self._are_outputs = [isinstance(one, Tensor) for one in outputs]
        tensors = [one for one in outputs if isinstance(one, Tensor)]
        dirty = [_among(one, self.dirty_tensors) for one in tensors]
        is_input = [_among(one, arguments) for one in tensors]
        if any(not _among(one, tensors) for one in self.dirty_tensors):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as output. The "
                "inputs that are modified inplace must all be outputs of the Function."
            )
        recorded = is_grad_enabled() and any(self.needs_input_grad)
        differentiable = [
            recorded and one.dtype.is_floating_point and not _among(one, self.non_differentiable)
            for one in tensors
        ]
        instead: list[Tensor | None] = [None] * len(tensors)
        if recorded:
            self._node = _C._NodeRef()
            inputs = [one if isinstance(one, Tensor) else None for one in arguments]
            instead = _C._record_function(
                self.name(), self, self._node, inputs, tensors, differentiable, is_input, dirty, self.to_save,
                self.materialize_grads,
            )  # fmt: skip
            self._count, self.to_save = len(self.to_save), ()
            self.dirty_tensors = self.non_differentiable = ()
        found = []
        for one, other, wanted, given, changed in zip(
            tensors, instead, differentiable, is_input, dirty, strict=True
        ):
            if other is None and not wanted and given and not changed:
                other = one.detach()  # an input that is handed back is another tensor than the argument
            found.append(one if other is None else other)
        results = iter(found)
        whole = tuple(
            next(results) if tensor else one for one, tensor in zip(outputs, self._are_outputs, strict=True)
        )
        return whole if isinstance(output, tuple) else whole[0]

    def _run_backward(self, gradients: tuple[Tensor | None, ...]) -> list[Tensor | None]:
        """Gradients by all inputs, given those by the outputs that are tensors."""
        given = iter(gradients)
        found = self._function._backward()(self, *(next(given) if one else None for one in self._are_outputs))
        found = found if isinstance(found, tuple) else (found,)
        count = len(self._are_tensors)
        if len(found) > count and all(one is None for one in found[count:]):
            found = found[:count]
        if len(found) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got "
                f"{len(found)})"
            )
        for number, (one, tensor) in enumerate(zip(found, self._are_tensors, strict=True)):
            if one is None:
                continue
            if not tensor:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position "
                    f"{number + 1}, but the corresponding forward input was not a Variable"
                )
            if not isinstance(one, Tensor):
                raise RuntimeError(f"expected Variable or None (got {type(one).__name__})")
        return list(found)


def _among(tensor: Tensor, others: Sequence[Any]) -> bool:
    return any(tensor is other for other in others)


class Function:
    """Base class of ops with a `backward` of their own; a subclass is called by its ``apply``.

    ::

        class Exp(Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(y)
                return y

            @staticmethod
            def backward(ctx, grad):
                (y,) = ctx.saved_tensors
                return grad * y

        y = Exp.apply(x)

    `forward` is not recorded. It may also be written without ctx, as ``forward(*args)``, beside a
    ``setup_context(ctx, inputs, output)``. `backward` gets a gradient for each output and returns one for
    each argument of ``apply``, None where there is none; it is recorded, so that it can be differentiated
    again, if the pass has ``create_graph=True``. ``vjp`` is another name for it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself. Instantiating an autograd function will raise an error "
            "in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The op itself: ``forward(ctx, *args)``, or ``forward(*args)`` beside `setup_context`."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Saves for `backward` what it needs, after a `forward` without ctx."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients by the arguments of ``apply``, from those by the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def _backward(cls) -> Callable[..., Any]:
        own, other = cls.backward is not Function.backward, cls.vjp is not Function.vjp
        if own and other:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only implement one of them."
            )
        return cls.vjp if other else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The op on *args*, recorded if recording is on and one of them requires a gradient.

        Raises:
            TypeError: keyword arguments that are not positional ones of `forward`.
            RuntimeError: a leaf that requires a gradient is marked dirty, or what is marked is not returned.
        """
        apart = cls.setup_context is not Function.setup_context
        if kwargs or apart:
            args = _positional(cls.forward, args, kwargs, apart)
        ctx = FunctionCtx(cls, args)
        with no_grad():
            if apart:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        return ctx._finish(args, output)


def _positional(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], apart: bool
) -> tuple[Any, ...]:
    """All arguments by position; with `setup_context` the defaults too, which it gets."""
    import inspect  # slow to import

    bound = inspect.signature(forward).bind(*(() if apart else (None,)), *args, **kwargs)
    if bound.kwargs:
        raise TypeError(f"forward() got an unexpected keyword argument {next(iter(bound.kwargs))!r}")
    if apart:
        bound.apply_defaults()
    return bound.args if apart else bound.args[1:]


class _DelayedError(Function):
    """Passes tensors on, and raises where their gradients are asked for."""

    @staticmethod
    def forward(ctx: Any, *tensors: Any) -> Any:
        return tuple(tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: _F) -> _F:
    """Decorator of a `backward` whose own gradient would be wrong: asking for it raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            found = fn(ctx, *args)
        if not is_grad_enabled() or not any(isinstance(one, Tensor) and one.requires_grad for one in args):
            return found
        many = found if isinstance(found, tuple) else (found,)
        guarded = _DelayedError.apply(
            *(one.detach().requires_grad_() if isinstance(one, Tensor) else one for one in many)
        )
        return guarded if isinstance(found, tuple) else guarded[0]

    return wrapper  # type: ignore[return-value]

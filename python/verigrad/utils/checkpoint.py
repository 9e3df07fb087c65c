"""Checkpoints in a computation: less memory for the backward pass, more time.

What a function saves for the backward pass is thrown away and computed again when the pass gets there. The
random numbers are drawn from the same place, so that results and gradients have the same bits as without.
"""

from __future__ import annotations

import contextlib
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from .. import _C, cuda
from .._C import Tensor
from .._random import get_rng_state, set_rng_state
from ..autograd import Function, backward, enable_grad, no_grad
from ..autograd.graph import saved_tensors_hooks
from ..nn import Sequential

__all__ = [
    "CheckpointError",
    "checkpoint",
    "checkpoint_sequential",
    "noop_context_fn",
    "set_checkpoint_early_stop",
]

_Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

_early_stop: bool | None = None  # of the innermost set_checkpoint_early_stop


class CheckpointError(RuntimeError):
    """The function did something else when it was called again."""


def noop_context_fn() -> _Contexts:
    """Two context managers that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Context manager: whether checkpoints made inside end a recomputation as soon as it has made all that is
    needed, whatever their own `early_stop` says."""
    global _early_stop
    before = _early_stop
    try:
        _early_stop = enable
        yield
    finally:
        _early_stop = before


class _RandomState:
    """Where the generators were, those of the CUDA devices of the arguments among them."""

    def __init__(self, arguments: Iterable[Any]) -> None:
        devices = {str(one.device) for one in arguments if isinstance(one, Tensor) and one.is_cuda}
        self.host = get_rng_state()
        self.devices = {device: cuda.get_rng_state(device) for device in sorted(devices)}

    def put_back(self) -> None:
        set_rng_state(self.host)
        for device, state in self.devices.items():
            cuda.set_rng_state(state, device)


@contextlib.contextmanager
def _random_numbers_of(state: _RandomState | None, arguments: Iterable[Any]) -> Iterator[None]:
    """Draws as from that moment; what is drawn outside goes on where it was."""
    if state is None:
        yield
        return
    now = _RandomState(arguments)
    state.put_back()
    try:
        yield
    finally:
        now.put_back()


# Without a pass of its own


class _Holder:
    """Stands in the graph for a saved tensor. Has it once it has been computed again."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tensor: Tensor | None = None


class _StopRecomputation(BaseException):
    """All that is needed is there. No error, so that no handler of the function takes it for one."""


class _SaveInputs(Function):
    """Keeps the arguments as any op keeps its inputs: in-place changes are noticed, and an outer checkpoint
    keeps them in its own way."""

    @staticmethod
    def forward(ctx: Any, frame: _Frame, link: Tensor, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        frame.saved_inputs = ctx
        return link.new_empty(0)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AssertionError("checkpoint: nothing depends on this node")


class _Frame:
    """One call of a function under a checkpoint."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        random: _RandomState | None,
        context: AbstractContextManager[Any],
        check: bool,
        debug: bool,
        early_stop: bool,
    ) -> None:
        self.function, self.kwargs = function, kwargs
        self.random, self.context = random, context
        self.check, self.debug, self.early_stop = check, debug, early_stop
        self.kinds: list[dict[str, Any]] = []  # of the saved tensors
        self.stacks: list[str] = []  # of the calls that saved them, with debug
        self.holders: list[weakref.ref[_Holder]] = []
        self.saved_inputs: Any = None
        # None stands where a tensor was: those are kept by a node, which this frame keeps in turn.
        self.arguments = [None if isinstance(one, Tensor) else one for one in args]
        self.places = [place for place, one in enumerate(args) if isinstance(one, Tensor)]
        self.needs_grad = [args[place].requires_grad for place in self.places]
        with enable_grad():
            link = _C.empty(0, requires_grad=True)
            self.node = _SaveInputs.apply(self, link, *(args[place] for place in self.places))

    def pack(self, tensor: Tensor) -> _Holder:
        holder = _Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.kinds.append(_kind(tensor))
        if self.debug:
            self.stacks.append("".join(traceback.format_stack()[:-1]))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        if holder.tensor is None:
            self.recompute()
        if holder.tensor is None:
            raise self.missing(holder.number)
        return holder.tensor

    def recompute(self) -> None:
        """Calls the function once more, and gives every holder that still lives its tensor."""
        arguments = list(self.arguments)
        # Under the passes of create_graph the saved inputs would have a history.
        with no_grad():
            inputs = self.saved_inputs.saved_tensors
        for place, tensor, needed in zip(self.places, inputs, self.needs_grad, strict=True):
            arguments[place] = tensor.detach().requires_grad_(needed)
        count = 0

        def pack(tensor: Tensor) -> None:
            nonlocal count
            number, count = count, count + 1
            if number >= len(self.kinds):
                return  # the difference is reported at the end
            self.compare(number, tensor)
            holder = self.holders[number]()
            if holder is not None:
                holder.tensor = tensor.detach()
            if self.early_stop and count == len(self.kinds):
                raise _StopRecomputation

        def unpack(nothing: None) -> Tensor:
            raise CheckpointError("checkpoint: a backward pass within the function is not supported")

        with (
            _random_numbers_of(self.random, arguments),
            contextlib.suppress(_StopRecomputation),
            enable_grad(),
            saved_tensors_hooks(pack, unpack),
            self.context,
        ):
            self.function(*arguments, **self.kwargs)
        if self.check and count != len(self.kinds):
            raise CheckpointError(
                "checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.kinds)}\n"
                f"Number of tensors saved during recomputation: {count}."
            )

    def compare(self, number: int, tensor: Tensor) -> None:
        before, now = self.kinds[number], _kind(tensor)
        if not self.check or before == now:
            return
        text = (
            "checkpoint: Recomputed values for the following tensors have different metadata than during the "
            f"forward pass.\ntensor at position {number}:\nsaved metadata: {before}\n"
            f"recomputed metadata: {now}"
        )
        if self.debug:
            text += f"\nsaved in the forward pass by\n{self.stacks[number]}\nand when it was recomputed by\n"
            text += "".join(traceback.format_stack()[:-2])
        raise CheckpointError(text)

    def missing(self, number: int) -> CheckpointError:
        return CheckpointError(
            f"checkpoint: expected the function to save tensor {number} again, but it did not"
        )


def _kind(tensor: Tensor) -> dict[str, Any]:
    return {"shape": tuple(tensor.shape), "dtype": tensor.dtype, "device": tensor.device}


# With a pass of its own


class CheckpointFunction(Function):
    """A function that is not recorded, and in the backward pass called again and differentiated apart."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        if not any(isinstance(one, Tensor) and one.requires_grad for one in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=4)
        ctx.function = function
        ctx.random = _RandomState(args) if preserve_rng_state else None
        ctx.arguments = [None if isinstance(one, Tensor) else one for one in args]
        ctx.places = [place for place, one in enumerate(args) if isinstance(one, Tensor)]
        ctx.save_for_backward(*(args[place] for place in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if not _C._is_checkpoint_valid():
            raise RuntimeError(
                "When use_reentrant=True, checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or "
                "call .backward() without passing the `inputs` argument."
            )
        arguments = list(ctx.arguments)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            arguments[place] = tensor.detach().requires_grad_(ctx.needs_input_grad[2 + place])
        with _random_numbers_of(ctx.random, arguments), enable_grad():
            outputs = ctx.function(*arguments)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (output, grad)
            for output, grad in zip(outputs, grads, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([output for output, _ in pairs], [grad for _, grad in pairs])
        return (None, None, *(one.grad if isinstance(one, Tensor) else None for one in arguments))


def _reentrant(function: str, use_reentrant: bool | None) -> bool:
    if use_reentrant is not None:
        return use_reentrant
    warnings.warn(
        f"{function}: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
        "recommended; the default is True, as in PyTorch.",
        stacklevel=3,
    )
    return True


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], _Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose intermediate results are computed again in the backward pass.

    Args:
        function: must do the same when it is called again.
        args: its arguments. Tensors are kept, and must not be changed in place.
        use_reentrant: False records the graph and forgets what it saved; all kinds of backward passes work,
            those with create_graph=True too. True records nothing and differentiates in a pass of its own:
            an argument must require a gradient, of the arguments only tensors themselves get one (not those
            in lists), and only ``backward()`` without ``inputs`` works. None, the default, is True with a
            UserWarning, as in PyTorch.
        context_fn: gives two context managers, for the function and for its recomputation. Only without
            `use_reentrant`, as are the next three.
        determinism_check: "default" compares number, shapes, dtypes and devices of what was saved; "none"
            does not.
        debug: errors of that comparison show the two stacks.
        early_stop: end the recomputation when all that is needed is there.
        preserve_rng_state: draw the same random numbers again; default True.
        kwargs: keyword arguments of the function, without `use_reentrant` only.

    Raises:
        ValueError: options that do not go with `use_reentrant=True`; an unknown `determinism_check`.
        CheckpointError: in the backward pass, where the function has saved something else.
        RuntimeError: in the backward pass, where an argument was changed in place.
    """
    if _reentrant("checkpoint", use_reentrant):
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'] but got {determinism_check}"
        )
    forward_context, recompute_context = context_fn()
    random = _RandomState((*args, *kwargs.values())) if preserve_rng_state else None
    stop = early_stop if _early_stop is None else _early_stop
    if not _C.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    frame = _Frame(
        function, args, kwargs, random, recompute_context, determinism_check == "default", debug, stop
    )
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequential | Iterable[Callable[[Any], Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """Calls layers one after the other, in `segments` checkpoints; the last segment is none.

    Args:
        functions: a Sequential, or a list of modules or functions of one argument.
        segments: how many parts of equal length, the last with what is left over.
        input: of the first layer.
        use_reentrant: as for `checkpoint`.
        preserve_rng_state: draw the same random numbers again; default True.

    Raises:
        ValueError: `segments` is not between 1 and the number of layers.
    """
    reentrant = _reentrant("checkpoint_sequential", use_reentrant)
    layers = list(functions.children() if isinstance(functions, Sequential) else functions)
    if not 1 <= segments <= len(layers):
        raise ValueError(
            f"checkpoint_sequential: expected segments between 1 and {len(layers)}, the number of layers, "
            f"got {segments}"
        )

    def run(part: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for layer in part:
                value = layer(value)
            return value

        return forward

    size = len(layers) // segments
    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(
            run(layers[start : start + size]),
            input,
            use_reentrant=reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return run(layers[last:])(input)

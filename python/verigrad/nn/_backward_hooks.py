"""How backward hooks of a module see gradients: its inputs and outputs pass through one node each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import _C
from .._C import Tensor

Gradients = tuple[Tensor | None, ...]


class BackwardCall:
    """One call of a module that has backward hooks; the hooks are those registered at that time.

    The order in a backward pass: the gradients of all outputs meet, the pre-hooks see them, the pass goes
    through the module, the gradients of all inputs meet, the hooks see both.
    """

    def __init__(
        self,
        module: object,
        hooks: Sequence[Callable[..., Any]],
        pre_hooks: Sequence[Callable[..., Any]],
    ) -> None:
        self._module = module
        self._hooks = hooks
        self._pre_hooks = pre_hooks
        self._grad_output: Gradients | None = None
        self._inputs = 0
        self._input_seen = False

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments as ``forward`` is to see them."""
        if not self._hooks:
            return args
        self._inputs = len(args)
        args, self._input_seen = _through_one_node(args, self._at_inputs)
        return args

    def leave(self, result: Any) -> Any:
        """The result of ``forward`` as the caller is to see it; tensors and tuples of them are hooked."""
        if isinstance(result, tuple):
            values, hooked = _through_one_node(result, self._at_outputs, absent_as_none=True)
            if not hooked or type(result) is tuple:
                return values
            return type(result)(*values)  # a named tuple
        return _through_one_node((result,), self._at_outputs, absent_as_none=True)[0][0]

    def _at_outputs(self, gradients: Gradients) -> Gradients:
        for hook in self._pre_hooks:
            answer = hook(self._module, gradients)
            if answer is not None:
                gradients = _checked("Backward pre hook", "grad_output", answer, len(gradients))
        if not self._hooks:
            return gradients
        if self._input_seen:
            self._grad_output = gradients
            return gradients
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since "
            "no inputs require gradients.",
            stacklevel=2,
        )
        for hook in self._hooks:
            answer = hook(self._module, (None,) * self._inputs, gradients)
            if answer is not None and not (
                isinstance(answer, tuple) and all(element is None for element in answer)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None "
                    "or None for all gradients."
                )
        return gradients

    def _at_inputs(self, gradients: Gradients) -> Gradients:
        if self._grad_output is None:
            # The gradient came around the module's outputs, as it does in a second backward pass.
            return gradients
        for hook in self._hooks:
            answer = hook(self._module, gradients, self._grad_output)
            if answer is not None:
                gradients = _checked("Backward hook", "grad_input", answer, len(gradients))
        self._grad_output = None
        return gradients


def _checked(what: str, kind: str, answer: Any, count: int) -> Gradients:
    if not isinstance(answer, (tuple, list)):
        raise RuntimeError(f"{what}: expected a tuple of {kind} or None, got {type(answer).__name__}")
    if len(answer) != count:
        raise RuntimeError(
            f"{what} returned an invalid number of {kind}, got {len(answer)}, but expected {count}"
        )
    return tuple(answer)


def _through_one_node(
    values: tuple[Any, ...], hook: Callable[[Gradients], Gradients], absent_as_none: bool = False
) -> tuple[tuple[Any, ...], bool]:
    """Passes the tensors that require a gradient through one node, at which ``hook`` sees all gradients.

    A tensor hook sees the gradient of one tensor. A single tensor therefore becomes a view; several are
    joined into one and cut into pieces again, so that the gradients of all meet before the hook is called.

    Returns:
        The values in their order, and whether there was anything to hook.
    """
    places = [
        place for place, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad
    ]
    if not places or not _C.is_grad_enabled():
        return values, False
    result = list(values)

    def seen(gradients: list[Tensor | None]) -> list[Tensor | None]:
        row: list[Tensor | None] = [None] * len(values)
        for place, gradient in zip(places, gradients, strict=True):
            row[place] = gradient
        answer = hook(tuple(row))
        return [answer[place] for place in places]

    if len(places) == 1:
        view = values[places[0]].view_as(values[places[0]])
        view.register_hook(lambda gradient: seen([gradient])[0])
        result[places[0]] = view
        return tuple(result), True

    tensors = [values[place] for place in places]
    sizes = [tensor.numel() for tensor in tensors]
    shapes = [tensor.shape for tensor in tensors]
    dtypes = [tensor.dtype for tensor in tensors]
    joined = _C.cat([tensor.reshape(-1) for tensor in tensors])
    arrived: set[int] = set()

    def cut(flat: Tensor) -> list[Tensor]:
        pieces, start = [], 0
        for size, shape, dtype in zip(sizes, shapes, dtypes, strict=True):
            pieces.append(flat.narrow(0, start, size).view(shape).to(dtype))
            start += size
        return pieces

    def at_joint(gradient: Tensor) -> Tensor | None:
        pieces: list[Tensor | None] = list(cut(gradient))
        if absent_as_none:
            pieces = [piece if number in arrived else None for number, piece in enumerate(pieces)]
            arrived.clear()
        answer = seen(pieces)
        if all(new is old for new, old in zip(answer, pieces, strict=True)):
            return None
        return _C.cat(
            [
                _C.zeros((size,), dtype=gradient.dtype) if new is None else new.reshape(-1).to(gradient.dtype)
                for new, size in zip(answer, sizes, strict=True)
            ]
        )

    joined.register_hook(at_joint)
    for number, (place, piece) in enumerate(zip(places, cut(joined), strict=True)):
        if absent_as_none:
            piece.register_hook(partial(_mark, arrived, number))
        result[place] = piece
    return tuple(result), True


def _mark(arrived: set[int], number: int, gradient: Tensor) -> None:
    arrived.add(number)

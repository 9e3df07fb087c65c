"""The functions that run a backward pass."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

from .. import _C
from .._C import Tensor


def _tensors(function: str, argument: str, value: Any) -> tuple[Tensor, ...]:
    values = (value,) if isinstance(value, Tensor) else tuple(value) if isinstance(value, Sequence) else None
    if values is None:
        raise TypeError(
            f"{function}: expected {argument} to be a Tensor or a sequence of Tensors, "
            f"got {type(value).__name__}"
        )
    for index, tensor in enumerate(values):
        if not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise TypeError(f"{function}: expected {argument}[{index}] to be a Tensor, got {kind}")
    return values


def _gradients(function: str, argument: str, value: Any, count: int) -> tuple[Tensor | None, ...]:
    """The incoming gradients, one for each output; None stands for ones, where the output is a scalar."""
    if value is None:
        return (None,) * count
    values = (value,) if isinstance(value, Tensor) else tuple(value) if isinstance(value, Sequence) else None
    if values is None:
        raise TypeError(
            f"{function}: expected {argument} to be a Tensor, a sequence of Tensors or None, "
            f"got {type(value).__name__}"
        )
    if len(values) != count:
        raise RuntimeError(f"got {count} tensors and {len(values)} gradients")
    for index, gradient in enumerate(values):
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(gradient).__name__} "
                f"in {argument}[{index}]"
            )
    return values


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradient of the sum of ``tensors`` to ``.grad`` of the leaves.

    Args:
        tensors: what to differentiate.
        grad_tensors: the incoming gradients, each of its tensor's shape; None is allowed where the tensor is
            a scalar.
        retain_graph: keep what the graph saved, for another backward pass; default ``create_graph``.
        create_graph: record the backward pass, for derivatives of higher order.
        inputs: accumulate into these tensors only; default all leaves.

    Raises:
        RuntimeError: a tensor does not require grad, or is no scalar and has no gradient; shapes or counts
            differ; ``inputs`` is empty; the graph was freed by an earlier pass, or a saved tensor changed in
            place.
        TypeError: an argument is no Tensor.
    """
    outputs = _tensors("backward", "tensors", tensors)
    gradients = _gradients("backward", "grad_tensors", grad_tensors, len(outputs))
    targets = () if inputs is None else _tensors("backward", "inputs", inputs)
    if inputs is not None and not targets:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    keep = create_graph if retain_graph is None else retain_graph
    _C._backward(outputs, gradients, keep, create_graph, targets)


@overload
def grad(
    outputs: Tensor | Sequence[Tensor], inputs: Mapping[str, Tensor], *args: Any, **kwargs: Any
) -> dict[str, Tensor]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor], *args: Any, **kwargs: Any
) -> tuple[Tensor, ...]: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Returns the gradients of the sum of ``outputs`` with respect to ``inputs``; ``.grad`` is left alone.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what; a dict gives a dict of gradients back.
        grad_outputs: the incoming gradients, each of its output's shape; None is allowed where the output is
            a scalar.
        retain_graph: keep what the graph saved, for another backward pass; default ``create_graph``.
        create_graph: record the backward pass, for derivatives of higher order.
        only_inputs: deprecated and ignored, as in PyTorch.
        allow_unused: return None for an input the outputs do not depend on; default: the value of
            ``materialize_grads``.
        is_grads_batched: ``grad_outputs`` have a leading batch dimension; one backward pass is run for each
            entry and the gradients are stacked along a new first dimension.
        materialize_grads: return zeros instead of None for an input the outputs do not depend on.

    Returns:
        One gradient for each input, of its shape.

    Raises:
        RuntimeError: as for ``backward``; or an input is unused and ``allow_unused`` is False.
        ValueError: ``materialize_grads=True`` with ``allow_unused=False``.
        TypeError: an argument is no Tensor.
    """
    if not only_inputs:
        warnings.warn(
            "grad: only_inputs is deprecated and ignored; use autograd.backward to accumulate gradients "
            "for other parts of the graph.",
            FutureWarning,
            stacklevel=2,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False."
        )
    allow = materialize_grads if allow_unused is None else allow_unused
    names = tuple(inputs) if isinstance(inputs, Mapping) else None
    sources = _tensors("grad", "inputs", tuple(inputs.values()) if isinstance(inputs, Mapping) else inputs)
    results = _tensors("grad", "outputs", outputs)
    gradients = _gradients("grad", "grad_outputs", grad_outputs, len(results))
    keep = create_graph if retain_graph is None else retain_graph

    if is_grads_batched:
        answers = _batched_grad(results, sources, gradients, keep, create_graph, allow)
    else:
        answers = tuple(_C._grad(results, sources, gradients, keep, create_graph, allow))
    if materialize_grads:
        answers = tuple(
            _C.zeros_like(source, requires_grad=create_graph) if answer is None else answer
            for answer, source in zip(answers, sources, strict=True)
        )
    return answers if names is None else dict(zip(names, answers, strict=True))


def _batched_grad(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    gradients: tuple[Tensor | None, ...],
    keep: bool,
    create_graph: bool,
    allow_unused: bool,
) -> tuple[Tensor | None, ...]:
    rows_of = [gradient for gradient in gradients if gradient is not None]
    batches = {int(gradient.shape[0]) if gradient.ndim else 0 for gradient in rows_of}
    if len(batches) != 1 or len(rows_of) < len(gradients) or 0 in batches:
        raise RuntimeError(
            "grad: expected grad_outputs with one common, non-empty leading dimension for "
            f"is_grads_batched=True, got sizes {sorted(batches)}"
        )
    count = batches.pop()
    rows = []
    for index in range(count):
        row = tuple(gradient[index] for gradient in rows_of)
        rows.append(_C._grad(outputs, inputs, row, keep or index + 1 < count, create_graph, allow_unused))
    return tuple(None if column[0] is None else _C.stack(list(column)) for column in zip(*rows, strict=True))

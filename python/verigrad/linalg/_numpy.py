"""What all of linalg shares: the checks, and the way to numpy's LAPACK and back."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from .._C import Tensor

__all__ = ["LinAlgError"]


class LinAlgError(RuntimeError):
    """A matrix has no such decomposition, inverse or solution, or LAPACK did not converge."""


def check(op: str, *tensors: Tensor, square: bool = False, lapack: bool = True) -> None:
    """Raises for what is no batch of float matrices, for `lapack` on the CPU; of `square`, the first only."""
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{op}: expected argument {number + 1} to be a Tensor, got {type(tensor).__name__}"
            )
        if not tensor.dtype.is_floating_point:
            raise RuntimeError(f"{op}: Expected a floating point tensor as input. Got {tensor.dtype}")
        if lapack and not tensor.is_cpu:
            raise NotImplementedError(
                f"{op}: expected a tensor on the CPU, where LAPACK computes, got one on {tensor.device}; "
                "call .cpu()"
            )
    first = tensors[0]
    if first.ndim < 2:
        raise RuntimeError(f"{op}: The input tensor A must have at least 2 dimensions.")
    if square and first.shape[-1] != first.shape[-2]:
        rows, columns = first.shape[-2:]
        raise RuntimeError(
            f"{op}: A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    for tensor in tensors[1:]:
        if tensor.dtype != first.dtype:
            raise RuntimeError(
                f"{op}: Expected A and B to have the same dtype, but found A of type {first.dtype} and B of "
                f"type {tensor.dtype} instead"
            )


def lapack(op: str, failure: str, function: Callable[..., Any], *tensors: Tensor) -> Any:
    """`function` of the tensors as arrays; its arrays as tensors.

    Raises:
        LinAlgError: with `failure`, and the number of the matrix that failed in a batch.
    """
    from numpy.linalg import LinAlgError as Failed

    arrays = [tensor.detach().numpy() for tensor in tensors]
    try:
        found = function(*arrays)
    except Failed:
        where = ""
        if arrays[0].ndim > 2:
            number = _first_failing(function, arrays)
            where = "" if number is None else f"(Batch element {number}): "
        raise LinAlgError(f"{op}: {where}{failure}") from None
    if isinstance(found, tuple):
        return tuple(as_tensor(one, tensors[0].dtype) for one in found)
    return as_tensor(found, tensors[0].dtype)


def _first_failing(function: Callable[..., Any], arrays: Sequence[Any]) -> int | None:
    """Which matrix of the batch it is; None where they fail together alone."""
    import numpy as np

    batch = np.broadcast_shapes(*(array.shape[:-2] for array in arrays))
    flat = [
        np.broadcast_to(array, batch + array.shape[-2:]).reshape(-1, *array.shape[-2:]) for array in arrays
    ]
    for number in range(len(flat[0])):
        try:
            function(*(array[number] for array in flat))
        except np.linalg.LinAlgError:
            return number
    return None


def as_tensor(array: Any, dtype: _C.dtype) -> Tensor:
    """A contiguous tensor of an array or a number; floats in that dtype."""
    import numpy as np

    found = _C.from_numpy(np.array(array, order="C"))
    return found.to(dtype) if found.dtype.is_floating_point else found


def result_type(name: str, fields: str) -> Any:
    """A named tuple that prints as PyTorch's named results do."""
    made = namedtuple(name, fields, module="verigrad.return_types")  # type: ignore[misc]

    def text(self: Any) -> str:
        lines = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
        return f"verigrad.return_types.{name}(\n{lines})"

    setattr(made, "__repr__", text)  # noqa: B010
    setattr(_C.return_types, name, made)
    return made


def adjoint(tensor: Tensor) -> Tensor:
    return tensor.transpose(-2, -1)


def gap(values: Tensor) -> Tensor:
    """values[j] - values[i] in row i and column j; infinity on the diagonal, where a division gives 0."""
    differences = values.unsqueeze(-2) - values.unsqueeze(-1)
    return differences + _C.full_like(values, float("inf")).diag_embed()

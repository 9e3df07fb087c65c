"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ... import _C
from ..._C import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Joins the elements of all parameters into one vector, in their order; gradients flow through it.

    Raises:
        ValueError: there is none.
    """
    return _C.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Replaces the data of the parameters by slices of a vector, in their order.

    The parameters share their memory with ``vec`` afterwards, unless their dtypes differ: they keep their
    own. Unlike in PyTorch, a vector that is too long is refused as well as one that is too short.

    Raises:
        TypeError: ``vec`` is no tensor.
        RuntimeError: it is no vector, or has another number of elements than all parameters together; nothing
            is changed then.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected vec to be a Tensor, got {type(vec).__name__}")
    tensors = list(parameters)
    total = sum(tensor.numel() for tensor in tensors)
    if vec.dim() != 1 or vec.numel() != total:
        raise RuntimeError(
            f"vector_to_parameters: expected a vector of {total} elements, got shape {tuple(vec.shape)}"
        )
    start = 0
    data = vec.detach()
    for tensor in tensors:
        piece = data.narrow(0, start, tensor.numel()).reshape(tensor.shape)
        tensor.data = piece.to(tensor.dtype)
        start += tensor.numel()

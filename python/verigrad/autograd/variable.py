"""`Variable`, the name that tensors with gradients had in PyTorch before version 0.4."""

from __future__ import annotations

from typing import Any

from .._C import Tensor

__all__ = ["Variable"]


class _InstanceOfTensor(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_InstanceOfTensor):
    """``Variable(data, requires_grad=False)`` is a tensor over the memory of *data*, without its history.

    Every tensor is an instance of it. New programs call ``requires_grad_()`` of a tensor instead.

    Raises:
        TypeError: *data* is no tensor.
        RuntimeError: *requires_grad* for a dtype that has no gradients.
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)

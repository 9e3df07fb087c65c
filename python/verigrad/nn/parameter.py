"""The tensor that a Module counts among its parameters."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the Module it is assigned to.

    Args:
        data: the tensor whose storage to share; default an empty one.
        requires_grad: whether it is to be trained; default True.

    Raises:
        TypeError: ``data`` is no Tensor.
        RuntimeError: ``requires_grad`` with a dtype that is not floating point.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected data to be a Tensor, got {type(data).__name__}")
        if requires_grad and not data.dtype.is_floating_point:
            raise RuntimeError(
                f"Parameter: only Tensors of floating point dtype can require gradients, got {data.dtype}"
            )
        super().__init__(data)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Parameter:
        known: Parameter | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.detach().clone(), self.requires_grad)
            memo[id(self)] = known
        return known

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

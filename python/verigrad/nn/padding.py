"""Layers that pad, all of them by way of ``functional.pad``."""

from __future__ import annotations

from collections.abc import Sequence

from .._C import Tensor
from . import functional
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]

_Size = int | Sequence[int]


class _Pad(Module):
    """Pads the last ``dims`` dimensions."""

    dims: int
    mode: str

    def __init__(self, padding: _Size) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return functional.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: _Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return functional.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: _Size) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """Pads the last dimension of an input of any shape with
    a value.

    Args:
        padding: elements before and after, or one number for all; negative ones crop.
        value: what to fill with.
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two dimensions of an input of any shape with
    a value.

    Args:
        padding: elements left, right, top and bottom, or one number for all; negative ones crop.
        value: what to fill with.
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three dimensions of an input of any shape with
    a value.

    Args:
        padding: elements left, right, top, bottom, front and back, or one number for all; negative ones crop.
        value: what to fill with.
    """

    dims = 3


class ZeroPad1d(_ZeroPad):
    """Pads the last dimension of an input of any shape with
    zeros.

    Args:
        padding: elements before and after, or one number for all; negative ones crop.
    """

    dims = 1


class ZeroPad2d(_ZeroPad):
    """Pads the last two dimensions of an input of any shape with
    zeros.

    Args:
        padding: elements left, right, top and bottom, or one number for all; negative ones crop.
    """

    dims = 2


class ZeroPad3d(_ZeroPad):
    """Pads the last three dimensions of an input of any shape with
    zeros.

    Args:
        padding: elements left, right, top, bottom, front and back, or one number for all; negative ones crop.
    """

    dims = 3


class ReflectionPad1d(_Pad):
    """Pads the last dimension of [N, C, L] or [C, L] with
    the input mirrored at its first and last element.

    Args:
        padding: elements before and after, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding is not less than the size.
    """

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pads the last two dimensions of [N, C, H, W] or [C, H, W] with
    the input mirrored at its first and last element.

    Args:
        padding: elements left, right, top and bottom, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding is not less than the size.
    """

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """Pads the last three dimensions of [N, C, D, H, W] or [C, D, H, W] with
    the input mirrored at its first and last element.

    Args:
        padding: elements left, right, top, bottom, front and back, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding is not less than the size.
    """

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Pads the last dimension of [N, C, L] or [C, L] with
    the first and the last element.

    Args:
        padding: elements before and after, or one number for all; negative ones crop.
    """

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pads the last two dimensions of [N, C, H, W] or [C, H, W] with
    the first and the last element.

    Args:
        padding: elements left, right, top and bottom, or one number for all; negative ones crop.
    """

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """Pads the last three dimensions of [N, C, D, H, W] or [C, D, H, W] with
    the first and the last element.

    Args:
        padding: elements left, right, top, bottom, front and back, or one number for all; negative ones crop.
    """

    dims = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """Pads the last dimension of [N, C, L] or [C, L] with
    the input's other end.

    Args:
        padding: elements before and after, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding exceeds the size.
    """

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Pads the last two dimensions of [N, C, H, W] or [C, H, W] with
    the input's other end.

    Args:
        padding: elements left, right, top and bottom, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding exceeds the size.
    """

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """Pads the last three dimensions of [N, C, D, H, W] or [C, D, H, W] with
    the input's other end.

    Args:
        padding: elements left, right, top, bottom, front and back, or one number for all; negative ones crop.

    Raises:
        RuntimeError: (in the call) a padding exceeds the size.
    """

    dims = 3
    mode = "circular"

"""Layers that pool: one number for each window of a signal, an image or a volume; and the reverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._C import Tensor
from . import functional
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

_Size = int | Sequence[int]
_OutputSize = int | Sequence[int | None]


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        dilation: _Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )

    def _apply_to(self, function: Callable[..., Any], input: Tensor) -> Any:
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(_MaxPool):
    """The greatest element of each window of a signal: [N, C, L] or [C, L] to the same with another L; see
    ``functional.max_pool1d``.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements before and after the input that never win; default 0.
        dilation: from one element of a window to the next; default 1.
        return_indices: whether to return the int64 positions as well; default False.
        ceil_mode: whether the last window may reach beyond the padded input; default False.
    """

    def forward(self, input: Tensor) -> Any:
        return self._apply_to(functional.max_pool1d, input)


class MaxPool2d(_MaxPool):
    """The greatest element of each window of an image: [N, C, H, W] or [C, H, W] to the same with other H and
    W; see ``functional.max_pool2d``.

    Args:
        kernel_size: height and width of a window, or one number for both. So are the next three.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements around the input that never win; default 0.
        dilation: from one element of a window to the next; default 1.
        return_indices: whether to return the int64 positions as well; default False.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
    """

    def forward(self, input: Tensor) -> Any:
        return self._apply_to(functional.max_pool2d, input)


class MaxPool3d(_MaxPool):
    """The greatest element of each window of a volume: [N, C, D, H, W] or [C, D, H, W] to the same with other
    D, H and W; see ``functional.max_pool3d``.

    Args:
        kernel_size: depth, height and width of a window, or one number for all. So are the next three.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements around the input that never win; default 0.
        dilation: from one element of a window to the next; default 1.
        return_indices: whether to return the int64 positions as well; default False.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
    """

    def forward(self, input: Tensor) -> Any:
        return self._apply_to(functional.max_pool3d, input)


class _AvgPool(Module):
    kernel_size: _Size
    stride: _Size
    padding: _Size

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def _single(value: _Size) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


class AvgPool1d(_AvgPool):
    """The mean of each window of a signal: [N, C, L] or [C, L] to the same with another L; see
    ``functional.avg_pool1d``.

    Args:
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros before and after the input; default 0.
        ceil_mode: whether the last window may reach beyond the padded input; default False.
        count_include_pad: whether the padding counts as elements; default True.
    """

    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class _AvgPoolOfMany(_AvgPool):
    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _apply_to(self, function: Callable[..., Tensor], input: Tensor) -> Tensor:
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPoolOfMany):
    """The mean of each window of an image: [N, C, H, W] or [C, H, W] to the same with other H and W; see
    ``functional.avg_pool2d``.

    Args:
        kernel_size: height and width of a window, or one number for both. So are the next two.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros around the input; default 0.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
        count_include_pad: whether the padding counts as elements; default True.
        divisor_override: what sums are divided by instead of the number of elements; default None.
    """

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.avg_pool2d, input)


class AvgPool3d(_AvgPoolOfMany):
    """The mean of each window of a volume: [N, C, D, H, W] or [C, D, H, W] to the same with other D, H and W;
    see ``functional.avg_pool3d``.

    Args:
        kernel_size: depth, height and width of a window, or one number for all. So are the next two.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros around the input; default 0.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
        count_include_pad: whether the padding counts as elements; default True.
        divisor_override: what sums are divided by instead of the number of elements; default None.
    """

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.avg_pool3d, input)


class _AdaptivePool(Module):
    output_size: Any

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of ``output_size`` windows that cover a signal: [N, C, L] or [C, L] to [..., output_size].

    Args:
        output_size: number of windows.
    """

    def __init__(self, output_size: _Size) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of windows that cover an image: [N, C, H, W] or [C, H, W] to the output's height and width.

    Args:
        output_size: height and width of the output, or one number for both; None keeps the input's.
    """

    def __init__(self, output_size: _OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptivePool):
    """The means of windows that cover a volume: [N, C, D, H, W] or [C, D, H, W] to the output's depth, height
    and width.

    Args:
        output_size: depth, height and width of the output, or one number for all; None keeps the input's.
    """

    def __init__(self, output_size: _OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return functional.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptivePool):
    """The greatest elements of ``output_size`` windows that cover a signal: [N, C, L] or [C, L] to
    [..., output_size].

    Args:
        output_size: number of windows.
        return_indices: whether to return the int64 positions as well; default False.
    """

    def __init__(self, output_size: _Size, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptivePool):
    """The greatest elements of windows that cover an image: [N, C, H, W] or [C, H, W] to the output's height
    and width.

    Args:
        output_size: height and width of the output, or one number for both; None keeps the input's.
        return_indices: whether to return the int64 positions as well; default False.
    """

    def __init__(self, output_size: _OutputSize, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptivePool):
    """The greatest elements of windows that cover a volume: [N, C, D, H, W] or [C, D, H, W] to the output's
    depth, height and width.

    Args:
        output_size: depth, height and width of the output, or one number for all; None keeps the input's.
        return_indices: whether to return the int64 positions as well; default False.
    """

    def __init__(self, output_size: _OutputSize, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return functional.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _LPPool(Module):
    def __init__(
        self,
        norm_type: float,
        kernel_size: _Size,
        stride: _Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )

    def _apply_to(self, function: Callable[..., Tensor], input: Tensor) -> Tensor:
        return function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """``(sum x^p)^(1/p)`` over each window of a signal: [N, C, L] or [C, L] to the same with another L; see
    ``functional.lp_pool1d``.

    Args:
        norm_type: p.
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        ceil_mode: whether the last window may reach beyond the input; default False.
    """

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.lp_pool1d, input)


class LPPool2d(_LPPool):
    """``(sum x^p)^(1/p)`` over each window of an image [N, C, H, W] or [C, H, W]; else as ``LPPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.lp_pool2d, input)


class LPPool3d(_LPPool):
    """``(sum x^p)^(1/p)`` over each window of a volume [N, C, D, H, W] or [C, D, H, W]; else as
    ``LPPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return self._apply_to(functional.lp_pool3d, input)


class _MaxUnpool(Module):
    dims: int

    def __init__(self, kernel_size: _Size, stride: _Size | None = None, padding: _Size = 0) -> None:
        super().__init__()
        self.kernel_size = self._each(kernel_size)
        self.stride = self._each(stride if stride is not None else kernel_size)
        self.padding = self._each(padding)

    def _each(self, value: _Size) -> tuple[int, ...]:
        return (value,) * self.dims if isinstance(value, int) else tuple(value)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def _apply_to(
        self,
        function: Callable[..., Tensor],
        input: Tensor,
        indices: Tensor,
        output_size: Sequence[int] | None,
    ) -> Tensor:
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of a ``MaxPool1d`` back to their places, with zeros elsewhere: [N, C, L] or [C, L] to
    the same with another L; see ``functional.max_unpool1d``.

    Args:
        kernel_size: elements of a window of that layer.
        stride: from one of its windows to the next; default ``kernel_size``.
        padding: of that layer; default 0.
    """

    dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.max_unpool1d, input, indices, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of a ``MaxPool2d`` back to their places: [N, C, H, W] or [C, H, W]; else as
    ``MaxUnpool1d``."""

    dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.max_unpool2d, input, indices, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of a ``MaxPool3d`` back to their places: [N, C, D, H, W] or [C, D, H, W]; else as
    ``MaxUnpool1d``."""

    dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._apply_to(functional.max_unpool3d, input, indices, output_size)

"""Pooling: one number for each window of a signal, an image or a volume.

Output sizes follow V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (arXiv
1603.07285): ``floor((in + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1``, with ``ceil``
instead of ``floor`` in ``ceil_mode``, where the last window must still begin inside of the input or of the
padding before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._C import Tensor
from ..._C import nn_functional as _native

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

_Size = int | Sequence[int]
_OutputSize = int | Sequence[int | None]


def max_pool1d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Returns the greatest element of each window of a signal, a tensor, or a pair of it and the positions.

    Args:
        input: [N, C, L] or [C, L], of any dtype but bool; N may be 0.
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements before and after the input that never win; at most half of ``kernel_size``. Default
            0.
        dilation: from one element of a window to the next; default 1.
        ceil_mode: whether the last window may reach beyond the padded input; default False.
        return_indices: whether to return the int64 position of each result as well; default False. Of equal
            elements the first one counts; NaN is greater than any number, and the last NaN counts.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input or holds none of its
            elements, or an argument is out of its range.
        NotImplementedError: the input is bool.
        TypeError: an argument is no int.
    """
    if return_indices:
        return _native.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _native.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``max_pool1d`` and their int64 positions; ``return_indices`` has no effect."""
    return _native.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Returns the greatest element of each window of an image, a tensor, or a pair of it and the positions.

    Args:
        input: [N, C, H, W] or [C, H, W], of any dtype but bool; N may be 0.
        kernel_size: height and width of a window, or one number for both. So are the next three.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements around the input that never win; at most half of ``kernel_size``. Default 0.
        dilation: from one element of a window to the next; default 1.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
        return_indices: whether to return the int64 position of each result as well, ``row * W + column``;
            default False. Of equal elements the first one counts; NaN is greater than any number, and the
            last NaN counts.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input or holds none of its
            elements, or an argument is out of its range.
        NotImplementedError: the input is bool.
        TypeError: an argument is no int.
    """
    if return_indices:
        return _native.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _native.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``max_pool2d`` and their int64 positions; ``return_indices`` has no effect."""
    return _native.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Returns the greatest element of each window of a volume, a tensor, or a pair of it and the positions.

    Args:
        input: [N, C, D, H, W] or [C, D, H, W], of any dtype but bool; N may be 0.
        kernel_size: depth, height and width of a window, or one number for all. So are the next three.
        stride: from one window to the next; default ``kernel_size``.
        padding: elements around the input that never win; at most half of ``kernel_size``. Default 0.
        dilation: from one element of a window to the next; default 1.
        ceil_mode: whether the last windows may reach beyond the padded input; default False.
        return_indices: whether to return the int64 position of each result as well,
            ``(frame * H + row) * W + column``; default False. Of equal elements the first one counts; NaN is
            greater than any number, and the last NaN counts.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input or holds none of its
            elements, or an argument is out of its range.
        NotImplementedError: the input is bool.
        TypeError: an argument is no int.
    """
    if return_indices:
        return _native.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _native.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    dilation: _Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``max_pool3d`` and their int64 positions; ``return_indices`` has no effect."""
    return _native.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Returns the mean of each window of a signal.

    Args:
        input: [N, C, L] or [C, L], floating point or int64 (whose means are truncated); N may be 0.
        kernel_size: elements of a window.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros before and after the input; at most half of ``kernel_size``. Default 0.
        ceil_mode: whether the last window may reach beyond the padded input; default False. What is beyond
            never counts.
        count_include_pad: whether the padding counts as elements; default True.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input, or an argument is
            out of its range.
        NotImplementedError: the input has another dtype.
        TypeError: an argument is no int.
    """
    return _native.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Returns the mean of each window of an image.

    Args:
        input: [N, C, H, W] or [C, H, W], floating point or int64 (whose means are truncated); N may be 0.
        kernel_size: height and width of a window, or one number for both. So are the next two.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros around the input; at most half of ``kernel_size``. Default 0.
        ceil_mode: whether the last windows may reach beyond the padded input; default False. What is beyond
            never counts.
        count_include_pad: whether the padding counts as elements; default True.
        divisor_override: what sums are divided by instead of the number of elements; default None.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input, or an argument is
            out of its range.
        IndexError: the input has fewer than 3 dimensions.
        NotImplementedError: the input has another dtype.
        TypeError: an argument is no int.
    """
    return _native.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: _Size,
    stride: _Size | None = None,
    padding: _Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Returns the mean of each window of a volume.

    Args:
        input: [N, C, D, H, W] or [C, D, H, W], floating point or int64 (whose means are truncated), nowhere
            smaller than a window; N may be 0.
        kernel_size: depth, height and width of a window, or one number for all. So are the next two.
        stride: from one window to the next; default ``kernel_size``.
        padding: zeros around the input; at most half of ``kernel_size``. Default 0.
        ceil_mode: whether the last windows may reach beyond the padded input; default False. What is beyond
            never counts.
        count_include_pad: whether the padding counts as elements; default True.
        divisor_override: what sums are divided by instead of the number of elements; default None.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the input, or an argument is out of
            its range.
        NotImplementedError: the input has another dtype.
        TypeError: an argument is no int.
    """
    return _native.avg_pool3d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _filled(output_size: _OutputSize, input: Tensor, dims: int) -> _Size:
    """The output size with the input's in place of None."""
    if isinstance(output_size, int):
        return [output_size] * dims
    if input.ndim <= len(output_size):
        raise ValueError(
            f"Input dimension should be at least {len(output_size) + 1}, got an input of shape {input.shape}"
        )
    sizes = input.shape[-len(output_size) :] if output_size else ()
    return [given if given is not None else own for given, own in zip(output_size, sizes, strict=True)]


def adaptive_avg_pool1d(input: Tensor, output_size: _Size) -> Tensor:
    """Returns the means of ``output_size`` windows that cover a signal.

    Window ``i`` goes from ``floor(i * L / output_size)`` up to ``ceil((i + 1) * L / output_size)``.

    Args:
        input: [N, C, L] or [C, L], floating point, with L > 0.
        output_size: number of windows.

    Raises:
        RuntimeError: the shape is another one, L is 0, or ``output_size`` is negative.
        NotImplementedError: the input is not floating point.
        TypeError: ``output_size`` is no int.
    """
    return _native.adaptive_avg_pool1d(input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: _OutputSize) -> Tensor:
    """Returns the means of windows that cover an image.

    Rows ``floor(i * H / height)`` up to ``ceil((i + 1) * H / height)`` belong to output row ``i``; columns
    likewise.

    Args:
        input: [N, C, H, W] or [C, H, W], floating point, with H, W > 0.
        output_size: height and width of the output, or one number for both; None keeps the input's.

    Raises:
        RuntimeError: the shape is another one, H or W is 0, or a size is negative.
        ValueError: the input has too few dimensions.
        NotImplementedError: the input is not floating point.
        TypeError: a size is neither int nor None.
    """
    return _native.adaptive_avg_pool2d(input, _filled(output_size, input, 2))


def adaptive_avg_pool3d(input: Tensor, output_size: _OutputSize) -> Tensor:
    """Returns the means of windows that cover a volume; for the windows see ``adaptive_avg_pool2d``.

    Args:
        input: [N, C, D, H, W] or [C, D, H, W], floating point; only the first size may be 0.
        output_size: depth, height and width of the output, or one number for all; None keeps the input's.

    Raises:
        RuntimeError: the shape is another one, or a size is negative.
        ValueError: the input has too few dimensions.
        NotImplementedError: the input is not floating point.
        TypeError: a size is neither int nor None.
    """
    return _native.adaptive_avg_pool3d(input, _filled(output_size, input, 3))


def adaptive_max_pool1d(input: Tensor, output_size: _Size, return_indices: bool = False) -> Any:
    """Returns the greatest elements of ``output_size`` windows that cover a signal; for the windows see
    ``adaptive_avg_pool1d``.

    Args:
        input: [N, C, L] or [C, L], floating point; only N may be 0.
        output_size: number of windows.
        return_indices: whether to return the int64 position of each result as well; default False.

    Raises:
        RuntimeError: the shape is another one, or ``output_size`` is negative.
        NotImplementedError: the input is not floating point.
        TypeError: ``output_size`` is no int.
    """
    result = _native.adaptive_max_pool1d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: _Size, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``adaptive_max_pool1d`` and their int64 positions; ``return_indices`` has no
    effect."""
    return _native.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: _OutputSize, return_indices: bool = False) -> Any:
    """Returns the greatest elements of windows that cover an image; for the windows see
    ``adaptive_avg_pool2d``.

    Args:
        input: [N, C, H, W] or [C, H, W], floating point; only the first size may be 0.
        output_size: height and width of the output, or one number for both; None keeps the input's.
        return_indices: whether to return the int64 position ``row * W + column`` of each result as well;
            default False.

    Raises:
        RuntimeError: the shape is another one, or a size is negative.
        ValueError: the input has too few dimensions.
        NotImplementedError: the input is not floating point.
        TypeError: a size is neither int nor None.
    """
    result = _native.adaptive_max_pool2d(input, _filled(output_size, input, 2))
    return result if return_indices else result[0]


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: _OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``adaptive_max_pool2d`` and their int64 positions; ``return_indices`` has no
    effect."""
    return _native.adaptive_max_pool2d(input, _filled(output_size, input, 2))


def adaptive_max_pool3d(input: Tensor, output_size: _OutputSize, return_indices: bool = False) -> Any:
    """Returns the greatest elements of windows that cover a volume; for the windows see
    ``adaptive_avg_pool2d``.

    Args:
        input: [N, C, D, H, W] or [C, D, H, W], floating point; only the first size may be 0.
        output_size: depth, height and width of the output, or one number for all; None keeps the input's.
        return_indices: whether to return the int64 position ``(frame * H + row) * W + column`` of each
            result as well; default False.

    Raises:
        RuntimeError: the shape is another one, or a size is negative.
        ValueError: the input has too few dimensions.
        NotImplementedError: the input is not floating point.
        TypeError: a size is neither int nor None.
    """
    result = _native.adaptive_max_pool3d(input, _filled(output_size, input, 3))
    return result if return_indices else result[0]


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: _OutputSize, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Returns the results of ``adaptive_max_pool3d`` and their int64 positions; ``return_indices`` has no
    effect."""
    return _native.adaptive_max_pool3d(input, _filled(output_size, input, 3))

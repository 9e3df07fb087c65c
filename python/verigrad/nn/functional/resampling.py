"""Padding, sliding windows, and channels that become pixels."""

from __future__ import annotations

from collections.abc import Sequence

from ..._C import Tensor
from ..._C import nn_functional as _native

__all__ = [
    "fold",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

_Size = int | Sequence[int]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Returns the input with elements added at the ends of its last dimensions, a new tensor.

    Args:
        input: of any shape and dtype; see ``mode``.
        pad: how many elements to add before and after the last dimension, then the one before it, and so on.
            A negative number crops.
        mode: "constant" takes any number of dimensions. "reflect" mirrors the input at its first and last
            element, "replicate" repeats those, "circular" goes on at the other end; these pad the last
            dimension of [N, C, L] or [C, L], the last two of [N, C, H, W] or [C, H, W], or the last three of
            [N, C, D, H, W] or [C, D, H, W]. Default "constant".
        value: what to fill with in mode "constant", cast to the input's dtype; default 0.

    Raises:
        RuntimeError: the number of entries of ``pad`` does not fit, a padded size is negative or too large,
            or ``value`` is given for another mode. "reflect" takes less than the input's size, "circular" at
            most that.
        NotImplementedError: the mode is unknown or does not take this number of dimensions or dtype.
        TypeError: ``pad`` is no sequence of ints.
    """
    return _native.pad(input, pad, mode, value)


def unfold(
    input: Tensor, kernel_size: _Size, dilation: _Size = 1, padding: _Size = 0, stride: _Size = 1
) -> Tensor:
    """Returns the windows of an image as columns, row by row: what a convolution multiplies its weights with.

    Args:
        input: [N, C, H, W] or [C, H, W], floating point; N may be 0.
        kernel_size: height and width of a window, or one number for both. So are the other arguments.
        dilation: from one element of a window to the next; default 1.
        padding: zeros around the input; default 0.
        stride: from one window to the next; default 1.

    Returns:
        [N, C * kernel_height * kernel_width, windows], or without N.

    Raises:
        RuntimeError: the shape is another one, a window is larger than the padded input, or an argument is
            out of its range.
        IndexError: the input has fewer than 3 dimensions.
        NotImplementedError: the input is not floating point.
        TypeError: an argument is no int.
    """
    return _native.unfold(input, kernel_size, dilation, padding, stride)


def fold(
    input: Tensor,
    output_size: _Size,
    kernel_size: _Size,
    dilation: _Size = 1,
    padding: _Size = 0,
    stride: _Size = 1,
) -> Tensor:
    """Returns an image with each column added at its window: the transpose of ``unfold``.

    Args:
        input: [N, C * kernel_height * kernel_width, windows], or without N; floating point.
        output_size: height and width of the image, or one number for both. So are the other arguments.
        kernel_size: height and width of a window.
        dilation: from one element of a window to the next; default 1.
        padding: zeros around the image, which are left out of the result; default 0.
        stride: from one window to the next; default 1.

    Returns:
        [N, C, H, W], or without N.

    Raises:
        RuntimeError: the input does not have the columns of such an image, or an argument is out of its
            range.
        NotImplementedError: the input is not floating point.
        TypeError: an argument is no int.
    """
    return _native.fold(input, output_size, kernel_size, dilation, padding, stride)


def _factor(op: str, name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{op}(): argument '{name}' (position 2) must be int, not {type(value).__name__}")
    if value <= 0:
        raise RuntimeError(f"{op}: expects a positive {name}, but got {value}")


def _image_rank(op: str, input: Tensor) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{op}: expects input to have at least 3 dimensions, but got an input of shape {input.shape}"
        )


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Returns [*, C r^2, H, W] as [*, C, H r, W r]: r^2 channels become an r by r block (W. Shi et al., arXiv
    1609.05158, equation 4).

    Args:
        input: of any dtype.
        upscale_factor: r.

    Raises:
        RuntimeError: there are fewer than 3 dimensions, r is not positive, or r^2 does not divide the
            channels.
        TypeError: r is no int.
    """
    _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    _image_rank("pixel_shuffle", input)
    r = upscale_factor
    *outer, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle: expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input {input.shape} is not divisible by {r * r}"
        )
    n = len(outer)
    blocks = input.reshape((*outer, channels // (r * r), r, r, height, width))
    blocks = blocks.permute((*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return blocks.reshape((*outer, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Returns [*, C, H r, W r] as [*, C r^2, H, W]: the inverse of ``pixel_shuffle``.

    Args:
        input: of any dtype.
        downscale_factor: r.

    Raises:
        RuntimeError: there are fewer than 3 dimensions, r is not positive or does not divide height and
            width.
        TypeError: r is no int.
    """
    _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    _image_rank("pixel_unshuffle", input)
    r = downscale_factor
    *outer, channels, height, width = input.shape
    for name, size in (("height", height), ("width", width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle: expects {name} to be divisible by downscale_factor, but input "
                f"{input.shape} is not divisible by {r}"
            )
    n = len(outer)
    blocks = input.reshape((*outer, channels, height // r, r, width // r, r))
    blocks = blocks.permute((*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return blocks.reshape((*outer, channels * r * r, height // r, width // r))

"""Padding, sliding windows, and images of another size.

Interpolation follows PyTorch: with ``align_corners`` the centres of the corner elements stay where they are,
without it the corners of the image do, and element ``i`` of the output lies at ``(i + 0.5) * scale - 0.5``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ... import _C
from ..._C import Tensor
from ..._C import nn_functional as _native
from ..._text import short
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d

__all__ = [
    "fold",
    "interpolate",
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


_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")
_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}


def _spatial(name: str, value: object, dims: int, input: Tensor) -> list[object]:
    """One entry for each spatial dimension."""
    if not isinstance(value, tuple | list):
        return [value] * dims
    if len(value) != dims:
        raise ValueError(
            f"interpolate: expected {name} of one number or of {dims} for input {input.shape}, got "
            f"{short(list(value))}: Input and output must have the same number of spatial dimensions"
        )
    return list(value)


def interpolate(
    input: Tensor,
    size: _Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Returns a signal or an image in another size.

    Args:
        input: [N, C, L], [N, C, H, W], or (for the nearest modes) [N, C, D, H, W]; N may be 0. The nearest
            modes take floating point and uint8, the others floating point.
        size: of the spatial dimensions of the output, or one number for all.
        scale_factor: instead of ``size``; the output's size is ``floor(size * scale_factor)``.
        mode: "nearest" (element ``floor(i * scale)``), "nearest-exact" (``floor((i + 0.5) * scale)``),
            "linear" (3 dimensions), "bilinear" (4 dimensions) or "area" (means, as the adaptive pools).
            Default "nearest".
        align_corners: whether the corner elements keep their centres; only for linear and bilinear. Default
            None, which is False there.
        recompute_scale_factor: whether the positions follow from the rounded output size instead of
            ``scale_factor``; default None, which is False.
        antialias: must be False.

    Raises:
        ValueError: not one of ``size`` and ``scale_factor`` is given, they have the wrong number of entries,
            or an option does not belong to the mode.
        RuntimeError: the input or the output has a spatial size that is not positive.
        TypeError: ``size`` is no int.
        NotImplementedError: the mode is unknown, not for this number of dimensions, or bicubic or trilinear;
            ``antialias`` is True; the dtype is another one.
    """
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic "
            f"| trilinear, got mode {short(mode)}"
        )
    dims = input.ndim - 2
    output, scales = _output_size(input, dims, size, scale_factor, recompute_scale_factor, mode)
    if antialias:
        if mode not in ("bilinear", "bicubic") or input.ndim != 4:
            raise ValueError(
                f"Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as "
                f"input, got mode {short(mode)} and input {input.shape}"
            )
        raise NotImplementedError("interpolate: antialias=True is not implemented")
    if mode not in _MODES or input.ndim not in (3, 4, 5):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D, shape "
            f"{input.shape}) for the modes: {' | '.join(_MODES)} (got {short(mode)})"
        )
    if mode in _RANKS and input.ndim != _RANKS[mode]:
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode]}D input, got shape {input.shape}"
        )
    if mode in ("bicubic", "trilinear"):
        raise NotImplementedError(f"interpolate: mode {short(mode)} is not implemented")
    if mode == "area" and input.ndim == 5:
        raise NotImplementedError(
            f"interpolate: mode 'area' is not implemented for 5D input, got shape {input.shape}"
        )
    if mode != "area" and min(*input.shape[1:], *output) <= 0:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {input.shape} and "
            f"output size {output}"
        )
    if math.prod((*input.shape[:2], *output)) >= 2**60:
        raise RuntimeError(
            f"interpolate: expected an output that fits into memory, got size {output} for input "
            f"{input.shape}: Storage size calculation overflowed"
        )
    nearest = mode in ("nearest", "nearest-exact")
    if not input.dtype.is_floating_point and not (nearest and input.dtype == _C.uint8):
        raise NotImplementedError(
            f"interpolate: expected a floating-point input for mode {short(mode)}, got {input.dtype}: not "
            "implemented for this dtype"
        )
    if mode == "area":
        return adaptive_avg_pool1d(input, output) if dims == 1 else adaptive_avg_pool2d(input, output)
    result = input
    for d in reversed(range(dims)):
        if nearest:
            result = _nearest(result, d + 2, output[d], scales[d], 0.5 if mode == "nearest-exact" else 0.0)
        else:
            result = _linear(result, d + 2, output[d], scales[d], bool(align_corners))
    return result.clone() if result is input else result


def _output_size(
    input: Tensor,
    dims: int,
    size: object,
    scale_factor: object,
    recompute: bool | None,
    mode: str,
) -> tuple[list[int], list[float | None]]:
    """The spatial sizes of the output, and the scale factors where positions follow from them."""
    if size is not None and scale_factor is not None:
        raise ValueError(
            f"only one of size or scale_factor should be defined, got size {short(size)} and scale_factor "
            f"{short(scale_factor)}"
        )
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined, got none")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        output: list[int] = []
        for entry in _spatial("size", size, dims, input):
            if isinstance(entry, bool) or not isinstance(entry, int):
                raise TypeError(f"interpolate: expected size to be one of int or of ints, got {short(size)}")
            output.append(entry)
        return output, [None] * dims
    scales: list[float] = []
    for entry in _spatial("scale_factor", scale_factor, dims, input):
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise TypeError(
                f"interpolate: expected scale_factor to be a number or numbers, got {short(scale_factor)}"
            )
        scales.append(float(entry))
    try:
        output = [math.floor(float(n) * s) for n, s in zip(input.shape[2:], scales, strict=True)]
    except (ValueError, OverflowError):
        raise RuntimeError(
            f"interpolate: expected a finite scale_factor, got {short(scale_factor)}"
        ) from None
    if recompute or mode == "area":
        return output, [None] * dims
    return output, list(scales)


def _positions(
    input: Tensor, size: int, out: int, factor: float | None, of: Callable[[Tensor, float], Tensor]
) -> Tensor:
    """Where the elements of the output lie in the input, in the precision of the input, as in PyTorch."""
    dtype = input.dtype if input.dtype.is_floating_point else _C.float32
    steps = _C.arange(out, dtype=dtype, device=input.device)
    return of(steps, 1.0 / factor if factor is not None and factor > 0 else size / out)


def _last(size: int) -> Tensor:
    return _C.full((), size - 1, dtype=_C.int64)


def _nearest(input: Tensor, dim: int, out: int, factor: float | None, shift: float) -> Tensor:
    size = input.shape[dim]
    # As PyTorch does with images, and in all of its gradients of "nearest": a size that is equal or twice as
    # large decides, not the scale factor that led to it.
    if out == size and (shift == 0 or factor in (None, 1.0)):
        return input
    if out == 2 * size and shift == 0:
        factor = None
    at = _positions(input, size, out, factor, lambda i, scale: (i + shift) * scale)
    return input.index_select(dim, _C.minimum(at.to(_C.int64), _last(size)))


def _linear(input: Tensor, dim: int, out: int, factor: float | None, align_corners: bool) -> Tensor:
    size = input.shape[dim]
    if out == size:
        return input
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
        at = _positions(input, size, out, None, lambda i, scale: i * step)
    else:
        at = _positions(input, size, out, factor, lambda i, scale: ((i + 0.5) * scale - 0.5).relu())
    first = _C.minimum(at.to(_C.int64), _last(size))
    after = _C.minimum(first + 1, _last(size))
    weight = _C.minimum(at - first, _C.ones((), dtype=at.dtype)).reshape(
        (out, *(1,) * (input.ndim - 1 - dim))
    )
    return input.index_select(dim, first) * (1.0 - weight) + input.index_select(dim, after) * weight

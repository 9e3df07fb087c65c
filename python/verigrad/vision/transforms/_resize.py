"""Resizing: one matrix of weights for the rows and one for the columns."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import verigrad

from ._images import InterpolationMode

if TYPE_CHECKING:
    from verigrad import Tensor


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(a: float) -> Callable[[float], float]:
    # R. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), eq. 3 and 4.
    def weight(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        if x < 2:
            return (((x - 5) * x + 8) * x - 4) * a
        return 0.0

    return weight


@functools.lru_cache(maxsize=64)
def _weights(size: int, target: int, cubic: bool, antialias: bool) -> Tensor:
    """[target, size] in float64: what each output pixel takes of each input pixel. A row adds up to 1.

    Pixel centres lie at half numbers. With antialias the kernel is as wide as an output pixel, as in Pillow;
    without, it has the width of an input pixel, and places beyond the border repeat the last pixel.
    """
    scale = size / target
    rows = []
    for i in range(target):
        row = [0.0] * size
        if antialias:
            filter_, stretch = (_cubic(-0.5) if cubic else _triangle), max(scale, 1.0)
            support, centre = (2.0 if cubic else 1.0) * stretch, scale * (i + 0.5)
            first = max(int(centre - support + 0.5), 0)
            last = min(int(centre + support + 0.5), size)
            for j in range(first, last):
                row[j] = filter_((j - centre + 0.5) / stretch)
            total = math.fsum(row)
            row = [value / total for value in row]
        else:
            centre = scale * (i + 0.5) - 0.5
            if not cubic:
                centre = max(centre, 0.0)
            first = math.floor(centre)
            filter_ = _cubic(-0.75) if cubic else _triangle
            for j in range(first - 1, first + 3) if cubic else range(first, first + 2):
                row[min(max(j, 0), size - 1)] += filter_(j - centre)
        rows.append(row)
    return verigrad.tensor(rows, dtype=verigrad.float64)


def _nearest(image: Tensor, dim: int, target: int, exact: bool) -> Tensor:
    size = int(image.shape[dim])
    twice = 1 if exact else 0
    index = [min((2 * i + twice) * size // (2 * target), size - 1) for i in range(target)]
    return image.index_select(dim, verigrad.tensor(index, dtype=verigrad.int64))


def resized(image: Tensor, height: int, width: int, mode: InterpolationMode, antialias: bool) -> Tensor:
    """A tensor [..., H, W] at another size.

    bilinear and bicubic are products with two matrices of weights, first along the rows, in the dtype of the
    image (integers in float32, rounded half to even).
    """
    if tuple(image.shape[-2:]) == (height, width):
        return image
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        exact = mode is InterpolationMode.NEAREST_EXACT
        return _nearest(_nearest(image, -2, height, exact), -1, width, exact)
    if mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise ValueError(
            f"resize: expected nearest, nearest-exact, bilinear or bicubic for a tensor, got {mode.value}"
        )
    cubic = mode is InterpolationMode.BICUBIC
    dtype = image.dtype if image.dtype.is_floating_point else verigrad.float32
    rows = _weights(int(image.shape[-2]), height, cubic, antialias).to(dtype)
    columns = _weights(int(image.shape[-1]), width, cubic, antialias).to(dtype)
    narrow = image.to(dtype) @ columns.t()
    if image.dtype == dtype:
        return rows @ narrow
    # Whole numbers after each of the two steps, as in Pillow: bicubic overshoots, and what is cut off counts.
    return rounded(rows @ rounded(narrow, image.dtype).to(dtype), image.dtype)


def rounded(values: Tensor, dtype: verigrad.dtype) -> Tensor:
    """Floating-point *values* as whole numbers of *dtype*: half to even, uint8 kept in 0 .. 255."""
    # There is no rounding op yet: adding and taking away 1.5 * 2**52 rounds a double half to even.
    magic = 1.5 * 2.0**52
    whole = (values.to(verigrad.float64) + magic) - magic
    if dtype == verigrad.uint8:
        whole = limited(whole, 0.0, 255.0)
    return whole.to(dtype)


def limited(values: Tensor, low: float, high: float) -> Tensor:
    """*values*, at least *low* and at most *high*."""
    values = verigrad.where(values < low, low, values)
    return verigrad.where(values > high, high, values)

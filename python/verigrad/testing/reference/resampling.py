"""References of padding, sliding windows and interpolation: where each element comes from, one by one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel
from verigrad.testing.reference.pooling import adaptive_avg_pool1d_op, adaptive_avg_pool2d_op
from verigrad.testing.reference.pooling_volumes import adaptive_avg_pool3d_op

Array = np.ndarray[Any, Any]


def _spread(a: Array, source: Callable[[int, int], list[tuple[int, float]]], axis: int, size: int) -> Array:
    """Along one axis, element i is a sum of elements of `a` times weights."""
    out = np.zeros((*a.shape[:axis], size, *a.shape[axis + 1 :]), a.dtype)
    before: tuple[Any, ...] = (slice(None),) * axis
    for i in range(size):
        for position, weight in source(i, a.shape[axis]):
            out[(*before, i)] += a[(*before, position)] * a.dtype.type(weight)
    return out


def pad_op(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """Elements before and after the last dimensions; the last dimension first."""
    result = input
    for k in range(len(pad) // 2):
        axis = input.ndim - 1 - k
        before, after = pad[2 * k], pad[2 * k + 1]
        size = input.shape[axis]
        low, high = max(-before, 0), size + min(after, 0)  # what a crop leaves
        shape = (*result.shape[:axis], size + before + after, *result.shape[axis + 1 :])
        fill = np.asarray(0 if value is None else value).astype(input.dtype)
        out = np.full(shape, fill, input.dtype)
        for i in range(size + before + after):
            at = i - before
            if mode == "constant":
                if not low <= at < high:
                    continue
            elif mode == "reflect":
                at = -at if at < 0 else 2 * (size - 1) - at if at >= size else at
            elif mode == "replicate":
                at = min(max(at, 0), size - 1)
            elif not low <= at < high:
                at = at + (high - low) if at < low else at - (high - low)
            out[(slice(None),) * axis + (i,)] = result[(slice(None),) * axis + (at,)]
        result = out
    return result


@kernel
def columns(out: Array, image: Array, sizes: Array, adds: bool) -> None:
    """out[p, r, s, i, j] = image[p, y, x] (unfold), or the sum of it at image[p, y, x] (fold). The rows of
    `sizes` are kernel, dilation, padding, stride and number of windows."""
    for p in range(image.shape[0]):
        for r in range(sizes[0, 0]):
            for s in range(sizes[0, 1]):
                for i in range(sizes[4, 0]):
                    for j in range(sizes[4, 1]):
                        y = i * sizes[3, 0] - sizes[2, 0] + r * sizes[1, 0]
                        x = j * sizes[3, 1] - sizes[2, 1] + s * sizes[1, 1]
                        if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                            if adds:
                                image[p, y, x] += out[p, r, s, i, j]
                            else:
                                out[p, r, s, i, j] = image[p, y, x]


def _two(value: Any) -> tuple[int, int]:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _windows(plane: Sequence[int], kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    rows = [_two(kernel_size), _two(dilation), _two(padding), _two(stride)]
    counts = [
        len(range(0, plane[d] + 2 * rows[2][d] - rows[1][d] * (rows[0][d] - 1), rows[3][d])) for d in (0, 1)
    ]
    return np.array([*rows, counts])


def unfold_op(input: Array, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """The windows of each plane as columns."""
    *outer, channels, high, wide = input.shape
    sizes = _windows((high, wide), kernel_size, dilation, padding, stride)
    planes = math.prod(outer) * channels
    out = np.zeros((planes, *sizes[0], *sizes[4]), input.dtype)
    columns(out, np.array(input.reshape(planes, high, wide)), sizes, False)  # an expanded one is read-only
    return out.reshape((*outer, channels * int(sizes[0].prod()), int(sizes[4].prod())))


def fold_op(
    input: Array,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Array:
    """The sum of columns, each at its window."""
    plane = _two(output_size)
    sizes = _windows(plane, kernel_size, dilation, padding, stride)
    *outer, rows, _ = input.shape
    channels = rows // int(sizes[0].prod())
    planes = math.prod(outer) * channels
    out = np.zeros((planes, *plane))
    columns(input.astype(np.float64).reshape(planes, *sizes[0], *sizes[4]), out, sizes, True)
    return promotion.cast(out, input.dtype).reshape((*outer, channels, *plane))


def pixel_shuffle_op(input: Array, upscale_factor: int) -> Array:
    """out[c, h r + i, w r + j] = input[c r^2 + i r + j, h, w]."""
    r = upscale_factor
    *outer, channels, high, wide = input.shape
    out = np.empty((*outer, channels // (r * r), high * r, wide * r), input.dtype)
    for c, i, j in itertools.product(range(channels // (r * r)), range(r), range(r)):
        out[..., c, i::r, j::r] = input[..., c * r * r + i * r + j, :, :]
    return out


def pixel_unshuffle_op(input: Array, downscale_factor: int) -> Array:
    """The inverse of pixel_shuffle."""
    r = downscale_factor
    *outer, channels, high, wide = input.shape
    out = np.empty((*outer, channels * r * r, high // r, wide // r), input.dtype)
    for c, i, j in itertools.product(range(channels), range(r), range(r)):
        out[..., c * r * r + i * r + j, :, :] = input[..., c, i::r, j::r]
    return out


def _nearest(scale: float, shift: float) -> Callable[[int, int], list[tuple[int, float]]]:
    return lambda i, n: [(min(math.floor((i + shift) * scale), n - 1), 1.0)]


def _linear(scale: float, corners: bool) -> Callable[[int, int], list[tuple[int, float]]]:
    def source(i: int, n: int) -> list[tuple[int, float]]:
        at = i * scale if corners else max((i + 0.5) * scale - 0.5, 0.0)
        first = min(math.floor(at), n - 1)
        weight = min(at - first, 1.0)
        return [(first, 1.0 - weight), (min(first + 1, n - 1), weight)]

    return source


def keys(x: float, a: float) -> float:
    """Keys' cubic kernel (1981, equation 4)."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def lanczos(x: float) -> float:
    """sinc(x) sinc(x / 3) within 3."""
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


# The kernels of antialias, and how far they reach.
WIDENED: dict[str, tuple[float, Callable[[float], float]]] = {
    "bilinear": (1.0, lambda x: max(0.0, 1.0 - abs(x))),
    "bicubic": (2.0, lambda x: keys(x, -0.5)),
    "lanczos": (3.0, lanczos),
}


def _cubic(scale: float, corners: bool) -> Callable[[int, int], list[tuple[int, float]]]:
    def source(i: int, n: int) -> list[tuple[int, float]]:
        at = i * scale if corners else (i + 0.5) * scale - 0.5
        first = math.floor(at)
        places = range(first - 1, first + 3)
        return [(min(max(p, 0), n - 1), keys(at - p, -0.75)) for p in places]

    return source


def _widened(scale: float, mode: str) -> Callable[[int, int], list[tuple[int, float]]]:
    reach, kernel_of = WIDENED[mode]

    def source(i: int, n: int) -> list[tuple[int, float]]:
        stretch = max(scale, 1.0)
        centre = (i + 0.5) * scale
        places = [p for p in range(n) if abs(p + 0.5 - centre) < reach * stretch]
        weights = [kernel_of((p + 0.5 - centre) / stretch) for p in places]
        return [(p, w / sum(weights)) for p, w in zip(places, weights, strict=True)]

    return source


def sources(
    mode: str, n: int, out: int, factor: float | None, corners: bool, antialias: bool
) -> Callable[[int, int], list[tuple[int, float]]] | None:
    """What each element along one dimension is made of; None where the dimension stays as it is. `factor`: of
    the caller, where positions follow from it."""
    scale = 1.0 / factor if factor is not None and not corners else n / out
    if corners:
        scale = (n - 1) / (out - 1) if out > 1 else 0.0
    if n == out and (antialias or mode not in ("nearest-exact", "bicubic")):
        return None
    if antialias:
        return _widened(scale, mode)
    if mode == "bicubic":
        return _cubic(scale, corners)
    if mode == "nearest" or mode == "nearest-exact":
        scale = 0.5 if out == 2 * n and mode == "nearest" else scale
        return _nearest(scale, 0.5 if mode == "nearest-exact" else 0.0)
    return _linear(scale, corners)


def interpolate_op(
    input: Array,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """The spatial dimensions one after the other."""
    spatial = input.shape[2:]
    given = list(size) if isinstance(size, tuple | list) else [size] * len(spatial)
    factors = list(scale_factor) if isinstance(scale_factor, tuple | list) else [scale_factor] * len(spatial)
    if scale_factor is not None:
        given = [math.floor(n * f) for n, f in zip(spatial, factors, strict=True)]
    if mode == "area":
        pools = (adaptive_avg_pool1d_op, adaptive_avg_pool2d_op, adaptive_avg_pool3d_op)
        return pools[len(spatial) - 1](input, given)
    result = input.astype(np.float64) if input.dtype.kind == "f" else input
    for d in reversed(range(len(spatial))):
        factor = None if recompute_scale_factor else factors[d]
        source = sources(mode, spatial[d], given[d], factor, bool(align_corners), antialias)
        if source is not None:
            result = _spread(result, source, d + 2, given[d])
    return promotion.cast(result, input.dtype)

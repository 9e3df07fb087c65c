"""Sums of windows and interpolation over the tape's variables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import pooling_tape, tape
from verigrad.testing.reference import resampling as ref
from verigrad.testing.reference.compositions import moved
from verigrad.testing.reference.rounded import Rounded


def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> tape.Var:
    """Every element added where ``unfold`` would take it from."""
    x = tape.var(input)
    plane = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    kernel = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
    shape = (*x.shape[:-2], x.shape[-2] // math.prod(kernel), *plane)
    numbers = np.arange(1.0, math.prod(shape) + 1).reshape(shape)
    places = ref.unfold_op(numbers, kernel_size, dilation, padding, stride).astype(np.int64) - 1
    return tape.scatter(x, places, shape)


def _weights(size: int, out: int, scale: float, corners: bool) -> tape.Var:
    """[out, in]: 1 - |distance|, with what the rounding of a position does to it."""
    i = np.arange(out)
    at = i * scale if corners else np.maximum((i + 0.5) * scale - 0.5, 0.0)
    distance = np.abs(np.minimum(at, size - 1)[:, None] - np.arange(size))
    doubt = np.where(distance <= 1.0 + 1e-5, 2.0 * (at[:, None] + 1.0), 0.0)
    return tape.Var(Rounded(np.maximum(1.0 - distance, 0.0), doubt))


def _matrix(n: int, out: int, source: Any) -> tape.Var:
    """[out, in]: the weights of a cubic or widened kernel, with what the rounding of a position does to
    them: no slope is steeper than 4."""
    weights, doubt = np.zeros((out, n)), np.zeros((out, n))
    for i in range(out):
        for place, weight in source(i, n):
            weights[i, place] += weight
            doubt[i, place] += 8.0 + abs(weight)
    return tape.Var(Rounded(weights, doubt))


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> tape.Var:
    """Products with a matrix of weights, the last dimension first."""
    if mode in ("nearest", "nearest-exact"):
        nearest = moved(ref.interpolate_op)
        results: list[tape.Var] = nearest(
            input, size, scale_factor, mode, align_corners, recompute_scale_factor=recompute_scale_factor
        )
        return results[0]
    x = tape.var(input)
    dims = x.ndim - 2
    factors = list(scale_factor) if isinstance(scale_factor, tuple | list) else [scale_factor] * dims
    sizes = list(size) if isinstance(size, tuple | list) else [size] * dims
    if scale_factor is not None:
        sizes = [math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
    if mode == "area":
        if dims == 3:
            return pooling_tape.adaptive_average_of_volumes(x, sizes)
        return pooling_tape.adaptive_average(dims, x, sizes)
    for d in reversed(range(dims)):
        n, out = x.shape[d + 2], sizes[d]
        factor = None if recompute_scale_factor else factors[d]
        source = ref.sources(mode, n, out, factor, bool(align_corners), antialias)
        if source is None:
            continue
        letters = "nc" + "dhw"[3 - dims :]
        result = letters.replace(letters[d + 2], "o")
        if antialias or mode == "bicubic":
            weights = _matrix(n, out, source)
        else:
            scale = 1.0 / factor if factor is not None else n / out
            if align_corners:
                scale = (n - 1) / (out - 1) if out > 1 else 0.0
            weights = _weights(n, out, scale, bool(align_corners))
        x = tape.einsum(f"{letters},o{letters[d + 2]}->{result}", x, weights)
    return x

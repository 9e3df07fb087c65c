"""Reference of the warped images, element by element in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def pixel(plane: Array, row: float, column: float, fill: float) -> float:
    """The pixel at whole coordinates, or the fill."""
    if row < 0.0 or column < 0.0 or row >= plane.shape[0] or column >= plane.shape[1]:
        return fill
    return float(plane[int(row), int(column)])


@kernel
def interpolated(plane: Array, y: float, x: float, fill: float) -> float:
    """Along the columns first, then along the rows; a side that does not count is not looked at."""
    top, left = math.floor(y), math.floor(x)
    below, beside = y - top, x - left
    total = 0.0
    for a in range(2):
        vertical = below if a == 1 else 1.0 - below
        if vertical == 0.0:
            continue
        line = 0.0
        for b in range(2):
            horizontal = beside if b == 1 else 1.0 - beside
            if horizontal != 0.0:
                line += horizontal * pixel(plane, top + a, left + b, fill)
        total += vertical * line
    return total


@kernel
def warp(out: Array, images: Array, matrix: Array, bilinear: bool, fill: float) -> None:
    """out[n, c, i, j] = images[n, c] at the place of (i, j)."""
    for n in range(out.shape[0]):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                x = matrix[n, 0] * j + (matrix[n, 1] * i + matrix[n, 2])
                y = matrix[n, 3] * j + (matrix[n, 4] * i + matrix[n, 5])
                for c in range(out.shape[1]):
                    plane = images[n, c]
                    if not (abs(x) < 1e9 and abs(y) < 1e9):  # NaN as well
                        out[n, c, i, j] = fill
                    elif bilinear:
                        out[n, c, i, j] = interpolated(plane, y, x, fill)
                    else:
                        out[n, c, i, j] = pixel(plane, np.round(y), np.round(x), fill)


def affine_image_op(
    input: Array, matrix: Array, size: Sequence[int], mode: str = "bilinear", fill: float = 0.0
) -> Array:
    """Images read where each one's matrix says."""
    out = np.empty((*input.shape[:2], *size))
    warp(out, input.astype(np.float64), matrix, mode == "bilinear", float(fill))
    if input.dtype.kind == "u":
        out = np.round(out)
    return np.asarray(out.astype(input.dtype))

"""Convolutions over the tape's variables: the elements that every tap reads, then one product for each group.

Nothing is shared with the loops of ``convolution.py`` but the reading of the arguments, so the two check each
other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.convolution import Sizes, left_padding, triple

Array = np.ndarray[Any, Any]


def _volumes(x: tape.Var, spatial: int) -> tape.Var:
    """As [N, C, D, H, W]."""
    shape = x.shape if x.ndim == spatial + 2 else (1, *x.shape)
    return x.reshape(*shape[:2], *(1,) * (3 - spatial), *shape[2:])


def _places(
    volumes: tuple[int, ...], taps: tuple[int, ...], out: Array, step: Array, before: Array, apart: Array
) -> Array:
    """[N, C, Q, R, S, O, P, Q]: where a tap of an output lies in [N, C, D, H, W]; -1 outside."""
    place, outside = np.zeros((1,) * 6, np.int64), np.zeros((1,) * 6, bool)
    for d in range(3):
        at = np.arange(out[d])[None] * step[d] - before[d] + np.arange(taps[d])[:, None] * apart[d]
        shape = [1] * 6
        shape[d], shape[d + 3] = taps[d], int(out[d])
        at = at.reshape(shape)
        outside = outside | (at < 0) | (at >= volumes[d + 2])
        place = place * volumes[d + 2] + at
    first = np.arange(volumes[0] * volumes[1]).reshape(*volumes[:2], *(1,) * 6) * np.prod(volumes[2:])
    return np.where(outside, -1, place + first)


def _finish(out: tape.Var, bias: Any, batched: bool, spatial: int) -> tape.Var:
    if bias is not None:
        out = out + tape.var(bias).reshape(-1, 1, 1, 1)
    shape = out.shape[:2] + out.shape[5 - spatial :]
    return out.reshape(*(shape if batched else shape[1:]))


def _part(weight: tape.Var, group: int, groups: int) -> tape.Var:
    """The rows of one group."""
    rows = weight.shape[0] // groups
    return weight if groups == 1 else weight[group * rows : (group + 1) * rows]


def direct(
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> tape.Var:
    """``conv1d``, ``conv2d`` and ``conv3d``."""
    x, w = _volumes(tape.var(input), spatial), tape.var(weight)
    w = w.reshape(*w.shape[:2], *(1,) * (3 - spatial), *w.shape[2:])
    step, apart = triple(stride, spatial, 1), triple(dilation, spatial, 1)
    extent = apart * (np.array(w.shape[2:]) - 1) + 1
    before, after = left_padding(padding, spatial, extent)
    out = (np.array(x.shape[2:]) + before + after - extent) // step + 1
    places = _places(x.shape, w.shape[2:], out, step, before, apart)
    channels = w.shape[1]
    parts = [
        tape.einsum(
            "ncdrsopq,kcdrs->nkopq",
            tape.take(x, places[:, g * channels : (g + 1) * channels]),
            _part(w, g, groups),
        )
        for g in range(groups)
    ]
    return _finish(tape.concatenate(parts, 1), bias, np.ndim(tape.var(input).value) == spatial + 2, spatial)


def transposed(
    spatial: int,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> tape.Var:
    """``conv_transpose1d``, ``conv_transpose2d`` and ``conv_transpose3d``."""
    y, w = _volumes(tape.var(input), spatial), tape.var(weight)
    w = w.reshape(*w.shape[:2], *(1,) * (3 - spatial), *w.shape[2:])
    step, apart = triple(stride, spatial, 1), triple(dilation, spatial, 1)
    before, extra = triple(padding, spatial, 0), triple(output_padding, spatial, 0)
    extent = apart * (np.array(w.shape[2:]) - 1) + 1
    sizes = (np.array(y.shape[2:]) - 1) * step - 2 * before + extent + extra
    shape = (y.shape[0], w.shape[1], *sizes.tolist())
    places = _places(shape, w.shape[2:], np.array(y.shape[2:]), step, before, apart)
    rows = w.shape[0] // groups
    parts = []
    for g in range(groups):
        source = y if groups == 1 else y[:, g * rows : (g + 1) * rows]
        product = tape.einsum("nkopq,kcdrs->ncdrsopq", source, _part(w, g, groups))
        parts.append(tape.scatter(product, places, shape))
    return _finish(tape.concatenate(parts, 1), bias, np.ndim(tape.var(input).value) == spatial + 2, spatial)

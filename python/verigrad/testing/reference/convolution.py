"""References of the convolutions: the definition, one output and one product at a time, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]
Sizes = int | tuple[int, ...] | list[int]


@kernel
def correlate(
    out: Array, x: Array, w: Array, stride: Array, before: Array, dilation: Array, groups: int
) -> None:
    """out[n, k, o, p, q] = sum over c, d, r, s of x[n, c, o * stride - before + d * dilation, ...]
    w[k, c, d, r, s], where x is 0 outside."""
    per_group = out.shape[1] // groups
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            first = k // per_group * w.shape[1]
            for o in range(out.shape[2]):
                for p in range(out.shape[3]):
                    for q in range(out.shape[4]):
                        total = 0.0
                        for c in range(w.shape[1]):
                            for d in range(w.shape[2]):
                                frame = o * stride[0] - before[0] + d * dilation[0]
                                if not 0 <= frame < x.shape[2]:
                                    continue
                                for r in range(w.shape[3]):
                                    row = p * stride[1] - before[1] + r * dilation[1]
                                    for s in range(w.shape[4]):
                                        column = q * stride[2] - before[2] + s * dilation[2]
                                        if 0 <= row < x.shape[3] and 0 <= column < x.shape[4]:
                                            total += x[n, first + c, frame, row, column] * w[k, c, d, r, s]
                        out[n, k, o, p, q] = total


@kernel
def spread(
    out: Array, y: Array, w: Array, stride: Array, before: Array, dilation: Array, groups: int
) -> None:
    """out[n, c, o * stride - before + d * dilation, ...] += y[n, k, o, p, q] w[k, c, d, r, s], what falls
    outside being dropped."""
    per_group = y.shape[1] // groups
    for n in range(y.shape[0]):
        for k in range(y.shape[1]):
            first = k // per_group * w.shape[1]
            for o in range(y.shape[2]):
                for p in range(y.shape[3]):
                    for q in range(y.shape[4]):
                        for c in range(w.shape[1]):
                            for d in range(w.shape[2]):
                                frame = o * stride[0] - before[0] + d * dilation[0]
                                if not 0 <= frame < out.shape[2]:
                                    continue
                                for r in range(w.shape[3]):
                                    row = p * stride[1] - before[1] + r * dilation[1]
                                    for s in range(w.shape[4]):
                                        column = q * stride[2] - before[2] + s * dilation[2]
                                        if 0 <= row < out.shape[3] and 0 <= column < out.shape[4]:
                                            out[n, first + c, frame, row, column] += (
                                                y[n, k, o, p, q] * w[k, c, d, r, s]
                                            )


def _volumes(x: Array, spatial: int) -> Array:
    """As [N, C, D, H, W] in float64."""
    batched = x[None] if x.ndim == spatial + 1 else x
    return _kernel(batched, spatial)


def _kernel(w: Array, spatial: int) -> Array:
    return np.ascontiguousarray(w.reshape(*w.shape[:2], *(1,) * (3 - spatial), *w.shape[2:]), np.float64)


def triple(value: Sizes, spatial: int, single: int) -> Array:
    """Frames, rows and columns; `single` stands for each dimension that is not there."""
    values = [value] * spatial if isinstance(value, int) else list(value) * (spatial // len(list(value)))
    return np.array([single] * (3 - spatial) + values, np.int64)


def left_padding(padding: Sizes | str, spatial: int, extent: Array) -> tuple[Array, Array]:
    """Zeros before and after each dimension; 'same' has the odd one after."""
    if padding == "same":
        return (extent - 1) // 2, extent - 1 - (extent - 1) // 2
    both = triple(0 if isinstance(padding, str) else padding, spatial, 0)
    return both, both


def _finish(out: Array, bias: Array | None, input: Array, spatial: int) -> Array:
    if bias is not None:
        out = out + bias.astype(np.float64)[:, None, None, None]
    out = out.reshape(*out.shape[:2], *out.shape[5 - spatial :])
    return promotion.cast(out[0] if input.ndim == spatial + 1 else out, input.dtype)


def _direct(
    spatial: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Array:
    x, w = _volumes(input, spatial), _kernel(weight, spatial)
    step, apart = triple(stride, spatial, 1), triple(dilation, spatial, 1)
    extent = apart * (np.array(w.shape[2:]) - 1) + 1
    before, after = left_padding(padding, spatial, extent)
    sizes = (np.array(x.shape[2:]) + before + after - extent) // step + 1
    out = np.empty((x.shape[0], w.shape[0], *sizes.tolist()))
    correlate(out, x, w, step, before, apart, groups)
    return _finish(out, bias, input, spatial)


def _transposed(
    spatial: int,
    input: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Array:
    y, w = _volumes(input, spatial), _kernel(weight, spatial)
    step, apart = triple(stride, spatial, 1), triple(dilation, spatial, 1)
    before, extra = triple(padding, spatial, 0), triple(output_padding, spatial, 0)
    sizes = (np.array(y.shape[2:]) - 1) * step - 2 * before + apart * (np.array(w.shape[2:]) - 1) + extra + 1
    out = np.zeros((y.shape[0], w.shape[1] * groups, *sizes.tolist()))
    spread(out, y, w, step, before, apart, groups)
    return _finish(out, bias, input, spatial)


def conv1d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """One spatial dimension."""
    return _direct(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Two spatial dimensions."""
    return _direct(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Three spatial dimensions."""
    return _direct(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """One spatial dimension."""
    return _transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """Two spatial dimensions."""
    return _transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d_op(
    input: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Array:
    """Three spatial dimensions."""
    return _transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)

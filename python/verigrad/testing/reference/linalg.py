"""References of the matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def gemm(out: Array, a: Array, b: Array) -> None:
    """out[n] = a[n] b[n], by the definition of the product."""
    for n in range(a.shape[0]):
        for i in range(a.shape[1]):
            for j in range(b.shape[2]):
                total = out.dtype.type(0)
                for k in range(a.shape[2]):
                    total += a[n, i, k] * b[n, k, j]
                out[n, i, j] = total


def matmul_op(a: Array, b: Array) -> Array:
    """Vectors are rows on the left and columns on the right; the leading dimensions of both are broadcast."""
    left = a.reshape(1, -1) if a.ndim == 1 else a
    right = b.reshape(-1, 1) if b.ndim == 1 else b
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, left.shape[-2], right.shape[-1])
    work = promotion.work_dtype(a.dtype)
    stacks = [
        np.broadcast_to(x, batch + x.shape[-2:]).astype(work).reshape((math.prod(batch), *x.shape[-2:]))
        for x in (left, right)
    ]
    out = np.empty((math.prod(batch), *shape[-2:]), work)
    gemm(out, *stacks)
    product = promotion.cast(out, a.dtype).reshape(shape)
    if a.ndim == 1:
        product = product.reshape((*batch, shape[-1]))
    if b.ndim == 1:
        product = product.reshape(product.shape[:-1])
    return product


def linear_op(input: Array, weight: Array, bias: Array | None = None) -> Array:
    """input weight^T + bias, over the last dimension of `input`."""
    count = math.prod(input.shape[:-1])
    rows = input.astype(np.float64).reshape(count, input.shape[-1])
    columns = weight.astype(np.float64).reshape(math.prod(weight.shape[:-1]), weight.shape[-1]).T
    out = np.empty((1, count, columns.shape[1]))
    gemm(out, rows[None], np.ascontiguousarray(columns)[None])
    if bias is not None:
        out = out + bias.astype(np.float64)
    shape = input.shape[:-1] + weight.shape[:-1]
    return promotion.cast(out, input.dtype).reshape(shape)


@kernel
def bilinear(out: Array, x: Array, y: Array, weight: Array, bias: Array) -> None:
    """out[n, k] = sum over i and j of x[n, i] * weight[k, i, j] * y[n, j], plus bias[k]."""
    for n in range(out.shape[0]):
        for k in range(out.shape[1]):
            total = bias[k]
            for i in range(x.shape[1]):
                for j in range(y.shape[1]):
                    total += x[n, i] * weight[k, i, j] * y[n, j]
            out[n, k] = total


def bilinear_op(input1: Array, input2: Array, weight: Array, bias: Array | None = None) -> Array:
    """One quadratic form for each output."""
    lead = input1.shape[:-1]
    x, y = (
        np.ascontiguousarray(a, np.float64).reshape(math.prod(lead), a.shape[-1]) for a in (input1, input2)
    )
    out = np.empty((x.shape[0], weight.shape[0]))
    offset = np.zeros(weight.shape[0]) if bias is None else bias.astype(np.float64)
    bilinear(out, x, y, np.ascontiguousarray(weight, np.float64), offset)
    return promotion.cast(out.reshape(*lead, weight.shape[0]), weight.dtype)

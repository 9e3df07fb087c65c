"""Reference of recurrent layers: the cells' formulas in plain loops, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference import promotion
from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]
MODES = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")
GATES = (1, 1, 4, 3)


@kernel
def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


@kernel
def share(out: Array, weight: Array, x: Array, bias: Array) -> None:
    """out = weight x + bias."""
    for k in range(weight.shape[0]):
        total = bias[k]
        for j in range(weight.shape[1]):
            total += weight[k, j] * x[j]
        out[k] = total


@kernel
def go(
    y: Array,
    x: Array,
    sizes: Array,
    h: Array,
    c: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array,
    b_hh: Array,
    w_hr: Array,
    mode: int,
    reverse: bool,
) -> None:
    """One layer in one direction; h and c become the last state. Without a projection w_hr has no row."""
    steps, gates = sizes.size, w_hh.shape[0]
    units = gates // 4 if mode == 2 else gates // 3 if mode == 3 else gates
    start = np.zeros(steps + 1, np.int64)
    for t in range(steps):
        start[t + 1] = start[t] + sizes[t]
    a, b, raw = np.zeros(gates), np.zeros(gates), np.zeros(units)
    for k in range(steps):
        t = steps - 1 - k if reverse else k
        for n in range(sizes[t]):
            share(a, w_ih, x[start[t] + n], b_ih)
            share(b, w_hh, h[n], b_hh)
            for u in range(units):
                if mode == 0:
                    raw[u] = math.tanh(a[u] + b[u])
                elif mode == 1:
                    s = a[u] + b[u]
                    raw[u] = 0.0 if s < 0 else s
                elif mode == 2:
                    i = logistic(a[u] + b[u])
                    f = logistic(a[units + u] + b[units + u])
                    g = math.tanh(a[2 * units + u] + b[2 * units + u])
                    o = logistic(a[3 * units + u] + b[3 * units + u])
                    c[n, u] = f * c[n, u] + i * g
                    raw[u] = o * math.tanh(c[n, u])
                else:
                    r = logistic(a[u] + b[u])
                    z = logistic(a[units + u] + b[units + u])
                    new = math.tanh(a[2 * units + u] + r * b[2 * units + u])
                    raw[u] = (1.0 - z) * new + z * h[n, u]
            if w_hr.shape[0] > 0:
                share(h[n], w_hr, raw, np.zeros(w_hr.shape[0]))
            else:
                h[n, :] = raw
            y[start[t] + n, :] = h[n]


def recurrent_layer_op(
    input: Array,
    batch_sizes: list[int],
    h: Array,
    c: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
    weight_hr: Array | None = None,
    mode: str = "LSTM",
    reverse: bool = False,
) -> tuple[Array, ...]:
    """Output, last h and, of an LSTM, last c."""

    def wide(array: Array | None, *missing: int) -> Array:
        return np.zeros(missing) if array is None else np.array(array, np.float64, order="C")

    last_h, last_c = wide(h), wide(c, 0, 0)
    y = np.zeros((input.shape[0], h.shape[1]))
    go(
        y,
        wide(input),
        np.array(batch_sizes, np.int64),
        last_h,
        last_c,
        wide(weight_ih),
        wide(weight_hh),
        wide(bias_ih, weight_hh.shape[0]),
        wide(bias_hh, weight_hh.shape[0]),
        wide(weight_hr, 0, 0),
        MODES.index(mode),
        reverse,
    )
    results = (y, last_h) if c is None else (y, last_h, last_c)
    return tuple(promotion.cast(r, input.dtype) for r in results)

"""Composition of recurrent layers: one step after the other on the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.recurrent import GATES, MODES
from verigrad.testing.reference.tape import Var


def sigmoid(x: Var) -> Var:
    """The logistic function; its derivative is computed as y (1 - y)."""
    y = 1.0 / (1.0 + np.exp(-x.value))
    out = x.r.function(y, y * (1.0 - y))
    return Var(out, [(x, lambda g: g * (out * (1.0 - out)))])


def cell(mode: str, x: Var, a: Var, h: Var, c: Var | None) -> tuple[Var, Var | None]:
    """The next state, from both shares of the gates [sequences, gates]."""
    units = x.shape[1] // GATES[MODES.index(mode)]

    def gate(s: Var, k: int) -> Var:
        return s[:, k * units : (k + 1) * units]

    if mode == "GRU":
        r, z = sigmoid(gate(x, 0) + gate(a, 0)), sigmoid(gate(x, 1) + gate(a, 1))
        n = tape.tanh(gate(x, 2) + r * gate(a, 2))
        return n + z * (h - n), None
    s = x + a
    if c is None:
        return (tape.tanh(s) if mode == "RNN_TANH" else tape.where(s.value < 0, 0.0, s)), None
    c = sigmoid(gate(s, 1)) * c + sigmoid(gate(s, 0)) * tape.tanh(gate(s, 2))
    return sigmoid(gate(s, 3)) * tape.tanh(c), c


def recurrent_layer(
    input: Any,
    batch_sizes: list[int],
    h: Any,
    c: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    weight_hr: Any = None,
    mode: str = "LSTM",
    reverse: bool = False,
) -> tuple[Var, ...]:
    """Output, last h and, of an LSTM, last c."""

    def product(x: Var, weight: Any, bias: Any) -> Var:
        out = tape.matmul(x, tape.var(weight).swap())
        return out if bias is None else out + tape.var(bias)

    def with_first(state: Var, new: Var) -> Var:
        rest = state[new.shape[0] :]
        return tape.concatenate([new, rest]) if rest.size else new

    h, c = tape.var(h), None if c is None else tape.var(c)
    shares = product(tape.var(input), weight_ih, bias_ih)
    starts = np.cumsum([0, *batch_sizes])
    outputs: dict[int, Var] = {}
    for t in reversed(range(len(batch_sizes))) if reverse else range(len(batch_sizes)):
        size = batch_sizes[t]
        if size == 0:
            continue
        before = h[:size]
        new, memory = cell(
            mode,
            shares[starts[t] : starts[t] + size],
            product(before, weight_hh, bias_hh),
            before,
            None if c is None else c[:size],
        )
        if weight_hr is not None:
            new = product(new, weight_hr, None)
        outputs[t] = new
        h = with_first(h, new)
        if c is not None and memory is not None:
            c = with_first(c, memory)
    rows = [outputs[t] for t in sorted(outputs)]
    y = tape.concatenate(rows) if rows else Var(np.zeros((0, h.shape[1])))
    return (y, h) if c is None else (y, h, c)

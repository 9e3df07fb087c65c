"""The record of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.reference import recurrent as ref
from verigrad.testing.reference import recurrent_tape as parts
from verigrad.testing.samples import Array, Const, Same, Sample, Sampler, call

PACKED = [4, 3, 3, 1]


def layer(lib: Library, *args: Any, **kwargs: Any) -> Any:
    """The native function, and PyTorch's for packed sequences in its place."""
    if lib.name != "torch":
        return lib.get("_C.nn_functional.recurrent_layer")(*args, **kwargs)
    return _of_torch(lib, *args, **kwargs)


def _of_torch(
    lib: Library, input: Any, batch_sizes: list[int], h: Any, c: Any, *weights: Any, mode: str = "LSTM"
) -> list[Any]:
    given = [w for w in weights if w is not None]
    biases = len(weights) > 2 and weights[2] is not None
    sizes = lib.module.tensor(batch_sizes, dtype=lib.module.int64, device="cpu")
    state = h.unsqueeze(0) if c is None else (h.unsqueeze(0), c.unsqueeze(0))
    function = lib.get(f"_VF.{mode.lower()}")
    output, *last = function(input, sizes, state, given, biases, 1, 0.0, False, False)
    return [output, *(part.squeeze(0) for part in last)]


def arguments(
    s: Sampler,
    mode: str,
    sizes: list[int],
    features: int,
    hidden: int,
    bias: bool = True,
    projected: int = 0,
    scale: float = 1.0,
) -> tuple[Any, ...]:
    """Input, sizes, state and weights; without saturated gates."""
    gates, out = ref.GATES[ref.MODES.index(mode)] * hidden, projected or hidden

    def draw(*shape: int) -> Array:
        return s.array(*shape, low=-scale, high=scale)

    batch = sizes[0]
    c = draw(batch, hidden) if mode == "LSTM" else None
    biases = (draw(gates), draw(gates)) if bias else (None, None)
    hr = draw(projected, hidden) if projected else None
    state = (draw(batch, out), c)
    return draw(sum(sizes), features), sizes, *state, draw(gates, features), draw(gates, out), *biases, hr


def samples(s: Sampler) -> Iterator[Sample]:
    """Every cell in both directions; equal and shrinking batches, one step, one sequence, one unit; with and
    without biases and projection."""
    for mode in ref.MODES:
        for reverse in (False, True):
            options: dict[str, Any] = {"mode": mode, "peer": not reverse}
            if reverse:
                options["reverse"] = True
            for sizes, features, hidden in (
                ([2, 2, 2], 2, 3),
                (PACKED, 3, 2),
                ([1], 1, 1),
                ([3], 2, 2),
                ([1, 1, 1, 1, 1], 2, 2),
            ):
                # With equal elements, in some layouts, a unit of RNN_RELU comes too close to its kink.
                vary = sizes is PACKED and mode != "RNN_RELU"
                yield call(*arguments(s, mode, sizes, features, hidden), vary=vary, **options)
            yield call(*arguments(s, mode, PACKED, 2, 3, bias=False), vary=False, **options)
            yield call(*arguments(s, mode, [19, 19, 7], 5, 9), grad=False, vary=False, **options)
    for reverse in (False, True):
        for bias in (False, True):
            args = arguments(s, "LSTM", PACKED, 2, 3, bias, projected=2)
            if reverse:
                yield call(*args, reverse=True, vary=False, peer=False)
            else:
                yield call(*args, vary=bias)
    x, sizes, h, c, *weights = arguments(s, "GRU", PACKED, 3, 2, bias=False)
    yield call(
        x,
        sizes,
        h,
        c,
        *weights[:2],
        s.array(6),
        Same(4),
        mode="GRU",
        vary=False,
        note="one tensor as both biases",
    )
    x, sizes, h, c, *weights = arguments(s, "RNN_TANH", [2, 2], 2, 2)
    yield call(
        x,
        sizes,
        h,
        c,
        weights[0],
        Same(2),
        *weights[2:4],
        mode="RNN_TANH",
        vary=False,
        note="and as both weights",
    )
    for mode in ref.MODES:
        options = {"mode": mode, "vary": False}
        yield call(*arguments(s, mode, [3, 2, 0], 2, 2), peer=False, note="a step of no sequence", **options)
        yield call(*arguments(s, mode, [0, 0], 2, 2), peer=False, note="no sequence", **options)
        yield call(*arguments(s, mode, [2, 1], 0, 2), peer=False, note="no feature", **options)
        yield call(*arguments(s, mode, [2, 2], 2, 2, scale=12.0), grad=False, note="saturated", **options)
        x, *rest = arguments(s, mode, [2, 2, 2], 2, 2)
        x[2, 1] = np.nan
        yield call(x, *rest, grad=False, note="NaN in one sequence", **options)


def bounds(s: Sampler) -> Iterator[Sample]:
    """Tiles of sequences and of gates, in few steps and in many; work on both sides of what threads share."""
    for batch in around("recurrent_sequences"):
        for mode in ref.MODES:
            yield call(*arguments(s, mode, [batch, batch, 3], 3, 5, scale=0.5), mode=mode, vary=False)
    for steps in around("recurrent_packed_steps"):
        sizes = [min(9, 2 * steps - t) for t in range(steps)]
        yield call(*arguments(s, "LSTM", sizes, 3, 5, projected=3, scale=0.5), vary=False)
        yield call(*arguments(s, "GRU", sizes, 3, 5, scale=0.5), mode="GRU", vary=False)
    shrinking = [35, 35, 33, 17, 16, 15, 8, 7, 4, 3, 1]
    for hidden in (1, 7, 12, 24, 32):  # whole tiles of every level, parts of them, and both
        for mode in ref.MODES:
            yield call(*arguments(s, mode, shrinking, 3, hidden, scale=0.3), mode=mode, vary=False)
    for projected in (1, 11, 16):
        args = arguments(s, "LSTM", shrinking, 7, 19, projected=projected, scale=0.5)
        yield call(*args, reverse=True, peer=False, vary=False)
    for mode in ref.MODES:
        args = arguments(s, mode, [37] * 40 + [21] * 7 + [9] * 3, 5, 37, scale=0.2)
        yield call(*args, mode=mode, vary=False)
    args = arguments(s, "GRU", [37] * 9, 5, 41, scale=0.2)
    yield call(*args, mode="GRU", reverse=True, peer=False, vary=False)
    # One step, as cells take it; threads share its products.
    yield call(*arguments(s, "LSTM", [131], 5, 71, scale=0.2), vary=False)


ONE = np.ones
RNN = (ONE((3, 2)), [2, 1], ONE((2, 4)), None, ONE((4, 2)), ONE((4, 4)), ONE(4), ONE(4))


def _with(position: int, value: Any) -> tuple[Any, ...]:
    """The call of an RNN with one argument exchanged."""
    return (*RNN[:position], value, *RNN[position + 1 :])


SPECS = (
    OpSpec(
        "recurrent_layer",
        ref.recurrent_layer_op,
        samples,
        function=layer,
        dtypes=FLOATING,
        composition=parts.recurrent_layer,
        scale="bound",
        tolerance=2.0,
        boundary=bounds,
        errors=(
            bad(ValueError, "mode.*'RNN'", *RNN, mode="RNN", peer=False),
            bad(RuntimeError, "floating", *_with(0, Const(ONE((3, 2), np.int64))), mode="GRU", peer=False),
            bad(RuntimeError, r"\[rows, features\].*\[3\]", *_with(0, ONE(3)), mode="RNN_TANH", peer=False),
            bad(RuntimeError, "at least one step", *_with(1, []), mode="RNN_TANH", peer=False),
            bad(RuntimeError, "never grow.*2 in step 1", *_with(1, [1, 2]), mode="RNN_TANH", peer=False),
            bad(RuntimeError, "negative.*-1 in step 1", *_with(1, [4, -1]), mode="RNN_TANH", peer=False),
            bad(RuntimeError, "rows of input.*4, got 3", *_with(1, [2, 2]), mode="RNN_TANH", peer=False),
            bad(
                RuntimeError,
                r"h of shape \[2, 4\].*\[3, 4\]",
                *_with(2, ONE((3, 4))),
                mode="RNN_RELU",
                peer=False,
            ),
            bad(RuntimeError, "no c but for an LSTM", *_with(3, ONE((2, 4))), mode="RNN_RELU", peer=False),
            bad(RuntimeError, "expected c for an LSTM.*None", *RNN, mode="LSTM", peer=False),
            bad(
                RuntimeError,
                r"weight_ih of shape.*\[4, 3\]",
                *_with(4, ONE((4, 3))),
                mode="RNN_TANH",
                peer=False,
            ),
            bad(
                RuntimeError,
                r"weight_hh of shape.*\[4, 5\]",
                *_with(5, ONE((4, 5))),
                mode="RNN_TANH",
                peer=False,
            ),
            bad(RuntimeError, r"3 \* hidden.*\[4, 4\]", *RNN, mode="GRU", peer=False),
            bad(RuntimeError, r"weight_hh.*\[4\]", *_with(5, ONE(4)), mode="RNN_TANH", peer=False),
            bad(
                RuntimeError, r"bias_ih of shape \[4\].*\[3\]", *_with(6, ONE(3)), mode="RNN_TANH", peer=False
            ),
            bad(
                RuntimeError, r"bias_hh of shape \[4\].*\[3\]", *_with(7, ONE(3)), mode="RNN_TANH", peer=False
            ),
            bad(RuntimeError, "both biases", *_with(7, None), mode="RNN_TANH", peer=False),
            bad(RuntimeError, "no weight_hr", *RNN, ONE((4, 4)), mode="RNN_TANH", peer=False),
            bad(
                RuntimeError,
                r"weight_hr of shape \[4, 1\].*\[4, 2\]",
                *_with(3, ONE((2, 1))),
                ONE((4, 2)),
                peer=False,
            ),
            bad(
                RuntimeError,
                "dtype.*float64.*float32",
                *_with(4, Const(ONE((4, 2), np.float32))),
                mode="RNN_TANH",
                peer=False,
            ),
        ),
    ),
)

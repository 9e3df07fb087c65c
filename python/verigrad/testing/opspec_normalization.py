"""Records of the normalisations.

Where gradients are checked `eps` is large: with the usual one a channel of equal elements, which the expanded
layouts make, is a function too sharp for finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.bounds_normalization import (
    batch_bounds,
    direction_bounds,
    group_bounds,
    instance_bounds,
    instance_statistics_bounds,
    layer_bounds,
    response_bounds,
    rms_bounds,
    running,
    statistics_bounds,
)
from verigrad.testing.compensation import mean_checks
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.reference import normalization as ref
from verigrad.testing.reference import normalization_tape as parts
from verigrad.testing.samples import Array, Const, Sample, Sampler, both, call
from verigrad.testing.samples_cuda import batches, layers

SMOOTH = 0.5  # eps of the samples that are differentiated


def odd_inputs(s: Sampler, *shape: int) -> Iterator[tuple[Array, str, bool]]:
    """Equal elements, means far above the deviation and far from each other, infinities and NaN; and whether
    PyTorch keeps its digits, which it loses where its mean is rounded."""
    yield np.full(shape, 0.1, s.dtype), "variance 0", False
    yield s.array(*shape) + s.dtype.type(1e4), "mean of 1e4", False
    far = 1e7 * np.arange(shape[1]).reshape(1, -1, *(1,) * (len(shape) - 2))
    yield (16 * s.array(*shape) + far).astype(s.dtype), "means of 0, 1e7, ...", False
    values = s.array(*shape)
    values.reshape(-1)[:3] = np.inf, 1.0, -np.inf
    values.reshape(-1)[-1] = np.nan
    yield values, "infinities and NaN", True
    values = s.array(*shape)
    values.reshape(-1)[1] = np.inf
    yield values, "an infinity", True


def batch_shapes() -> Iterator[tuple[int, ...]]:
    """[N, C, ...] with batches of 1, 2 and n, runs of few and many elements, one channel and several."""
    yield from ((2, 3), (5, 3), (4, 1), (1, 3, 4), (2, 3, 4), (3, 2, 2, 3), (2, 3, 5, 4), (2, 1, 3, 1, 2))


def batch_norm_samples(s: Sampler) -> Iterator[Sample]:
    """Training and evaluation, with and without an affine pair and running statistics."""
    for shape in batch_shapes():
        c = shape[1]
        for training in (True, False):
            stats = running(s, c)
            yield call(s.array(*shape), *stats, s.array(c), s.array(c), training=training, eps=SMOOTH)
    for weight, bias in ((True, False), (False, True), (False, False)):
        pair: dict[str, Any] = {
            "weight": s.array(3) if weight else None,
            "bias": s.array(3) if bias else None,
        }
        for shape in ((4, 3), (2, 3, 17)):
            yield call(s.array(*shape), *running(s, 3), training=True, eps=SMOOTH, **pair)
            yield call(s.array(*shape), *running(s, 3), eps=SMOOTH, **pair)
            yield call(s.array(*shape), None, None, training=True, eps=SMOOTH, **pair)
    for shape in ((1, 3), (1, 2, 1, 1), (2, 3)):  # one value per channel is enough for evaluation
        yield call(s.array(*shape), *running(s, shape[1]), eps=0.0)
    for shape in ((0, 3), (0, 3, 4), (2, 3, 0)):
        yield call(s.array(*shape), *running(s, 3), s.array(3), s.array(3), training=True)
        yield call(s.array(*shape), *running(s, 3), s.array(3), s.array(3))
    for shape in ((7, 33, 5), (64, 9), (129, 3, 17), (300, 2), (2, 2, 601), (3, 19, 13, 11)):
        c = shape[1]
        yield call(s.array(*shape), None, None, s.array(c), s.array(c), training=True, grad=False)
        yield call(s.array(*shape), *running(s, c), s.array(c), s.array(c), grad=False)
    for shape in ((64, 3), (5, 2, 37)):
        for values, note, peer in odd_inputs(s, *shape):
            yield call(values, None, None, training=True, grad=False, peer=peer, note=note)
            # PyTorch folds the mean into the bias, which cancels.
            yield call(values, *running(s, shape[1]), grad=False, peer=False, note=note)
    yield call(s.array(4, 3), *running(s, 3), None, None, True, 0.3, grad=False, note="all by position")


def batch_statistics_samples(s: Sampler) -> Iterator[Sample]:
    """What becomes of the running statistics."""
    for shape in (*batch_shapes(), (129, 3), (7, 33, 5), (5, 2, 601)):
        for momentum in (0.1, 1.0, 0.0):
            yield call(s.array(*shape), *running(s, shape[1]), momentum=momentum, grad=False)
    for shape in ((0, 3), (2, 3, 0)):
        yield call(s.array(*shape), *running(s, 3), grad=False)
    for values, note, peer in odd_inputs(s, 33, 2):
        yield call(values, *running(s, 2), grad=False, peer=peer, note=note)


def instance_norm_samples(s: Sampler) -> Iterator[Sample]:
    """Statistics of the input and running ones, with and without an affine pair."""
    for shape in ((1, 3, 4), (2, 3, 2), (3, 2, 2, 3), (2, 1, 3, 5)):
        c = shape[1]
        for own in (True, False):
            stats = running(s, c)
            yield call(s.array(*shape), *stats, s.array(c), s.array(c), use_input_stats=own, eps=SMOOTH)
    for weight, bias in ((True, False), (False, True), (False, False)):
        pair: dict[str, Any] = {
            "weight": s.array(3) if weight else None,
            "bias": s.array(3) if bias else None,
        }
        yield call(s.array(2, 3, 17), eps=SMOOTH, **pair)
    yield call(s.array(2, 3, 1), *running(s, 3), use_input_stats=False)
    yield call(s.array(2, 3), *running(s, 3), use_input_stats=False)
    yield call(s.array(0, 3, 4), grad=False, note="no sample")
    yield call(s.array(2, 3, 0), None, None, s.array(3), s.array(3), peer=False)
    yield call(s.array(5, 3, 29, 3), None, None, s.array(3), s.array(3), grad=False)
    for values, note, peer in odd_inputs(s, 2, 3, 37):
        yield call(values, grad=False, peer=peer, note=note)


def instance_statistics_samples(s: Sampler) -> Iterator[Sample]:
    """What becomes of the running statistics."""
    for shape in ((1, 3, 4), (2, 3, 2), (3, 2, 2, 3), (5, 3, 129)):
        for momentum in (0.1, 1.0, 0.0):
            yield call(s.array(*shape), *running(s, shape[1]), momentum=momentum, grad=False)


ROWS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((3,), 1),
    ((1, 3), 1),
    ((2, 4), 1),
    ((2, 4), 2),
    ((3, 2, 4), 1),
    ((3, 2, 4), 2),
    ((2, 1, 2, 3), 3),
    ((2, 17), 1),
    ((5, 1), 1),
)
EMPTY_ROWS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((0, 3), 1),
    ((2, 0, 3), 1),
    ((2, 0), 1),
    ((0, 2, 3), 2),
)
WIDE_ROWS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((37, 130), 1),
    ((3, 1037), 1),
    ((67, 5), 1),
    ((2, 13, 41), 2),
)


def layer_norm_samples(s: Sampler) -> Iterator[Sample]:
    """One and several dimensions, with and without an affine pair."""
    for shape, count in ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), s.array(*size), eps=SMOOTH)
    for weight, bias in ((True, False), (False, True), (False, False)):
        pair: dict[str, Any] = {
            "weight": s.array(5) if weight else None,
            "bias": s.array(5) if bias else None,
        }
        yield call(s.array(3, 5), (5,), eps=SMOOTH, **pair)
    yield call(s.array(3, 5), [5], eps=SMOOTH, note="sizes as a list")
    for shape, count in EMPTY_ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), s.array(*size))
    for shape, count in WIDE_ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), s.array(*size), grad=False)
        yield call(s.array(*shape), size, grad=False)
    for values, note, peer in odd_inputs(s, 3, 37):
        yield call(values, (37,), grad=False, peer=peer, note=note)


def rms_norm_samples(s: Sampler) -> Iterator[Sample]:
    """One and several dimensions, with and without a weight; the usual eps and others."""
    for shape, count in ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), eps=SMOOTH)
        yield call(s.array(*shape), size, eps=SMOOTH)
    for shape, count in EMPTY_ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size))
    for shape, count in WIDE_ROWS:
        size = shape[-count:]
        yield call(s.array(*shape), size, s.array(*size), grad=False)
        yield call(s.array(*shape), size, eps=1e-3, grad=False)
    yield call(s.array(3, 4), (4,), s.array(4, dtype="float64"), grad=False, note="a weight of float64")
    yield call(np.zeros((2, 3), s.dtype), (3,), grad=False, note="zeros")
    for values, note, _ in odd_inputs(s, 3, 37):
        yield call(values, (37,), grad=False, note=note)


def group_norm_samples(s: Sampler) -> Iterator[Sample]:
    """One group, several, one channel each; with and without further dimensions."""
    for shape, groups in (
        ((2, 4), 2),
        ((2, 4), 1),
        ((1, 4, 3), 2),
        ((2, 4, 3), 4),
        ((3, 6, 2), 3),
        ((2, 6, 2, 3), 2),
        ((2, 3, 5), 1),
        ((2, 4, 17), 2),
    ):
        c = shape[1]
        yield call(s.array(*shape), groups, s.array(c), s.array(c), eps=SMOOTH)
        yield call(s.array(*shape), groups, eps=SMOOTH)
    yield call(s.array(2, 4, 3), 2, s.array(4), eps=SMOOTH)
    # PyTorch says "expected bias to be a vector", got one of shape [0], without a weight.
    yield call(s.array(2, 4, 3), 2, None, s.array(4), eps=SMOOTH, peer=False)
    yield call(s.array(0, 4, 3), 2, s.array(4), s.array(4))
    yield call(s.array(2, 4, 0), 2, s.array(4), s.array(4), peer=False, note="PyTorch's gradients are NaN")
    yield call(s.array(7, 12, 29), 3, s.array(12), s.array(12), grad=False)
    yield call(s.array(130, 10), 2, s.array(10), s.array(10), grad=False)
    for values, note, peer in odd_inputs(s, 2, 4, 19):
        yield call(values, 2, grad=False, peer=peer, note=note)


def local_response_norm_samples(s: Sampler) -> Iterator[Sample]:
    """Odd, even and too wide windows, one channel and several."""
    for shape in ((2, 5, 3), (1, 1, 2), (2, 3, 2, 2)):
        for size in (1, 2, 3, 4, 9):
            yield call(s.array(*shape), size, alpha=0.5)
    yield call(s.array(2, 4, 3), 3, 0.9, 1.5, 2.0)
    yield call(s.array(2, 4, 3), 3, grad=False, note="the usual numbers")
    yield call(s.array(0, 4, 3), 2)
    yield call(s.array(2, 0, 3), 2)
    yield call(s.array(3, 11, 5, 7), 5, 1.0, 0.75, 1.0, grad=False)
    values = s.array(1, 4, 3)
    values[0, 1, 0], values[0, 3, 2] = np.inf, np.nan
    yield call(values, 3, 1.0, grad=False, note="edge values")


def normalize_samples(s: Sampler) -> Iterator[Sample]:
    """Every order of the norm, dimensions alone and together, zeros."""
    for p in (2.0, 1, 3, 1.5, 0.5, 0, -1, float("inf"), -float("inf")):
        yield call(s.array(3, 4, gap=0.4), p)
        yield call(s.array(0, 4, gap=0.4), p)
    for dim in (0, -1, 2, (0, 2), (0, 1, 2)):
        yield call(s.array(2, 3, 4, gap=0.4), dim=dim)
    yield call(s.array(3), dim=0)
    yield call(s.array(3, 0))
    yield call(s.array(3, 4) / s.dtype.type(10), eps=2.0, note="norms below eps")
    yield call(np.zeros((2, 3), s.dtype), grad=False, note="zeros")
    for p in (1.0, 0.0, 1.5, -1.0, float("inf")):
        yield call(np.array([[0.0, 2.0, -1.0], [0.0, 0.0, 0.0]], s.dtype), p, grad=False, note="zeros")
    yield call(s.array(37, 41), grad=False)
    yield call(
        np.array([[1.0, np.inf, -2.0], [np.nan, 1.0, 2.0]], s.dtype), grad=False, note="infinity and NaN"
    )


def with_copies(name: str) -> Callable[..., Any]:
    """The function with copies of the running statistics, which it may write to."""

    def function(
        lib: Library, input: Any, mean: Any = None, var: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        copies = [None if t is None else t.clone() for t in (mean, var)]
        return lib.get(f"nn.functional.{name}")(input, *copies, *args, **kwargs)

    return function


def statistics_after(name: str, option: str) -> Callable[..., Any]:
    """The running statistics after a call in training."""

    def function(lib: Library, input: Any, mean: Any, var: Any, momentum: float = 0.1) -> Any:
        copies = mean.clone(), var.clone()
        lib.get(f"nn.functional.{name}")(input, *copies, momentum=momentum, **{option: True})
        return copies

    return function


X = np.ones((2, 3, 4))
ONES = np.ones(3)
STATS = (Const(np.zeros(3)), Const(np.ones(3)))
WHOLE = Const(np.ones((2, 3, 4), np.int64))

CHANNEL_ERRORS = (
    bad(
        RuntimeError,
        r"running_mean should contain 3 elements not 4",
        X,
        Const(np.zeros(4)),
        Const(np.ones(3)),
    ),
    bad(
        RuntimeError, r"running_var should contain 3 elements not 2", X, Const(np.zeros(3)), Const(np.ones(2))
    ),
    bad(RuntimeError, "weight should contain 3 elements not 4", X, *STATS, np.ones(4)),
    bad(RuntimeError, r"bias should contain 3 elements not 2.*\[3\].*\[2\]", X, *STATS, None, np.ones(2)),
    bad(
        RuntimeError,
        r"norm: mixed dtype: expected weight .*float64.*float32",
        X,
        *STATS,
        np.ones(3, np.float32),
    ),
    bad(
        RuntimeError,
        r"norm: mixed dtype: expected bias .*float64.*float32",
        X,
        *STATS,
        None,
        np.ones(3, np.float32),
    ),
)

SPECS = (
    OpSpec(
        "batch_norm",
        ref.batch_norm_op,
        batch_norm_samples,
        function=with_copies("batch_norm"),
        dtypes=FLOATING,
        composition=parts.batch_norm,
        scale="bound",
        tolerance=1.0,
        boundary=both(batch_bounds, batches),
        errors=(
            *CHANNEL_ERRORS,
            bad(
                ValueError,
                r"more than 1 value per channel when training.*\[1, 3\]",
                np.ones((1, 3)),
                *STATS,
                training=True,
            ),
            bad(
                ValueError,
                r"more than 1 value per channel when training.*\[1, 3, 1, 1\]",
                np.ones((1, 3, 1, 1)),
                None,
                None,
                training=True,
            ),
            bad(RuntimeError, "running_mean must be defined in evaluation mode", X, None, None),
            bad(RuntimeError, "running_var must be defined in evaluation mode", X, STATS[0], None),
            bad(ValueError, "both be None", X, STATS[0], None, training=True),
            bad(ValueError, "both be None", X, None, STATS[1], training=True),
            bad(RuntimeError, "float32", X, Const(np.zeros(3, np.float32)), Const(np.ones(3, np.float32))),
            bad(ValueError, "eps must be positive during training.*0", X, *STATS, training=True, eps=0.0),
            bad(ValueError, "eps must be non-negative", X, *STATS, eps=-1.0),
            bad(NotImplementedError, "batch_norm.*int64", WHOLE, None, None, training=True),
            bad(RuntimeError, r"\[5\]", np.ones(5), *STATS),
            bad(TypeError, "momentum|argument", X, *STATS, momentum=None),
        ),
    ),
    OpSpec(
        "batch_norm (running statistics)",
        ref.batch_statistics_op,
        batch_statistics_samples,
        function=statistics_after("batch_norm", "training"),
        boundary=statistics_bounds,
        dtypes=FLOATING,
        order=0,
        scale="inputs",
        registered=False,
    ),
    OpSpec(
        "instance_norm",
        ref.instance_norm_op,
        instance_norm_samples,
        function=with_copies("instance_norm"),
        dtypes=FLOATING,
        composition=parts.instance_norm,
        scale="bound",
        tolerance=1.0,
        boundary=instance_bounds,
        errors=(
            *CHANNEL_ERRORS,
            bad(ValueError, r"more than 1 spatial element when training.*\[2, 3, 1\]", np.ones((2, 3, 1))),
            bad(ValueError, r"more than 1 spatial element when training.*\[2, 3\]", np.ones((2, 3))),
            bad(RuntimeError, "to be defined when use_input_stats is false", X, use_input_stats=False),
            bad(ValueError, "both be None", X, STATS[0]),
            bad(IndexError, r"dim|\[3\]", np.ones(3), *STATS, use_input_stats=False),
            bad(NotImplementedError, "norm.*int64", WHOLE),
        ),
    ),
    OpSpec(
        "instance_norm (running statistics)",
        ref.instance_statistics_op,
        instance_statistics_samples,
        function=statistics_after("instance_norm", "use_input_stats"),
        boundary=instance_statistics_bounds,
        dtypes=FLOATING,
        order=0,
        scale="inputs",
        registered=False,
    ),
    OpSpec(
        "layer_norm",
        ref.layer_norm_op,
        layer_norm_samples,
        function="nn.functional.layer_norm",
        dtypes=FLOATING,
        composition=parts.layer_norm,
        scale="bound",
        tolerance=1.0,
        boundary=both(layer_bounds, layers),
        check=mean_checks,
        errors=(
            bad(RuntimeError, r"normalized_shape.*\[5\].*\[2, 3, 4\]", X, (5,)),
            bad(RuntimeError, r"normalized_shape.*\[1, 2, 3, 4\].*\[2, 3, 4\]", X, (1, 2, 3, 4)),
            bad(RuntimeError, "at least 1-dimensional", X, ()),
            bad(RuntimeError, r"weight.*\[3\].*\[4\]", X, (4,), np.ones(3)),
            bad(RuntimeError, r"weight.*\[1\].*\[4\]", X, (4,), np.ones(1)),
            bad(RuntimeError, r"bias.*\[3\].*\[4\]", X, (4,), None, np.ones(3)),
            bad(RuntimeError, "dtype.*float64.*float32", X, (4,), np.ones(4, np.float32)),
            bad(NotImplementedError, "int64", WHOLE, (4,)),
            bad(TypeError, "normalized_shape|argument", X, 4),
        ),
    ),
    OpSpec(
        "rms_norm",
        ref.rms_norm_op,
        rms_norm_samples,
        function="nn.functional.rms_norm",
        dtypes=FLOATING,
        composition=parts.rms_norm,
        scale="bound",
        tolerance=1.0,
        boundary=rms_bounds,
        errors=(
            bad(RuntimeError, "weight", X, (4,), Const(np.ones(4, np.int64)), peer=False),
            bad(RuntimeError, r"normalized_shape.*\[5\].*\[2, 3, 4\]", X, (5,)),
            bad(RuntimeError, "at least 1-dimensional", X, ()),
            bad(RuntimeError, r"weight.*\[3\].*\[4\]", X, (4,), np.ones(3)),
            bad(NotImplementedError, "int64", WHOLE, (4,)),
        ),
    ),
    OpSpec(
        "group_norm",
        ref.group_norm_op,
        group_norm_samples,
        function="nn.functional.group_norm",
        dtypes=FLOATING,
        composition=parts.group_norm,
        scale="bound",
        tolerance=1.0,
        boundary=group_bounds,
        errors=(
            bad(RuntimeError, r"divisible by num_groups.*\[2, 3, 4\].*2", X, 2),
            *(bad(RuntimeError, "greater than 0", X, groups, peer=False) for groups in (0, -1)),
            bad(RuntimeError, "greater than 0.*-1", X, -1),
            bad(RuntimeError, "[Aa]t least 2 dimensions", np.ones(4), 2),
            bad(ValueError, r"more than 1 value per channel.*\[1, 3\]", np.ones((1, 3)), 3),
            bad(RuntimeError, r"weight.*\[4\].*\[2, 3, 4\]", X, 3, np.ones(4)),
            bad(RuntimeError, r"bias.*\[2, 3, 4\]", X, 3, ONES, np.ones(4)),
            bad(RuntimeError, "dtype.*float64.*float32", X, 3, np.ones(3, np.float32)),
            bad(NotImplementedError, "int64", WHOLE, 3),
        ),
    ),
    OpSpec(
        "local_response_norm",
        ref.local_response_norm_op,
        local_response_norm_samples,
        function="nn.functional.local_response_norm",
        composition=parts.local_response_norm,
        boundary=response_bounds,
        dtypes=FLOATING,
        registered=False,
        errors=(
            bad(ValueError, "3D or higher", np.ones((2, 3)), 2),
            bad(RuntimeError, "greater than zero.*0", X, 0),
            bad(RuntimeError, "greater than zero.*-1", X, -1),
            bad(TypeError, "float", X, 2.5),
        ),
    ),
    OpSpec(
        "normalize",
        ref.normalize_op,
        normalize_samples,
        function="nn.functional.normalize",
        composition=parts.normalize,
        boundary=direction_bounds,
        dtypes=FLOATING,
        registered=False,
        ties=True,
        errors=(
            bad(IndexError, "out of range", np.ones((2, 3)), dim=2),
            bad(RuntimeError, "floating point", Const(np.ones((2, 3), np.int64))),
        ),
    ),
)

"""Records of the pooling functions."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, ErrorInput, Kink, OpSpec, bad
from verigrad.testing.reference import pooling as ref
from verigrad.testing.reference import pooling_tape
from verigrad.testing.samples import Array, Sample, Sampler, call
from verigrad.testing.samples_cuda import windows as large_windows

BATCHES = (0, 1, 2, 5)
SIGNAL, IMAGE = (9,), (7, 6)
Draw = Callable[[Sampler, tuple[int, ...]], Array]


def distinct(s: Sampler, shape: tuple[int, ...]) -> Array:
    """No ties, which are kinks of a maximum."""
    return s.distinct(*shape)


def uniform(s: Sampler, shape: tuple[int, ...]) -> Array:
    """Any values."""
    return s.array(*shape)


def grid(
    s: Sampler, dims: int, draw: Draw, dilations: Iterable[int] = (1,), **options: Iterable[Any]
) -> Iterator[Sample]:
    """Every combination of kernel, stride, padding, dilation, ceil_mode, the other options, and batch;
    gradients for a batch of two."""
    plane = IMAGE if dims == 2 else SIGNAL
    kernels: tuple[Any, ...] = (2, 3, (3, 2)) if dims == 2 else (1, 2, 3)
    names = list(options)
    choices = itertools.product(
        kernels, (1, 2, 3), (0, 1), dilations, (False, True), BATCHES, *options.values()
    )
    for kernel_size, stride, padding, dilation, ceil_mode, batch, *others in choices:
        if padding and kernel_size == 1:
            continue
        extra = dict(zip(names, others, strict=True))
        if tuple(dilations) != (1,):
            extra["dilation"] = dilation
        yield call(
            draw(s, (batch, 2, *plane)),
            kernel_size,
            stride,
            padding,
            ceil_mode=ceil_mode,
            grad=batch == 2,
            **extra,
        )


def forms(s: Sampler, dims: int, draw: Draw) -> Iterator[Sample]:
    """No batch, the default stride, lists and tuples, windows as large as the input, wide rows."""
    plane = IMAGE if dims == 2 else SIGNAL
    size = (2, 3) if dims == 2 else (2,)
    one = (1,) * dims
    yield call(draw(s, (3, *plane)), 2)
    yield call(draw(s, (2, 3, *plane)), size)
    yield call(draw(s, (2, 3, *plane)), list(size), stride=one, padding=list(one))
    yield call(draw(s, (2, 3, *plane)), size[:1], ())
    yield call(draw(s, (2, 3, *plane)), plane)
    yield call(draw(s, (1, 1, *one)), 1)
    yield call(draw(s, (1, 2, *(n + 1 for n in plane))), 5, 4, 2)
    for wide in (33, 46, 61):  # vectors and their tails
        yield call(draw(s, (1, 2, *plane[:-1], wide)), 2)
        yield call(draw(s, (1, 2, *plane[:-1], wide)), 3, 2, 1)
        yield call(draw(s, (1, 2, *plane[:-1], wide)), 3, 1)


def max_samples(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """The grid, indices, ties, infinities and NaN."""

    def samples(s: Sampler) -> Iterator[Sample]:
        yield from grid(s, dims, distinct, (1, 2))
        yield from forms(s, dims, distinct)
        plane = IMAGE if dims == 2 else SIGNAL
        for args in ((2,), (3, 2, 1), (3, 1), (2, 1, 0, 2)):
            for batch in (1, 2):
                yield call(distinct(s, (batch, 2, *plane)), *args, return_indices=True)
            tied = s.array(2, 3, *plane, low=0, high=2)
            tied = np.round(tied).astype(s.dtype)
            yield call(tied, *args, return_indices=True, grad=False, note="ties")
            if s.floating:
                rare = tied.copy()
                rare[rare == 0] = -np.inf
                rare[rare == 1] = np.nan
                yield call(rare, *args, return_indices=True, grad=False, note="NaN and infinities")
                low = np.full((1, 1, *plane), -np.inf, s.dtype)
                yield call(low, *args, return_indices=True, grad=False, note="-inf alone")
        zeros = np.where(s.array(2, 2, *plane) > 0, 0.0, -0.0).astype(s.dtype)
        yield call(zeros, 2, grad=False, note="zeros of both signs")

    return samples


def avg_samples(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """The grid with both ways to count, other divisors, infinities and NaN."""

    def samples(s: Sampler) -> Iterator[Sample]:
        yield from grid(s, dims, uniform, count_include_pad=(True, False))
        yield from forms(s, dims, uniform)
        plane = IMAGE if dims == 2 else SIGNAL
        if dims == 2:
            for divisor in (1, 3):
                yield call(s.array(2, 2, *plane), 2, divisor_override=divisor)
                yield call(s.array(2, 2, *plane), 3, 2, 1, True, False, divisor)
            # Positive values, since the scale of the error is the reference over absolute inputs.
            yield call(s.array(2, 2, *plane, low=0.5), 2, divisor_override=-2)
        yield call(s.array(1, 2, *(29,) * dims), 29)
        if s.floating:
            rare = s.array(2, 2, *plane)
            rare[0, 0] = np.inf
            rare[1, 1, ..., 2:] = np.nan
            yield call(rare, 2, grad=False, note="NaN and infinities")
            yield call(rare, 3, 2, 1, grad=False, note="NaN and infinities")

    return samples


def adaptive_samples(dims: int, draw: Draw, indices: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """Output sizes that divide the input's and that do not, larger ones, none, and the input's own."""
    plane = IMAGE if dims == 2 else SIGNAL
    sizes: tuple[Any, ...] = (1, 2, 3, 4, 7, 11)
    if dims == 2:
        sizes = (*sizes, (1, 3), (5, 2), (7, 6), (None, 2), (3, None), [None, None])
    else:
        sizes = (*sizes, 9, (4,))

    def samples(s: Sampler) -> Iterator[Sample]:
        for size, batch in itertools.product(sizes, BATCHES):
            yield call(draw(s, (batch, 2, *plane)), size, grad=batch == 2)
        for size in sizes:
            yield call(draw(s, (2, *plane)), size)
        yield call(s.array(2, 2, *plane), 0, grad=False)
        if indices:
            for size in sizes:
                yield call(draw(s, (2, 2, *plane)), size, return_indices=True)
            tied = np.round(s.array(2, 3, *plane, low=0, high=2)).astype(s.dtype)
            yield call(tied, 3, return_indices=True, grad=False, note="ties")
            tied[tied == 1] = np.nan
            yield call(tied, 3, return_indices=True, grad=False, note="NaN")
        yield call(draw(s, (1, 2, *(31,) * dims)), 1)

    return samples


def some_max(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """A few calls; the grid is that of the function without indices."""

    def samples(s: Sampler) -> Iterator[Sample]:
        plane = IMAGE if dims == 2 else SIGNAL
        for batch, args in itertools.product(BATCHES, ((2,), (3, 2, 1), (2, 1, 0, 2))):
            yield call(distinct(s, (batch, 2, *plane)), *args, grad=batch > 0)
        yield call(distinct(s, (2, *plane)), 2)

    return samples


def at_boundaries(dims: int, draw: Draw, *windows: tuple[Any, ...]) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows on both sides of the vectors of the kernels, and planes enough to be cut for threads.

    Windows of 2 x 2 side by side have loops of their own, over vectors of 16 and 32 bytes (pool_pairs.h); the
    last one of a row repeats outputs of the one before. The other loops are vectors of up to 64 bytes, for
    steps of 1, of 2 and any. 262,144 elements (kSerialElements) are cut: rows by 65,536 (kGrainElements),
    planes likewise.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        high = (5,) if dims == 2 else ()
        for args, kwargs in (((2,), {}), *((w[:-1], w[-1]) for w in windows)):
            wide = (3, 6, 8, 11, 15, 16, 19, 31, 67) if args == (2,) else (17, 35, 70, 131)
            for width in wide:
                yield call(draw(s, (2, 3, *high, width)), *args, **kwargs)
        plane = (43, 47) if dims == 2 else (1001,)  # chunks of rows begin within planes
        elements = s.distinct if draw is distinct else s.array
        for args, kwargs in (((2,), {}), *((w[:-1], w[-1]) for w in windows[:1])):
            planes = 262_144 // int(np.prod(plane)) + 3
            yield call(elements(1, planes, *plane), *args, vary=False, **kwargs)
        if dims == 2:
            yield from large_windows(s)

    return samples


def adaptive_boundaries(dims: int, draw: Draw) -> Callable[[Sampler], Iterator[Sample]]:
    """As `at_boundaries`; half the size is windows of 2 x 2, other sizes are windows of two sizes in turn."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for width in (2, 6, 8, 14, 16, 18, 66):
            yield call(draw(s, (2, 3, *(4,) * (dims - 1), width)), (*(2,) * (dims - 1), width // 2))
        for width, size in ((35, 16), (67, 33), (131, 7), (17, 40)):
            yield call(draw(s, (2, 3, *(5,) * (dims - 1), width)), (*(3,) * (dims - 1), size))
        plane: tuple[int, ...] = (46, 46) if dims == 2 else (1002,)
        planes = 262_144 // int(np.prod(plane)) + 3
        for sizes in (tuple(n // 2 for n in plane), (*(7,) * (dims - 1), 19)):
            yield call(draw(s, (1, planes, *plane)), sizes, vary=False)

    return samples


def common_errors(dims: int) -> tuple[ErrorInput, ...]:
    """What max_pool and avg_pool refuse."""
    x = np.zeros((1, 2, *(4,) * dims))
    none = np.zeros((2, 0, *(4,) * dims))
    # PyTorch's max_pool1d does not return from such a call.
    overflow = (
        ()
        if dims == 1
        else (
            bad(RuntimeError, "overflow", x, 2**62),
            bad(RuntimeError, "overflow", x, 2, 2**62),
            bad(RuntimeError, "overflow", x, 2, 2**62, ceil_mode=True),
        )
    )
    return (
        bad(RuntimeError, "kernel", x, 0, 1),
        bad(RuntimeError, "kernel", x, -1, 1),
        bad(RuntimeError, "stride", x, 2, 0),
        bad(RuntimeError, "stride", x, 2, -1),
        bad(RuntimeError, "pad", x, 2, 2, -1),
        bad(RuntimeError, "pad", x, 2, 2, 2),
        bad(RuntimeError, "output size", x, 5),
        bad(RuntimeError, "output size", x, 7, 1, 1),
        *overflow,
        bad(ValueError, "Overflow", x, 2**63),
        bad(RuntimeError, "kernel_size", x, (2,) * 3),
        bad(RuntimeError, "padding|int", x, 2, 2, (1,) * 3),
        bad(TypeError, "", x, 2.0),
        bad(TypeError, "", x, True),
        bad(TypeError, "", x, None),
        bad(RuntimeError, "batch", none, 2),
        bad(RuntimeError, "batch|[Dd]imension", np.zeros((1, 1, 1, *(4,) * dims)), 2),
        bad(NotImplementedError, "dtype|implemented", np.ones((1, 2, *(4,) * dims), bool), 2),
    )


def max_errors(dims: int) -> tuple[ErrorInput, ...]:
    """What only max_pool refuses."""
    x = np.zeros((1, 2, *(4,) * dims))
    return (
        *common_errors(dims),
        bad(RuntimeError, "dilation", x, 2, 2, 0, 0),
        bad(RuntimeError, "in every window", x, 2, 1, 1, 5, peer=False),
        bad(RuntimeError, "dilation", x, 2, 2, 0, -1),
        bad(RuntimeError, "output size", x, 2, 2, 0, 4),
        *((bad(RuntimeError, "overflow", x, 3, 2, 0, 2**62),) if dims == 2 else ()),
        bad(RuntimeError, "batch", np.zeros(4), 2),
    )


def adaptive_errors(dims: int) -> tuple[ErrorInput, ...]:
    """Sizes that cannot be."""
    x = np.zeros((1, 2, *(4,) * dims))
    return (
        bad(RuntimeError, "greater than or equal", x, (-1,) * dims),
        bad(RuntimeError, "output_size", x, (2,) * (dims + 1)),
        bad(RuntimeError, "overflow|elements|below", x, (2**62,) * dims),
        bad(RuntimeError, "below", x[:0], (2**31,) * dims, peer=False),
        bad(RuntimeError, "non-zero", np.zeros((1, 2, *(0,) * dims)), (2,) * dims),
        bad(RuntimeError, "Expected", np.zeros((1, 1, 1, *(4,) * dims)), (2,) * dims),
        bad(TypeError, "", x, 2.0),
        bad(NotImplementedError, "dtype|implemented", np.ones((1, 2, *(4,) * dims), np.int64), (2,) * dims),
    )


# The first of equals has the whole gradient.
TIED_SIGNAL = Kink(
    (np.array([[[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]]]),),
    (np.array([[[1.0, 0.0, 0.0, 3.0, 0.0, 0.0]]]),),
    {"kernel_size": 3, "stride": 1},
)
TIED_IMAGE = Kink(
    (np.array([[[[0.0, 5.0, 1.0], [5.0, 1.0, 1.0]]]]),),
    (np.array([[[[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]]]),),
    {"kernel_size": 2, "stride": (1, 2), "ceil_mode": True},
)


def max_spec(dims: int) -> OpSpec:
    """The record of max_pool."""
    name = f"max_pool{dims}d"
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        max_samples(dims),
        function=f"nn.functional.{name}",
        dtypes=NUMERIC if dims == 2 else FLOATING,
        tolerance=0.0,
        ties=True,
        composition=pooling_tape.maximum(getattr(ref, f"{name}_with_indices_op"), dims),
        boundary=at_boundaries(
            dims, distinct, (3, 2, 1, {}), (3, 1, 1, 2, {}), (5, 3, 1, {"ceil_mode": True})
        ),
        errors=max_errors(dims),
        kinks=(TIED_IMAGE if dims == 2 else TIED_SIGNAL,),
    )


def max_indices_spec(dims: int) -> OpSpec:
    """The record of max_pool with indices."""
    name = f"max_pool{dims}d_with_indices"
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        some_max(dims),
        function=f"nn.functional.{name}",
        dtypes=FLOATING,
        tolerance=0.0,
        ties=True,
        composition=pooling_tape.maximum(getattr(ref, f"{name}_op"), dims),
        boundary=at_boundaries(dims, distinct, (3, 2, 1, {})),
        errors=max_errors(dims),
    )


def avg_spec(dims: int) -> OpSpec:
    """The record of avg_pool."""
    name = f"avg_pool{dims}d"
    x = np.zeros((1, 2, *(4,) * dims))
    own = (
        (
            bad(RuntimeError, "divisor", x, 2, divisor_override=0),
            bad(IndexError, "[Dd]imension", np.zeros((4, 4)), 2),
            bad(TypeError, "", x, 2, divisor_override=1.5),
        )
        if dims == 2
        else (bad(RuntimeError, "batch", np.zeros(4), 2),)
    )
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        avg_samples(dims),
        function=f"nn.functional.{name}",
        dtypes=("int64", *FLOATING),
        scale="inputs",
        composition=functools.partial(pooling_tape.average, dims),
        boundary=at_boundaries(
            dims,
            uniform,
            (3, 2, 1, {}),
            (3, 1, 1, {"count_include_pad": False}),
            (5, 3, 1, {"ceil_mode": True}),
        ),
        errors=(*common_errors(dims), *own),
    )


def adaptive_spec(dims: int, kind: str, with_indices: bool = False) -> OpSpec:
    """The record of an adaptive function; `with_indices`: under the name that always answers positions."""
    name = f"adaptive_{kind}_pool{dims}d" + "_with_indices" * with_indices
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        adaptive_samples(dims, distinct if kind == "max" else uniform, kind == "max" and not with_indices),
        function=f"nn.functional.{name}",
        dtypes=FLOATING,
        scale="inputs" if kind == "avg" else "value",
        tolerance=0.0 if kind == "max" else 4.0,
        ties=kind == "max",
        registered=not with_indices,
        composition=(
            pooling_tape.maximum(getattr(ref, f"adaptive_max_pool{dims}d_with_indices_op"), dims)
            if kind == "max"
            else functools.partial(pooling_tape.adaptive_average, dims)
        ),
        boundary=adaptive_boundaries(dims, distinct if kind == "max" else uniform),
        errors=adaptive_errors(dims),
    )


SPECS: tuple[OpSpec, ...] = (
    max_spec(1),
    max_spec(2),
    max_indices_spec(1),
    max_indices_spec(2),
    avg_spec(1),
    avg_spec(2),
    adaptive_spec(1, "avg"),
    adaptive_spec(2, "avg"),
    adaptive_spec(1, "max"),
    adaptive_spec(2, "max"),
    adaptive_spec(1, "max", with_indices=True),
    adaptive_spec(2, "max", with_indices=True),
)

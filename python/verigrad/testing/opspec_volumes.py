"""Records of pooling in three dimensions, of norms of windows, and of maxima that are put back."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, ErrorInput, Kink, OpSpec, bad
from verigrad.testing.opspec_pooling import Draw, distinct, uniform
from verigrad.testing.reference import pooling_tape, tape
from verigrad.testing.reference import pooling_volumes as ref
from verigrad.testing.samples import Const, Sample, Sampler, call

BATCHES = (0, 1, 2)
VOLUME = (5, 3, 4)
SIZES = {1: (9,), 2: (5, 6), 3: VOLUME}
# Frames of which the rows end within vectors, and more elements than one thread takes, in both steps.
LARGE = (1, 60, 8, 23, 29)


def grid(s: Sampler, draw: Draw, **options: tuple[Any, ...]) -> Iterator[Sample]:
    """Every combination of kernel, stride, padding, ceil_mode and the other options; the batch goes round,
    with gradients for two."""
    names = list(options)
    choices = itertools.product(
        (2, 3, (3, 1, 2)), (1, 2, (2, 1, 3)), (0, (1, 0, 1)), (False, True), *options.values()
    )
    for i, (kernel_size, stride, padding, ceil_mode, *others) in enumerate(choices):
        batch = BATCHES[i % 3]
        extra = dict(zip(names, others, strict=True))
        yield call(
            draw(s, (batch, 2, *VOLUME)),
            kernel_size,
            stride,
            padding,
            ceil_mode=ceil_mode,
            grad=batch == 2,
            **extra,
        )


def forms(s: Sampler, draw: Draw) -> Iterator[Sample]:
    """No batch, the default stride, lists, windows as large as the input, one element."""
    yield call(draw(s, (2, *VOLUME)), 2)
    yield call(draw(s, (2, 2, *VOLUME)), [3, 2, 1], stride=(1, 1, 2), padding=[1, 0, 0])
    yield call(draw(s, (2, 2, *VOLUME)), VOLUME)
    yield call(draw(s, (1, 1, 1, 1, 1)), 1)
    yield call(draw(s, (1, 2, 3, 4, 33)), 2)


def max_samples(s: Sampler) -> Iterator[Sample]:
    """The grid, indices, ties within and between frames, infinities and NaN."""
    yield from grid(s, distinct, dilation=(1, (2, 1, 1)))
    yield from forms(s, distinct)
    for args in ((2,), (3, 2, 1), (2, 1, 0, (2, 1, 2)), ((3, 1, 1), 1)):
        yield call(distinct(s, (2, 2, *VOLUME)), *args, return_indices=True)
        tied = np.round(s.array(2, 3, *VOLUME, low=0, high=2)).astype(s.dtype)
        yield call(tied, *args, return_indices=True, grad=False, note="ties")
        if s.floating:
            rare = tied.copy()
            rare[rare == 0] = -np.inf
            rare[rare == 1] = np.nan
            yield call(rare, *args, return_indices=True, grad=False, note="NaN and infinities")
            low = np.full((1, 1, *VOLUME), -np.inf, s.dtype)
            yield call(low, *args, return_indices=True, grad=False, note="-inf alone")


def some_max(s: Sampler) -> Iterator[Sample]:
    """A few calls; the grid is that of the function without indices."""
    for batch, args in itertools.product(BATCHES, ((2,), (3, 2, 1), (2, 1, 0, 2))):
        yield call(distinct(s, (batch, 2, *VOLUME)), *args, grad=batch > 0)
    yield call(distinct(s, (2, *VOLUME)), 2)


def avg_samples(s: Sampler) -> Iterator[Sample]:
    """The grid with both ways to count, other divisors, infinities and NaN."""
    yield from grid(s, uniform, count_include_pad=(True, False))
    yield from forms(s, uniform)
    for divisor in (1, 3):
        yield call(s.array(2, 2, *VOLUME), 2, divisor_override=divisor)
        yield call(s.array(2, 2, *VOLUME), 3, 2, 1, True, False, divisor)
    # Positive values, since the scale of the error is the reference over absolute inputs.
    yield call(s.array(2, 2, *VOLUME, low=0.5), 2, divisor_override=-2)
    if s.floating:
        rare = s.array(2, 2, *VOLUME)
        rare[0, 0, 1] = np.inf
        rare[1, 1, ..., 2:] = np.nan
        yield call(rare, 2, grad=False, note="NaN and infinities")


def adaptive_samples(draw: Draw, indices: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """Output sizes that divide the input's and that do not, larger ones, none, and the input's own."""
    sizes: tuple[Any, ...] = (1, 2, 3, 7, (1, 3, 2), (5, 2, 4), (None, 2, 1), (3, None, 5), [None] * 3)

    def samples(s: Sampler) -> Iterator[Sample]:
        for size, batch in itertools.product(sizes, BATCHES):
            yield call(draw(s, (batch, 2, *VOLUME)), size, grad=batch == 2)
        for size in sizes[:5]:
            yield call(draw(s, (2, *VOLUME)), size)
        yield call(s.array(2, 2, *VOLUME), 0, grad=False)
        if indices:
            for size in sizes[:6]:
                yield call(draw(s, (2, 2, *VOLUME)), size, return_indices=True)
            tied = np.round(s.array(2, 3, *VOLUME, low=0, high=2)).astype(s.dtype)
            yield call(tied, 3, return_indices=True, grad=False, note="ties")
            tied[tied == 1] = np.nan
            yield call(tied, 3, return_indices=True, grad=False, note="NaN")

    return samples


def at_boundaries(draw: Draw, *windows: tuple[Any, ...]) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows on both sides of vectors, and volumes enough to be cut for threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for args in windows:
            for width in (17, 35, 70):
                yield call(draw(s, (2, 3, 4, 5, width)), *args)
        elements = s.distinct if draw is distinct else s.array
        yield call(elements(*LARGE), *windows[0], vary=False)

    return samples


def window_errors() -> tuple[ErrorInput, ...]:
    """What max_pool3d and avg_pool3d refuse."""
    x = np.zeros((1, 2, 4, 4, 4))
    return (
        bad(RuntimeError, "kernel", x, 0, 1),
        bad(RuntimeError, "kernel", x, -1, 1),
        bad(RuntimeError, "stride", x, 2, 0),
        bad(RuntimeError, "pad", x, 2, 2, -1),
        bad(RuntimeError, "pad", x, 2, 2, 2),
        bad(RuntimeError, "output size|smaller than kernel", x, 5),
        bad(RuntimeError, "overflow", x, 2**62),
        bad(RuntimeError, "overflow", x, 2, 2**62),
        bad(ValueError, "Overflow", x, 2**63),
        bad(RuntimeError, "kernel_size", x, (2, 2)),
        bad(RuntimeError, "kernel_size", x, (2,) * 4),
        bad(RuntimeError, "stride", x, 2, (2, 2)),
        bad(RuntimeError, "padding", x, 2, 2, (1, 1)),
        bad(TypeError, "", x, 2.0),
        bad(TypeError, "", x, True),
        bad(TypeError, "", x, None),
        bad(RuntimeError, "batch|positive", np.zeros((2, 0, 4, 4, 4)), 2),
        bad(RuntimeError, "batch|positive", np.zeros((2, 4, 4, 0)), 2),
        bad(RuntimeError, "batch", np.zeros((1, 1, 1, 4, 4, 4)), 2),
        bad(RuntimeError, "batch", np.zeros((4, 4, 4)), 2),
        bad(NotImplementedError, "dtype|implemented", np.ones((1, 2, 4, 4, 4), bool), 2),
    )


def max_errors() -> tuple[ErrorInput, ...]:
    """What only max_pool3d refuses."""
    x = np.zeros((1, 2, 4, 4, 4))
    return (
        *window_errors(),
        bad(RuntimeError, "dilation", x, 2, 2, 0, 0),
        bad(RuntimeError, "output size", x, 2, 2, 0, 4),
        bad(RuntimeError, "dilation", x, 2, 2, 0, (1, 1)),
        bad(RuntimeError, "in every window", x, 2, 1, 1, 5, peer=False),
    )


def adaptive_errors() -> tuple[ErrorInput, ...]:
    """Sizes that cannot be."""
    x = np.zeros((1, 2, 4, 4, 4))
    return (
        bad(RuntimeError, "greater than or equal|negative", x, (-1,) * 3),
        bad(RuntimeError, "output_size", x, (2,) * 2),
        bad(ValueError, "dimension", x[0, 0], (2, None, 2)),
        bad(RuntimeError, "overflow|elements|below", x, (2**62,) * 3),
        bad(RuntimeError, "non-zero", np.zeros((1, 2, 0, 4, 4)), (2,) * 3),
        bad(RuntimeError, "non-zero", np.zeros((1, 0, 4, 4, 4)), (2,) * 3),
        bad(RuntimeError, "Expected", np.zeros((1, 1, 1, 4, 4, 4)), (2,) * 3),
        bad(TypeError, "", x, 2.0),
        bad(NotImplementedError, "dtype|implemented", np.ones((1, 2, 4, 4, 4), np.int64), (2,) * 3),
    )


# Equal elements of two frames: the first frame's has the whole gradient.
TIED_FRAMES = Kink(
    (np.array([[[[1.0, 5.0]], [[5.0, 1.0]], [[5.0, 5.0]]]])[None],),
    (np.array([[[[0.0, 1.0]], [[0.0, 0.0]], [[1.0, 0.0]]]])[None],),
    {"kernel_size": (2, 1, 2), "ceil_mode": True},
)


def max_spec(with_indices: bool) -> OpSpec:
    """The record of max_pool3d, or of its form that always answers positions."""
    name = "max_pool3d" + "_with_indices" * with_indices
    return OpSpec(
        name,
        ref.max_pool3d_with_indices_op if with_indices else ref.max_pool3d_op,
        some_max if with_indices else max_samples,
        function=f"nn.functional.{name}",
        dtypes=FLOATING if with_indices else NUMERIC,
        tolerance=0.0,
        ties=True,
        composition=pooling_tape.maximum(ref.max_pool3d_with_indices_op, 3),
        boundary=at_boundaries(distinct, ((2, 1, 1), 1), (3, 2, 1), (2,)),
        errors=max_errors(),
        kinks=() if with_indices else (TIED_FRAMES,),
    )


def avg_spec() -> OpSpec:
    """The record of avg_pool3d."""
    x = np.zeros((1, 2, 4, 4, 4))
    return OpSpec(
        "avg_pool3d",
        ref.avg_pool3d_op,
        avg_samples,
        function="nn.functional.avg_pool3d",
        dtypes=("int64", *FLOATING),
        scale="inputs",
        composition=pooling_tape.average_of_volumes,
        gradient_tolerance=2.0,
        boundary=at_boundaries(uniform, ((2, 1, 1), 1), (3, 2, 1), (2,)),
        errors=(
            *window_errors(),
            bad(RuntimeError, "divisor", x, 2, divisor_override=0),
            bad(TypeError, "", x, 2, divisor_override=1.5),
            bad(RuntimeError, "smaller than kernel", x, (5, 1, 1), 1, (2, 0, 0)),
        ),
    )


def adaptive_spec(kind: str, with_indices: bool = False) -> OpSpec:
    """The record of an adaptive function; `with_indices`: under the name that always answers positions."""
    name = f"adaptive_{kind}_pool3d" + "_with_indices" * with_indices
    greatest = kind == "max"
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        adaptive_samples(distinct if greatest else uniform, greatest and not with_indices),
        function=f"nn.functional.{name}",
        dtypes=FLOATING,
        scale="value" if greatest else "inputs",
        tolerance=0.0 if greatest else 4.0,
        ties=greatest,
        registered=not with_indices,
        composition=(
            pooling_tape.maximum(ref.adaptive_max_pool3d_with_indices_op, 3)
            if greatest
            else pooling_tape.adaptive_average_of_volumes
        ),
        gradient_tolerance=1.0 if greatest else 2.0,
        boundary=at_boundaries(
            distinct if greatest else uniform, ((7, 13, 19), *(True,) * greatest), ((3, 3, 33),)
        ),
        errors=adaptive_errors(),
    )


def lp_samples(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Norms of even, odd and broken order, and the two extreme ones; strides, ceil_mode and batches."""

    def samples(s: Sampler) -> Iterator[Sample]:
        size = SIZES[dims]
        each: Any = (3, 2, 2)[:dims] if dims > 1 else 3  # PyTorch takes no tuple of one
        for batch, kernel, ceil in itertools.product(BATCHES, (2, each), (False, True)):
            for norm_type, low in ((2, -3.0), (1.0, 0.3), (3, 0.3), (2.5, 0.3)):
                x = s.array(batch, 2, *size, low=low, gap=0.3)
                yield call(x, norm_type, kernel, ceil_mode=ceil, grad=batch == 2)
            yield call(s.array(batch, 2, *size, gap=0.3), 2, kernel, 1, ceil, grad=batch == 2)
        yield call(s.array(2, *size, gap=0.3), 2.0, 2, stride=(2,) * dims)
        yield call(s.array(2, *size, gap=0.3), 4.0, size if dims > 1 else size[0])
        for norm_type in (np.inf, -np.inf):
            yield call(s.array(2, 2, *size, gap=0.3), float(norm_type), 2, grad=False)

    return samples


def lp_boundaries(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows on both sides of vectors, and elements enough to be cut for threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for width in (17, 35, 70):
            yield call(s.array(2, 3, *(4, 5)[: dims - 1], width, low=0.5), 2, 2)
        channels, *volume = LARGE[1:]
        joined = int(np.prod(volume[: 3 - dims]))
        yield call(s.array(1, channels * joined, *volume[3 - dims :], low=0.5), 2, 2, vary=False)

    return samples


def lp_composition(dims: int) -> Callable[..., Any]:
    """The norm; of an extreme one the element at the place of the reference, which has no gradient here."""

    def composition(input: Any, norm_type: float, *args: Any, **kwargs: Any) -> Any:
        if np.isinf(norm_type):
            value = tape.var(input).value
            return tape.var(ref.lp_pool(dims, value, norm_type, *args, **kwargs))
        return pooling_tape.norm(dims, input, norm_type, *args, **kwargs)

    return composition


def lp_spec(dims: int) -> OpSpec:
    """The record of lp_pool."""
    x = np.ones((1, 2, *(4,) * dims))
    counts = () if dims == 1 else (bad(ValueError, "kernel_size|unpack", x, 2, (2,) * (dims + 1)),)
    return OpSpec(
        f"lp_pool{dims}d",
        getattr(ref, f"lp_pool{dims}d_op"),
        lp_samples(dims),
        function=f"nn.functional.lp_pool{dims}d",
        dtypes=FLOATING,
        registered=False,
        scale="bound",
        composition=lp_composition(dims),
        gradient_tolerance=2.0,
        boundary=lp_boundaries(dims),
        kinks=(
            Kink(
                (np.zeros((1, 1, *(2,) * dims)),),
                (np.zeros((1, 1, *(2,) * dims)),),
                {"norm_type": 2, "kernel_size": 2},
            ),
        ),
        errors=(
            *counts,
            bad(RuntimeError, "kernel", x, 2, 0),
            bad(RuntimeError, "stride", x, 2, 2, 0),
            bad(RuntimeError, "output size|smaller than kernel", x, 2, 5),
            bad(ZeroDivisionError, "norm_type|zero", x, 0, 2),
            bad(TypeError, "norm_type|pow", x, "2", 2),
            bad(TypeError, "", x, 2, 2.0),
        ),
    )


def unpool_samples(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Places that are all different, other sizes of the result, no batch; places that are equal."""

    def samples(s: Sampler) -> Iterator[Sample]:
        small = (3, 2, 2)[:dims]
        elements = int(np.prod(small))

        def places(lead: tuple[int, ...], most: int) -> Const:
            rows = [s.rng.permutation(most)[:elements] for _ in range(int(np.prod(lead)))]
            return Const(np.array(rows, np.int64).reshape(*lead, *small))

        for batch in BATCHES:
            most = int(np.prod([2 * n for n in small]))
            yield call(s.array(batch, 2, *small), places((batch, 2), most), 2)
        yield call(s.array(2, *small), places((2,), int(np.prod([2 * n for n in small]))), 2)
        most = int(np.prod([2 * (n - 1) + 3 - 2 for n in small]))
        yield call(s.array(2, 2, *small), places((2, 2), most), 3, 2, 1)
        larger = tuple(2 * n + 1 for n in small)
        for size in (larger, (2, 2, *larger), list(larger)):
            most = int(np.prod(larger))
            yield call(s.array(2, 2, *small), places((2, 2), most), 2, output_size=size)
        # PyTorch gives the gradient to every one of them.
        equal = Const(np.zeros((1, 1, *small), np.int64))
        yield call(s.array(1, 1, *small), equal, 2, grad=False, peer=False, note="one place")

    return samples


def unpool_boundaries(dims: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Elements enough to be cut for threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        small = {1: (1001,), 2: (31, 37), 3: (7, 11, 13)}[dims]
        elements, most = int(np.prod(small)), int(np.prod([2 * n for n in small]))
        rows = [s.rng.permutation(most)[:elements] for _ in range(72)]
        places = Const(np.array(rows, np.int64).reshape(1, 72, *small))
        yield call(s.array(1, 72, *small), places, 2, vary=False)

    return samples


def unpool_spec(dims: int) -> OpSpec:
    """The record of max_unpool."""
    small = (2,) * dims
    x, at = np.ones((1, 2, *small)), np.zeros((1, 2, *small), np.int64)
    return OpSpec(
        f"max_unpool{dims}d",
        getattr(ref, f"max_unpool{dims}d_op"),
        unpool_samples(dims),
        function=f"nn.functional.max_unpool{dims}d",
        dtypes=FLOATING,
        tolerance=0.0,
        composition=functools.partial(pooling_tape.unpool, dims),
        boundary=unpool_boundaries(dims),
        errors=(
            bad(RuntimeError, "index", x, at + 10**6, 2),
            bad(RuntimeError, "index", x, at - 1, 2),
            bad(RuntimeError, "int64", x, at.astype(np.int32), 2),
            bad(RuntimeError, "shape", x, at[:, :1], 2),
            bad(RuntimeError, "[Ii]nput", x[None, None], at[None, None], 2),
            bad(RuntimeError, "non-zero", x[:, :0], at[:, :0], 2),
            bad(ValueError, "output_size", x, at, 2, output_size=(9,) * dims),
            bad(ValueError, "output_size", x, at, 2, output_size=(4,) * (dims + 1)),
            bad(ValueError, "output_size", x, at, 1, 1, 2),
            bad(NotImplementedError, "implemented", x.astype(np.int64), at, 2),
            bad(RuntimeError, "stride", x, at, 1, 0, peer=False),
            bad(RuntimeError, "kernel_size", x, at, (2,) * (dims + 1), peer=False),
            bad(TypeError, "", x, at, 2.0),
        ),
    )


SPECS: tuple[OpSpec, ...] = (
    max_spec(False),
    max_spec(True),
    avg_spec(),
    adaptive_spec("avg"),
    adaptive_spec("max"),
    adaptive_spec("max", with_indices=True),
    *(lp_spec(dims) for dims in (1, 2, 3)),
    *(unpool_spec(dims) for dims in (1, 2, 3)),
)

"""Records of the convolutions.

The grid of stride, padding, dilation, groups, kernel and batch is walked whole by conv2d; memory layouts are
varied by the checks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, ErrorInput, OpSpec, bad
from verigrad.testing.reference import convolution as ref
from verigrad.testing.samples import Sample, Sampler, call

BATCHES = (1, 2, 3, 0)
STRIDES = (1, 2, 3)
PADDINGS = (0, 1, 2)
DILATIONS = (1, 2)
GROUPS = (
    (1, 2, 3),
    (2, 2, 4),
    (3, 3, 3),
    (2, 4, 2),
)  # groups, input and output channels; the third is depthwise
KERNELS = (1, 2, 3)


def grid(thin: bool = False) -> Iterator[tuple[int, int, int, tuple[int, int, int], int, int]]:
    """(stride, padding, dilation, groups and channels, kernel, batch); the batch goes round. `thin`: every
    other point, which still has each pair of neighbouring options."""
    combinations = itertools.product(STRIDES, PADDINGS, DILATIONS, GROUPS, KERNELS)
    for i, (stride, padding, dilation, groups, kernel) in enumerate(combinations):
        if not (thin and i % 2):
            yield stride, padding, dilation, groups, kernel, BATCHES[i // (1 + thin) % len(BATCHES)]


def conv1d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid, no batch, 'same' and 'valid'."""
    for stride, padding, dilation, (groups, channels, results), kernel, batch in grid(thin=True):
        yield call(
            s.array(batch, channels, 7),
            s.array(results, channels // groups, kernel),
            s.array(results),
            stride,
            padding,
            dilation,
            groups,
        )
    for kernel, dilation in itertools.product((1, 2, 3, 4), DILATIONS):
        yield call(s.array(2, 2, 5), s.array(2, 2, kernel), padding="same", dilation=dilation)
    yield call(s.array(2, 7), s.array(3, 2, 3), s.array(3), note="no batch")
    yield call(s.array(2, 2, 7), s.array(3, 2, 3), padding="valid", stride=(2,))
    yield call(s.array(1, 1, 1), s.array(1, 1, 1))


def conv2d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid; unequal rows and columns; no batch, 'same' and 'valid'; sizes that fill tiles and strips."""
    for stride, padding, dilation, (groups, channels, results), kernel, batch in grid():
        yield call(
            s.array(batch, channels, 5, 6),
            s.array(results, channels // groups, kernel, kernel),
            s.array(results),
            stride,
            padding,
            dilation,
            groups,
        )
    for shape in ((1, 3), (3, 1), (2, 3)):
        for options in (((1, 2), (0, 1), (2, 1)), ((2, 1), (2, 0), (1, 2))):
            yield call(s.array(2, 2, 6, 5), s.array(3, 2, *shape), None, *options)
    for shape in ((1, 1), (2, 2), (3, 3), (2, 3), (4, 1)):
        yield call(s.array(2, 2, 4, 5), s.array(2, 2, *shape), padding="same")
    yield call(s.array(2, 2, 4, 5), s.array(2, 2, 2, 3), padding="same", dilation=(2, 1))
    yield call(s.array(2, 5, 5), s.array(3, 2, 3, 3), s.array(3), note="no batch")
    yield call(s.array(2, 2, 5, 5), s.array(3, 2, 3, 3), padding="valid", stride=[2, 2])
    yield call(s.array(1, 2, 3, 3), s.array(2, 2, 7, 7), padding=3, note="kernel beyond the image")
    yield call(s.array(1, 1, 3, 3), s.array(1, 1, 2, 2), stride=5, padding=4, note="outputs from zeros alone")
    yield call(s.array(1, 1, 1, 1), s.array(1, 1, 1, 1))
    for channels, results, size in ((1, 6, 12), (3, 7, 17), (40, 10, 9), (5, 33, 11)):
        yield call(s.array(3, channels, size, size), s.array(results, channels, 3, 3), padding=1, grad=False)
    yield call(s.array(2, 3, 19, 23), s.array(5, 3, 3, 3), stride=2, padding=1, grad=False)
    yield call(s.array(2, 64, 6, 6), s.array(9, 64, 3, 3), grad=False, note="several channel blocks")
    special = s.array(1, 1, 4, 4)
    special[0, 0, 1, 1], special[0, 0, 3, 3] = np.inf, np.nan
    yield call(special, s.array(1, 1, 2, 2), grad=False, note="infinity and NaN stay where they are read")


def transposed_grid(s: Sampler, spatial: int) -> Iterator[Sample]:
    """The grid, with every output padding that is allowed."""
    for stride, padding, dilation, (groups, results, channels), kernel, batch in grid(thin=True):
        shape = (4, 5)[-spatial:]
        if any((n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 <= 0 for n in shape):
            continue
        extra = (stride + kernel) % max(stride, dilation)
        yield call(
            s.array(batch, channels, *shape),
            s.array(channels, results // groups, *(kernel,) * spatial),
            s.array(results),
            stride,
            padding,
            extra,
            groups,
            dilation,
        )


def conv_transpose1d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid, no batch."""
    yield from transposed_grid(s, 1)
    yield call(s.array(2, 4), s.array(2, 3, 3), s.array(3), stride=2, note="no batch")
    yield call(s.array(1, 1, 1), s.array(1, 1, 1))


def conv_transpose2d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid, unequal rows and columns, no batch."""
    yield from transposed_grid(s, 2)
    yield call(s.array(2, 2, 3, 4), s.array(2, 3, 2, 3), None, (2, 3), (1, 0), (1, 2), 1, (1, 2))
    yield call(s.array(2, 3, 4), s.array(2, 3, 3, 3), s.array(3), stride=2, note="no batch")
    yield call(s.array(1, 1, 1, 1), s.array(1, 1, 1, 1))
    yield call(s.array(2, 40, 6, 6), s.array(40, 10, 3, 3), s.array(10), stride=2, padding=1, grad=False)


def large_conv1d(s: Sampler) -> Iterator[Sample]:
    """Long enough to be split between threads."""
    yield call(s.array(5, 8, 1500), s.array(16, 8, 5), s.array(16), padding=2)


def large_conv2d(s: Sampler) -> Iterator[Sample]:
    """Bands of images, whole small images, steps and groups, each split between threads."""
    yield call(s.array(2, 3, 67, 71), s.array(8, 3, 3, 3), s.array(8), padding=1)
    yield call(s.array(70, 3, 9, 11), s.array(7, 3, 3, 3), s.array(7))
    yield call(s.array(5, 4, 41, 43), s.array(6, 2, 3, 3), s.array(6), stride=2, padding=1, groups=2)


def large_conv_transpose2d(s: Sampler) -> Iterator[Sample]:
    """The same for the transpose."""
    yield call(s.array(5, 6, 31, 33), s.array(6, 4, 3, 3), s.array(8), stride=2, padding=1, groups=2)
    yield call(s.array(3, 6, 41, 43), s.array(6, 4, 3, 3))


def errors(spatial: int, transposed: bool) -> tuple[ErrorInput, ...]:
    """Calls that must fail, of every function."""
    x = np.ones((2, 4, *(6,) * spatial))
    w = np.ones((4, 4, *(3,) * spatial))
    rows = [
        bad(RuntimeError, "stride", x, w, stride=0),
        bad(RuntimeError, "stride", x, w, stride=-1),
        bad(RuntimeError, "stride", x, w, stride=(1,) * (spatial + 1)),
        bad(RuntimeError, "padding", x, w, padding=-1),
        bad(RuntimeError, "dilation", x, w, dilation=0),
        bad(RuntimeError, "groups", x, w, groups=0),
        bad(RuntimeError, "groups|divisible|channels", x, w, groups=3),
        bad(RuntimeError, "channels", x[:, :3], w),
        bad(RuntimeError, "bias", x, w, np.ones(5)),
        bad(RuntimeError, "bias", x, w, np.ones((4, 1))),
        bad(RuntimeError, "input|dimension", x[0, 0], w),
        bad(RuntimeError, "weight|stride|dimension", x, w[0]),
        bad(RuntimeError, "type|Double|Float", x, w.astype(np.float32)),
        bad(RuntimeError, "type|Double|Float", x, w, np.ones(4, np.float32), peer=not transposed),
        bad(RuntimeError, "batch|empty|zero", x[..., :0], w),
        bad(RuntimeError, "at least 1|non-empty|descriptor", x, w[..., :0]),
        bad(TypeError, "stride", x, w, stride=1.5),
        bad(RuntimeError, "padding|2\\^30", x, w, padding=2**62),
    ]
    if transposed:
        rows += [
            bad(RuntimeError, "output padding", x, w, output_padding=1),
            bad(RuntimeError, "output_padding", x, w, output_padding=-1, stride=2),
            bad(RuntimeError, "too small", x, w, padding=9),
        ]
    else:
        rows += [
            bad(RuntimeError, "Kernel size", x, np.ones((4, 4, *(7,) * spatial))),
            bad(RuntimeError, "Kernel size", x, w, dilation=3),
            bad(RuntimeError, "same", x, w, padding="same", stride=2),
            bad(RuntimeError, "[Pp]adding", x, w, padding="reflect"),
        ]
    return tuple(rows)


def convolution(
    name: str, spatial: int, samples: Callable[[Sampler], Iterator[Sample]], **options: Any
) -> OpSpec:
    """The record of a function of nn.functional."""
    return OpSpec(
        name,
        getattr(ref, f"{name}_op"),
        samples,
        function=f"nn.functional.{name}",
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason="a sum of products rounds at every step, in another order",
        errors=errors(spatial, "transpose" in name),
        **options,
    )


SPECS = (
    convolution("conv1d", 1, conv1d_samples, boundary=large_conv1d),
    convolution("conv2d", 2, conv2d_samples, boundary=large_conv2d),
    convolution("conv_transpose1d", 1, conv_transpose1d_samples),
    convolution("conv_transpose2d", 2, conv_transpose2d_samples, boundary=large_conv_transpose2d),
)

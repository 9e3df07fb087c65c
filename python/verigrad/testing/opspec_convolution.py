"""Records of the convolutions.

The grid of stride, padding, dilation, groups, kernel and batch is walked whole by conv2d; memory layouts are
varied by the checks.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, ErrorInput, OpSpec, bad
from verigrad.testing.reference import convolution as ref
from verigrad.testing.reference import convolution_tape
from verigrad.testing.samples import Sample, Sampler, call
from verigrad.testing.samples_cuda import parts_of_images

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


Point = tuple[int, int, int, tuple[int, int, int], int, int]


def grid(thin: bool = False) -> Iterator[Point]:
    """(stride, padding, dilation, groups and channels, kernel, batch); the batch goes round. `thin`: every
    other point, which still has each pair of neighbouring options."""
    combinations = itertools.product(STRIDES, PADDINGS, DILATIONS, GROUPS, KERNELS)
    for i, (stride, padding, dilation, groups, kernel) in enumerate(combinations):
        if not (thin and i % 2):
            yield stride, padding, dilation, groups, kernel, BATCHES[i // (1 + thin) % len(BATCHES)]


def sparse_grid() -> Iterator[Point]:
    """Every fifth point, of volumes, whose maps are those of images; it has each option."""
    yield from itertools.islice(grid(), 0, None, 5)


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
        yield call(s.array(3, channels, size, size), s.array(results, channels, 3, 3), padding=1)
    special = s.array(1, 1, 4, 4)
    special[0, 0, 1, 1], special[0, 0, 3, 3] = np.inf, np.nan
    yield call(special, s.array(1, 1, 2, 2), grad=False, note="infinity and NaN stay where they are read")


def conv3d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid; unequal sizes; no batch, 'same' and 'valid'; taps along depth that read padding alone."""
    for stride, padding, dilation, (groups, channels, results), kernel, batch in sparse_grid():
        yield call(
            s.array(batch, channels, 5, 3, 5),
            s.array(results, channels // groups, kernel, min(kernel, 2), kernel),
            s.array(results),
            stride,
            padding,
            dilation,
            groups,
        )
    for shape in ((1, 3, 2), (3, 1, 1), (2, 2, 3)):
        for options in (((1, 2, 1), (0, 1, 2), (2, 1, 1)), ((2, 1, 3), (2, 0, 1), (1, 2, 2))):
            yield call(s.array(2, 2, 5, 6, 5), s.array(3, 2, *shape), None, *options)
    for shape in ((1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 2, 1)):
        yield call(s.array(2, 2, 4, 3, 5), s.array(2, 2, *shape), padding="same")
    yield call(s.array(2, 2, 4, 4, 5), s.array(2, 2, 2, 2, 3), padding="same", dilation=(3, 2, 1))
    yield call(s.array(2, 5, 4, 5), s.array(3, 2, 3, 3, 3), s.array(3), note="no batch")
    yield call(s.array(2, 2, 5, 5, 5), s.array(3, 2, 3, 3, 3), padding="valid", stride=[2, 2, 1])
    yield call(s.array(1, 2, 2, 3, 3), s.array(2, 2, 6, 5, 5), padding=2, note="taps that read nothing")
    yield call(s.array(1, 1, 2, 2, 2), s.array(1, 1, 1, 2, 2), stride=4, padding=3, note="zeros alone")
    yield call(s.array(1, 1, 1, 1, 1), s.array(1, 1, 1, 1, 1))


def transposed_grid(s: Sampler, spatial: int) -> Iterator[Sample]:
    """The grid, with every output padding that is allowed."""
    points = sparse_grid() if spatial == 3 else grid(thin=True)
    for stride, padding, dilation, (groups, results, channels), kernel, batch in points:
        shape = (3, 4, 5)[-spatial:]
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


def conv_transpose3d_samples(s: Sampler) -> Iterator[Sample]:
    """The grid, unequal sizes, no batch."""
    yield from transposed_grid(s, 3)
    yield call(
        s.array(2, 2, 3, 2, 3), s.array(2, 3, 2, 2, 3), None, (2, 1, 3), (1, 0, 1), (1, 0, 2), 1, (1, 2, 2)
    )
    yield call(s.array(2, 3, 3, 2), s.array(2, 3, 3, 3, 3), s.array(3), stride=2, note="no batch")
    yield call(s.array(1, 1, 1, 1, 1), s.array(1, 1, 1, 1, 1))


# Geometries on both sides of what the kernels cut by (convolution*.cpp, convolution_source.h,
# micro_kernel.cpp). Tiles in registers: 8 x 48 or 14 x 32 float32 (AVX-512), 4 x 24 or 6 x 16 (AVX2), 4 x 8
# or 3 x 12, half as wide in float64; of the weight's gradient 4 x 6 or 6 x 4, 4 x 3 or 6 x 2, 4 x 3 or 3 x 3.
# A chunk has a sixteenth of the batch, at least 96 pixels and at most 1024 (kChunkPixels) or, for the weight,
# 512 (kPixels). A block has channels of 320 taps (kDepth) or, for the weight, 96 (kBlockTaps). 1,000,000
# products are cut for threads.
#
# Batch, channels, rows, columns; results, channels per group, kernel; options of the convolution.
GEOMETRIES: tuple[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ("bands of 1024 pixels", (1, 1, 131, 131), (7, 1, 3, 3), {"padding": 1}),
    ("18 bands, two blocks of taps", (3, 11, 30, 30), (15, 11, 3, 3), {"padding": 1}),
    ("two blocks of channels", (2, 36, 13, 14), (33, 36, 3, 3), {}),
    ("four images together", (70, 3, 9, 11), (14, 3, 3, 3), {}),
    ("rows much narrower than a tile", (5, 7, 17, 7), (65, 7, 3, 3), {}),
    ("steps and groups", (3, 6, 31, 33), (10, 3, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ("steps, two blocks of results", (2, 3, 29, 31), (37, 3, 7, 7), {"stride": 2, "padding": 3}),
    ("steps of rows alone", (2, 3, 25, 27), (41, 3, 5, 3), {"stride": (2, 1), "padding": (2, 1)}),
    ("321 channels", (1, 321, 9, 11), (33, 321, 1, 1), {}),
    ("more taps than a block", (1, 2, 21, 23), (5, 2, 18, 18), {}),
    ("one channel for each group", (2, 17, 23, 25), (34, 1, 3, 3), {"padding": 1, "groups": 17}),
    ("shares of the blocks of taps", (1, 105, 12, 13), (9, 105, 3, 3), {}),
    ("dilated", (2, 5, 27, 53), (9, 5, 3, 3), {"stride": (1, 2), "padding": (2, 3), "dilation": (2, 3)}),
    ("columns of the kernel alone", (2, 5, 37, 29), (9, 5, 3, 1), {}),
    ("elements that no tap reaches", (2, 13, 17, 19), (9, 13, 1, 1), {"stride": 2}),
    ("a wide kernel", (1, 2, 16, 60), (3, 2, 11, 41), {}),
    ("whole tiles of 16", (2, 3, 6, 6), (16, 3, 3, 3), {}),
    ("a tile of 6 x 16", (1, 6, 4, 4), (6, 6, 3, 3), {}),
    ("less than a tile of 6", (1, 6, 3, 4), (6, 6, 3, 3), {}),
    ("a tile of 14 x 32", (1, 14, 4, 8), (14, 14, 1, 1), {}),
    ("less than a tile of 14", (1, 14, 3, 5), (14, 14, 3, 3), {}),
    ("a tile of 4 x 8", (1, 4, 2, 4), (4, 4, 1, 1), {}),
    ("less than a tile of 4", (1, 4, 2, 3), (4, 4, 1, 1), {}),
    ("three tiles of 6, less one", (1, 17, 5, 5), (3, 17, 3, 3), {}),
    ("one tap", (2, 1, 7, 9), (6, 1, 1, 1), {}),
    ("two taps", (2, 2, 7, 9), (16, 2, 1, 1), {}),
    ("four taps", (2, 4, 7, 9), (16, 4, 1, 1), {}),
    ("few shares of a large weight", (17, 257, 3, 3), (520, 257, 1, 1), {}),
)
SIGNALS: tuple[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ("long rows", (5, 5, 701), (16, 5, 5), {"padding": 2}),
    ("several images together", (19, 3, 53), (7, 3, 4), {}),
    ("two blocks of channels", (2, 81, 61), (15, 81, 4), {"stride": 3, "padding": 2}),
    ("97 = 2 x 48 + 1 pixels", (2, 3, 99), (5, 3, 3), {}),
    ("97 pixels, not packed", (2, 9, 99), (5, 9, 3), {}),
    ("a kernel wider than a tile", (1, 1, 960), (3, 1, 101), {}),
    ("groups, dilated", (3, 14, 97), (14, 2, 3), {"dilation": 2, "groups": 7}),
)
# The frames of all samples that a tap along depth reads are the images of one call.
VOLUMES: tuple[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ("1,000,000 products for each tap", (2, 5, 9, 17, 19), (9, 5, 3, 3, 3), {"padding": 1}),
    ("steps and groups", (3, 6, 7, 11, 9), (4, 3, 3, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ("dilated frames", (1, 3, 9, 8, 7), (5, 3, 3, 3, 1), {"padding": (3, 1, 0), "dilation": (3, 1, 1)}),
    ("one tap along depth", (2, 7, 4, 9, 11), (5, 7, 1, 3, 3), {"padding": (0, 1, 1)}),
    ("taps along depth alone", (2, 3, 17, 5, 7), (6, 3, 5, 1, 1), {"stride": (3, 1, 1)}),
)


def transposed_sizes(
    images: tuple[int, ...],
    weight: tuple[int, ...],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes of a convolution's result, and the output_padding that gives the images back."""
    spatial = len(images) - 2
    step, before, apart = (np.broadcast_to(v, spatial) for v in (stride, padding, dilation))
    room = np.array(images[2:]) + 2 * before - apart * (np.array(weight[2:]) - 1) - 1
    return tuple((room // step + 1).tolist()), tuple((room % step).tolist())


def at_boundaries(geometries: tuple[Any, ...], transposed: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """The geometries with a bias, as a convolution or as the transposed one, which turns its results into its
    input."""

    def samples(s: Sampler) -> Iterator[Sample]:
        further = parts_of_images() if geometries is GEOMETRIES else ()
        for note, images, weight, options in (*geometries, *further):
            if not transposed:
                yield call(s.array(*images), s.array(*weight), s.array(weight[0]), note=note, **options)
                continue
            sizes, left = transposed_sizes(images, weight, **options)
            yield call(
                s.array(images[0], weight[0], *sizes),
                s.array(*weight),
                s.array(images[1]),
                output_padding=left,
                note=note,
                **options,
            )

    return samples


def errors(spatial: int, transposed: bool) -> tuple[ErrorInput, ...]:
    """Calls that must fail, of every function."""
    x = np.ones((2, 4, *(6,) * spatial))
    w = np.ones((4, 4, *(3,) * spatial))
    sevens = r"\(" + " x ".join(["7"] * spatial) + r"\)"
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
        bad(NotImplementedError, "float", x.astype(np.int64), w.astype(np.int64), peer=False),
    ]
    if transposed:
        rows += [
            bad(RuntimeError, "output padding", x, w, output_padding=1),
            bad(RuntimeError, "output_padding", x, w, output_padding=-1, stride=2),
            bad(RuntimeError, "too small", x, w, padding=9),
            bad(
                RuntimeError,
                "too large|overflow",
                np.zeros((0, 4, *(2,) * (spatial - 1), 2**34)),
                w,
                stride=2**30,
            ),
        ]
    else:
        rows += [
            bad(RuntimeError, f"Kernel size: {sevens}", x, np.ones((4, 4, *(7,) * spatial))),
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
        tolerance=8,
        reason="equal terms, where a dimension is expanded, round alike in every addition",
        composition=functools.partial(
            convolution_tape.transposed if "transpose" in name else convolution_tape.direct, spatial
        ),
        gradient_tolerance=4.0,
        boundary=at_boundaries((SIGNALS, GEOMETRIES, VOLUMES)[spatial - 1], "transpose" in name),
        errors=errors(spatial, "transpose" in name),
        **options,
    )


SPECS = (
    convolution("conv1d", 1, conv1d_samples),
    convolution("conv2d", 2, conv2d_samples),
    convolution("conv3d", 3, conv3d_samples),
    convolution("conv_transpose1d", 1, conv_transpose1d_samples),
    convolution("conv_transpose2d", 2, conv_transpose2d_samples),
    convolution("conv_transpose3d", 3, conv_transpose3d_samples),
)

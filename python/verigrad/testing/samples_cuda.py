"""Samples for the boundaries of CUDA kernels that no other sample crosses; ``boundaries_cuda.py`` says which.

They run on every device. Sizes follow the boundaries, so that a changed one takes its samples along.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from verigrad.testing.boundaries import around, value
from verigrad.testing.samples import Const, Sample, Sampler, call


def softmax_rows(s: Sampler) -> Iterator[Sample]:
    """Rows that are long enough to be split, few and more of them."""
    few, split = value("cuda_softmax_tiles") - 1, value("cuda_softmax_split")
    for size in around("cuda_softmax_split"):
        yield call(s.array(min(few, 3), size), 1)
    yield call(s.array(min(few, 3) + 2, split + 1), 1, vary=False)


def channels(s: Sampler) -> Iterator[tuple[int, int]]:
    """Channels and their elements: as many as a warp sums with one compensated addition for each lane, and
    more; and of fewer channels, which are split."""
    warp, plain = value("cuda_warp"), value("cuda_normalize_plain")
    yield 131, plain * warp
    yield 131, plain * warp + 76
    yield 70, plain * warp + 76


def batches(s: Sampler) -> Iterator[Sample]:
    """Batch normalisation over these."""
    for count, size in channels(s):
        x = s.array(2, count, size // 2)
        yield call(x, None, None, s.array(count), s.array(count), training=True, vary=False)


def layers(s: Sampler) -> Iterator[Sample]:
    """Layer normalisation over these."""
    for count, size in channels(s):
        yield call(s.array(count, size), (size,), s.array(size), s.array(size), vary=False)


def masks(s: Sampler) -> Iterator[Sample]:
    """What a warp looks through, less and more."""
    for size in around("cuda_nonzero_rounds"):
        yield call((s.rng.random((size, value("cuda_warp"))) < 0.3).astype(s.dtype))


def repeated(s: Sampler) -> Iterator[tuple[tuple[int, ...], int, np.ndarray[tuple[int], np.dtype[np.int64]]]]:
    """Shapes, dimensions and indices: equal ones that are read ahead; as many as are sorted by a block, by
    several, and by so many that their counts need several blocks; keys of one digit and of two."""
    for times in around("cuda_sum_ahead"):
        yield (5, 7), 0, np.repeat(np.arange(5), times)
    tile, threads = value("cuda_sort_rounds"), value("cuda_threads")
    for rounds in around("cuda_sort_rounds"):
        yield (31, 1), 0, s.index(rounds * threads, high=31).array
    chunk = value("cuda_scan_run") * threads >> value("cuda_sort_bits")
    for tiles in (chunk, chunk + 1):
        yield (31, 1), 0, s.index(tiles * tile * threads, high=31).array
    for size in ((1 << value("cuda_sort_bits")) - 1, 1 << value("cuda_sort_bits")):
        yield (size, 2), 0, s.index(40, high=size).array


def added_rows(s: Sampler) -> Iterator[Sample]:
    """index_add with these."""
    for shape, dim, index in repeated(s):
        source = (index.size, *shape[1:])
        yield call(s.array(*shape), dim, Const(index), s.array(*source), vary=False)


def added_elements(s: Sampler) -> Iterator[Sample]:
    """scatter_add with equal indices that are read ahead, in lines that are long enough to be sorted."""
    length = value("cuda_short_line") + 1
    for times in around("cuda_sum_ahead"):
        index = np.arange(3 * length) % (-(-3 * length // times))
        line = np.stack([index, index[::-1]])
        yield call(s.array(2, 3 * length), 1, Const(line), s.array(*line.shape), vary=False)


def windows(s: Sampler) -> Iterator[Sample]:
    """Large windows of images: close together, apart, many, and of a single column or row."""
    side = int(value("cuda_pool_window") ** 0.5) + 1
    near, far = value("cuda_pool_distance") - 1, value("cuda_pool_distance")
    planes = value("cuda_threads") // value("cuda_warp")
    for stride in (near, far):
        yield call(s.distinct(2, 3, side + 7, side + 9), side, stride, vary=False)
    yield call(s.distinct(2, planes, side + 2 * far, side + 2 * far), side, far, vary=False)
    long = value("cuda_pool_window") + 1
    yield call(s.distinct(2, 3, long + far, 2 * far), (long, 1), far, vary=False)
    yield call(s.distinct(2, 3, 2 * far, long + far), (1, long), far, vary=False)


def parts_of_images() -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, int]]]:
    """Geometries of convolutions: columns that are cut into whole parts, few warps for the weight of a
    depthwise one, and more pixels than one share of it may have."""
    least, most = value("cuda_depthwise_least"), value("cuda_depthwise_most")
    few, many = int(least**0.5) + 1, int((most // 2) ** 0.5) + 3
    side = value("cuda_columns_windows") // 2
    yield "parts of 32 windows", (2, 4, side + 2, side + 2), (3, 4, 3, 3), {}
    yield "two shares of depthwise pixels", (2, 2, few + 2, few + 2), (2, 1, 3, 3), {"groups": 2}
    yield "large depthwise images", (2, 2, many + 2, many + 2), (2, 1, 3, 3), {"groups": 2}

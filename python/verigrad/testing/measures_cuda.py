"""What a sample holds against the boundaries of the CUDA kernels; measures as in ``measures.py``.

Where a size up to a boundary and the boundary itself take one path, the unit is one more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verigrad.testing import measures as m
from verigrad.testing.measures import Measure, Pairs, values
from verigrad.testing.measures_product import product
from verigrad.testing.samples import Const, Sample


def scaled(measure: Measure, *names: str) -> Measure:
    """A measure whose unit is a boundary times others."""

    def of_sample(sample: Sample, unit: int) -> Pairs:
        yield from measure(sample, unit * math.prod(values()[name] for name in names))

    return of_sample


def up_to(measure: Measure) -> Measure:
    """A measure of sizes that are below a boundary where they are equal to it."""

    def of_sample(sample: Sample, unit: int) -> Pairs:
        yield from ((size, known + 1) for size, known in measure(sample, unit))

    return of_sample


# Launches and copies.


def largest(sample: Sample, unit: int) -> Pairs:
    """Elements of the largest tensor."""
    yield max((a.size for a in sample.arrays()), default=0), unit


def row_bytes(sample: Sample, unit: int) -> Pairs:
    """Bytes that lie side by side: of a row that an index picks, or of the tensor."""
    x = m.first(sample)
    if index_of(sample) is not None and x.ndim:
        yield from ((n * x.itemsize, unit) for n, unit in m.index_columns(sample, unit))
    else:
        yield x.nbytes, unit


def rows_and_columns(sample: Sample, unit: int) -> Pairs:
    """Sides of a matrix that the layouts transpose, where both are long enough for tiles."""
    shape, least = m.first(sample).shape, values()["cuda_transpose_least"]
    if len(shape) >= 2 and (sample.vary or sample.layouts):
        yield from ((n, unit) for n in shape[-2:] if unit == least or min(shape[-2:]) >= least)


# Reductions.


@dataclass(frozen=True)
class Spread:
    """How a reduction is spread over the device (``Spread`` in reduce_engine.cuh)."""

    size: int  # elements of a result
    lanes: int
    tiles: int
    chunks: int
    chunk: int
    most: int  # chunks that the elements are enough for


def spread(kept: int, size: int, across: int) -> Spread:
    """The spread of `kept` results of `size` elements; `across`: neighbouring results that neighbouring
    threads read for, or 0."""
    known = values()
    threads, warp = known["cuda_threads"], known["cuda_warp"]

    def power(least: int, most: int) -> int:
        n = 1
        while n < most and n < least:
            n *= 2
        return n

    wanted = power((size - 1) // known["cuda_lane_elements"] + 1, threads)
    if across:
        lanes = threads // max(power(min(across, warp), warp), threads // wanted)
    else:
        lanes = wanted if wanted <= warp else threads if size >= known["cuda_block_run"] else warp
    tiles = (kept - 1) // (threads // lanes) + 1
    most = max(1, size // (lanes * known["cuda_split_elements"]))
    parts = min(most, (known["cuda_wanted_blocks"] - 1) // tiles + 1)
    chunk = ((size - 1) // parts // lanes + 1) * lanes
    return Spread(size, lanes, tiles, (size - 1) // chunk + 1, chunk, most)


def spread_of(sample: Sample) -> Spread | None:
    """That of a reduction of a contiguous tensor."""
    r = m.reduction(sample)
    if r is None or not r.lead * r.reduced * r.trail * r.outer:
        return None
    return spread(r.lead * r.trail, r.reduced * r.outer, r.trail if r.trail > 1 and r.reduced > 1 else 0)


def channels_spread(sample: Sample) -> Spread | None:
    """That of the sums over the channels of batch normalisation, or over the rows of layer normalisation."""
    if m.argument(sample, 1, "normalized_shape") is not None and not isinstance(
        m.argument(sample, 1, "normalized_shape"), np.ndarray
    ):
        count, size = m.row_form(sample)
        return spread(count, size, 0) if count * size else None
    outer, channels, inner = m.channel_form(sample)
    if not outer * channels * inner:
        return None
    across = channels > 1 and outer > 1 and inner <= values()["cuda_normalize_neighbours"]
    return spread(channels, outer * inner, channels if across else 0)


def spreads(
    measure: Callable[[Spread, int], Pairs], of: Callable[[Sample], Spread | None] = spread_of
) -> Measure:
    """A measure of a spread as one of a sample."""

    def of_sample(sample: Sample, unit: int) -> Pairs:
        found = of(sample)
        if found is not None:
            yield from measure(found, unit)

    return of_sample


def of_thread(s: Spread, unit: int) -> Pairs:
    """Elements that a thread sums."""
    yield -(-min(s.chunk, s.size) // s.lanes), unit


def enough(s: Spread, unit: int) -> Pairs:
    """Elements of a result against those of two chunks."""
    yield s.size, 2 * unit * s.lanes


def wanted(s: Spread, unit: int) -> Pairs:
    """Blocks of a reduction that its elements are enough to split."""
    if s.most > 1:
        yield s.tiles, unit


def grid(s: Spread, unit: int) -> Pairs:
    """Blocks."""
    yield s.tiles * s.chunks, unit + 1


def split_tiles(s: Spread, unit: int) -> Pairs:
    """Blocks of a reduction that would be split."""
    if s.chunks > 1:
        yield s.tiles, unit


def long_rows(s: Spread, unit: int) -> Pairs:
    """Blocks of a softmax over long rows."""
    if s.size > values()["cuda_softmax_split"]:
        yield s.tiles, unit


def few_neighbours(sample: Sample, unit: int) -> Pairs:
    """Neighbouring elements of a channel."""
    outer, channels, inner = m.channel_form(sample)
    if outer > 1 and channels > 1 and inner:
        yield inner, unit + 1


# Index ops.


def index_of(sample: Sample) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None:
    """The index."""
    found = m.argument(sample, 2, "index")
    found = found.array if isinstance(found, Const) else found
    return found if isinstance(found, np.ndarray) and found.size else None


def lines(sample: Sample) -> tuple[int, int] | None:
    """Lines of a scatter or of a running result, and their length."""
    index, dim = index_of(sample), m.argument(sample, 1, "dim", 0)
    if index is None:
        r = m.reduction(sample)
        return None if r is None else (r.lead * r.trail, r.reduced)
    if not index.ndim:
        return None
    return index.size // index.shape[dim], index.shape[dim]


def line_length(sample: Sample, unit: int) -> Pairs:
    """Elements of a line."""
    found = lines(sample)
    if found is not None:
        yield found[1], unit + 1


def long_lines(sample: Sample, unit: int) -> Pairs:
    """How many lines there are, where they are long."""
    found = lines(sample)
    if found is not None and found[1] > values()["cuda_short_line"]:
        yield found[0], unit


def pairs(sample: Sample, unit: int) -> Pairs:
    """Pairs that index_add sorts, against a tile."""
    index = index_of(sample)
    if index is not None:
        yield index.size, unit * values()["cuda_threads"]


def counts(sample: Sample, unit: int) -> Pairs:
    """Numbers of pairs, for each digit and tile, whose running sum is wanted, against a chunk."""
    index, known = index_of(sample), values()
    if index is not None:
        tiles = -(-index.size // (known["cuda_sort_rounds"] * known["cuda_threads"]))
        yield tiles << known["cuda_sort_bits"], unit * known["cuda_threads"]


def key_bits(sample: Sample, unit: int) -> Pairs:
    """Bits of the greatest key."""
    x, dim = m.first(sample), m.argument(sample, 1, "dim", 0)
    if index_of(sample) is not None and x.ndim:
        yield int(x.shape[dim]).bit_length(), unit


def repeats(sample: Sample, unit: int) -> Pairs:
    """How often the most frequent index comes."""
    index = index_of(sample)
    if index is not None:
        yield int(np.bincount(index.reshape(-1) % (1 << 40)).max()), unit


# Matrix products.


def product_grid(sample: Sample, unit: int) -> Pairs:
    """Tiles of a product of integers."""
    rows, columns, _ = product(sample)
    tile = values()["cuda_gemm_tile"]
    if m.first(sample).dtype.kind != "f" and rows * columns:
        yield -(-rows // tile) * -(-columns // tile), unit + 1


def product_sides(sample: Sample, unit: int) -> Pairs:
    """Rows and columns of a product of integers."""
    if m.first(sample).dtype.kind != "f":
        yield from ((n, unit) for n in product(sample)[:2])


# Convolution.


def is_depthwise(s: m.Sweep) -> bool:
    """Whether each channel has weights of its own."""
    return s.groups > 1 and s.channels == 1


def column_rows(s: m.Sweep) -> int:
    """Rows of the columns of an image."""
    return s.groups * s.depth


def columns_at_once(s: m.Sweep, unit: int) -> Pairs:
    """Bytes of the columns of an image."""
    if not is_depthwise(s):
        yield s.rows * s.columns * column_rows(s) * s.itemsize, unit + 1


def windows_of_part(s: m.Sweep, unit: int) -> Pairs:
    """Windows of an image whose columns are cut."""
    if not is_depthwise(s):
        size = s.rows * s.columns
        if size > max(1, values()["cuda_columns_bytes"] // s.itemsize // column_rows(s)):
            yield size, unit


def weights(s: m.Sweep) -> int:
    """Elements of the weight."""
    return s.groups * s.results * s.taps


def share_pixels(s: m.Sweep, unit: int) -> Pairs:
    """Pixels of all images of a depthwise convolution."""
    if is_depthwise(s):
        yield s.pixels, unit


def many_pixels(s: m.Sweep, unit: int) -> Pairs:
    """The same, where the shares are as many as are wanted."""
    if is_depthwise(s):
        yield s.pixels, unit + 1


def weight_warps(s: m.Sweep, unit: int) -> Pairs:
    """Warps of as many shares as the pixels are enough for."""
    if is_depthwise(s) and s.pixels >= 2 * values()["cuda_depthwise_least"]:
        yield weights(s) * (s.pixels // values()["cuda_depthwise_least"]), unit + 1


def weight_grid(s: m.Sweep, unit: int) -> Pairs:
    """Blocks of the gradient by the weight of a depthwise convolution."""
    if is_depthwise(s):
        known = values()
        shares = max(
            1,
            min(known["cuda_depthwise_warps"] // weights(s), s.pixels // known["cuda_depthwise_least"]),
            (s.pixels - 1) // known["cuda_depthwise_most"] + 1,
        )
        yield -(-weights(s) * shares * known["cuda_warp"] // known["cuda_threads"]), unit + 1


# Pooling.


def pool_form(sample: Sample) -> tuple[int, int, int] | None:
    """Windows of max_pool2d or avg_pool2d, their elements, and how far apart they are."""
    x = m.first(sample)
    size = np.broadcast_to(m.argument(sample, 1, "kernel_size"), 2)
    given = m.argument(sample, 2, "stride")
    stride = np.broadcast_to(size if given is None or given == () else given, 2)
    padding = np.broadcast_to(m.argument(sample, 3, "padding", 0), 2)
    rows, columns = (
        (int(n) + 2 * int(p) - int(k)) // int(s) + 1
        for n, p, k, s in zip(x.shape[-2:], padding, size, stride, strict=True)
    )
    if min(rows, columns) < 1:
        return None
    apart = x.shape[-1] if columns == 1 else int(stride[1])
    return math.prod(x.shape[:-2]) * rows * columns, int(math.prod(size.tolist())), apart


def window_size(sample: Sample, unit: int) -> Pairs:
    """Elements of a window, of windows far enough apart."""
    found = pool_form(sample)
    if found is not None and found[2] >= values()["cuda_pool_distance"]:
        yield found[1], unit


def window_distance(sample: Sample, unit: int) -> Pairs:
    """How far large windows are apart."""
    found = pool_form(sample)
    if found is not None and found[1] >= values()["cuda_pool_window"]:
        yield found[2], unit


def window_blocks(sample: Sample, unit: int) -> Pairs:
    """Blocks of the windows that a warp takes each."""
    found = pool_form(sample)
    known = values()
    if (
        found is not None
        and found[1] >= known["cuda_pool_window"]
        and found[2] >= known["cuda_pool_distance"]
    ):
        yield -(-found[0] * known["cuda_warp"] // known["cuda_threads"]), unit + 1


# Parameter updates.


def parameters(sample: Sample, unit: int) -> Pairs:
    """Parameters of a call that have elements."""
    yield sum(parameter.array.size > 0 for parameter in sample.args[0]), unit


def parameter_sizes(sample: Sample, unit: int) -> Pairs:
    """Elements of each parameter."""
    yield from ((parameter.array.size, unit) for parameter in sample.args[0])

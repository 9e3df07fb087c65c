"""What a sample holds against the boundaries of the kernels.

A measure answers pairs (size, unit) for a sample: the size in it that a kernel compares with the boundary,
and the boundary in the units of that size. ``boundaries.py`` names the measure of each boundary.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from verigrad.testing.crossing import LEVELS
from verigrad.testing.library import Library
from verigrad.testing.samples import Array, Const, Sample

Pairs = Iterator[tuple[int, int]]
Measure = Callable[[Sample, int], Pairs]


@functools.cache
def values() -> dict[str, int]:
    """Every boundary of the kernels by its name, from the library itself."""
    known = Library("verigrad").get("_C._testing.boundaries")()
    return {name: int(value) for name, (value, _) in known.items()}


def emulated() -> bool:
    """Whether CUDA is emulated, whose boundaries are low enough for samples; see
    ``kernels/cuda/boundaries.def``."""
    return bool(Library("verigrad").get("_C._testing.cuda_emulated")())


def argument(sample: Sample, position: int, name: str, default: Any = None) -> Any:
    """An argument, given by position or by name."""
    if name in sample.kwargs:
        value = sample.kwargs[name]
    else:
        value = sample.args[position] if position < len(sample.args) else default
    return value.array if isinstance(value, Const) else value


def first(sample: Sample) -> Array:
    """The first tensor."""
    arrays = sample.arrays()
    return arrays[0] if arrays else np.zeros(0)


def numel(sample: Sample, unit: int) -> Pairs:
    """Elements of an elementwise loop over tensors that broadcast together."""
    arrays = sample.arrays()
    try:
        yield math.prod(np.broadcast_shapes(*(a.shape for a in arrays))), unit
    except ValueError:
        yield max(a.size for a in arrays), unit


def each_numel(sample: Sample, unit: int) -> Pairs:
    """Elements of each tensor of a list of tensors."""
    yield from ((a.size, unit) for a in sample.arrays())


def numel_of_result(sample: Sample, unit: int) -> Pairs:
    """Elements of the result: of the tensor itself, or those that the index of index_select picks."""
    x, index = first(sample), argument(sample, 2, "index")
    if isinstance(index, np.ndarray) and x.ndim:
        yield x.size // max(1, x.shape[argument(sample, 1, "dim", 0)]) * index.size, unit
    else:
        yield x.size, unit


def random_blocks(sample: Sample, unit: int) -> Pairs:
    """Elements against those of a batch of blocks."""
    yield first(sample).size, unit * values()["random_words"]


def nbytes(sample: Sample, unit: int) -> Pairs:
    """Bytes of the first tensor."""
    yield first(sample).nbytes, unit


def both_sides(sample: Sample, unit: int) -> Pairs:
    """Rows and columns of a matrix, which the layouts transpose; one counts where the other is long
    enough."""
    shape = first(sample).shape
    if len(shape) >= 2 and sample.vary:
        least = min(unit, values()["transpose_least"])
        yield from ((n, unit) for n, other in (shape[-2:], shape[-2:][::-1]) if other >= least)


def false_run(sample: Sample, unit: int) -> Pairs:
    """The longest run of false elements."""
    flat = np.concatenate([[True], first(sample).reshape(-1) != 0, [True]])
    yield int(np.diff(np.flatnonzero(flat)).max()) - 1, unit


# Reductions.


@dataclass(frozen=True)
class Reduction:
    """A reduction of a contiguous tensor: [lead, reduced, trail], and `outer` rows of it that lie apart."""

    lead: int
    reduced: int
    trail: int
    outer: int = 1  # a reduced dimension that does not lie beside the others


def reduction(sample: Sample) -> Reduction | None:
    """The form of a reduction over all dimensions, one, or a list of them."""
    shape = first(sample).shape
    dims = argument(sample, 1, "dim", argument(sample, 1, "axis"))
    if isinstance(dims, np.ndarray):
        return None
    if dims is None:
        dims = range(len(shape))
    chosen = sorted({d % max(1, len(shape)) for d in ([dims] if isinstance(dims, int) else dims)})
    if not shape:
        return Reduction(1, 1, 1)
    if not chosen:
        return None
    sizes = [shape[d] for d in chosen]
    if chosen[-1] - chosen[0] + 1 == len(chosen):
        return Reduction(math.prod(shape[: chosen[0]]), math.prod(sizes), math.prod(shape[chosen[-1] + 1 :]))
    if len(chosen) == 2:
        return Reduction(math.prod(shape[chosen[0] + 1 : chosen[1]]), sizes[1], 1, sizes[0])
    return None


def run(sample: Sample, unit: int) -> Pairs:
    """Elements of a contiguous run that is reduced to one."""
    r = reduction(sample)
    if r is not None and r.trail == 1:
        yield r.reduced, unit


def strided_run(sample: Sample, unit: int) -> Pairs:
    """The same, which a layout with a step makes a strided run."""
    if sample.vary:
        shape, r = first(sample).shape, reduction(sample)
        if shape and r is not None and r.trail == 1:
            yield shape[-1], unit


def runs(sample: Sample, unit: int) -> Pairs:
    """Reduced runs that lie evenly spaced and in one leaf."""
    r = reduction(sample)
    if r is not None and r.outer > 1 and unit * r.reduced <= values()["reduction_leaf"]:
        yield r.outer, unit


def reduced_rows(sample: Sample, unit: int) -> Pairs:
    """Rows that are reduced column by column."""
    r = reduction(sample)
    if r is not None and r.trail > 1:
        yield r.reduced, unit


def kept(sample: Sample, unit: int) -> Pairs:
    """Results that lie side by side."""
    r = reduction(sample)
    if r is not None:
        yield r.trail if r.trail > 1 else r.lead, unit


def kept_columns(sample: Sample, unit: int) -> Pairs:
    """Columns that are reduced."""
    r = reduction(sample)
    if r is not None and r.trail > 1:
        yield r.trail, unit


def rows_of_runs(sample: Sample, unit: int) -> Pairs:
    """Rows, each of which is scanned."""
    r = reduction(sample)
    if r is not None and r.trail == 1:
        yield r.lead, unit


def wanted(sample: Sample, unit: int) -> Pairs:
    """How many elements topk picks of each row of a matrix."""
    if first(sample).ndim == 2:
        yield argument(sample, 1, "k"), unit


def wanted_of_many(sample: Sample, unit: int) -> Pairs:
    """The same, against a share of the row where that is the greater bound."""
    share = first(sample).shape[-1] // unit if first(sample).ndim == 2 else 0
    if share > values()["sort_few"]:
        yield argument(sample, 1, "k"), share


def twice_wanted(sample: Sample, unit: int) -> Pairs:
    """Twice as many, in rows that are longer than the places."""
    if first(sample).ndim == 2 and first(sample).shape[-1] > 2 * unit:
        yield 2 * argument(sample, 1, "k"), unit


def candidates(sample: Sample, unit: int) -> Pairs:
    """Elements of a row, some of which are picked by comparison."""
    if first(sample).ndim == 2 and argument(sample, 1, "k") <= values()["sort_few"]:
        yield first(sample).shape[-1], unit


def items(sample: Sample, unit: int) -> Pairs:
    """Blocks of results of a reduction that is long enough for threads."""
    r, known = reduction(sample), values()
    if r is None or r.lead * r.reduced * r.trail * r.outer < known["serial_elements"]:
        return
    if r.trail > 1:
        yield r.lead * -(-r.trail // min(r.trail, known["reduction_block"])), unit
    else:
        width = min(max(known["grain_elements"] // r.reduced, 1), known["reduction_block"])
        yield -(-r.lead // width), unit


# Softmax.


def softmax_block(sample: Sample, unit: int) -> Pairs:
    """Short rows that share a block, and blocks of a long row."""
    r = reduction(sample)
    if r is not None and r.trail == 1 and r.reduced:
        if r.reduced <= values()["softmax_short_row"]:
            yield r.lead, max(1, unit // r.reduced)
        else:
            yield r.reduced, unit


# Index ops.


def index_columns(sample: Sample, unit: int) -> Pairs:
    """Neighbouring elements of a row that index_add adds."""
    x, dim = first(sample), argument(sample, 1, "dim", 0)
    if x.ndim:
        yield math.prod(x.shape[dim % x.ndim + 1 :]), unit


def gathered_row(sample: Sample, unit: int) -> Pairs:
    """Elements that are gathered along the last dimension."""
    x, dim = first(sample), argument(sample, 1, "dim")
    if x.ndim and dim % x.ndim == x.ndim - 1:
        yield argument(sample, 2, "index").shape[-1], unit


def shared_indices(sample: Sample, unit: int) -> Pairs:
    """Indices of single elements, enough for threads."""
    count = argument(sample, 1, "index").size
    if count >= values()["dear_serial_elements"]:
        yield count, unit


# Normalisation.


def channel_form(sample: Sample) -> tuple[int, int, int]:
    """[outer, channels, inner] of batch normalisation."""
    shape = first(sample).shape
    return shape[0], shape[1], math.prod(shape[2:])


def few_inner(sample: Sample, unit: int) -> Pairs:
    """Neighbouring elements of a channel."""
    outer, _, inner = channel_form(sample)
    if outer > 1 and inner:
        yield inner, unit


def channel_columns(sample: Sample, unit: int) -> Pairs:
    """Channels of few neighbouring elements."""
    outer, channels, inner = channel_form(sample)
    if outer > 1 and 0 < inner <= values()["normalize_few_inner"]:
        yield channels, max(1, unit // inner)


def channel_rows(sample: Sample, unit: int) -> Pairs:
    """Rows of channels of few neighbouring elements."""
    outer, _, inner = channel_form(sample)
    if outer > 1 and 0 < inner <= values()["normalize_few_inner"]:
        yield outer, unit


def plane(sample: Sample, unit: int) -> Pairs:
    """Neighbouring elements of a channel that is summed on its own."""
    outer, _, inner = channel_form(sample)
    if inner > (values()["normalize_few_inner"] if outer > 1 else 0):
        yield inner, unit


def row_form(sample: Sample) -> tuple[int, int]:
    """Rows and their length of layer normalisation."""
    size = math.prod(argument(sample, 1, "normalized_shape"))
    return first(sample).size // max(1, size), size


def row_length(sample: Sample, unit: int) -> Pairs:
    """Elements of a row."""
    yield row_form(sample)[1], unit


def rows(sample: Sample, unit: int) -> Pairs:
    """Rows."""
    yield row_form(sample)[0], unit


def row_elements(sample: Sample, unit: int) -> Pairs:
    """Elements of all rows."""
    yield math.prod(row_form(sample)), unit


def row_chunks(sample: Sample, unit: int) -> Pairs:
    """Elements beyond which the number of chunks decides."""
    yield math.prod(row_form(sample)), unit * values()["normalize_rows_grain"]


def row_share(sample: Sample, unit: int) -> Pairs:
    """The length of rows from which the partial sums decide how long a chunk is."""
    count, size = row_form(sample)
    if count * size >= values()["dear_serial_elements"]:
        yield size * unit, values()["normalize_rows_grain"]


def normalized_run(sample: Sample, unit: int) -> Pairs:
    """Elements over which the lanes sum."""
    sizes = argument(sample, 1, "normalized_shape")
    yield from row_length(sample, unit) if isinstance(sizes, list | tuple) else plane(sample, unit)


# Convolution.


@dataclass(frozen=True)
class Sweep:
    """A convolution as the kernel sees it: for the output, or for the gradient by the input."""

    images: int
    groups: int
    channels: int  # of a group
    results: int
    taps: int
    rows: int
    columns: int
    pitch: int
    itemsize: int

    @property
    def pixels(self) -> int:
        """Outputs of all images."""
        return self.images * self.rows * self.columns

    @property
    def depth(self) -> int:
        """Taps of all channels."""
        return self.channels * self.taps

    def chunk(self, most: int) -> tuple[int, int]:
        """Images and rows that are computed together."""
        known = values()
        least = known["convolution_least_pixels"]
        pixels = min(max(self.pixels // known["convolution_chunks"], least), max(most, least))
        size = self.rows * self.columns
        parts = min(max(-(-size // pixels), 1), self.rows)
        band = -(-self.rows // parts)
        return (1 if -(-self.rows // band) > 1 else max(1, pixels // size)), band

    def chunks(self, most: int) -> int:
        """How many chunks there are."""
        images, band = self.chunk(most)
        return -(-self.rows // band) * -(-self.images // images)


def sweep(sample: Sample, backward: bool = False) -> Sweep | None:
    """The sweep of a convolution with one or two dimensions; `backward`: that of the gradient by its input,
    where the stride is 1."""
    x, w = first(sample), argument(sample, 1, "weight")
    spatial = w.ndim - 2

    def numbers(position: int, name: str, default: int) -> list[int]:
        value = argument(sample, position, name, default)
        return [value] * spatial if isinstance(value, int) else list(value) * (spatial // len(value))

    groups = argument(sample, 6, "groups", 1)
    stride, dilation = numbers(3, "stride", 1), numbers(5, "dilation", 1)
    kernel, size = w.shape[2:], x.shape[-spatial:]
    extent = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    padding = argument(sample, 4, "padding", 0)
    if padding == "same":
        out = list(size)
    else:
        pad = [0] * spatial if padding == "valid" else numbers(4, "padding", 0)
        out = [(n + 2 * p - e - 1) // s + 1 for n, p, e, s in zip(size, pad, extent, stride, strict=True)]
    images = x.shape[0] if x.ndim > spatial + 1 else 1
    channels, results = w.shape[1], w.shape[0] // groups
    if not images or min(out) < 1 or (backward and max(stride) > 1):
        return None
    if backward:
        channels, results, out = results, channels, list(size)
    height = out[0] if spatial == 2 else 1
    pitch = out[-1] + extent[-1] // stride[-1]
    return Sweep(
        images, groups, channels, results, math.prod(kernel), height, out[-1], pitch, x.dtype.itemsize
    )


def sweeps(measure: Callable[[Sweep, int], Pairs], backward: bool = False) -> Measure:
    """A measure of a sweep as one of a sample."""

    def of_sample(sample: Sample, unit: int) -> Pairs:
        found = sweep(sample, backward)
        if found is not None:
            yield from measure(found, unit)

    return of_sample


def picked(form: str, level: str, count: int) -> str:
    """The tile that wastes fewer of `count` rows, "wide" or "tall"."""
    padded = {}
    for which in ("wide", "tall"):
        unit = values()[f"{form}_{which}_{level}_rows"]
        padded[which] = -(-count // unit) * unit
    return "tall" if padded["tall"] < padded["wide"] else "wide"


def strip(level: str, which: str, itemsize: int) -> int:
    """Pixels of a strip."""
    return values()[f"outer_{which}_{level}_columns"] * values()[f"vector_bytes_{level}"] // itemsize


def outer_rows(level: str, which: str) -> Callable[[Sweep, int], Pairs]:
    """Results against the rows of a tile."""

    def measure(s: Sweep, unit: int) -> Pairs:
        if picked("outer", level, s.results) == which:
            yield s.results, unit

    return measure


def outer_columns(level: str, which: str) -> Callable[[Sweep, int], Pairs]:
    """Pixels of a chunk against a strip."""

    def measure(s: Sweep, unit: int) -> Pairs:
        if picked("outer", level, s.results) == which:
            images, band = s.chunk(values()["convolution_chunk_pixels"])
            yield min(images, s.images) * band * s.columns, strip(level, which, s.itemsize)

    return measure


def dot_rows(level: str, which: str) -> Callable[[Sweep, int], Pairs]:
    """Results against the rows of a tile of the gradient by the weight."""

    def measure(s: Sweep, unit: int) -> Pairs:
        if picked("dot", level, s.results) == which:
            yield s.results, unit

    return measure


def dot_columns(level: str, which: str) -> Callable[[Sweep, int], Pairs]:
    """Taps of a block against the columns of such a tile."""

    def measure(s: Sweep, unit: int) -> Pairs:
        if picked("dot", level, s.results) == which:
            block = min(s.channels, max(1, values()["weight_block_taps"] // s.taps))
            yield block * s.taps, unit

    return measure


def channel_blocks(s: Sweep, unit: int) -> Pairs:
    """Channels against a block of so many taps."""
    yield s.channels, max(1, unit // s.taps)


def chunk_size(s: Sweep, unit: int) -> Pairs:
    """Pixels for each of the chunks that are wanted."""
    yield s.pixels // values()["convolution_chunks"], unit


def chunk_count(s: Sweep, unit: int) -> Pairs:
    """Chunks."""
    yield s.chunks(values()["convolution_chunk_pixels"]), unit


def weight_shares(s: Sweep, unit: int) -> Pairs:
    """Chunks of the gradient by the weight."""
    yield s.chunks(values()["weight_chunk_pixels"]), unit


def weight_partials(s: Sweep, unit: int) -> Pairs:
    """Elements of all shares of the weight together."""
    yield s.groups * s.results * s.depth * values()["weight_tasks"], unit


def weight_line(s: Sweep, unit: int) -> Pairs:
    """Bytes of the pixels of a chunk, which the gradient by the weight fills up to a whole panel."""
    images, band = s.chunk(values()["weight_chunk_pixels"])
    yield min(images, s.images) * band * s.columns * s.itemsize, unit


def sweep_work(s: Sweep, unit: int) -> Pairs:
    """Multiply-adds."""
    yield s.pixels * s.groups * s.results * s.depth, unit


def strip_runs(s: Sweep, unit: int) -> Pairs:
    """Rows that a strip touches."""
    if s.pitch != s.columns:
        for level in LEVELS:
            width = strip(level, picked("outer", level, s.results), s.itemsize)
            yield -(-width // s.columns) + 1, unit + 1


def packed(s: Sweep, unit: int) -> Pairs:
    """0 where the tile reads the scratch directly, 1 where strips are packed; the costs decide."""
    known = values()
    block = min(s.channels, max(1, known["convolution_depth"] // s.taps))
    merged = s.pitch == s.columns
    depth = block * s.taps
    for level in LEVELS:
        which = picked("outer", level, s.results)
        width = strip(level, which, s.itemsize)
        panels = -(-s.results // known[f"outer_{which}_{level}_rows"])
        dropped = s.pitch / s.columns - 1
        count = 1.0 if merged else 1 + width / s.columns
        dear = known["convolution_dropped_cost"] * dropped * depth
        dear += 0 if merged else known["convolution_placed_cost"]
        yield int(panels * dear >= known["convolution_packed_cost"] * count * depth), 1


# Warping.


def warp_row(sample: Sample, unit: int) -> Pairs:
    """Pixels of a row of the result."""
    yield argument(sample, 2, "size")[1], unit


def warp_work(sample: Sample, unit: int) -> Pairs:
    """Elements of a warp in those of a plain loop."""
    height, width = argument(sample, 2, "size")
    yield unit * math.prod(first(sample).shape[:2]) * height * width, values()["serial_elements"]

"""The sizes of samples of matrix products that boundaries are about."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from verigrad.testing.measures import Measure, Pairs, first, values
from verigrad.testing.samples import Sample


def product(sample: Sample) -> tuple[int, int, int]:
    """Rows, columns and depth of a product of two matrices."""
    a, b = first(sample), sample.arrays()[-1]
    return a.shape[-2], b.shape[-1], a.shape[-1]


def tiling(sample: Sample) -> tuple[int, int, int]:
    """Rows and columns of the tiles of a product, and their number."""
    m, n, k = product(sample)
    known = values()
    rows, columns = m, n

    def part(size: int, before: int) -> int:
        unit, each = known["gemm_tile_unit"], math.ceil(size / (2 * math.ceil(size / before)))
        return min(size, math.ceil(each / unit) * unit)

    if m * n * k > known["gemm_serial_work"]:
        tiles, most = 2, min(known["gemm_most_tiles"], m * n * k // known["gemm_tile_work"])
        while tiles <= most:
            few = tiles <= known["gemm_few_tiles"]
            if max(rows, columns) < known["gemm_few_tiles_side" if few else "gemm_many_tiles_side"]:
                break
            if rows >= columns:
                rows = part(m, rows)
            else:
                columns = part(n, columns)
            tiles *= 2
    return rows, columns, -(-m // max(1, rows)) * -(-n // max(1, columns))


def work(sample: Sample, unit: int) -> Pairs:
    """Multiply-adds."""
    yield math.prod(product(sample)), unit


def tiles(sample: Sample, unit: int) -> Pairs:
    """Tiles that the work is enough for."""
    yield math.prod(product(sample)) // values()["gemm_tile_work"], unit


def side(sample: Sample, unit: int) -> Pairs:
    """The longer side of a product of enough work."""
    m, n, k = product(sample)
    if m * n * k > values()["gemm_serial_work"]:
        yield max(m, n), unit


def many_side(sample: Sample, unit: int) -> Pairs:
    """The longer side of the tiles when there are enough of them."""
    rows, columns, tiles = tiling(sample)
    enough = math.prod(product(sample)) // values()["gemm_tile_work"] > values()["gemm_few_tiles"]
    if enough and tiles >= values()["gemm_few_tiles"]:
        yield max(rows, columns) * (2 if tiles > values()["gemm_few_tiles"] else 1), unit


def unit(sample: Sample, unit: int) -> Pairs:
    """Rows and columns of a product in several tiles."""
    m, n, _ = product(sample)
    rows, columns, _ = tiling(sample)
    if rows < m:
        yield from ((m, unit), (m - rows * ((m - 1) // rows), unit))
    if columns < n:
        yield from ((n, unit), (n - columns * ((n - 1) // columns), unit))


def plain_depth(sample: Sample, unit: int) -> Pairs:
    """Depth of a product of integers."""
    if first(sample).dtype.kind != "f":
        yield product(sample)[2], unit


def plain_columns(sample: Sample, unit: int) -> Pairs:
    """Columns of a product of integers."""
    if first(sample).dtype.kind != "f":
        yield product(sample)[1], unit


@dataclass(frozen=True)
class Tiled:
    """A product that tiles of registers compute: rows, columns, depth, and bytes of an element."""

    m: int
    n: int
    k: int
    itemsize: int


# The widths of the tiles of each level that has them.
WIDTHS = {"avx2": ("narrow", "wide"), "avx512": ("narrow", "medium", "broad", "wide")}


def _whole(sample: Sample, backward: bool) -> Iterator[tuple[int, int, int]]:
    """The product, or those of its gradients, unless tiles of the output share it."""
    m, n, k = product(sample)
    if first(sample).dtype.kind == "f" and m * n * k <= values()["gemm_serial_work"]:
        yield from ((m, k, n), (k, n, m)) if backward else ((m, n, k),)


def _factors(m: int, n: int, k: int, sample: Sample) -> int:
    return (m + n) * k * first(sample).itemsize


def width(level: str, which: str, itemsize: int) -> int:
    """Columns of a tile, in elements of so many bytes."""
    return values()[f"product_{which}_{level}_columns"] * values()[f"vector_bytes_{level}"] // itemsize


def _panels(level: str, n: int, itemsize: int) -> Iterator[tuple[str, int]]:
    """The tiles that so many columns are cut into, and their widths."""
    widths = [(which, width(level, which, itemsize)) for which in WIDTHS[level]]
    while n > 0:
        panel = next((w for w in widths if n <= w[1]), widths[-1])
        yield panel
        n -= panel[1]


def _tiled(level: str, sample: Sample, backward: bool) -> Iterator[Tiled]:
    itemsize = first(sample).itemsize
    for m, n, k in _whole(sample, backward):
        if m < 2 or n < 2 or k < 1 or _factors(m, n, k, sample) > values()["gemm_blas_bytes"]:
            continue
        _, widest = next(_panels(level, n, itemsize))
        if min(n, widest) * 5 >= widest * 4:
            yield Tiled(m, n, k, itemsize)


def tile_rows(level: str, which: str, backward: bool = False) -> Measure:
    """Rows of a product with columns for that tile."""

    def measure(sample: Sample, unit: int) -> Pairs:
        for t in _tiled(level, sample, backward):
            if which in dict(_panels(level, t.n, t.itemsize)):
                yield t.m, unit

    return measure


def tile_columns(level: str, backward: bool = False) -> Measure:
    """Columns of a product, against the vectors of a tile."""

    def measure(sample: Sample, unit: int) -> Pairs:
        for t in _tiled(level, sample, backward):
            yield t.n, unit * values()[f"vector_bytes_{level}"] // t.itemsize

    return measure


def depth(level: str, backward: bool = False) -> Measure:
    """Depth of a product that tiles of registers compute."""

    def measure(sample: Sample, unit: int) -> Pairs:
        for t in _tiled(level, sample, backward):
            yield t.k, unit

    return measure


def blas(backward: bool = False) -> Measure:
    """Bytes of the factors of a product."""

    def measure(sample: Sample, unit: int) -> Pairs:
        for m, n, k in _whole(sample, backward):
            yield _factors(m, n, k, sample), unit + 1

    return measure

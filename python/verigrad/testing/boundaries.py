"""The sizes at which kernels change their path, and the records whose samples lie on both sides of each.

The values come from the library itself (``cpp/src/kernels/boundaries.def``). Records draw sizes with
:func:`around`; ``tests/meta/test_boundaries.py`` proves for every boundary, from the samples alone, that the
records named here cross it, forward and with gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from verigrad.testing import measures as m
from verigrad.testing import measures_attention as a
from verigrad.testing import measures_product as p
from verigrad.testing import measures_recurrent as r
from verigrad.testing.crossing import LEVELS, boundary_samples
from verigrad.testing.measures import Measure, values
from verigrad.testing.opspec import OpSpec
from verigrad.testing.samples import Sample

BELOW, AT, ABOVE = "below", "at", "above"


def value(name: str) -> int:
    """The value of a boundary.

    Raises:
        KeyError: for a name that is not in the kernels' list.
    """
    return values()[name]


def around(name: str, per: int = 1) -> tuple[int, int, int, int]:
    """Sizes just below, at and above a boundary, and one that is twice as long with a tail.

    Args:
        name: the boundary.
        per: how many units of the boundary one step of the size counts for: with the 9 taps of a kernel
            ``around("convolution_depth", per=9)`` answers numbers of channels.

    Raises:
        KeyError: for a name that is not in the kernels' list.
    """
    unit = max(1, value(name) // per)
    return unit - 1, unit, unit + 1, 2 * unit + 3


@dataclass(frozen=True)
class Boundary:
    """Who crosses a boundary, and how that is seen.

    Attributes:
        records: records whose samples lie on both sides.
        measure: the sizes of a sample that are compared with the boundary.
        backward: the same for the gradient, where its kernel looks at another size; `measure` if None.
        block: whether sizes are cut into blocks of this length, so that a multiple and a tail count as well;
            else there is one path below and one from the boundary on.
        gradient: whether a gradient passes the boundary; False for ops without one.
        dtypes: dtypes whose samples count, where not every one takes the path.
        unreachable: sides on which no size lies.
    """

    records: tuple[str, ...]
    measure: Measure
    backward: Measure | None = None
    block: bool = True
    gradient: bool = True
    dtypes: tuple[str, ...] = ("float32", "float64")
    unreachable: tuple[str, ...] = ()

    @property
    def wanted(self) -> frozenset[str]:
        """The sides that the samples of a record must have."""
        return frozenset((BELOW, AT, ABOVE) if self.block else (BELOW, ABOVE)) - set(self.unreachable)

    def sides(self, samples: list[Sample], name: str, backward: bool = False) -> frozenset[str]:
        """The sides of the boundary of that name on which the samples lie."""
        measure = self.backward if backward and self.backward is not None else self.measure
        found = set()
        for sample in samples:
            for size, unit in measure(sample, value(name)):
                if 0 < size < unit or (size == 0 and not self.block):
                    found.add(BELOW)
                elif not self.block:
                    found.add(ABOVE)
                elif size:
                    found.add(AT if size % unit == 0 else ABOVE)
        return frozenset(found)


def samples_of(spec: OpSpec, boundary: Boundary) -> Iterator[Sample]:
    """The samples of a record that count for a boundary."""
    for dtype in boundary.dtypes:
        if dtype in spec.dtypes:
            yield from spec.sample(dtype)
            yield from boundary_samples(spec, dtype)


def _above(
    *records: str, measure: Measure, backward: Measure | None = None, gradient: bool = True
) -> Boundary:
    """A boundary with one path below and one from there on."""
    return Boundary(records, measure, backward, block=False, gradient=gradient)


def _sweep(name: str, measure: Callable[[m.Sweep, int], m.Pairs], block: bool = True) -> Boundary:
    """A boundary of the sweep that is the output of a convolution, and the gradient by its input."""
    return Boundary((name,), m.sweeps(measure), m.sweeps(measure, backward=True), block)


def _weight(measure: Callable[[m.Sweep, int], m.Pairs], block: bool = True) -> Boundary:
    """A boundary of the gradient by the weight."""
    return Boundary(("conv2d",), m.sweeps(measure), None, block)


def _tiles() -> Iterator[tuple[str, Boundary]]:
    """The register tiles of each level. Below four rows the other tile of the baseline wastes less."""
    for level in LEVELS:
        for which in ("wide", "tall"):
            never = (BELOW,) if (level, which) == ("baseline", "wide") else ()
            rows = _sweep("conv2d", m.outer_rows(level, which))
            yield f"outer_{which}_{level}_rows", replace(rows, unreachable=never)
            yield f"outer_{which}_{level}_columns", _sweep("conv2d", m.outer_columns(level, which))
            yield f"dot_{which}_{level}_rows", replace(_weight(m.dot_rows(level, which)), unreachable=never)
            yield f"dot_{which}_{level}_columns", _weight(m.dot_columns(level, which))


def _steps() -> Iterator[tuple[str, Boundary]]:
    """The register tile of the products of a recurrent layer's steps, at each level."""
    for level in LEVELS:
        yield f"step_{level}_rows", Boundary(("recurrent_layer",), r.tile_rows)
        forward, backward = r.tile_columns(level), r.tile_columns(level, backward=True)
        yield f"step_{level}_columns", Boundary(("recurrent_layer",), forward, backward)


def _products() -> Iterator[tuple[str, Boundary]]:
    """The register tiles of matrix products, at the levels that have them."""
    for level, widths in p.WIDTHS.items():
        for which in widths:
            rows = Boundary(("mm",), p.tile_rows(level, which), p.tile_rows(level, which, backward=True))
            yield f"product_{which}_{level}_rows", rows
            columns = Boundary(("mm",), p.tile_columns(level), p.tile_columns(level, backward=True))
            yield f"product_{which}_{level}_columns", columns


ELEMENTWISE = ("exp", "add", "where", "relu")
ATTENTION = ("scaled_dot_product_attention",)

BOUNDARIES: dict[str, Boundary] = {
    "vector_bytes_baseline": Boundary(ELEMENTWISE, m.nbytes),
    "vector_bytes_avx2": Boundary(ELEMENTWISE, m.nbytes),
    "vector_bytes_avx512": Boundary(ELEMENTWISE, m.nbytes),
    # Threads.
    "serial_elements": _above(*ELEMENTWISE, "sum", measure=m.numel),
    "grain_elements": Boundary((*ELEMENTWISE, "sum"), m.numel),
    "dear_serial_elements": _above("softmax", "batch_norm", "layer_norm", measure=m.each_numel),
    "dear_grain_elements": Boundary(("softmax", "index_select", "dropout"), m.numel_of_result),
    "serial_bytes": _above("clone", measure=m.nbytes),
    "grain_bytes": Boundary(("clone",), m.nbytes),
    "many_items": _above("sum", "max", measure=m.items),
    # Elementwise loops and copies.
    "rare_block": Boundary(
        ("sin", "cos", "tan", "remainder", "floor_divide", "fmod"), m.numel, dtypes=("float32",)
    ),
    "transpose_least": _above("clone", measure=m.both_sides),
    "transpose_block": Boundary(("clone",), m.both_sides),
    # Reductions.
    "reduction_lanes": Boundary(("sum", "prod", "amax"), m.run),
    "reduction_step": Boundary(("sum", "prod"), m.run),
    "reduction_leaf": Boundary(("sum", "prod", "amax"), m.run),
    "reduction_strided_lanes": Boundary(("sum", "prod", "amax"), m.strided_run),
    "reduction_strided_step": Boundary(("sum",), m.strided_run),
    "reduction_strided_leaf": Boundary(("sum",), m.strided_run),
    "reduction_row_group": Boundary(("sum", "prod", "amax"), m.reduced_rows),
    "reduction_leaf_rows": Boundary(("sum", "prod", "amax"), m.reduced_rows),
    "reduction_leaf_runs": Boundary(("sum", "amax"), m.runs),
    "reduction_block": Boundary(("sum", "amax"), m.kept),
    "extremum_run": _above("max", "argmax", measure=m.run),
    "extremum_step": Boundary(("max", "argmax"), m.run),
    "extremum_block": Boundary(("max", "argmax"), m.kept_columns),
    # Matrix products.
    "gemm_serial_work": _above("mm", measure=p.work),
    "gemm_tile_work": _above("mm", measure=p.work),
    "gemm_most_tiles": _above("mm", measure=p.tiles),
    "gemm_few_tiles": _above("mm", measure=p.tiles),
    "gemm_few_tiles_side": _above("mm", measure=p.side),
    "gemm_many_tiles_side": _above("mm", measure=p.many_side),
    "gemm_tile_unit": Boundary(("mm",), p.unit),
    "gemm_depth": Boundary(("mm",), p.depth("avx2"), p.depth("avx2", backward=True)),
    "gemm_blas_bytes": _above("mm", measure=p.blas(), backward=p.blas(backward=True)),
    **dict(_products()),
    "gemm_plain_rows": Boundary(("mm",), p.plain_depth, gradient=False, dtypes=("int32", "int64")),
    "gemm_plain_columns": Boundary(("mm",), p.plain_columns, gradient=False, dtypes=("int32", "int64")),
    # Softmax.
    "softmax_short_row": _above("softmax", "log_softmax", measure=m.run),
    "softmax_block": Boundary(("softmax", "log_softmax"), m.softmax_block),
    "softmax_columns": Boundary(("softmax", "log_softmax"), m.kept_columns),
    # Attention.
    "attention_queries": Boundary(ATTENTION, a.queries),
    "attention_keys": Boundary(ATTENTION, a.keys),
    "attention_serial_work": _above(*ATTENTION, measure=a.work),
    "attention_task_work": _above(*ATTENTION, measure=a.task_work),
    "attention_shares": _above(*ATTENTION, measure=a.elements),
    # Index ops.
    "index_add_columns": Boundary(("index_add",), m.index_columns),
    # Rows of fewer elements than a block are not shared.
    "index_block": Boundary(("take",), m.shared_indices, unreachable=(BELOW,)),
    "gather_step": Boundary(("gather",), m.gathered_row),
    "nonzero_skip": Boundary(("nonzero",), m.false_run, gradient=False),
    # Scans and sorting.
    "scan_columns": Boundary(("cumsum", "cummax"), m.kept_columns),
    "scan_rows": Boundary(("cumsum", "cummax"), m.rows_of_runs),
    "sort_chunk": Boundary(("sort",), m.run),
    "sort_few": Boundary(("topk",), m.wanted),
    "sort_share": Boundary(("topk",), m.wanted_of_many),
    "sort_room": Boundary(("topk",), m.twice_wanted),
    "sort_block": Boundary(("topk",), m.candidates),
    # Random numbers.
    "random_words": Boundary(("dropout",), m.numel),
    "random_batch": Boundary(("dropout",), m.random_blocks),
    # Normalisation.
    "normalize_few_inner": _above("batch_norm", measure=m.few_inner),
    "normalize_columns": Boundary(("batch_norm",), m.channel_columns),
    "normalize_column_rows": Boundary(("batch_norm",), m.channel_rows),
    "normalize_sum_run": Boundary(("batch_norm", "layer_norm"), m.normalized_run),
    "normalize_lanes": Boundary(("batch_norm", "layer_norm"), m.normalized_run),
    "normalize_gradient_lanes": Boundary(("batch_norm", "layer_norm"), m.normalized_run),
    "normalize_recent_rows": Boundary(("layer_norm",), m.rows),
    "normalize_rows_grain": Boundary(("layer_norm",), m.row_elements),
    "normalize_rows_chunks": _above("layer_norm", measure=m.row_chunks),
    "normalize_share_rows": _above("layer_norm", measure=m.row_share),
    # Convolution.
    **dict(_tiles()),
    "pack_few_runs": _sweep("conv2d", m.strip_runs, block=False),
    "panel_bytes": _weight(m.weight_line),
    "convolution_serial_work": _sweep("conv2d", m.sweep_work, block=False),
    "convolution_depth": _sweep("conv2d", m.channel_blocks),
    "convolution_chunk_pixels": _sweep("conv2d", m.chunk_size, block=False),
    "convolution_chunks": _sweep("conv2d", m.chunk_count, block=False),
    "convolution_least_pixels": _sweep("conv2d", m.chunk_size, block=False),
    "convolution_dropped_cost": _sweep("conv2d", m.packed, block=False),
    "convolution_placed_cost": _sweep("conv2d", m.packed, block=False),
    "convolution_packed_cost": _sweep("conv2d", m.packed, block=False),
    "weight_block_taps": _weight(m.channel_blocks),
    "weight_chunk_pixels": _weight(m.chunk_size, block=False),
    "weight_tasks": _weight(m.weight_shares, block=False),
    "weight_partial_elements": _weight(m.weight_partials, block=False),
    # Recurrent layers.
    "recurrent_serial_work": _above("recurrent_layer", measure=r.work),
    "recurrent_sequences": Boundary(("recurrent_layer",), r.sequences),
    "recurrent_packed_steps": _above("recurrent_layer", measure=r.steps),
    **dict(_steps()),
    # Warping.
    "warp_columns": Boundary(("affine_image",), m.warp_row, gradient=False),
    "warp_cost": Boundary(("affine_image",), m.warp_work, block=False, gradient=False),
}

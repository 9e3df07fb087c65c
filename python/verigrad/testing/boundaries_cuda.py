"""The sizes at which CUDA kernels change their path, from ``cpp/src/kernels/cuda/boundaries.def``, and the
records whose samples lie on both sides of each; see ``boundaries.py``.

Some are far beyond what a test has memory or time for. The emulation has lower values of these, and only
there samples cross all of them: :func:`verigrad.testing.measures.emulated`.
"""

from __future__ import annotations

from dataclasses import replace

from verigrad.testing import measures as m
from verigrad.testing import measures_attention as a
from verigrad.testing import measures_cuda as c
from verigrad.testing import measures_product as p
from verigrad.testing.boundaries import ATTENTION, BELOW, ELEMENTWISE, Boundary
from verigrad.testing.measures import Measure

INTEGERS = ("int32", "int64")


def _above(*records: str, measure: Measure, gradient: bool = True) -> Boundary:
    return Boundary(records, measure, block=False, gradient=gradient)


def _ints(measure: Measure, block: bool = True) -> Boundary:
    """A boundary of the product of integers, which has no gradient."""
    return Boundary(("mm",), measure, block=block, gradient=False, dtypes=INTEGERS)


CUDA_BOUNDARIES: dict[str, Boundary] = {
    # Launches.
    "cuda_warp": _above("sum", "amax", "argmax", measure=c.scaled(m.run, "cuda_lane_elements")),
    "cuda_threads": Boundary(ELEMENTWISE, m.numel),
    "cuda_grid_blocks": Boundary(ELEMENTWISE, c.scaled(m.numel, "cuda_threads")),
    "cuda_unsigned_positions": _above(
        "add", "clone", "gather", "index_select", "max_pool2d", "batch_norm", measure=c.up_to(c.largest)
    ),
    "cuda_signed_positions": _above("unfold", "fold", measure=c.up_to(c.largest)),
    # Copies.
    "cuda_unit_bytes": Boundary(("clone", "index_select"), c.row_bytes),
    "cuda_transpose_least": _above("clone", measure=c.rows_and_columns),
    "cuda_transpose_tile": Boundary(("clone",), c.rows_and_columns),
    "cuda_transpose_rows": replace(Boundary(("clone",), c.rows_and_columns), unreachable=(BELOW,)),
    "cuda_transpose_blocks": _above("clone", measure=c.scaled(c.rows_and_columns, "cuda_transpose_tile")),
    # Reductions.
    "cuda_lane_elements": Boundary(("sum", "amax", "argmax"), m.run),
    "cuda_block_run": _above("sum", "amax", "argmax", measure=m.run),
    "cuda_sum_leaf": _above("sum", measure=c.up_to(c.spreads(c.of_thread))),
    "cuda_split_elements": _above("sum", "amax", "argmax", measure=c.spreads(c.enough)),
    "cuda_wanted_blocks": _above("sum", "amax", measure=c.spreads(c.wanted)),
    "cuda_reduce_blocks": _above("sum", "amax", "argmax", measure=c.spreads(c.grid)),
    # Softmax.
    "cuda_softmax_row": _above("softmax", "log_softmax", measure=c.up_to(m.run)),
    "cuda_softmax_few": _above("softmax", "log_softmax", measure=c.up_to(c.scaled(m.run, "cuda_warp"))),
    "cuda_softmax_some": _above("softmax", "log_softmax", measure=c.up_to(c.scaled(m.run, "cuda_warp"))),
    "cuda_softmax_split": _above("softmax", "log_softmax", measure=c.up_to(m.run)),
    "cuda_softmax_tiles": _above("softmax", "log_softmax", measure=c.spreads(c.long_rows)),
    # Normalisation.
    "cuda_normalize_neighbours": _above("batch_norm", measure=c.few_neighbours),
    "cuda_normalize_plain": Boundary(("batch_norm", "layer_norm"), c.spreads(c.of_thread, c.channels_spread)),
    "cuda_normalize_tiles": _above(
        "batch_norm", "layer_norm", measure=c.spreads(c.split_tiles, c.channels_spread)
    ),
    # Attention.
    "cuda_attention_rows": Boundary(ATTENTION, a.lengths),
    "cuda_attention_columns": Boundary(ATTENTION, a.lengths),
    "cuda_attention_depth": Boundary(ATTENTION, a.width),
    "cuda_attention_blocks": _above(*ATTENTION, measure=a.grid),
    # Index ops.
    "cuda_nonzero_rounds": Boundary(("nonzero",), c.scaled(m.numel, "cuda_warp"), gradient=False),
    "cuda_scan_run": Boundary(("index_add",), c.counts),
    "cuda_sort_bits": Boundary(("index_add",), c.key_bits),
    "cuda_sort_rounds": Boundary(("index_add",), c.pairs),
    "cuda_sum_ahead": Boundary(("index_add", "scatter_add"), c.repeats),
    "cuda_short_line": _above("scatter_add", "cumsum", "cummax", measure=c.line_length),
    "cuda_many_lines": _above("scatter_add", "cumsum", "cummax", measure=c.long_lines),
    # Matrix products.
    "cuda_gemm_tile": _ints(c.product_sides),
    "cuda_gemm_depth": _ints(p.plain_depth),
    "cuda_gemm_side": _ints(c.product_sides),
    "cuda_gemm_blocks": _ints(c.product_grid, block=False),
    # Convolution.
    "cuda_columns_bytes": _above("conv2d", measure=m.sweeps(c.columns_at_once)),
    "cuda_columns_windows": Boundary(("conv2d",), m.sweeps(c.windows_of_part)),
    "cuda_depthwise_warps": _above("conv2d", measure=m.sweeps(c.weight_warps)),
    "cuda_depthwise_least": _above("conv2d", measure=m.sweeps(c.share_pixels)),
    "cuda_depthwise_most": _above("conv2d", measure=m.sweeps(c.many_pixels)),
    "cuda_depthwise_blocks": _above("conv2d", measure=m.sweeps(c.weight_grid)),
    # Pooling.
    "cuda_pool_window": _above("max_pool2d", "avg_pool2d", measure=c.window_size),
    "cuda_pool_distance": _above("max_pool2d", "avg_pool2d", measure=c.window_distance),
    "cuda_pool_blocks": _above("max_pool2d", "avg_pool2d", measure=c.window_blocks),
    # Parameter updates.
    "cuda_update_parameters": _above("sgd", "adam", measure=c.up_to(c.parameters), gradient=False),
    "cuda_update_chunk": Boundary(("sgd", "adam"), c.parameter_sizes, gradient=False),
}

"""The sizes of samples of recurrent layers that boundaries are about."""

from __future__ import annotations

from verigrad.testing.measures import Measure, Pairs, argument, first, values
from verigrad.testing.samples import Sample


def _sizes(sample: Sample) -> tuple[int, int]:
    """Gates of all units, and outputs."""
    return argument(sample, 4, "weight_ih").shape[0], argument(sample, 2, "h").shape[1]


def work(sample: Sample, unit: int) -> Pairs:
    """Multiply-adds of the products with the hidden weight."""
    gates, out = _sizes(sample)
    yield first(sample).shape[0] * gates * out, unit


def sequences(sample: Sample, unit: int) -> Pairs:
    """How many there are."""
    yield argument(sample, 1, "batch_sizes")[0], unit


def steps(sample: Sample, unit: int) -> Pairs:
    """How many there are, in which some sequence takes part."""
    yield sum(size > 0 for size in argument(sample, 1, "batch_sizes")), unit


def _packed(sample: Sample) -> bool:
    return next(steps(sample, 1))[0] >= values()["recurrent_packed_steps"]


def tile_rows(sample: Sample, unit: int) -> Pairs:
    """Sequences of the steps whose products read a packed weight."""
    if _packed(sample):
        for size in argument(sample, 1, "batch_sizes"):
            yield size, unit


def tile_columns(level: str, backward: bool = False) -> Measure:
    """Gates, or outputs in the gradient, in elements of the tile's vectors."""

    def measure(sample: Sample, unit: int) -> Pairs:
        if _packed(sample):
            lanes = values()[f"vector_bytes_{level}"] // first(sample).itemsize
            yield _sizes(sample)[1 if backward else 0], unit * lanes

    return measure

"""What a sample of attention holds against the boundaries of its kernels; measures as in ``measures.py``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from verigrad.testing.measures import Pairs, argument, values
from verigrad.testing.samples import Sample


@dataclass(frozen=True)
class Sizes:
    """The sizes of a call."""

    elements: int  # of the batch
    queries: int
    keys: int
    width: int
    value_width: int

    @property
    def work(self) -> int:
        """Multiply-adds of all scores and results."""
        return self.elements * self.queries * self.keys * (self.width + self.value_width)


def sizes(sample: Sample) -> Sizes:
    """The sizes of a sample whose heads are not shared."""
    query, key, value = (argument(sample, i, n) for i, n in enumerate(("query", "key", "value")))
    batch = query.shape[:-2]
    if not argument(sample, 7, "enable_gqa", False):
        batch = np.broadcast_shapes(batch, key.shape[:-2], value.shape[:-2])
    length, width = key.shape[-2:]
    return Sizes(math.prod(batch), query.shape[-2], length, width, value.shape[-1])


def queries(sample: Sample, unit: int) -> Pairs:
    """Queries."""
    yield sizes(sample).queries, unit


def keys(sample: Sample, unit: int) -> Pairs:
    """Keys."""
    yield sizes(sample).keys, unit


def lengths(sample: Sample, unit: int) -> Pairs:
    """Queries and keys."""
    yield sizes(sample).queries, unit
    yield sizes(sample).keys, unit


def width(sample: Sample, unit: int) -> Pairs:
    """Products of a score."""
    yield sizes(sample).width, unit


def work(sample: Sample, unit: int) -> Pairs:
    """Multiply-adds of the call."""
    yield sizes(sample).work, unit


def task_work(sample: Sample, unit: int) -> Pairs:
    """Multiply-adds of a block of queries, where there are several and threads share them."""
    s = sizes(sample)
    tasks = s.elements * -(-s.queries // values()["attention_queries"])
    if tasks > 1 and s.work >= values()["attention_serial_work"]:
        yield s.work // tasks, unit


def elements(sample: Sample, unit: int) -> Pairs:
    """Elements of the batch, where there are keys to share."""
    s = sizes(sample)
    if s.keys > values()["attention_keys"]:
        yield s.elements, unit


def grid(sample: Sample, unit: int) -> Pairs:
    """Tiles of a launch."""
    s = sizes(sample)
    rows = values()["cuda_attention_rows"]
    for length in (s.queries, s.keys):
        yield s.elements * -(-length // rows), unit

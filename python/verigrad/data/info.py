"""What a worker process knows of itself. A module of its own: it is imported with the package, processes
are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker process knows of itself.

    Attributes:
        id: its number, ``0 .. num_workers - 1``.
        num_workers: how many there are.
        seed: what its random numbers start from in this epoch: the loader's draw plus *id*.
        dataset: the process's copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


current: WorkerInfo | None = None  # a worker sets it


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` in a worker process of a `DataLoader`, None elsewhere.

    An `IterableDataset` reads it to give each worker a part of its own.
    """
    return current

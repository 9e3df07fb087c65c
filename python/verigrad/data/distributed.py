"""A sampler for training in several processes: each gets a part of the dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

import verigrad

from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every *num_replicas*-th index, beginning with *rank*, of an order that all replicas share.

    Args:
        dataset: what to sample from; needs ``__len__``.
        num_replicas: the number of processes.
        rank: the number of this one, ``0 .. num_replicas - 1``.
        shuffle: a random order (default), another one for each epoch that `set_epoch` names.
        seed: of the order; the same number in all processes. Default 0.
        drop_last: leave out indices that would make the parts uneven. Otherwise (default) indices from the
            beginning come twice.

    Raises:
        RuntimeError: *num_replicas* or *rank* is missing: there is no process group to ask.
            While iterating: the dataset has changed its length, so that the replicas would not agree.
        ValueError: *rank* is out of range.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "Requires distributed package to be available. DistributedSampler: expected num_replicas and "
                f"rank, got num_replicas={num_replicas} and rank={rank}"
            )
        if num_replicas < 1 or not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self._count = count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if count != self._count:
            raise RuntimeError(
                f"DistributedSampler: expected a dataset of constant size {self._count}, got {count} samples"
            )
        if self.shuffle:
            generator = verigrad.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = verigrad.randperm(count, generator=generator).tolist()
        else:
            order = list(range(count))
        # Again from the beginning, as often as it takes where there are more replicas than samples.
        order = (order * math.ceil(self.total_size / max(count, 1)))[: self.total_size]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Name the epoch; without it each one has the same order."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, for `DataLoader.state_dict`."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the epoch from *state_dict*."""
        self.epoch = state_dict["epoch"]

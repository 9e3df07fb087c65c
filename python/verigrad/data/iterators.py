"""One pass of a loader in its own process; what all passes have in common."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .collate import default_collate, pin_memory
from .dataset import BatchGetter, batch_getter
from .fetch import MapFetcher, StreamFetcher
from .position import Epoch
from .sampler import BatchSampler, epoch_order

if TYPE_CHECKING:
    from verigrad import Tensor

    from .ahead import Ahead
    from .loader import DataLoader


class EpochIterator:
    """Hands out the batches of one epoch and counts them.

    A class rather than a generator: after an error in one batch the next one can still be asked for.
    """

    pins = False  # whether batches go to page-locked memory

    def __init__(self, loader: DataLoader[Any], epoch: Epoch) -> None:
        self._loader = loader
        self._epoch = epoch
        self._number = epoch.batches  # of the batch that is being fetched

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        try:
            batch = self._next()
            if self.pins:
                batch = pin_memory(batch)
        except StopIteration:
            self._epoch.finished = True
            raise
        except Exception:
            self._epoch.batches = self._number
            raise
        # Not where a KeyboardInterrupt passes: the batch has not been seen by anybody.
        self._epoch.batches = self._number
        told = self._loader._length_told
        if told is not None and self._number == told + 1:
            self._warn_of_length(told)
        return batch

    def _next(self) -> Any:
        """The next batch; adds one to ``_number`` where one is used up, even by an error."""
        raise NotImplementedError

    def _warn_of_length(self, told: int) -> None:
        more = (
            " With workers, this may be a dataset that does not split itself by get_worker_info()."
            if self._loader.num_workers
            else ""
        )
        warnings.warn(
            f"Length of IterableDataset {self._loader.dataset} was reported to be {told} batches (when "
            f"accessing len(dataloader)), but more have been fetched.{more}",
            stacklevel=3,
        )


class MapIterator(EpochIterator):
    """One epoch over a map-style dataset."""

    def __init__(self, loader: DataLoader[Any], epoch: Epoch) -> None:
        super().__init__(loader, epoch)
        self._fetch = MapFetcher(loader.dataset, loader.collate_fn, loader.batch_sampler is not None)
        self._size = 1
        self._get_batch: BatchGetter | None = None
        self._order: Tensor | None = None  # of the whole epoch, translated for _get_batch
        self._plain: Tensor | None = None  # the same in the loader's own indices
        self._begin = 0
        self._end = 0
        self._ahead: Ahead | None = None
        self._indices: Iterator[Any] = iter(())
        if not self._gather():
            self._indices = self._drawn(iter(loader._index_sampler))
        if loader.prefetch_thread:
            self._begin_ahead()

    def _gather(self) -> bool:
        """Whether the whole order is known, and a dataset in memory is gathered along it."""
        loader, batches = self._loader, self._loader.batch_sampler
        if (
            loader.collate_fn is not default_collate
            or not isinstance(batches, BatchSampler)
            or type(batches).__iter__ is not BatchSampler.__iter__
        ):
            return False
        order = epoch_order(batches.sampler)
        if order is None:
            return False
        get_batch, translated = batch_getter(loader.dataset, order)
        if get_batch is None:
            # The order is drawn already: drawing it again would move the generator on.
            lists = BatchSampler(order.tolist(), batches.batch_size, batches.drop_last)
            self._indices = itertools.islice(lists, self._number, None)
            return True
        size = self._size = batches.batch_size
        self._end = order.numel() // size * size if batches.drop_last else order.numel()
        self._begin = min(self._number * size, self._end)
        self._get_batch, self._order, self._plain = get_batch, translated, order
        return True

    def _begin_ahead(self) -> None:
        if self._get_batch is None or self._order is None:
            name = type(self._loader.dataset).__name__
            raise ValueError(
                "DataLoader: prefetch_thread=True needs a dataset in memory that has __getbatch__, the "
                f"default collate_fn and a sampler that knows its order, got {name}"
            )
        from .ahead import Ahead  # here, so that importing verigrad does not pay for threads

        # Not of self, whose end is to be the thread's as well.
        fetch, get_batch, order, size = self._fetch, self._get_batch, self._order, self._size
        self._ahead = Ahead(
            lambda begin: fetch.guarded(get_batch, order[begin : begin + size]),
            range(self._begin, self._end, size),
        )

    def _drawn(self, indices: Iterator[Any]) -> Iterator[Any]:
        # The first one is asked for now, so that what a sampler draws at its start is drawn here.
        indices = itertools.islice(indices, self._number, None)
        first = list(itertools.islice(indices, 1))
        return itertools.chain(first, indices)

    def _next(self) -> Any:
        if self._order is not None:
            return self._next_gathered()
        indices = next(self._indices)
        self._number += 1
        return self._fetch(indices)

    def _next_gathered(self) -> Any:
        begin = self._begin
        if begin >= self._end:
            if self._ahead is not None:
                self._ahead.close()
            raise StopIteration
        stop = self._begin = min(begin + self._size, self._end)
        self._number += 1
        if self._get_batch is not None:
            if self._ahead is not None:
                batch = self._ahead.next()
            else:
                batch = self._fetch.guarded(self._get_batch, self._order[begin:stop])  # type: ignore[index]  # set together
            if batch is not NotImplemented:
                return batch
            # It has said no: one by one for the rest of the epoch.
            if self._ahead is not None:
                self._ahead.close()
            self._get_batch, self._fetch.gathers = None, False
        return self._fetch(self._plain[begin:stop].tolist())  # type: ignore[index]


class StreamIterator(EpochIterator):
    """One pass over an `IterableDataset`."""

    def __init__(self, loader: DataLoader[Any], epoch: Epoch) -> None:
        super().__init__(loader, epoch)
        self._fetch = StreamFetcher(loader.dataset, loader.collate_fn, loader.batch_size, loader.drop_last)
        try:
            for _ in range(self._number):
                self._fetch.draw()
        except StopIteration:
            pass  # as the interrupted epoch would: it ends

    def _next(self) -> Any:
        batch = self._fetch(None)
        self._number += 1
        return batch

"""From indices, or from a stream, to batches: the same code in the loader's process and in its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Any

from .collate import default_collate
from .dataset import batch_getter, items_getter


class MapFetcher:
    """Batches of a map-style *dataset*; without *batched*, samples."""

    def __init__(self, dataset: Any, collate_fn: Callable[[Any], Any], batched: bool) -> None:
        self._dataset = dataset
        self._collate = collate_fn
        self._batched = batched
        self.gathers = batched and collate_fn is default_collate  # until __getbatch__ declines

    def __call__(self, indices: Any) -> Any:
        if not self._batched:
            return _call(self._collate, self.guarded(self._dataset.__getitem__, indices))
        if self.gathers and len(indices):
            get_batch, translated = batch_getter(self._dataset, indices)
            if get_batch is not None:
                batch = self.guarded(get_batch, translated)
                if batch is not NotImplemented:
                    return batch
                self.gathers = False
        return _call(self._collate, self.guarded(self._samples, indices))

    def _samples(self, indices: Any) -> list[Any]:
        get_items = items_getter(self._dataset)
        if get_items is None:
            return [self._dataset[index] for index in indices]
        samples = list(get_items(indices))
        if len(samples) != len(indices):
            raise ValueError(
                f"DataLoader: expected {len(indices)} samples from __getitems__ of "
                f"{type(self._dataset).__name__}, got {len(samples)}"
            )
        return samples

    def guarded(self, get: Callable[[Any], Any], indices: Any) -> Any:
        """``get(indices)``. An IndexError of a dataset that has become shorter says so."""
        try:
            return _call(get, indices)
        except IndexError as error:
            if isinstance(self._dataset, Sized):
                highest = _highest(indices)
                if highest is not None and highest >= len(self._dataset):
                    error.add_note(
                        f"DataLoader: the sampler gave the index {highest}, and the dataset has "
                        f"{len(self._dataset)} samples. Did it become shorter during the epoch?"
                    )
            raise


def _call(function: Callable[[Any], Any], argument: Any) -> Any:
    # StopIteration would end the loop over the loader as if the epoch were over.
    try:
        return function(argument)
    except StopIteration as error:
        raise RuntimeError(
            "DataLoader: expected the dataset or collate_fn to give a batch, got StopIteration"
        ) from error


def _highest(indices: Any) -> int | None:
    found = indices.tolist() if hasattr(indices, "tolist") else indices
    numbers = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, int)]
    return max(numbers, default=None)


class StreamFetcher:
    """Batches of an iterable *dataset*, or its samples with ``batch_size=None``; StopIteration ends them."""

    def __init__(
        self, dataset: Any, collate_fn: Callable[[Any], Any], batch_size: int | None, drop_last: bool
    ) -> None:
        self._samples: Iterator[Any] = iter(dataset)
        self._collate = collate_fn
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._ended = False

    def __call__(self, _: Any) -> Any:
        return _call(self._collate, self.draw())

    def draw(self) -> Any:
        """What the next batch is made of."""
        if self._batch_size is None:
            return next(self._samples)
        samples: list[Any] = []
        while not self._ended and len(samples) < self._batch_size:
            try:
                samples.append(next(self._samples))
            except StopIteration:
                self._ended = True
        if not samples or (self._drop_last and len(samples) < self._batch_size):
            raise StopIteration
        return samples

"""`DataLoader`: PyTorch's interface, with batches of in-memory datasets gathered in native code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import verigrad

from .collate import default_collate, default_convert, pin_memory
from .dataset import BatchGetter, Dataset, IterableDataset, batch_getter, items_getter
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, epoch_order

if TYPE_CHECKING:
    from verigrad import Generator, Tensor

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_T_co = TypeVar("_T_co", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def get_worker_info() -> None:
    """Always None: verigrad loads in the calling process, as PyTorch does with ``num_workers=0``."""
    return None


class _EndlessSampler(Sampler[None]):
    """Stands in for a sampler where the dataset is a stream."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[_T_co]):
    """Iterates over a dataset in batches.

    Args:
        dataset: a map-style `Dataset` (anything with ``__getitem__`` and ``__len__``) or an
            `IterableDataset`.
        batch_size: samples per batch. Default 1; None gives the samples themselves.
        shuffle: a new random order in each epoch. Default False.
        sampler: an iterable of indices, instead of *shuffle*.
        batch_sampler: an iterable of lists of indices, instead of *batch_size*, *shuffle*, *sampler*,
            *drop_last*.
        num_workers: there are no worker processes yet. Above 0, a UserWarning says so, and loading happens in
            this process: the batches, their order and `get_worker_info` are those of ``num_workers=0``. A
            stream is therefore never duplicated.
        collate_fn: merges a list of samples. Default `default_collate`, or `default_convert` without batches.
        pin_memory: puts the tensors of each batch into page-locked memory, from which
            ``to("cuda", non_blocking=True)`` copies while the program goes on. Without a CUDA device a
            UserWarning says that nothing is pinned.
        pin_memory_device: deprecated, as in PyTorch: a UserWarning says that memory is pinned for all CUDA
            devices.
        drop_last: leave out a last batch that would be smaller.
        multiprocessing_context, prefetch_factor, persistent_workers, in_order: how workers would be run,
            which does not change a batch: checked, and named by the warning of *num_workers*.
        timeout, worker_init_fn: what a program may rely on, so without workers they are refused: *timeout*
            above 0; *worker_init_fn* with ``num_workers > 0`` (with 0 nothing calls it, as in PyTorch).
        generator: source of the random order; None takes a seed from the default generator in each epoch.

    Speed: with the default *collate_fn*, a dataset that has ``__getbatch__`` (see `Dataset`: `TensorDataset`,
    the MNIST family with ``ToTensor``/``Normalize``, a `Subset` of these) is gathered a batch at a time in
    native code. The batches are bit-equal to those of fetching sample by sample. The order depends on the
    generator alone, never on *num_workers* or the number of threads.

    Raises:
        ValueError: options that contradict each other or are out of range, in PyTorch's words.
        TypeError: *multiprocessing_context* is not a context.
        NotImplementedError: *timeout*, or *worker_init_fn* with workers; also where they are set later, at
            the start of an epoch.
    """

    _sealed = False

    def __init__(
        self,
        dataset: Dataset[_T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[Any] | Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing. "
                f"DataLoader got num_workers={num_workers}"
            )
        if not timeout >= 0:
            raise ValueError(f"timeout option should be non-negative, but got timeout={timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing. "
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError(
                f"prefetch_factor option should be non-negative, but got prefetch_factor={prefetch_factor}"
            )
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = _checked_context(multiprocessing_context, num_workers)
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers
        self._refuse_what_needs_workers()
        if num_workers > 0:
            asked = {
                "prefetch_factor": prefetch_factor,
                "persistent_workers": persistent_workers,
                "multiprocessing_context": multiprocessing_context,
                "in_order": not in_order,
            }
            named = ", ".join(["num_workers", *(name for name, value in asked.items() if value)])
            warnings.warn(
                f"DataLoader: verigrad has no worker processes yet, so {named} changes nothing: batches are "
                "loaded in this process, the same ones in the same order. num_workers=0 avoids this warning.",
                stacklevel=2,
            )

        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            for option, value in (
                ("shuffle", shuffle or None),
                ("sampler", sampler),
                ("batch_sampler", batch_sampler),
            ):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {option} option, "
                        f"but got {option}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        if sampler is None:
            sampler = self._default_sampler(dataset, bool(shuffle), generator)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self._length_told: int | None = None
        self._sealed = True

    def _default_sampler(self, dataset: Any, shuffle: bool, generator: Generator | None) -> Sampler[Any]:
        if self._streams:
            return _EndlessSampler()
        return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._sealed and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _refuse_what_needs_workers(self) -> None:
        if self.timeout > 0:
            raise NotImplementedError(
                f"DataLoader: expected timeout=0, got {self.timeout}: without worker processes, which "
                "verigrad does not have yet, a batch cannot be waited for"
            )
        if self.worker_init_fn is not None and self.num_workers > 0:
            raise NotImplementedError(
                f"DataLoader: expected worker_init_fn=None, got {self.worker_init_fn!r} with "
                f"num_workers={self.num_workers}: verigrad has no worker processes yet that would call it"
            )

    def __iter__(self) -> Iterator[Any]:
        self._refuse_what_needs_workers()
        batches: Any = _StreamIterator(self) if self._streams else _MapIterator(self)
        return _PinnedIterator(batches) if self._pins() else batches

    def _pins(self) -> bool:
        """Whether batches are pinned; warns where they are not as asked."""
        if self.pin_memory and self.pin_memory_device:
            warnings.warn(
                "DataLoader: pin_memory_device is deprecated, memory is pinned for all CUDA devices: "
                f"pin_memory_device={self.pin_memory_device!r} changes nothing",
                stacklevel=3,
            )
        if self.pin_memory and not verigrad.cuda.is_available():
            warnings.warn(
                "DataLoader: 'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=3,
            )
        return self.pin_memory and verigrad.cuda.is_available()

    def __len__(self) -> int:
        if not self._streams:
            return len(self._index_sampler)
        length = len(self.dataset)  # type: ignore[arg-type]  # a stream without length raises TypeError here
        if self.batch_size is not None:
            whole, rest = divmod(length, self.batch_size)
            length = whole + (rest > 0 and not self.drop_last)
        self._length_told = length
        return length


class _MapIterator:
    """One epoch over a map-style dataset. The order is drawn when the first batch is asked for, as in
    PyTorch.

    A class rather than a generator: after an error in one batch the next one can still be asked for.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._started = False
        self._size = 1
        self._gather_lists = False
        self._get_batch: BatchGetter | None = None
        self._order: Tensor | None = None  # of the whole epoch, translated for _get_batch
        self._plain: Tensor | None = None  # the same in the loader's own indices
        self._indices: Iterator[Any] = iter(())
        self._begin = 0
        self._end = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        if not self._started:
            self._start()
        if self._order is not None:
            return self._next_gathered()
        return self._fetch(next(self._indices))

    def _start(self) -> None:
        self._started = True
        loader = self._loader
        batches = loader.batch_sampler
        fast = batches is not None and loader.collate_fn is default_collate
        if fast and isinstance(batches, BatchSampler) and type(batches).__iter__ is BatchSampler.__iter__:
            order = epoch_order(batches.sampler)
            if order is not None:
                get_batch, translated = batch_getter(loader.dataset, order)
                if get_batch is not None:
                    size = self._size = batches.batch_size
                    whole = order.numel() // size * size
                    self._end = whole if batches.drop_last else order.numel()
                    self._get_batch, self._order, self._plain = get_batch, translated, order
                    return
                # The order is drawn already: drawing it again would move the generator on.
                self._indices = iter(BatchSampler(order.tolist(), batches.batch_size, batches.drop_last))
                return
        self._gather_lists = fast
        self._indices = iter(loader._index_sampler)

    def _next_gathered(self) -> Any:
        begin = self._begin
        if begin >= self._end:
            raise StopIteration
        stop = self._begin = min(begin + self._size, self._end)
        if self._get_batch is not None:
            batch = self._get_batch(self._order[begin:stop])  # type: ignore[index]  # set together
            if batch is not NotImplemented:
                return batch
            self._get_batch = None  # it has said no: one by one for the rest of the epoch
        return self._fetch(self._plain[begin:stop].tolist())  # type: ignore[index]

    def _fetch(self, indices: Any) -> Any:
        loader = self._loader
        dataset: Any = loader.dataset
        if loader.batch_sampler is None:
            return loader.collate_fn(dataset[indices])
        if self._gather_lists:
            get_batch, translated = batch_getter(dataset, indices) if len(indices) else (None, indices)
            batch = NotImplemented if get_batch is None else get_batch(translated)
            if batch is not NotImplemented:
                return batch
        get_items = items_getter(dataset)
        samples = [dataset[index] for index in indices] if get_items is None else get_items(indices)
        return loader.collate_fn(list(samples))


class _StreamIterator:
    """One pass over an `IterableDataset`."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        stream: Any = loader.dataset
        self._samples = iter(stream)
        self._count = 0
        self._ended = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        loader = self._loader
        if loader.batch_size is None:
            batch = loader.collate_fn(next(self._samples))
        else:
            samples: list[Any] = []
            while not self._ended and len(samples) < loader.batch_size:
                try:
                    samples.append(next(self._samples))
                except StopIteration:
                    self._ended = True
            if not samples or (loader.drop_last and len(samples) < loader.batch_size):
                raise StopIteration
            batch = loader.collate_fn(samples)
        self._count += 1
        told = loader._length_told
        if told is not None and self._count == told + 1:
            warnings.warn(
                f"Length of IterableDataset {loader.dataset} was reported to be {told} batches (when "
                "accessing len(dataloader)), but more have been fetched.",
                stacklevel=2,
            )
        return batch


class _PinnedIterator:
    """The batches of another iterator in page-locked memory."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._batches)

    def __next__(self) -> Any:
        return pin_memory(next(self._batches))


def _checked_context(context: Any, num_workers: int) -> Any:
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {methods!r}, "
                f"but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={context}"
        )
    return context

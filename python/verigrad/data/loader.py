"""`DataLoader`: PyTorch's interface, with batches of in-memory datasets gathered in native code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import verigrad

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .iterators import EpochIterator, MapIterator, StreamIterator
from .position import Epoch, check, default_generator_at, restore_sources, state_of, worker_states
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

if TYPE_CHECKING:
    from verigrad import Generator

    from .crew import Crew

__all__ = ["DataLoader"]

_T_co = TypeVar("_T_co", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


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
        num_workers: processes that fetch batches ahead, in the same order as with 0, where this process
            fetches. A worker has one thread, its own copy of the dataset, and seeds of its own in each epoch:
            verigrad's and Python's generators start from a draw of *generator* plus the worker's number,
            numpy's from both. A stream is read by every worker: its ``__iter__`` gives each a part, see
            `get_worker_info`. Linux only.
        collate_fn: merges a list of samples. Default `default_collate`, or `default_convert` without batches.
        pin_memory: puts the tensors of each batch into page-locked memory, from which
            ``to("cuda", non_blocking=True)`` copies while the program goes on. Without a CUDA device a
            UserWarning says that nothing is pinned.
        pin_memory_device: deprecated, as in PyTorch: a UserWarning says that memory is pinned for all CUDA
            devices.
        drop_last: leave out a last batch that would be smaller (of a stream: of each worker's part).
        timeout: seconds to wait for a batch of workers; 0, the default, is for ever.
        worker_init_fn: called with the worker's number in each worker that is started, after seeding.
        multiprocessing_context: how workers are started: a start method ("fork", "spawn", "forkserver") or a
            context; None is Python's default (fork, from Python 3.14 on forkserver). All but fork pickle
            dataset, *collate_fn* and *worker_init_fn*.
        generator: source of the random order and of the workers' seeds, of which each epoch draws one,
            workers or not. None is the default generator.
        prefetch_factor: batches that each worker fetches ahead. Default 2 with workers; None without.
        persistent_workers: keep the workers, and their copies of the dataset, for the next epoch. The batches
            are the same.
        in_order: hand batches out in the order of the sampler (default), not in that of their arrival.
        prefetch_thread: a thread gathers the next batches of a dataset in memory while the program works on
            this one; the batches are the same. Worth it for large batches alone: handing one over costs some
            50 microseconds. Not in PyTorch. Default False.

    Speed: with the default *collate_fn*, a dataset that has ``__getbatch__`` (see `Dataset`: `TensorDataset`,
    the MNIST family with ``ToTensor``/``Normalize``, a `Subset` of these) is gathered a batch at a time in
    native code. The batches are bit-equal to those of fetching sample by sample. The order depends on the
    generator alone, never on *num_workers* or the number of threads.

    An exception in a worker is raised here for the batch that it belongs to, with the same type and the
    worker's traceback; the next batch can still be asked for. A worker that dies is reported when the next
    batch is asked for, with its signal or exit code, and ends the epoch. Workers end with the epoch, with the
    iterator, and with this process, however it ends. Nothing is left in shared memory.

    Raises:
        ValueError: options that contradict each other or are out of range, in PyTorch's words; at the start
            of an epoch: *prefetch_thread* for a dataset that is not gathered in native code.
        TypeError: *multiprocessing_context* is not a context.
        AssertionError: at the start of an epoch: *timeout* without workers, *prefetch_factor* 0 with them.
        RuntimeError: while iterating: a worker died, or a batch took longer than *timeout*.
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
        prefetch_thread: bool = False,
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
        if prefetch_thread and num_workers > 0:
            raise ValueError(
                "prefetch_thread option needs num_workers=0: workers fetch ahead by themselves, got "
                f"num_workers={num_workers}"
            )
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.prefetch_thread = prefetch_thread
        self.generator = generator
        self.persistent_workers = persistent_workers
        self._streams = isinstance(dataset, IterableDataset)
        if self._streams:
            for option, value in (
                ("prefetch_thread", prefetch_thread or None),
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
        self._epoch: Epoch | None = None  # the latest
        self._resumed: dict[str, Any] | None = None  # a state that the next iterator begins from
        self._crew: Crew | None = None  # of persistent workers
        _warn_of_many(num_workers)
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
    def multiprocessing_context(self) -> Any:
        """The context that starts workers; None is the default one of `multiprocessing`. It may be set to a
        context or the name of a start method."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self._context = _checked_context(context, self.num_workers)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers == 0 and self.timeout:
            raise AssertionError(
                f"DataLoader: expected timeout=0 without workers, got {self.timeout}: nothing is waited for"
            )
        if self.num_workers and not self.prefetch_factor:
            raise AssertionError(
                f"DataLoader: expected prefetch_factor > 0 with workers, got {self.prefetch_factor}"
            )
        state = self._resumed
        with default_generator_at(state and state["default_generator"]):
            epoch = Epoch(self)
            if state is not None:
                epoch.batches = state["batches"]
            iterator = self._iterator(epoch, state)
            iterator.pins = self._pins()
        self._epoch, self._resumed = epoch, None
        return iterator

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

    def _iterator(self, epoch: Epoch, state: dict[str, Any] | None) -> EpochIterator:
        if self.num_workers == 0:
            return StreamIterator(self, epoch) if self._streams else MapIterator(self, epoch)
        from .crew import Crew  # here, so that importing verigrad does not pay for processes
        from .workers import WorkerIterator

        crew = self._crew
        if crew is None or not crew.close.alive or len(crew) != self.num_workers:
            crew = Crew(self)
            self._crew = crew if self.persistent_workers else None
        return WorkerIterator(self, epoch, crew, worker_states(self, state))

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the batches of the present epoch that were handed out, and what repeats it.

        Holds the generators of the loader and its samplers as they were before the epoch, the default
        generator as it was then, the state of a sampler that has ``state_dict``, and the random state of each
        worker. Only plain values and tensors: `verigrad.save` writes it. The latest iterator counts; an epoch
        that was left before its end goes on where it was left.

        Raises:
            RuntimeError: in the middle of an epoch with workers and ``in_order=False``.
        """
        return dict(self._resumed) if self._resumed is not None else state_of(self, self._epoch)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where *state_dict* was made: the next iterator gives exactly the batches that were left of
        that epoch, those after it are whole ones.

        The loader is made anew with the same dataset and options; a map-style dataset may get another number
        of workers, if nothing random happens in them. Generators and samplers of the loader are put where
        they were. The default generator is not, though the resumed epoch has the order that it gave: a
        checkpoint restores it (`verigrad.set_rng_state`). A stream is read again up to its place. What a
        sampler draws from the default generator in the middle of an epoch is not repeated.

        Raises:
            ValueError: the state is not one of a loader like this; nothing is changed.
        """
        state = check(self, state_dict)
        restore_sources(self, state)
        self._resumed = state

    def __len__(self) -> int:
        if not self._streams:
            return len(self._index_sampler)
        length = len(self.dataset)  # type: ignore[arg-type]  # a stream without length raises TypeError here
        if self.batch_size is not None:
            whole, rest = divmod(length, self.batch_size)
            length = whole + (rest > 0 and not self.drop_last)
        self._length_told = length
        return length


def _warn_of_many(workers: int) -> None:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if available is not None and workers > available:
        warnings.warn(
            f"This DataLoader will create {workers} worker processes in total. Our suggested max number of "
            f"worker in current system is {available}, which is smaller than what this DataLoader is going "
            "to create. Please be aware that excessive worker creation might get DataLoader running slow or "
            "even freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
            stacklevel=3,
        )


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

"""Datasets: what can be indexed or iterated, and the batched protocol that makes loading fast."""

from __future__ import annotations

import bisect
import itertools
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import verigrad

if TYPE_CHECKING:
    from verigrad import Generator, Tensor

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Dataset(Generic[_T_co]):
    """A map from keys (usually ``0 .. len - 1``) to samples.

    A subclass writes ``__getitem__(index)`` and usually ``__len__()``. Two optional methods fetch many
    samples at once; `DataLoader` uses the first that it finds:

    ``__getbatch__(indices)``
        The fast way of datasets that lie in memory. *indices* is a 1-D int64 tensor without negative entries.
        Returns what ``default_collate([self[i] for i in indices])`` would, bit for bit: for samples
        ``(image, label)`` the list ``[images, labels]``. It may return ``NotImplemented`` where it cannot;
        the samples are then fetched one by one. It is used only with the default ``collate_fn``, and is
        passed over where a subclass overrides ``__getitem__`` without it.
    ``__getitems__(indices)``
        PyTorch's protocol: takes a list of indices, returns the list of samples, which ``collate_fn`` merges.

    Example::

        class Squares(Dataset):
            def __init__(self, n):
                self.x = verigrad.arange(n, dtype=verigrad.float32)
            def __len__(self):
                return len(self.x)
            def __getitem__(self, i):
                return self.x[i], self.x[i] ** 2
            def __getbatch__(self, indices):
                x = self.x.index_select(0, indices)
                return [x, x ** 2]
    """

    def __getitem__(self, index: Any) -> _T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    # No default __len__: len() of a dataset without one should raise TypeError, as Python does.

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_T_co]):
    """A stream of samples: a subclass writes ``__iter__()``. Samplers and shuffling do not apply to it."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class TensorDataset(Dataset["tuple[Tensor, ...]"]):
    """Samples are the rows of *tensors*, which agree in the size of dimension 0.

    Raises:
        AssertionError: the sizes differ (PyTorch's type).

    `DataLoader` gathers its batches in native code, see `Dataset`.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.size(0) for tensor in tensors]
        if any(size != sizes[0] for size in sizes):
            raise AssertionError(
                f"Size mismatch between tensors: TensorDataset expected one size of dimension 0, got {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Tensor) -> list[Tensor]:
        return [tensor.index_select(0, indices) for tensor in self.tensors]

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset[_T_co]):
    """The samples of *dataset* at *indices* (a sequence or a 1-D int64 tensor), in that order.

    Raises:
        NotImplementedError: a subclass overrides ``__getitem__`` but not ``__getitems__`` (as PyTorch does).
    """

    dataset: Dataset[_T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[_T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__}: expected __getitems__ beside the overridden __getitem__, got only the "
                "latter; write: def __getitems__(self, indices): return [self[i] for i in indices]"
            )

    def __getitem__(self, index: Any) -> _T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[_T_co]:
        chosen = [self.indices[i] for i in indices]
        getitems = getattr(self.dataset, "__getitems__", None)
        if callable(getitems):
            items: list[_T_co] = getitems(chosen)
            return items
        return [self.dataset[i] for i in chosen]

    def __getbatch__(self, indices: Tensor) -> Any:
        get, chosen = batch_getter(self, indices.tolist())
        return NotImplemented if get is None else get(chosen)

    def __len__(self) -> int:
        return len(self.indices)


class StackDataset(Dataset[Any]):
    """Samples of several datasets of one length side by side: tuples, or dicts of the names of keywords.

    ``StackDataset(images, texts)[0]`` is ``(images[0], texts[0])``, and
    ``StackDataset(image=images, text=texts)[0]`` is ``{"image": images[0], "text": texts[0]}``.

    Raises:
        ValueError: no dataset, datasets of different lengths, or positional ones beside keywords; while
            loading: a dataset's ``__getitems__`` gave another number of samples than it was asked for.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, "
                "but both types are given."
            )
        self.datasets = args or kwargs
        if not self.datasets:
            raise ValueError("At least one dataset should be passed")
        lengths = [_length(dataset) for dataset in self._parts()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(
                f"Size mismatch between datasets: StackDataset expected one length, got {lengths}"
            )
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _joined(self, parts: Iterable[Any]) -> Any:
        return (
            dict(zip(self.datasets, parts, strict=True)) if isinstance(self.datasets, dict) else tuple(parts)
        )

    def __getitem__(self, index: Any) -> Any:
        return self._joined(dataset[index] for dataset in self._parts())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = []
        for dataset in self._parts():
            get = items_getter(dataset)
            column = [dataset[index] for index in indices] if get is None else get(indices)
            if len(column) != len(indices):
                raise ValueError(
                    f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(column)}"
                )
            columns.append(column)
        return [self._joined(sample) for sample in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[_T_co]):
    """The samples of several map-style *datasets*, one after the other.

    Raises:
        AssertionError: no dataset, or an iterable one (PyTorch's type).
        ValueError: a negative index beyond the first sample.
    """

    datasets: list[Dataset[_T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(_length(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> _T_co:
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index = index + len(self)  # not in place: it may be the caller's tensor
        elif index >= len(self):
            raise IndexError(f"ConcatDataset: expected an index below {len(self)}, got {index}")
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset[_T_co]):
    """The samples of several `IterableDataset` s, one after the other.

    Raises:
        AssertionError: while iterating, at a dataset that is not iterable-style (PyTorch's type).
    """

    def __init__(self, datasets: Iterable[Dataset[_T_co]]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[IterableDataset[_T_co]]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset

    def __iter__(self) -> Iterator[_T_co]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(_length(dataset) for dataset in self._checked())


def random_split(
    dataset: Dataset[_T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[_T]]:
    """Split *dataset* at random into subsets that do not overlap.

    Args:
        dataset: what to split; needs ``__len__``.
        lengths: sizes that add up to ``len(dataset)``, or fractions that add up to 1. A fraction becomes
            ``floor(fraction * len(dataset))``; what is left over goes one by one to the first subsets.
        generator: source of the permutation; None is the default generator.

    Raises:
        ValueError: the sizes do not add up, or one is negative.
    """
    total = _length(dataset)
    sizes: list[int]
    whole = sum(lengths)
    if whole <= 1 and math.isclose(whole, 1):
        for position, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {position} is not between 0 and 1")
        sizes = [math.floor(total * fraction) for fraction in lengths]
        for position in range(total - sum(sizes)):
            sizes[position % len(sizes)] += 1
        for position, size in enumerate(sizes):
            if size == 0:
                warnings.warn(
                    f"Length of split at index {position} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    else:
        if any(int(length) != length or length < 0 for length in lengths):
            raise ValueError(
                f"random_split: expected sizes >= 0 or fractions that add up to 1, got {lengths}"
            )
        sizes = [int(length) for length in lengths]
    if sum(sizes) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"random_split: expected a sum of {total}, got {sum(sizes)}"
        )
    order = verigrad.randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


BatchGetter = Callable[["Tensor"], Any]


def batch_getter(dataset: Any, indices: Tensor | Sequence[Any]) -> tuple[BatchGetter | None, Any]:
    """The function that fetches a whole batch of *dataset*, and the *indices* translated for it to a tensor.

    A `Subset` is seen through: the function is that of the dataset below, and the indices are mapped here.
    Given a tensor (a whole epoch), they are mapped in native code; given a list (one batch), one by one. The
    function is None where samples must be fetched one by one.
    """
    while True:
        cls = type(dataset)
        if not _trusts(cls, "__getbatch__"):
            return None, indices
        if cls.__getbatch__ is not Subset.__getbatch__:
            chosen = as_index_tensor(indices)
            return (None, indices) if chosen is None else (dataset.__getbatch__, chosen)
        if isinstance(indices, verigrad.Tensor):
            chosen = as_index_tensor(dataset.indices)
            if chosen is None:
                return None, indices
            indices = chosen.index_select(0, indices)
        else:
            indices = [dataset.indices[index] for index in indices]
        dataset = dataset.dataset


def items_getter(dataset: Any) -> Callable[[list[Any]], Sequence[Any]] | None:
    """``dataset.__getitems__`` where it exists and no subclass has overridden ``__getitem__`` without it."""
    if not _trusts(type(dataset), "__getitems__"):
        return None
    getter: Callable[[list[Any]], Sequence[Any]] = dataset.__getitems__
    return getter


def _trusts(cls: type, method: str) -> bool:
    # A method written for a base class knows nothing of a __getitem__ (or __getitems__) in a class nearer to
    # the object: using it would silently skip the user's code.
    nearer: set[str] = set()
    for base in cls.__mro__:
        if method in base.__dict__:
            return base.__dict__[method] is not None and nearer.isdisjoint({"__getitem__", "__getitems__"})
        nearer.update(base.__dict__)
    return False


def as_index_tensor(indices: Any) -> Tensor | None:
    """*indices* as a 1-D int64 tensor, or None if they are anything but integers >= 0."""
    if isinstance(indices, verigrad.Tensor):
        if indices.ndim != 1 or indices.dtype != verigrad.int64:
            return None
        tensor = indices
    elif isinstance(indices, range | list | tuple):
        if not all(type(index) is int and -1 < index < 2**63 for index in indices):
            return None
        return verigrad.tensor(list(indices), dtype=verigrad.int64)
    else:
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(indices, numpy.ndarray):
            return None
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            return None
        tensor = verigrad.from_numpy(indices.astype(numpy.int64))
    if tensor.numel() and int(tensor.min()) < 0:
        return None
    return tensor


def _length(dataset: Any) -> int:
    # Datasets need no __len__; where one is needed, len() raises Python's own TypeError.
    return len(dataset)

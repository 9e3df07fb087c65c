"""Samplers: the order in which a loader visits a dataset."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import verigrad

if TYPE_CHECKING:
    from verigrad import Generator, Tensor

_T_co = TypeVar("_T_co", covariant=True)
_BLOCK = 2**16  # indices drawn at a time, so that an endless number of samples takes no memory
_LONGEST_ORDER = 2**26  # the longest epoch whose order is held as one tensor


class Sampler(Generic[_T_co]):
    """Base of all samplers: ``__iter__()`` gives indices, or lists of indices; ``__len__()`` is optional.

    The samplers below also have ``_epoch_order()``, the order of a whole epoch as one int64 tensor, or None
    where that would be too long. `DataLoader` slices it, so that no Python integer is made per sample. A
    subclass that overrides ``__iter__`` alone is iterated, as usual.

    A sampler that keeps something between its epochs may have ``state_dict()`` and ``load_state_dict()``: the
    state of a `DataLoader` holds the one from before the epoch.
    """

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler[int]):
    """``0, 1, .. len(data_source) - 1``."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def _epoch_order(self) -> Tensor | None:
        count = len(self.data_source)
        return verigrad.arange(count, dtype=verigrad.int64) if count <= _LONGEST_ORDER else None

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A random order of ``len(data_source)`` indices, a new one in each epoch.

    Args:
        data_source: what to sample from; needs ``__len__``.
        replacement: draw each index independently instead of permuting. Default False.
        num_samples: how many to draw; default ``len(data_source)``. Without replacement, more than that
            starts further permutations.
        generator: source of randomness. None takes a fresh seed from the default generator in each epoch, so
            that `verigrad.manual_seed` fixes the order whatever else draws numbers during the epoch.

    Raises:
        TypeError: *replacement* is not a bool.
        ValueError: *num_samples* is not a positive integer (also: the dataset is empty).
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not _is_positive(self.num_samples):
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        # The dataset may grow between epochs.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _blocks(self) -> Iterator[Tensor]:
        n, generator = len(self.data_source), self.generator
        if generator is None:
            generator = verigrad.Generator()
            generator.manual_seed(int(verigrad.randint(0, 2**63 - 1, (1,), dtype=verigrad.int64).item()))
        rest = self.num_samples
        while rest > 0:
            if self.replacement:
                count = min(rest, _BLOCK)
                yield verigrad.randint(0, n, (count,), dtype=verigrad.int64, generator=generator)
            else:
                count = min(rest, n)
                yield verigrad.randperm(n, generator=generator)[:count]
            rest -= count

    def _epoch_order(self) -> Tensor | None:
        if self.num_samples > _LONGEST_ORDER:
            return None
        blocks = list(self._blocks())
        return blocks[0] if len(blocks) == 1 else verigrad.cat(blocks)

    def __iter__(self) -> Iterator[int]:
        for block in self._blocks():
            yield from block.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """A random order of the given *indices*, without replacement.

    Args:
        indices: a sequence of indices.
        generator: source of the permutation; None is the default generator.
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in verigrad.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Draws indices ``0 .. len(weights) - 1`` with probabilities proportional to *weights*.

    Args:
        weights: numbers >= 0, at least one above 0; they need not add up to 1.
        num_samples: how many to draw.
        replacement: whether an index may come more than once. Default True.
        generator: source of randomness; None is the default generator.

    With replacement: inversion of the cumulative sum. Without: an exponential race, which draws like
    successive draws from what is left (Efraimidis and Spirakis 2006, "Weighted random sampling with a
    reservoir").

    Raises:
        ValueError: a bad *num_samples*, *replacement*, or *weights* that are not 1-D.
        RuntimeError: while iterating, if a weight is negative or not finite, or fewer weights are above 0
            than samples are wanted without replacement.
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(num_samples, bool) or not _is_positive(num_samples):
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={num_samples}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights: Tensor = verigrad.as_tensor(weights, dtype=verigrad.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights: list[float] = self.weights.tolist()
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        positive = [index for index, weight in enumerate(weights) if weight > 0]
        wanted = 1 if self.replacement else self.num_samples
        if len(positive) < wanted:
            raise RuntimeError(
                f"WeightedRandomSampler: expected at least {wanted} weights above 0, got {len(positive)}"
            )
        if self.replacement:
            cumulative = list(itertools.accumulate(weights))
            for start in range(0, self.num_samples, _BLOCK):
                for u in self._uniform(min(_BLOCK, self.num_samples - start)):
                    # u < 1, but u * total may round up to the total.
                    yield min(bisect.bisect_right(cumulative, u * cumulative[-1]), positive[-1])
        else:
            draws = len(positive)
            uniform = self._uniform(draws)
            arrival = [-math.log1p(-u) / weights[index] for u, index in zip(uniform, positive, strict=True)]
            first = sorted(range(draws), key=arrival.__getitem__)[: self.num_samples]
            yield from (positive[position] for position in first)

    def _uniform(self, count: int) -> list[float]:
        drawn: list[float] = verigrad.rand(count, dtype=verigrad.float64, generator=self.generator).tolist()
        return drawn

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of *sampler* into lists of *batch_size*.

    Args:
        sampler: any iterable of indices.
        batch_size: indices per list.
        drop_last: leave out a last list that would be shorter.

    Raises:
        ValueError: *batch_size* is not a positive integer, or *drop_last* is not a bool.
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not _is_positive(batch_size):
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # as in PyTorch: a sampler without length raises here
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def epoch_order(sampler: Any) -> Tensor | None:
    """The order of one epoch of *sampler* as a tensor, or None where it has to be iterated."""
    for base in type(sampler).__mro__:
        if "_epoch_order" in base.__dict__:
            order: Tensor | None = sampler._epoch_order()
            return order
        if "__iter__" in base.__dict__:
            return None
    return None


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and value > 0

"""Scaling of inputs by the mean and the standard deviation of the training set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import verigrad

from .loader import DataLoader

if TYPE_CHECKING:
    from verigrad import Tensor

__all__ = ["Standardize"]

_BATCH = 1024  # samples of a dataset that are looked at together


class Standardize:
    """``(x - mean) / std``, with mean and standard deviation that `fit` takes from the training set alone.

    Args:
        dim: the dimensions of a batch [N, ...] over which they are taken; 0, that of the samples, is always
            among them. Default 0: each feature has its own. ``(0, 2, 3)``: each channel of images does.

    Attributes:
        mean, std: float64, of the shape of a sample with 1 for the dimensions in *dim*; None before `fit`.
            The standard deviation divides by N, not N - 1. Where it is 0, `std` is 1: a feature that is
            constant becomes 0.

    Example::

        scale = Standardize().fit(train)          # a dataset, or a tensor [N, F]
        x, x_test = scale(x), scale(x_test)       # the same numbers for both
        verigrad.save(scale.state_dict(), "scale.safetensors")
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, dim: int | Sequence[int] = 0) -> None:
        self.dim = (dim,) if isinstance(dim, int) else tuple(sorted(dim))
        if 0 not in self.dim or self.dim[0] < 0 or len(set(self.dim)) != len(self.dim):
            raise ValueError(
                f"Standardize: expected dimensions >= 0 with 0 among them, once each, got dim={dim}"
            )
        self.mean = None
        self.std = None

    def fit(self, data: Any) -> Standardize:
        """Take mean and standard deviation from *data*, and return this object.

        Args:
            data: a tensor [N, ...], or a dataset (of samples that are tensors, or begin with one), which is
                read once. Sums are taken in float64, batch after batch (T. F. Chan, G. H. Golub, R. J.
                LeVeque 1983, "Algorithms for computing the sample variance").

        Raises:
            TypeError: *data* is neither, or its samples do not begin with a tensor.
            ValueError: there are no samples, they differ in shape or are not finite, or they lack a
                dimension of *dim*. What was fitted before stays.
        """
        count, mean, square = 0.0, verigrad.zeros(()), verigrad.zeros(())
        for batch in _batches(data):
            if batch.ndim <= self.dim[-1]:
                raise ValueError(
                    f"Standardize.fit: expected batches with the dimensions {self.dim}, "
                    f"got shape {tuple(batch.shape)}"
                )
            batch = batch.detach().to(verigrad.float64)
            own = batch.mean(self.dim, keepdim=True)
            own_square = ((batch - own) ** 2).sum(self.dim, keepdim=True)[0]
            own, size = own[0], batch.numel() / max(own.numel(), 1)
            if not count:
                count, mean, square = size, own, own_square
            elif own.shape != mean.shape:
                raise ValueError(
                    f"Standardize.fit: expected samples of one shape, got statistics of shapes "
                    f"{tuple(mean.shape)} and {tuple(own.shape)}"
                )
            else:
                change, total = own - mean, count + size
                mean = mean + change * (size / total)
                square = square + own_square + change**2 * (count * size / total)
                count = total
        if not count:
            raise ValueError("Standardize.fit: expected samples, got none")
        if not bool(verigrad.isfinite(square).all()):
            raise ValueError("Standardize.fit: expected finite numbers, got NaN or infinity among them")
        std = (square / count).sqrt()
        self.mean, self.std = mean, verigrad.where(std > 0, std, verigrad.ones_like(std))
        return self

    def __call__(self, x: Tensor) -> Tensor:
        """*x*, a sample or a batch, with the statistics of the training set taken out. Integers become the
        default dtype.

        Raises:
            RuntimeError: before `fit`.
            ValueError: another shape than that of the samples of `fit`.
        """
        x, mean, std = self._fitting(x, "Standardize")
        return (x - mean) / std

    def inverse(self, x: Tensor) -> Tensor:
        """What `__call__` makes *x* of, undone: ``x * std + mean``."""
        x, mean, std = self._fitting(x, "Standardize.inverse")
        return x * std + mean

    def _fitting(self, x: Tensor, where: str) -> tuple[Tensor, Tensor, Tensor]:
        if self.mean is None or self.std is None:
            raise RuntimeError(f"{where}: expected fit() to be called first, got no statistics")
        if not isinstance(x, verigrad.Tensor):
            raise TypeError(f"{where}: expected a tensor, got {type(x).__name__}")
        shape = tuple(self.mean.shape)
        last = tuple(x.shape[-len(shape) :]) if shape else ()
        fits = len(last) == len(shape) and x.ndim - len(shape) in (0, 1)
        if not fits or any(a not in (1, b) for a, b in zip(shape, last, strict=True)):
            raise ValueError(
                f"{where}: expected a sample that broadcasts with {shape}, or a batch of them, "
                f"got shape {tuple(x.shape)}"
            )
        if not x.dtype.is_floating_point:
            x = x.to(verigrad.get_default_dtype())
        return x, self.mean.to(x.device, x.dtype), self.std.to(x.device, x.dtype)

    def state_dict(self) -> dict[str, Tensor | None]:
        """``{"mean": ..., "std": ...}``."""
        return {"mean": self.mean, "std": self.std}

    def load_state_dict(self, state_dict: dict[str, Tensor | None]) -> None:
        """Take the statistics from *state_dict*. Raises ValueError for anything else."""
        names = sorted(map(str, state_dict))
        if names != ["mean", "std"]:
            raise ValueError(f"Standardize.load_state_dict: expected mean and std, got {names}")
        shapes = [None if one is None else tuple(one.shape) for one in state_dict.values()]
        if shapes[0] != shapes[1]:
            raise ValueError(f"Standardize.load_state_dict: expected one shape, got {shapes}")
        self.mean, self.std = state_dict["mean"], state_dict["std"]

    def __repr__(self) -> str:
        fitted = "" if self.mean is None else f", mean of shape {tuple(self.mean.shape)}"
        return f"{type(self).__name__}(dim={self.dim}{fitted})"


def _batches(data: Any) -> Iterable[Tensor]:
    if isinstance(data, verigrad.Tensor):
        if data.ndim and len(data):
            yield data
        return
    if not hasattr(data, "__getitem__") and not hasattr(data, "__iter__"):
        raise TypeError(f"Standardize.fit: expected a tensor or a dataset, got {type(data).__name__}")
    for batch in DataLoader(data, batch_size=_BATCH):
        first = batch[0] if isinstance(batch, list | tuple) else batch
        if not isinstance(first, verigrad.Tensor):
            raise TypeError(
                f"Standardize.fit: expected samples that begin with a tensor, got {type(first).__name__}"
            )
        yield first

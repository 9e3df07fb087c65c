"""Random numbers that are composed of uniform and normal ones: functions, and what fills a tensor in place.

Each number is a function of uniform numbers of the generator, by inversion unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import _C
from ._C import Generator, Tensor
from ._out import takes_out
from .autograd import no_grad

__all__ = ["bernoulli", "multinomial", "normal"]


def _uniform(like: Tensor, generator: Generator | None, dtype: _C.dtype | None = None) -> Tensor:
    return _C.rand(like.shape, dtype=dtype or like.dtype, device=like.device, generator=generator)


def _checked(what: str, tensor: Tensor) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{what}: expected a Tensor, got {type(tensor).__name__}")
    return tensor


def _floating(what: str, tensor: Tensor, error: type[Exception] = RuntimeError) -> Tensor:
    if not _checked(what, tensor).dtype.is_floating_point:
        raise error(f"{what}: expected a floating point tensor, got {tensor.dtype}")
    return tensor


def _coins(what: str, p: Tensor | float, like: Tensor, generator: Generator | None) -> Tensor:
    """Ones with probability p, in the dtype of *like*."""
    if isinstance(p, Tensor):
        p = _floating(what, p.detach(), NotImplementedError)
        if p.numel() and not bool(((p >= 0) & (p <= 1)).all()):
            raise RuntimeError(f"{what}: expected probabilities from 0 to 1, got others")
        return (_uniform(like, generator, p.dtype) < p).to(like.dtype)
    if not 0 <= p <= 1:
        raise RuntimeError(f"{what}: expected a probability from 0 to 1, got {p}")
    return (_uniform(like, generator, _C.float64) < p).to(like.dtype)


@takes_out("bernoulli")
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in *input*, zeros otherwise; shape and dtype of *input*.

    Args:
        input: probabilities from 0 to 1, floating point.
        p: one probability for all, in place of the elements.
        generator: source of randomness; None is the default one.

    Raises:
        RuntimeError: a probability is outside of 0 to 1.
        NotImplementedError: *input* is not floating point.
    """
    _floating("bernoulli", input, NotImplementedError)
    with no_grad():
        return _coins("bernoulli", input if p is None else p, input, generator)


@takes_out("multinomial")
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Draws indices of the last dimension with probabilities proportional to the elements.

    Args:
        input: weights >= 0, [n] or [rows, n], floating point; they need not add up to 1.
        num_samples: how many to draw from each row.
        replacement: whether an index may come more than once. Without: an exponential race (Efraimidis and
            Spirakis 2006, "Weighted random sampling with a reservoir"), whose order is that of drawing.
        generator: source of randomness; None is the default one.

    Returns:
        int64, [num_samples] or [rows, num_samples].

    Raises:
        RuntimeError: another number of dimensions or dtype, a weight that is negative or not finite, a row
            without a weight above 0, or fewer of these than samples without replacement.
    """
    if _floating("multinomial", input).ndim not in (1, 2) or not input.shape[-1]:
        raise RuntimeError(
            f"multinomial: prob_dist must be 1 or 2 dim and not empty, got {tuple(input.shape)}"
        )
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError(
            "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    with no_grad():
        weights = input.detach().double()
        if not bool(((weights >= 0) & _C.isfinite(weights)).all()):
            raise RuntimeError("multinomial: probability tensor contains either `inf`, `nan` or element < 0")
        wanted = 1 if replacement else num_samples
        if not bool(((weights > 0).sum(-1) >= wanted).all()):
            raise RuntimeError(
                "multinomial: invalid multinomial distribution, expected at least "
                f"{wanted} weights above 0 in each row, got fewer"
            )
        if not replacement:
            arrival = -_C.log1p(-_uniform(weights, generator)) / weights
            arrival = _C.where(weights > 0, arrival, math.inf)
            return _C.topk(arrival, num_samples, -1, False).indices
        sums = (weights / weights.amax(-1, keepdim=True)).cumsum(-1)
        total = sums[..., -1:]
        drawn = _C.rand(
            (*input.shape[:-1], num_samples), dtype=_C.float64, device=input.device, generator=generator
        )
        # A product that rounds up to the total would be behind the last weight above 0.
        last = _C.searchsorted(sums, total.contiguous())
        return _C.minimum(_C.searchsorted(sums, drawn * total, right=True), last)


@takes_out("normal")
def normal(
    mean: Tensor | float,
    std: Tensor | float = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: _C.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with these means and standard deviations, tensors that broadcast, or numbers.

    Args:
        mean, std: tensors or numbers.
        size: the shape; needed with two numbers, and only then.
        generator: source of randomness; None is the default one.
        dtype, device, requires_grad: with two numbers; otherwise those of the tensors.

    Raises:
        TypeError: *size* is missing with numbers or given with a tensor.
        RuntimeError: a standard deviation is negative.
        NotImplementedError: the first tensor is not floating point.
    """
    tensors = [value for value in (mean, std) if isinstance(value, Tensor)]
    if bool(tensors) == (size is not None):
        raise TypeError("normal: expected tensors, or two numbers and a size, got a mixture")
    lowest = std if not isinstance(std, Tensor) else std.min().item() if std.numel() else 0
    if lowest < 0:
        raise RuntimeError(f"normal: normal expects std >= 0.0, but found std {lowest}")
    if size is not None:
        made = _C.randn(size, generator=generator, dtype=dtype, device=device)
        return (made * std + mean).requires_grad_(requires_grad)
    with no_grad():
        shape = _C.broadcast_shapes(*(tuple(value.shape) for value in tensors))
        kind = _floating("normal", tensors[0], NotImplementedError).dtype
        noise = _C.randn(shape, generator=generator, dtype=kind, device=tensors[0].device)
        return (noise * std + mean).to(kind)


# -- in place ------------------------------------------------------------------------------------------------


def _filled(self: Tensor, values: Tensor) -> Tensor:
    return self.copy_(values.to(self.dtype))


def bernoulli_(self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Ones with probability *p*, a number or a tensor that broadcasts, zeros otherwise.

    Raises:
        RuntimeError: a probability is outside of 0 to 1.
    """
    return self.copy_(_coins("bernoulli_", p, self, generator))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Numbers >= 0 of density lambd exp(-lambd x).

    Raises:
        RuntimeError: *lambd* is not above 0, or the tensor is not floating point.
    """
    _floating("exponential_", self)
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _filled(self, -_C.log1p(-_uniform(self, generator)) / lambd)


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """The number of trials 1, 2, ... until the first success with probability *p*.

    Raises:
        RuntimeError: *p* is not between 0 and 1.
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    failures = _C.log1p(-_uniform(self, generator, _C.float64)) / math.log1p(-p)
    return _filled(self, failures.floor() + 1)


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers whose logarithms are normal with this mean and standard deviation.

    Raises:
        RuntimeError: *std* is not above 0, or the tensor is not floating point.
    """
    _floating("log_normal_", self)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    drawn = _C.randn(self.shape, dtype=self.dtype, device=self.device, generator=generator)
    return _filled(self, _C.exp(drawn * std + mean))


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Numbers of density 1 / (pi sigma (1 + ((x - median) / sigma)^2)).

    Raises:
        RuntimeError: *sigma* is not above 0, or the tensor is not floating point.
    """
    _floating("cauchy_", self)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _filled(self, _C.tan((_uniform(self, generator, _C.float64) - 0.5) * math.pi) * sigma + median)


def random_(
    self: Tensor, from_: int | None = None, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Whole numbers from *from_* to *to* - 1, each as likely. With one argument: from 0 to it.

    Without arguments up to the largest number, or up to 2^24 (float32) or 2^53 (float64), where the numbers
    have no gaps.

    Raises:
        RuntimeError: there is no number to draw, or the dtype does not hold them.
    """
    exact = {_C.float32: 2**24 + 1, _C.float64: 2**53 + 1, _C.bool: 2, _C.uint8: 2**8, _C.int32: 2**31}
    end = exact.get(self.dtype, 2**63 - 1)
    low, high = (0, end if from_ is None else from_) if to is None else (from_ or 0, to)
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    least = 0 if self.dtype in (_C.bool, _C.uint8) else -end
    if low < least or high > end:
        raise RuntimeError(f"random_: expected numbers that {self.dtype} holds, got from {low} to {high - 1}")
    return _filled(
        self, _C.randint(low, high, self.shape, dtype=_C.int64, device=self.device, generator=generator)
    )

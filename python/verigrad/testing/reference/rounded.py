"""Arrays with running error bounds.

A float64 value and, beside it, how far the same computation in another precision may be off: a multiple of
that precision's machine epsilon, element by element, to first order. Each operation adds the rounding of its
result and what the errors of its operands become (N. J. Higham, "Accuracy and Stability of Numerical
Algorithms", 2nd edition, section 3.3, running error analysis). Sums count the magnitudes that were added, so
the bound holds for any order of summation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Rounded:
    """A value with its error bound.

    Attributes:
        value: float64 array.
        error: array of the same shape, in units of the machine epsilon; 0 for what is exact.
    """

    __array_priority__ = 100
    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: Any = 0.0) -> None:
        self.value: Array = np.asarray(value, np.float64)
        self.error: Array = np.broadcast_to(np.asarray(error, np.float64), self.value.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return tuple(self.value.shape)

    def __add__(self, other: Any) -> Rounded:
        b = rounded(other)
        value = self.value + b.value
        return Rounded(value, self.error + b.error + np.abs(value))

    def __sub__(self, other: Any) -> Rounded:
        return self + -rounded(other)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, self.error)

    def __mul__(self, other: Any) -> Rounded:
        b = rounded(other)
        value = self.value * b.value
        return Rounded(value, np.abs(self.value) * b.error + np.abs(b.value) * self.error + np.abs(value))

    def __truediv__(self, other: Any) -> Rounded:
        b = rounded(other)
        value = self.value / b.value
        return Rounded(value, (self.error + np.abs(value) * b.error) / np.abs(b.value) + np.abs(value))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Rounded:
        return rounded(other) - self

    def __rtruediv__(self, other: Any) -> Rounded:
        return rounded(other) / self

    def moved(self, move: Callable[[Array], Array]) -> Rounded:
        """The elements at other places: nothing is rounded."""
        return Rounded(move(self.value), move(np.array(self.error)))

    def function(self, value: Array, slope: Array, noise: Any = 0.0) -> Rounded:
        """A function of this value, accurate to two units of its last place.

        Args:
            value: the function's.
            slope: its derivative, by which the error of the argument grows.
            noise: what its own computation loses beyond that, as an absolute multiple of epsilon.
        """
        with np.errstate(all="ignore"):
            passed = np.where(self.error == 0.0, 0.0, np.abs(slope) * self.error)
        return Rounded(value, passed + 2.0 * np.abs(value) + noise)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Rounded:
        """The sum over dimensions; its error counts every magnitude once."""
        value = self.value.sum(axis, keepdims=keepdims)
        added = np.abs(self.value).sum(axis, keepdims=keepdims)
        rounds = 1.0 if self.value.size > value.size else 0.0
        return Rounded(value, self.error.sum(axis, keepdims=keepdims) + rounds * added)


def rounded(value: Any) -> Rounded:
    """The value as it is, or an exact one."""
    return value if isinstance(value, Rounded) else Rounded(value)


def contract(subscripts: str, operands: Sequence[Rounded]) -> Rounded:
    """``numpy.einsum`` of two operands."""
    a, b = operands
    p, q = np.abs(a.value), np.abs(b.value)
    error = np.einsum(subscripts, p, q, optimize=True)
    if a.error.any():
        error = error + np.einsum(subscripts, a.error, q, optimize=True)
    if b.error.any():
        error = error + np.einsum(subscripts, p, b.error, optimize=True)
    return Rounded(np.einsum(subscripts, a.value, b.value, optimize=True), error)


def collect(source: Rounded, index: Array, size: int) -> Rounded:
    """The sums of the elements with equal index, in a vector of that size; an index of -1 drops."""
    kept = index.reshape(-1) >= 0
    places = index.reshape(-1)[kept]

    def add(weights: Array) -> Array:
        return np.bincount(places, weights.reshape(-1)[kept], size).astype(np.float64)

    several = np.bincount(places, minlength=size) > 1
    return Rounded(add(source.value), add(source.error) + several * add(np.abs(source.value)))

"""Compositions of the reductions and of softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verigrad.testing.reference import tape
from verigrad.testing.reference.reduction import Dim, reduced_dims
from verigrad.testing.reference.rounded import Rounded

Array = np.ndarray[Any, Any]
Place = Callable[..., Array]


def total(a: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> tape.Var:
    """The sum."""
    x = tape.var(a)
    return x.sum(reduced_dims(x.ndim, dim), keepdim)


def mean(a: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> tape.Var:
    """The sum over the number of elements."""
    a = tape.var(a)
    count = int(np.prod([a.shape[d] for d in reduced_dims(a.ndim, dim)]))
    return total(a, dim, keepdim) / float(count)


def product(a: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> tape.Var:
    """The product; the derivative by an element is the product of those before and of those after it.

    The rounding errors of n factors are independent, so that they grow with the root of n (N. J. Higham and
    T. Mary, "A new approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41, 2019). Those
    of equal factors repeat each other in a tree of products, and grow with n.
    """
    a = tape.var(a)
    lines, restore = _lines(a.ndim, a.shape, dim)
    x = lines(a.value)
    ones = np.ones((x.shape[0], 1))
    before = np.cumprod(np.concatenate([ones, x], 1), 1)
    after = np.cumprod(np.concatenate([ones, x[:, ::-1]], 1), 1)[:, ::-1]
    n = x.shape[1]
    equal = (np.abs(x) == np.abs(x[:, :1])).all(1) if n else np.zeros(len(x), bool)
    growth = np.where(equal, max(n, 2.0 + 2.0 * np.sqrt(n)), 2.0 + 2.0 * np.sqrt(n))
    others = before[:, :-1] * after[:, 1:]
    slope = Rounded(restore(others), restore(growth[:, None] * np.abs(others)))
    axes = reduced_dims(a.ndim, dim)
    kept = [1 if d in axes else n for d, n in enumerate(a.shape)]
    shape = kept if keepdim else [n for d, n in enumerate(a.shape) if d not in axes]
    value = before[:, -1].reshape(shape)

    def pull(g: Rounded) -> Rounded:
        return g.moved(lambda v: np.broadcast_to(v.reshape(kept), a.shape)) * slope

    return tape.Var(Rounded(value, growth.reshape(shape) * np.abs(value)), [(a, pull)])


def _lines(ndim: int, shape: tuple[int, ...], dim: Dim) -> tuple[Place, Place]:
    """The map to a matrix [kept, reduced], and the one back."""
    axes = reduced_dims(ndim, dim)
    order = [d for d in range(ndim) if d not in axes] + list(axes)
    height = int(np.prod([n for d, n in enumerate(shape) if d not in axes]))
    width = int(np.prod([shape[d] for d in axes]))
    moved = [shape[d] for d in order]

    def lines(v: Array) -> Array:
        return v.transpose(order).reshape(height, width)

    def restore(v: Array) -> Array:
        return v.reshape(moved).transpose(np.argsort(order))

    return lines, restore


def extremum(place: Place, shared: bool) -> Callable[..., tape.Var]:
    """The greatest or the least of a tensor, or of two.

    Args:
        place: numpy's function for its position.
        shared: whether equal candidates share the gradient along dimensions too, where else the first has it.
    """

    def composition(a: Any, dim: Any = None, keepdim: bool = False) -> tape.Var:
        x = tape.var(a)
        if isinstance(dim, tape.Var):
            return tape.maximum(x, dim) if place is np.argmax else -tape.maximum(-x, -dim)
        axes = reduced_dims(x.ndim, dim)
        if (shared or dim is None) and x.size:
            top = (np.max if place is np.argmax else np.min)(x.value, axis=axes, keepdims=True)
            chosen = ((x.value == top) | (np.isnan(x.value) & np.isnan(top))).astype(np.float64)
            share = chosen / np.maximum(chosen.sum(axes, keepdims=True), 1.0)
            return tape.var(x * share).sum(axes, keepdim)
        lines, _ = _lines(x.ndim, x.shape, dim)
        where = np.take_along_axis(
            lines(np.arange(x.size).reshape(x.shape)), place(lines(x.value), 1)[:, None], 1
        )
        kept = [1 if d in axes else n for d, n in enumerate(x.shape)]
        return tape.take(
            x, where.reshape(kept if keepdim else [n for d, n in enumerate(x.shape) if d not in axes])
        )

    return composition


def softmax(a: Any, dim: int, dtype: Any = None) -> tape.Var:
    """exp(a) over its sum along `dim`."""
    x = tape.var(a)
    if x.size == 0 or x.ndim == 0:
        return x * 0.0 + (1.0 if x.ndim == 0 else 0.0)
    power = tape.exp(x - x.value.max(dim, keepdims=True))
    return tape.var(power / power.sum(dim, keepdims=True))


def log_softmax(a: Any, dim: int, dtype: Any = None) -> tape.Var:
    """The logarithm of softmax."""
    x = tape.var(a)
    if x.size == 0 or x.ndim == 0:
        return x * 0.0
    shifted = x - x.value.max(dim, keepdims=True)
    return tape.var(shifted - tape.log(tape.exp(shifted).sum(dim, keepdims=True)))

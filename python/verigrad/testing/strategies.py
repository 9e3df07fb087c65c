"""Strategies for hypothesis: shapes, dtypes, arrays, strided tensors and indices.

Needs hypothesis (``pip install "verigrad[test]"``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from verigrad.testing.library import Library

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        'verigrad.testing.strategies: expected hypothesis, got none; pip install "verigrad[test]"'
    ) from error

Array = np.ndarray[Any, Any]

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
FLOATING = ("float32", "float64")


@dataclass(frozen=True)
class Strided:
    """A view of a larger array: the same values as a numpy array, and what makes them of the memory.

    `memory` is contiguous; `steps` are (function name, arguments) of views to take one after another.
    """

    memory: Array
    steps: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def array(self) -> Array:
        """The values, as numpy's view of the memory."""
        view = self.memory
        for name, args in self.steps:
            view = _NUMPY[name](view, *args)
        return view

    def tensor(self, lib: Library) -> Any:
        """The library's view of a copy of the memory."""
        view = lib.from_numpy(self.memory.copy())
        for name, args in self.steps:
            view = _LIBRARY[name](view, *args)
        return view


_NUMPY: dict[str, Callable[..., Any]] = {
    "permute": lambda a, order: a.transpose(order),
    "slice": lambda a, key: a[key],
    "expand": lambda a, shape: np.broadcast_to(a, shape),
}
_LIBRARY: dict[str, Callable[..., Any]] = {
    "permute": lambda t, order: t.permute(*order) if order else t,
    "slice": lambda t, key: t[key],
    "expand": lambda t, shape: t.expand(shape),
}


def dtypes(*names: str) -> st.SearchStrategy[str]:
    """The name of a dtype, of all by default."""
    return st.sampled_from(names or DTYPES)


def shapes(
    min_dims: int = 0, max_dims: int = 4, max_side: int = 5, min_side: int = 0
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with sizes of zero and one among them."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw: st.DrawFn, count: int = 2, max_dims: int = 4, max_side: int = 4
) -> list[tuple[int, ...]]:
    """Shapes that broadcast together: sizes of one and leading dimensions are left out at random."""
    result = draw(shapes(max_dims=max_dims, max_side=max_side))
    found = []
    for _ in range(count):
        own = [draw(st.sampled_from((size, size, 1))) for size in result]
        found.append(tuple(own[draw(st.integers(0, len(own))) :]) if draw(st.booleans()) else tuple(own))
    return found


@st.composite
def arrays(
    draw: st.DrawFn, shape: tuple[int, ...], dtype: str, low: float = -8.0, high: float = 8.0
) -> Array:
    """An array of numbers in [low, high]: multiples of 1/8, so that sums and products of a few of them are
    exact."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind == "f":
        return np.asarray(rng.integers(math.ceil(low * 8), math.floor(high * 8) + 1, shape) / 8).astype(dtype)
    return np.asarray(
        rng.integers(max(math.ceil(low), 0 if kind == "u" else -(2**31)), math.floor(high) + 1, shape)
    ).astype(dtype)


@st.composite
def strided(
    draw: st.DrawFn,
    shape: tuple[int, ...],
    dtype: str,
    expand: bool = True,
    low: float = -8.0,
    high: float = 8.0,
) -> Strided:
    """A tensor of this shape that is permuted, sliced with a step and an offset, and expanded at random."""
    order = tuple(draw(st.permutations(range(len(shape)))))
    inner = list(shape)
    if expand:
        inner = [1 if size > 0 and draw(st.integers(0, 4)) == 0 else size for size in inner]
    stored = [inner[d] for d in order]  # sizes in the order of the memory
    steps, key, sizes = [draw(st.integers(1, 3)) for _ in stored], [], []
    for size, step in zip(stored, steps, strict=True):
        before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        stop = before + max(size - 1, 0) * step + 1 if size else before
        key.append(slice(before, stop, step))
        sizes.append(stop + after)
    memory = draw(arrays(tuple(sizes), dtype, low, high))
    back = tuple(order.index(d) for d in range(len(shape)))
    views: list[tuple[str, tuple[Any, ...]]] = [("slice", (tuple(key),)), ("permute", (back,))]
    if tuple(inner) != shape:
        views.append(("expand", (shape,)))
    return Strided(memory, tuple(views))


@st.composite
def basic_indices(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """A key of numbers, slices with positive steps, None and an ellipsis that fits the shape."""
    parts: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        choice = draw(st.integers(0, 3))
        if choice == 0 and size:
            parts.append(draw(st.integers(-size, size - 1)))
        elif choice == 1:
            parts.append(slice(None))
        else:
            bound = st.none() | st.integers(-size - 2, size + 2)
            parts.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
        if draw(st.integers(0, 5)) == 0:
            parts.append(None)
    if draw(st.booleans()):
        parts.append(...)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)

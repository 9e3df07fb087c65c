"""Sample inputs: numpy arrays that become tensors, and the generators that most records share.

In the arguments of a :class:`Sample` a numpy array stands for a tensor, a floating-point one for a tensor
that gets a gradient. The other classes here mark what is to be passed in another way.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verigrad.testing.layouts import CONTIGUOUS

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Const:
    """A tensor that gets no gradient."""

    array: Array


@dataclass(frozen=True)
class Raw:
    """A numpy array that is passed as it is."""

    array: Array


@dataclass(frozen=True)
class Same:
    """The very tensor of this number, counted in the order of the arguments."""

    position: int


@dataclass(frozen=True)
class D:
    """A dtype of the library, by numpy's name."""

    name: str


@dataclass(frozen=True)
class Sample:
    """One call.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        grad: whether the operation is smooth here, so that gradients can be checked.
        layouts: memory layout of each tensor in the order of the arguments; contiguous where the list ends.
        vary: whether the checks may change the layouts.
        form: "function", "method", "operator", "inplace" or "out": how the operation is called.
        peer: whether PyTorch must pass as well; False where its documentation excludes the call.
        note: a word for the label.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    grad: bool = True
    layouts: tuple[str, ...] = ()
    vary: bool = True
    form: str = "function"
    peer: bool = True
    note: str = ""

    @property
    def label(self) -> str:
        """A readable description of the call."""
        parts = [describe(a) for a in self.args] + [f"{k}={describe(v)}" for k, v in self.kwargs.items()]
        layout = ",".join(self.layouts) if len(set(self.layouts)) > 1 else "".join(self.layouts[:1])
        layout = "" if layout == CONTIGUOUS else layout
        form = "" if self.form == "function" else f"as {self.form}"
        return " ".join(x for x in (f"({', '.join(parts)})", form, self.note, layout) if x)

    def layout(self, position: int) -> str:
        """The layout of a tensor, counted in the order of the arguments."""
        return self.layouts[position] if position < len(self.layouts) else CONTIGUOUS

    def arrays(self) -> list[Array]:
        """The arrays that become tensors, in the order of the arguments."""
        found: list[Array] = []

        def collect(leaf: Any) -> Any:
            if isinstance(leaf, Const):
                found.append(leaf.array)
            elif isinstance(leaf, np.ndarray):
                found.append(leaf)
            return leaf

        tree_map(collect, (self.args, dict(self.kwargs)))
        return found


def call(
    *args: Any,
    grad: bool = True,
    vary: bool = True,
    form: str = "function",
    peer: bool = True,
    note: str = "",
    **kwargs: Any,
) -> Sample:
    """A sample, written as the call is. numpy's scalars, which 0-d arithmetic answers, count as 0-d
    arrays."""
    args, kwargs = tree_map(
        lambda leaf: np.asarray(leaf) if isinstance(leaf, np.generic) else leaf, (args, kwargs)
    )
    return Sample(args, kwargs, grad=grad, vary=vary, form=form, peer=peer, note=note)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The function applied to every leaf of nested tuples, lists and dictionaries."""
    if isinstance(tree, tuple):
        return tuple(tree_map(function, t) for t in tree)
    if isinstance(tree, list):
        return [tree_map(function, t) for t in tree]
    if isinstance(tree, dict):
        return {k: tree_map(function, v) for k, v in tree.items()}
    return function(tree)


def describe(value: Any) -> str:
    """A short text for an argument: dtype and shape of a tensor, the value of anything else."""
    if isinstance(value, Const):
        return describe(value.array)
    if isinstance(value, Raw):
        return "numpy " + describe(value.array)
    if isinstance(value, np.ndarray):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, D):
        return value.name
    if isinstance(value, Same):
        return f"tensor {value.position} again"
    if isinstance(value, list):
        text = "[" + ", ".join(describe(v) for v in value) + "]"
        return text if len(text) < 60 else text[:57] + "...]"
    if isinstance(value, tuple):
        return "(" + ", ".join(describe(v) for v in value) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


class Sampler:
    """Draws arrays for one operation and dtype; the same ones in every run.

    Args:
        name: the operation, which seeds the numbers.
        dtype: the dtype of what is drawn.
    """

    def __init__(self, name: str, dtype: str) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.rng = np.random.default_rng(zlib.crc32(f"{name}/{dtype}".encode()))

    @property
    def floating(self) -> bool:
        """Whether the dtype is floating point."""
        return self.dtype.kind == "f"

    def array(
        self, *shape: int, low: float = -3.0, high: float = 3.0, gap: float = 0.0, dtype: str | None = None
    ) -> Array:
        """Values in [low, high] that keep a distance of `gap` from zero; whole numbers for integers, 0 and 1
        for bool."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        if kind.kind == "b":
            return self.rng.integers(1 if low > 0 else 0, 2, shape).astype(kind)
        if kind.kind != "f":
            first = max(int(np.ceil(low)), 0 if kind.kind == "u" else -(2**31))
            whole = self.rng.integers(first, max(int(np.floor(high)), first) + 1, shape)
            if gap > 0:
                whole = np.where(whole == 0, max(1, first), whole)
            return np.asarray(whole.astype(kind))
        values = self.rng.uniform(low, high, shape)
        if gap > 0:
            values = np.where(np.abs(values) < gap, np.where(values < 0, values - gap, values + gap), values)
        return np.asarray(values).astype(kind)

    def distinct(self, *shape: int, low: float = -3.0, high: float = 3.0) -> Array:
        """Values no two of which are closer than the range over their number: no ties."""
        if not self.floating:
            return self.array(*shape, low=low, high=high)
        count = int(np.prod(shape))
        values = np.linspace(low, high, count + 2)[1:-1] if count else np.zeros(0)
        return self.rng.permutation(values).reshape(shape).astype(self.dtype)

    def index(self, *shape: int, high: int, low: int = 0, dtype: str = "int64") -> Const:
        """Whole numbers with low <= n < high."""
        return Const(self.rng.integers(low, high, shape).astype(dtype))

    def mask(self, *shape: int) -> Const:
        """True and False."""
        return Const(self.rng.integers(0, 2, shape).astype(bool))

    def edges(self) -> Array:
        """Zeros of both signs, ones, ties, infinities, NaN, the greatest and the least numbers of the
        dtype."""
        if self.dtype.kind == "f":
            info = np.finfo(self.dtype)
            extremes = [
                0.0,
                -0.0,
                1.0,
                -1.0,
                0.5,
                -2.0,
                np.inf,
                -np.inf,
                np.nan,
                info.tiny,
                -info.tiny,
                1e4,
                -1e4,
            ]
            return np.array([*extremes, 1.0, np.inf, np.nan], self.dtype)
        if self.dtype.kind == "b":
            return np.array([False, True, True], bool)
        limits = np.iinfo(self.dtype)
        return np.array([0, 1, 1, 2, 3, limits.min, limits.max, limits.max - 1], self.dtype)


SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (2, 3, 4), (1, 4, 1))
WIDE_SHAPES: tuple[tuple[int, ...], ...] = ((1037,), (37, 41))  # vector code, its tails and more than one row
LARGE = 300_007  # more than one chunk of every parallel loop, and no multiple of a vector
# Around the vectors of every level and dtype, with their tails, and a block of the trigonometric functions.
LENGTHS = (3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 67, 130, 256, 259)
# Matrices that threads share, whose rows end within a chunk, and of whole chunks (5 of 65,536).
SHARED = ((601, 521), (40, 8192))
PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((), ()),
    ((5,), (5,)),
    ((0,), (1,)),
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((2, 1, 4), (3, 1)),
    ((2, 0, 3), (2, 1, 3)),
    ((1,), (2, 2)),
)


def unary_samples(
    low: float = -3.0, high: float = 3.0, gap: float = 0.0, edges: bool = True
) -> Callable[[Sampler], Iterator[Sample]]:
    """Every shape, long vectors, and the edge values (forward only)."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in SHAPES:
            yield call(s.array(*shape, low=low, high=high, gap=gap))
        for shape in WIDE_SHAPES:
            yield call(s.array(*shape, low=low, high=high, gap=gap), grad=False)
        if edges:
            yield call(s.edges(), grad=False, note="edge values")

    return samples


def binary_samples(
    left: Mapping[str, Any] | None = None,
    right: Mapping[str, Any] | None = None,
    scalars: Sequence[Any] = (2, 0.75),
    edges: bool = True,
    mixed: Sequence[str] = ("int64", "float64"),
    reflected: bool = False,
    same: bool = True,
    apart: float = 0.0,
) -> Callable[[Sampler], Iterator[Sample]]:
    """Broadcast pairs, Python numbers on either side, other dtypes on the right, the same tensor twice, edge
    values.

    Args:
        left, right: range of the operands, as keywords of :meth:`Sampler.array`.
        reflected: whether Python's operator also takes a number on the left.
        apart: distance that the operands keep where their equality is a kink.
    """
    left, right = dict(left or {}), dict(right or {})

    def pair(s: Sampler, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Array, Array]:
        x, y = s.array(*a, **left), s.array(*b, **right)
        if apart and s.floating:  # odd and even multiples of a step are never equal
            x, y = np.round(x / (2 * apart)) * 2 * apart, (np.round(y / (2 * apart)) * 2 + 1) * apart
            x, y = x.astype(s.dtype), y.astype(s.dtype)
        return x, y

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b in PAIRS:
            yield call(*pair(s, a, b))
        yield call(*pair(s, (1037,), (1037,)), grad=False)
        yield call(*pair(s, (37, 41), (41,)), grad=False)
        for number in scalars:
            yield call(s.array(2, 3, **left), number)
            yield call(s.array(0, **left), number)
            if reflected:
                yield call(number, s.array(2, 3, **right), form="operator")
        for other in mixed:
            if other != s.dtype.name:
                yield call(s.array(2, 3, **left), s.array(3, dtype=other, **right), grad=False)
                yield call(
                    s.array(2, 3, **left), s.array(dtype=other, **right), grad=False, note="0-d on the right"
                )
        if same:
            yield call(
                s.array(2, 3, **{**left, **right}), Same(0), grad=not apart, note="the same tensor twice"
            )
        if edges:
            values = s.edges()
            grid = np.repeat(values, values.size), np.tile(values, values.size)
            yield call(*grid, grad=False, note="edge values")

    return samples


def large_unary(
    low: float = -3.0, high: float = 3.0, gap: float = 0.0
) -> Callable[[Sampler], Iterator[Sample]]:
    """Vectors around the lengths of the processor's, and matrices that are split between threads."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for length in LENGTHS:
            yield call(s.array(length, low=low, high=high, gap=gap))
        for shape in ((5, 67), *SHARED):
            yield call(s.array(*shape, low=low, high=high, gap=gap))

    return samples


def both(*parts: Callable[[Sampler], Iterator[Sample]]) -> Callable[[Sampler], Iterator[Sample]]:
    """The samples of all parts, one after the other."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for part in parts:
            yield from part(s)

    return samples

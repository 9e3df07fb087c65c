"""Records of elements in another order, repeated, on diagonals and in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from verigrad.testing.opspec import OpSpec, bad
from verigrad.testing.opspec_shape import (
    ALL_SHAPES,
    CUBE,
    EXACT,
    MATRIX,
    TRANSPOSITIONS,
    VIEWED,
    Samples,
    attribute,
    cases,
    copies,
    expansions,
    method,
    view,
)
from verigrad.testing.reference import indexing
from verigrad.testing.reference import rearranging as ref
from verigrad.testing.samples import Const, D, Same, Sample, Sampler, call

VECTOR = np.arange(3.0)
NUMBER = np.array(1.0)
SUMS_OF_VIEWS = "forward: views"
PART = "backward: a view of the incoming gradient"


def copied(
    name: str,
    reference: Callable[..., Any],
    samples: Samples,
    boundary: Samples,
    *errors: Any,
    **options: Any,
) -> OpSpec:
    """A record of a copy in another order."""
    return view(name, reference, samples, *errors, view=False, boundary=boundary, **options)


def several(*rows: tuple[tuple[int, ...], ...], alone: bool = True, **named: Any) -> Samples:
    """Samples from rows of shapes, whose tensors are the arguments."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shapes in rows:
            yield call(*(s.array(*shape) for shape in shapes), **named)
        if alone:
            yield call(s.array(3), Same(0), **named, note="the same tensor twice")

    return samples


def grids(s: Sampler) -> Iterator[Sample]:
    """Either order, one to three vectors, numbers, none of a size, a list."""
    for shapes in (((3,),), ((3,), (2,)), ((2,), (3,), (4,)), ((3,), ()), ((0,), (2,))):
        for indexing_ in ("ij", "xy"):
            yield call(*(s.array(*shape) for shape in shapes), indexing=indexing_)
    yield call(s.array(3), s.array(2))
    yield call([s.array(3), s.array(2)], indexing="xy")


def interleaved(s: Sampler) -> Iterator[Sample]:
    """By a number, by a number for each, by one for all, of all elements, and of the numbers alone."""
    for shape, *rest in (
        ((3,), 2),
        ((3,), 0),
        ((), 3),
        ((2, 3), 2),
        ((2, 3), 2, 0),
        ((2, 3), 1, 1),
        ((2, 3, 2), 3, -2),
        ((0, 3), 2, 1),
        ((2, 3), Const(np.array([2, 0])), 0),
        ((2, 3), Const(np.array([1, 3, 0], np.int32)), 1),
        ((2, 3), Const(np.array([1, 0, 2, 3, 0, 1]))),
        ((3,), Const(np.array([2]))),
        ((3,), Const(np.array(2)), 0),
        ((0,), Const(np.zeros(0, np.int64))),
    ):
        yield call(s.array(*shape), *rest)
    yield call(s.array(3), Const(np.array([1, 0, 2])), output_size=3)
    yield call(s.array(2, 3), 2, 1, output_size=6)
    for kind in (np.int64, np.int32):
        yield call(Const(np.array([2, 0, 3], kind)), grad=False)


def wide_interleaved(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread copies or adds."""
    yield call(s.array(19, 35), 3, 1)
    yield call(s.array(133, 1031), 2, 0, vary=False)
    yield call(s.array(67, 1031), Const(np.arange(67) % 7 + 1), 0, vary=False)


def scattered(
    slice_of: Callable[[Any], tuple[int, ...]], *rows: tuple[Any, ...], tail: bool = True
) -> Samples:
    """A tensor and what stands in a part of it."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, *rest in rows:
            named = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            part = (
                slice_of((np.zeros(shape), *rest), **named) if named else slice_of((np.zeros(shape), *rest))
            )
            yield call(s.array(*shape), s.array(*part), *rest, **named, vary=shape[0] < 100)
        if tail:
            shape, *rest = rows[0]
            part = slice_of((np.zeros(shape), *rest))
            yield call(s.array(*shape), s.array(*part, dtype="int64"), *rest, grad=False)

    return samples


def selected(row: Any) -> tuple[int, ...]:
    """The shape of a selection."""
    a, dim, index = row
    return tuple(np.take(a, index, dim).shape)


def sliced(row: Any) -> tuple[int, ...]:
    """The shape of a slice."""
    given: list[Any] = [*row, *[0, None, None, 1][len(row) - 1 :]]
    a, dim, start, end, step = given
    return tuple(np.moveaxis(np.moveaxis(a, dim, 0)[slice(start, end, step)], 0, dim).shape)


def on_diagonal(row: Any) -> tuple[int, ...]:
    """The shape of a diagonal."""
    return tuple(np.diagonal(*row).shape)


def triangles(s: Sampler) -> Iterator[Sample]:
    """Sizes, offsets on every side, and both dtypes."""
    for args in ((3, 3), (3, 2, 1), (2, 4, -1), (0, 3), (3, 0), (2, 2, 5), (2, 2, -5)):
        yield call(*args)
    yield call(3, 4, 1, dtype=D("int32"))


def wide_triangles(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread compares."""
    yield call(521, 517, 3)


def rolled_bounds(s: Sampler) -> Iterator[Sample]:
    """Both parts larger than what one thread copies."""
    for shape, shift, dim, vary in (
        ((19, 67), 5, 1, True),
        ((35, 33), -3, 0, True),
        ((1046, 509), 523, 0, False),
    ):
        yield call(s.array(*shape), shift, dim, vary=vary)


def window_bounds(s: Sampler) -> Iterator[Sample]:
    """Windows that overlap, and that leave gaps; sums of more elements than one thread adds."""
    yield call(s.array(19, 35), 1, 5, 2)
    yield call(s.array(19, 35), 0, 3, 4)
    yield call(s.array(300, 1031), 0, 3, 2, vary=False)


def squares(*further: Any) -> Samples:
    """Matrices on both sides of what a fill and a copy are cut at."""
    return cases(((35, 67), *further), ((5, 33, 17), *further), ((521, 509), *further))


TRIANGLES = cases(
    ((3, 3),), ((3, 4), 1), ((4, 3), -1), ((2, 3, 4), 1), ((0, 3),), ((2, 0), 1), ((3, 3), 5), ((3, 3), -5),
    ((3, 4), 2**62), ((3, 4), -(2**62)), ((3, 4), {"diagonal": 2}),
)  # fmt: skip
DIAGONALS = cases(
    ((3, 3),), ((3, 4), 1), ((4, 3), -2), ((3, 4), 7), ((2, 3, 4), 0, 1, 2), ((2, 3, 4), 1, -1, 0), ((0, 3),),
    ((2, 3), {"offset": 1, "dim1": 1, "dim2": 0}),
)  # fmt: skip
MOVES = cases(
    ((2, 3, 4), 0, 2), ((2, 3, 4), (0, 1), (2, 0)), ((2, 3, 4), [-1], [0]), ((2, 3), 1, 1), ((), 0, 0),
    ((2, 0, 3), 2, 0),
)  # fmt: skip
TURNS = cases(
    ((2, 3),), ((2, 3), 2), ((2, 3), 3), ((2, 3), 4), ((2, 3), -1), ((2, 3, 4), 1, (1, 2)),
    ((2, 3, 4), 5, [2, 0]), ((0, 3),),
)  # fmt: skip
PAIRS = (((3,), (2, 3)), ((2, 1), (1, 4), ()), ((1,), (0,)), ((2, 3),))

SPECS = (
    copied(
        "repeat",
        ref.repeat_op,
        cases(
            ((3,), 2),
            ((3,), (2,)),
            ((2, 3), 2, 1),
            ((2, 3), 1, 2),
            ((2, 3), 2, 2, 3),
            ((), 2, 3),
            ((), ()),
            ((2, 1), 1, 3),
            ((2, 3), 0, 2),
            ((0, 3), 2, 2),
            ((2, 3), 1, 1),
            ((2, 3), {"repeats": (1, 2)}),
        ),
        cases(((35, 67), 2, 3), ((33,), 5, 7), ((521, 509), 2, 1)),
        bad(RuntimeError, "smaller than number of dimensions", MATRIX, 2),
        bad(RuntimeError, "negative dimension", MATRIX, -1, 2),
        bad(TypeError, "repeats", MATRIX),
        function=method("repeat"),
        method=None,
    ),
    copied(
        "tile",
        ref.repeat_op,
        cases(
            ((3,), (2,)),
            ((2, 3), (2,)),
            ((2, 3), (2, 1)),
            ((2, 3), (2, 1, 2)),
            ((), (2,)),
            ((2, 3), ()),
            ((0, 2), (3,)),
        ),
        cases(((35, 67), (3,)), ((521, 509), (2, 1))),
        bad(RuntimeError, "negative dimension", MATRIX, (-1,)),
    ),
    copied(
        "repeat_interleave",
        ref.repeat_interleave_op,
        interleaved,
        wide_interleaved,
        bad(RuntimeError, "non-negative", MATRIX, -1),
        bad(RuntimeError, "negative", VECTOR, Const(np.array([1, -1, 2]))),
        bad(RuntimeError, "same size as input", MATRIX, Const(np.array([1, 2])), 1),
        bad(RuntimeError, "1-dim", VECTOR, Const(np.array([[1, 2, 3]]))),
        bad(RuntimeError, "1-dim", Const(np.array(1))),
        bad(NotImplementedError, "float64", VECTOR, Const(np.ones(3))),
        bad(RuntimeError, "output_size", VECTOR, 2, output_size=7),
        bad(RuntimeError, "required size", VECTOR, Const(np.array([1, 2, 3])), output_size=7),
        bad(IndexError, "[Dd]im", MATRIX, 2, 2),
    ),
    copied(
        "flip",
        ref.flip_op,
        cases(
            ((3,), (0,)),
            ((2, 3), (0,)),
            ((2, 3), (-1,)),
            ((2, 3, 4), (0, 2)),
            ((2, 3), ()),
            ((), (0,)),
            ((2, 0), (0, 1)),
        ),
        copies(lambda shape: tuple(range(len(shape)))),
        bad(RuntimeError, "multiple times", MATRIX, (0, 0)),
        bad(IndexError, "[Dd]im", MATRIX, (2,)),
    ),
    copied(
        "fliplr",
        lambda a: np.flip(a, 1),
        cases(((2, 3),), ((2, 3, 4),), ((2, 0),)),
        copies(),
        bad(RuntimeError, ">= 2-d", VECTOR),
    ),
    copied(
        "flipud",
        lambda a: np.flip(a, 0),
        cases(((3,),), ((2, 3),), ((0, 3),)),
        copies(),
        bad(RuntimeError, ">= 1-d", NUMBER),
    ),
    copied(
        "roll",
        ref.roll_op,
        cases(
            ((5,), 2),
            ((2, 3), 1),
            ((2, 3), 1, 0),
            ((2, 3), -1, 1),
            ((2, 3), (1, 2), (0, 1)),
            ((2, 3), (1, 1), (0, 0)),
            ((2, 3, 4), 7, -2),
            ((), 1),
            ((0, 3), 1, 0),
            ((0,), 1),
            ((5,), 0, 0),
            ((2, 3), [1], [1]),
            ((4,), 2**62, 0),
        ),
        rolled_bounds,
        bad(RuntimeError, "align", MATRIX, (1, 2), 0),
        bad(RuntimeError, "align", MATRIX, (1, 2)),
        bad(RuntimeError, "required", MATRIX, (), ()),
        bad(IndexError, "[Dd]im", MATRIX, 1, 2),
        bad(IndexError, "no dimensions", NUMBER, 1, 0),
    ),
    copied(
        "rot90",
        ref.rot90_op,
        TURNS,
        squares(1, (0, 1)),
        bad(RuntimeError, "dims == 2", MATRIX, 1, (0,)),
        bad(RuntimeError, "different", MATRIX, 1, (0, 0)),
        bad(RuntimeError, "different", MATRIX, 1, (0, -2)),
        bad(RuntimeError, "total dims >= 2", VECTOR),
        bad(IndexError, "[Dd]im", MATRIX, 1, (0, 2)),
    ),
    *(
        view(
            name,
            ref.movedim_op,
            MOVES,
            bad(RuntimeError, "same number", MATRIX, (0, 1), (1,)),
            bad(RuntimeError, "repeated dim in `source`", MATRIX, (0, 0), (1, 0)),
            bad(RuntimeError, "repeated dim in `destination`", MATRIX, (0, 1), (1, 1)),
            bad(IndexError, "[Dd]im", MATRIX, 2, 1),
        )
        for name in ("movedim", "moveaxis")
    ),
    *(
        view(name, indexing.transpose_op, TRANSPOSITIONS, bad(IndexError, "[Dd]im", MATRIX, 2, 0))
        for name in ("swapaxes", "swapdims")
    ),
    view(
        "unflatten",
        ref.unflatten_op,
        cases(
            ((2, 6), 1, (2, 3)),
            ((2, 6), -1, (3, -1)),
            ((6,), 0, (1, 6, 1)),
            ((6, 0), 0, [2, 3]),
            ((2, 0), 1, (0, 4)),
        ),
        bad(RuntimeError, "multiply up", MATRIX, 1, (2, 2)),
        bad(RuntimeError, "multiply up", MATRIX, 1, (-1, 2)),
        bad(RuntimeError, "non-empty", MATRIX, 1, ()),
        bad(RuntimeError, "inferred", MATRIX, 1, (-1, -1)),
        bad(RuntimeError, "at least 0", MATRIX, 1, (-3, -1)),
        bad(RuntimeError, "dimensions", NUMBER, 0, (1,)),
        bad(IndexError, "[Dd]im", MATRIX, 2, (3, 1)),
    ),
    view(
        "ravel",
        lambda a: a.reshape(-1),
        ALL_SHAPES,
        view=None,
        boundary=copies(),
        serial="backward: the gradient is passed on as it is",
    ),
    view(
        "adjoint",
        ref.adjoint_op,
        cases(((2, 3),), ((2, 3, 4),), ((2, 0, 3),), ((),)),
        bad(RuntimeError, "1-D", VECTOR),
    ),
    *(
        view(
            name,
            ref.adjoint_op,
            cases(((2, 3),), ((0, 3),), ((),)),
            bad(RuntimeError, "matrices", VECTOR),
            *([bad(RuntimeError, "matrices", CUBE)] if name == "H" else []),
            function=attribute(name),
            method=None,
            registered=False,
        )
        for name in ("H", "mH")
    ),
    view(
        "Tensor.unfold",
        ref.windows_op,
        cases(
            ((5,), 0, 2, 1),
            ((5,), 0, 2, 2),
            ((7,), 0, 2, 3),
            ((5,), 0, 5, 1),
            ((5,), 0, 0, 1),
            ((4, 5), 1, 3, 1),
            ((4, 5), 0, 2, 2),
            ((2, 5, 3), -2, 3, 2),
            ((), 0, 1, 1),
            ((), 0, 0, 1),
            ((0, 5), 1, 2, 1),
        ),
        bad(RuntimeError, "maximum size", VECTOR, 0, 4, 1),
        bad(RuntimeError, "must be >= 0", VECTOR, 0, -1, 1),
        bad(RuntimeError, "must be > 0", VECTOR, 0, 2, 0),
        bad(IndexError, "[Dd]im", VECTOR, 1, 1, 1),
        function=method("unfold"),
        method=None,
        registered=False,
        boundary=window_bounds,
        serial=VIEWED,
    ),
    view(
        "broadcast_to",
        indexing.expand_op,
        cases(
            ((3, 1), (3, 4)),
            ((4,), (2, 3, 4)),
            ((1, 4), (-1, 4)),
            ((), (2,)),
            ((2, 1), (2, 0)),
            ((2, 3), (2, 3)),
        ),
        bad(RuntimeError, "expand|size", MATRIX, (2, 4)),
        boundary=expansions,
        serial=SUMS_OF_VIEWS,
    ),
    view(
        "broadcast_tensors",
        ref.broadcast_op,
        several(*PAIRS),
        bad(RuntimeError, "broadcast|size", VECTOR, np.zeros(2)),
        bad(TypeError, "element 1", VECTOR, 2),
        method=None,
        boundary=several(((35, 1), (67,)), ((1, 131), (2051, 1)), alone=False),
        serial=SUMS_OF_VIEWS,
    ),
    *(
        view(
            f"atleast_{ndim}d",
            partial(ref.at_least, ndim),
            several(*PAIRS, ((),), ((3,),), ((2, 3, 4),), ((2, 3, 4, 5), ())),
            bad(TypeError, ".", 3, peer=True),
            method=None,
        )
        for ndim in (1, 2, 3)
    ),
    view(
        "meshgrid",
        ref.meshgrid_op,
        grids,
        bad(RuntimeError, "non-empty"),
        bad(RuntimeError, "0D or 1D", MATRIX, VECTOR),
        bad(RuntimeError, "same dtype", VECTOR, np.zeros(2, np.float32)),
        bad(RuntimeError, "indexing", VECTOR, indexing="zz"),
        method=None,
        boundary=several(((35,), (67,)), ((521,), (509,)), alone=False, indexing="ij"),
        serial=SUMS_OF_VIEWS,
    ),
    view(
        "diagonal",
        lambda a, offset=0, dim1=0, dim2=1: np.diagonal(a, offset, dim1, dim2),
        DIAGONALS,
        bad(RuntimeError, "identical", MATRIX, 0, 0, 0),
        bad(RuntimeError, "identical", MATRIX, 0, 0, -2),
        bad(IndexError, "[Dd]im", VECTOR),
        bad(IndexError, "[Dd]im", MATRIX, 0, 0, 2),
        boundary=squares(3),
        serial=VIEWED,
    ),
    copied(
        "diag_embed",
        ref.diag_embed_op,
        cases(
            ((3,),),
            ((3,), 1),
            ((2, 3), -1),
            ((2, 3), 0, 0, 2),
            ((2, 3), 1, 2, 0),
            ((0,),),
            ((2, 0), 1),
            ((2, 2), 0, -1, -3),
        ),
        cases(((67,), 3), ((5, 33),), ((521,), -2)),
        bad(RuntimeError, "identical", VECTOR, 0, 0, 0),
        bad(IndexError, "[Dd]im", VECTOR, 0, 0, 3),
        bad(IndexError, "[Dd]im", NUMBER),
        bad(RuntimeError, "below|fits", VECTOR, 2**62, peer=False),
        serial=PART,
    ),
    copied(
        "diag",
        lambda a, diagonal=0: np.diag(a, diagonal).copy(),
        cases(
            ((3,),),
            ((3,), 1),
            ((3,), -2),
            ((3, 3),),
            ((3, 4), 1),
            ((4, 3), -1),
            ((2, 3), 5),
            ((0,),),
            ((0, 3),),
        ),
        cases(((67,), 3), ((35, 67), 2), ((521,), -2), ((521, 509),)),
        bad(RuntimeError, "1D or 2D", NUMBER),
        bad(RuntimeError, "1D or 2D", CUBE),
    ),
    copied(
        "diagflat",
        lambda a, offset=0: np.diagflat(a, offset),
        cases(((3,),), ((3,), 1), ((2, 3), -1), ((),), ((0,),)),
        cases(((67,), 3), ((7, 9),), ((521,), -2)),
        serial=PART,
    ),
    *(
        copied(
            name,
            lambda a, diagonal=0, f=function: f(a, diagonal),
            TRIANGLES,
            squares(2),
            bad(RuntimeError, "at least 2 dimensions", VECTOR),
            inplace=name + "_",
        )
        for name, function in (("tril", np.tril), ("triu", np.triu))
    ),
    *(
        OpSpec(
            name,
            partial(ref.triangle_indices, lower),
            triangles,
            dtypes=("int64",),
            order=0,
            tolerance=EXACT,
            boundary=wide_triangles,
            errors=(
                bad(RuntimeError, "row must be non-negative", -1, 2),
                bad(RuntimeError, "col must be non-negative", 2, -1),
                bad(NotImplementedError, "float32", 2, 2, dtype=D("float32")),
            ),
        )
        for name, lower in (("tril_indices", True), ("triu_indices", False))
    ),
    copied(
        "select_scatter",
        ref.select_scatter_op,
        scattered(selected, ((2, 3), 0, 1), ((2, 3), 1, -1), ((2, 3, 4), -2, 0), ((4,), 0, 2)),
        scattered(selected, ((35, 67), 0, 3), ((521, 509), 1, 7), tail=False),
        bad(RuntimeError, "equal to the slice", MATRIX, NUMBER, 0, 1),
        bad(IndexError, "range|bounds", MATRIX, VECTOR, 0, 2),
    ),
    copied(
        "slice_scatter",
        ref.slice_scatter_op,
        scattered(
            sliced,
            ((2, 3), 0, 1, 2),
            ((2, 3), 1, 0, 3, 2),
            ((2, 3), 1),
            ((2, 3),),
            ((2, 5, 2), -2, -3, None),
            ((4,), 0, 3, 1),
        ),
        scattered(sliced, ((35, 67), 1, 3, 60, 2), ((521, 509), 0, 2, 500), tail=False),
        bad(RuntimeError, "equal to the slice", MATRIX, np.zeros((1, 3)), 0, 0, 2),
        bad(RuntimeError, "step", MATRIX, MATRIX, 0, 0, 2, 0),
    ),
    copied(
        "diagonal_scatter",
        ref.diagonal_scatter_op,
        scattered(
            on_diagonal, ((3, 3),), ((3, 4), 1), ((4, 3), -2), ((2, 3, 4), 0, 1, 2), ((2, 3, 4), 1, -1, 0)
        ),
        scattered(on_diagonal, ((35, 67), 3), ((521, 509), -1), tail=False),
        bad(RuntimeError, "equal to the slice", MATRIX, np.zeros(1)),
        bad(RuntimeError, "identical", MATRIX, VECTOR, 0, 1, 1),
    ),
)

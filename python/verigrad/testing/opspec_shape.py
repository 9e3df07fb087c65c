"""Records of views, copies and joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.layouts import CONTIGUOUS, TRANSPOSED
from verigrad.testing.library import Library
from verigrad.testing.opspec import OpSpec, bad
from verigrad.testing.reference import indexing as ref
from verigrad.testing.reference.compositions import moved
from verigrad.testing.samples import Const, Same, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
CUBE = np.arange(24.0).reshape(2, 3, 4)
EXACT = 0.0  # nothing is computed
VIEW = "a view: nothing is computed"
VIEWED = f"forward: {VIEW}"
PASSED_ON = "backward: the gradient is passed on as it is"

Samples = Callable[[Sampler], Iterator[Sample]]


def method(name: str) -> Callable[..., Any]:
    """A function for what PyTorch has as a method only."""

    def function(lib: Library, x: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, name)(*args, **kwargs)

    return function


def attribute(name: str) -> Callable[..., Any]:
    """A function for an attribute of tensors."""

    def function(lib: Library, x: Any) -> Any:
        return getattr(x, name)

    return function


def cases(*rows: tuple[Any, ...]) -> Samples:
    """Samples from rows of a shape and further arguments; a dictionary at the end holds keywords."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, *rest in rows:
            named = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            yield call(s.array(*shape), *rest, **named)

    return samples


def contiguous_cases(*rows: tuple[Any, ...]) -> Samples:
    """As `cases`, for operations that some layouts do not allow."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, *rest in rows:
            yield call(s.array(*shape), *rest, vary=False)

    return samples


def view(name: str, reference: Callable[..., Any], samples: Samples, *errors: Any, **options: Any) -> OpSpec:
    """A record of a view: the result shares the input's memory."""
    chosen: dict[str, Any] = {
        "method": name,
        "view": True,
        "tolerance": EXACT,
        "errors": errors,
        "composition": moved(reference),
        "boundary": samples,
        "serial": "" if "boundary" in options else VIEW,
    }
    return OpSpec(name, reference, samples, **{**chosen, **options})


def view_only(
    name: str, reference: Callable[..., Any], samples: Samples, *errors: Any, **options: Any
) -> OpSpec:
    """As `view`, for what is a method only."""
    return view(name, reference, samples, *errors, function=method(name), **{"method": None, **options})


RESHAPES = (
    ((2, 6), (3, 4)),
    ((2, 6), (-1,)),
    ((2, 3, 4), (6, -1)),
    ((2, 3, 4), (2, 12)),
    ((2, 3, 4), (2, 1, 3, 4)),
    ((), (1, 1)),
    ((1,), ()),
    ((0,), (0, 3)),
    ((2, 0, 3), (-1, 2, 3)),
    ((4, 1), (4,)),
    ((12,), (3, 4)),
)


def copies(*further: Any) -> Samples:
    """Both sides of what a copy is cut by: blocks of 16 x 16 where it turns a matrix around, for matrices of
    4 and more; 262,144 elements (kSerialElements) by 65,536, of one matrix or of several.

    Args:
        further: further arguments as a function of the shape.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in ((15, 33), (16, 32), (3, 67), (3, 5, 17, 35), (2, 35, 51)):
            yield call(s.array(*shape), *(f(shape) for f in further))
        for shape, layout in (
            ((521, 509), CONTIGUOUS),
            ((40, 8192), CONTIGUOUS),
            ((521, 509), TRANSPOSED),
            ((7, 199, 193), TRANSPOSED),
        ):
            large = call(s.array(*shape), *(f(shape) for f in further), vary=False)
            yield replace(large, layouts=(layout,))

    return samples


def expansions(s: Sampler) -> Iterator[Sample]:
    """Rows and columns repeated; their gradients are sums of more than a leaf of 2,048, and cut."""
    yield call(s.array(1, 67), (35, 67))
    yield call(s.array(35, 1), (35, 67))
    yield call(s.array(5, 1, 33), (5, 17, 33))
    yield call(s.array(1, 131), (2051, 131), vary=False)
    yield call(s.array(131, 1), (131, 2051), vary=False)


def as_expansions(s: Sampler) -> Iterator[Sample]:
    """As `expansions`, with a tensor of the shape."""
    for sample in expansions(s):
        yield call(sample.args[0], Const(np.zeros(sample.args[1], s.dtype)), vary=sample.vary)


def wide_joins(axis: Callable[[int], int], stacked: bool) -> Samples:
    """Parts of unequal sizes, or equal ones to be stacked, on both sides of what a copy is cut at."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in ((17, 35), (5, 3, 33), (521, 509)):
            for dim in (0, axis(len(shape))):
                parts = [list(shape) for _ in range(3)]
                if not stacked:
                    parts[1][dim], parts[2][dim] = 1, 2
                yield call([s.array(*part) for part in parts], dim, vary=shape[0] < 100)
        if s.floating:
            for shape in ((35, 67), (521, 509)):
                other = "float64" if s.dtype.name == "float32" else "float32"
                yield call([s.array(*shape), s.array(*shape, dtype=other)], 1, vary=False, note="two dtypes")

    return samples


def as_other(*rows: tuple[tuple[int, ...], tuple[int, ...]]) -> Samples:
    """A tensor and one whose shape it takes."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, other in rows:
            yield call(s.array(*shape), Const(s.array(*other)), vary=False)

    return samples


def joins(*rows: tuple[Any, ...]) -> Samples:
    """Lists of tensors of the given shapes, the same tensor twice, and other dtypes."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shapes, *rest in rows:
            yield call([s.array(*shape) for shape in shapes], *rest)
        yield call([s.array(2, 3), s.array(2, 3), Same(0)], note="the same tensor twice")
        for other in ("int64", "float64"):
            if other != s.dtype.name:
                yield call([s.array(2, 3), s.array(2, 3, dtype=other)], grad=False)

    return samples


def broadcasts(s: Sampler) -> Iterator[Sample]:
    """Sizes of 1 repeated, new dimensions in front, -1 for a size that stays."""
    for shape, sizes in (
        ((3, 1), (3, 4)),
        ((1, 4), (-1, 4)),
        ((1, 4), (3, -1)),
        ((4,), (2, 3, 4)),
        ((), (2, 2)),
        ((1,), (0,)),
        ((2, 1), (2, 0)),
        ((1, 1, 2), (2, 3, 2)),
        ((2, 3), (2, 3)),
    ):
        yield call(s.array(*shape), sizes)
    yield call(s.array(3, 1), 3, 2)


def expansion_targets(s: Sampler) -> Iterator[Sample]:
    """A tensor and one to whose shape it is expanded."""
    for shape, other in (((3, 1), (3, 4)), ((4,), (2, 3, 4)), ((), (2,)), ((2, 1), (2, 0))):
        yield call(s.array(*shape), Const(s.array(*other)))


def permuted_copies(s: Sampler) -> Iterator[Sample]:
    """As `copies`, of stacks of matrices: the last two dimensions turned around."""
    for shape, order in (
        ((15, 33), (1, 0)),
        ((3, 35, 51), (0, 2, 1)),
        ((2, 3, 17, 35), (0, 1, 3, 2)),
        ((4, 6, 33, 7), (1, 0, 3, 2)),
        ((35, 5, 19), (2, 1, 0)),
        ((7, 199, 193), (0, 2, 1)),
        ((521, 509), (1, 0)),
    ):
        yield call(s.array(*shape), order, vary=shape[-2] < 199 and shape[0] < 100)


PERMUTATIONS = cases(
    ((2, 3), (1, 0)),
    ((2, 3, 4), (2, 0, 1)),
    ((2, 3, 4), (-1, 0, 1)),
    ((2, 3, 4), (0, 1, 2)),
    ((), ()),
    ((5,), (0,)),
    ((2, 0, 3), (2, 1, 0)),
)
TRANSPOSITIONS = cases(
    ((2, 3), 0, 1),
    ((2, 3, 4), 0, 2),
    ((2, 3, 4), -1, -2),
    ((2, 3, 4), 1, 1),
    ((2, 0, 3), 0, 1),
    ((5,), 0, -1),
    ((), 0, 0),
)
MATRICES = cases(((2, 3),), ((0, 3),), ((1, 1),), ((37, 41),))
ALL_SHAPES = cases(((),), ((1,),), ((5,),), ((0,),), ((3, 4),), ((2, 0, 3),), ((2, 3, 4),), ((37, 41),))
OUT_OF_RANGE = bad(IndexError, "[Dd]im", MATRIX, 2, 0)

SPECS = (
    view(
        "reshape",
        ref.reshape_op,
        cases(*RESHAPES),
        bad(RuntimeError, "shape|size", MATRIX, (4, 2)),
        bad(RuntimeError, "-1|infer", MATRIX, (-1, -1)),
        view=None,
        boundary=copies(lambda shape: (-1,)),
        serial=PASSED_ON,
    ),
    view_only(
        "view",
        ref.reshape_op,
        contiguous_cases(*RESHAPES, ((2, 6), 3, 4), ((2, 6), -1)),
        bad(RuntimeError, "shape|size", MATRIX, (4, 2)),
        bad(RuntimeError, "view|stride", MATRIX, (6,), layouts=(TRANSPOSED,)),
    ),
    view_only("view_as", ref.view_as_op, as_other(((2, 6), (3, 4)), ((), (1, 1)), ((0, 2), (2, 0)))),
    view(
        "flatten",
        ref.flatten_op,
        cases(
            ((2, 3, 4),),
            ((2, 3, 4), 1),
            ((2, 3, 4), 0, 1),
            ((2, 3, 4), -2, -1),
            ((5,),),
            ((),),
            ((2, 0, 3), 1),
            ((2, 3, 4), {"start_dim": 1, "end_dim": 2}),
        ),
        bad(RuntimeError, "start", CUBE, 2, 1),
        bad(IndexError, "[Dd]im", CUBE, 3),
        view=None,
        boundary=copies(),
        serial=PASSED_ON,
    ),
    view("transpose", ref.transpose_op, TRANSPOSITIONS, OUT_OF_RANGE),
    view(
        "permute",
        ref.permute_op,
        PERMUTATIONS,
        bad(RuntimeError, "2|two|dims", MATRIX, (0,)),
        bad(RuntimeError, "dims|repeat|duplicate", MATRIX, (0, 0)),
        bad(IndexError, "[Dd]im", MATRIX, (0, 2)),
    ),
    view("t", ref.t_op, cases(((2, 3),), ((5,),), ((),), ((0, 3),)), bad(RuntimeError, "2", CUBE)),
    OpSpec(
        "T",
        ref.t_op,
        MATRICES,
        function=attribute("T"),
        view=True,
        tolerance=EXACT,
        registered=False,
        composition=moved(ref.t_op),
        serial=VIEW,
    ),
    OpSpec(
        "mT",
        lambda a: ref.transpose_op(a, -1, -2),
        cases(((2, 3),), ((2, 3, 4),), ((2, 0, 3),)),
        function=attribute("mT"),
        composition=moved(lambda a: ref.transpose_op(a, -1, -2)),
        serial=VIEW,
        view=True,
        tolerance=EXACT,
        registered=False,
        errors=(bad(RuntimeError, ".", np.zeros(3)),),
    ),
    view(
        "unsqueeze",
        ref.unsqueeze_op,
        cases(((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((2, 3), -3), ((), 0), ((0, 2), 1)),
        bad(IndexError, "[Dd]im", MATRIX, 3),
    ),
    view(
        "squeeze",
        ref.squeeze_op,
        cases(
            ((1, 2, 1, 3),),
            ((1, 2, 1, 3), 0),
            ((1, 2, 1, 3), 1),
            ((1, 2, 1, 3), -2),
            ((1, 2, 1, 3), (0, 2)),
            ((),),
            ((1, 1),),
            ((1, 0),),
        ),
        bad(IndexError, "[Dd]im", MATRIX, 2),
        bad(RuntimeError, "multiple", MATRIX, (0, 0)),
    ),
    view_only(
        "expand",
        ref.expand_op,
        broadcasts,
        bad(RuntimeError, "expand|size", MATRIX, (2, 4)),
        bad(RuntimeError, "dim|size", MATRIX, (3,)),
        bad(RuntimeError, "expand", MATRIX, (-1, 2, 3)),
        boundary=expansions,
        serial="forward: a view",
    ),
    view_only("expand_as", ref.expand_as_op, expansion_targets, boundary=as_expansions, serial=VIEW),
    view(
        "select",
        ref.select_op,
        cases(((2, 3, 4), 0, 1), ((2, 3, 4), 1, -1), ((2, 3, 4), -1, 0), ((5,), 0, 4), ((2, 0), 0, 1)),
        bad(IndexError, "range|bounds", MATRIX, 0, 2),
        bad(IndexError, "0-dim", np.array(1.0), 0, 0),
        OUT_OF_RANGE,
        boundary=cases(((3, 35, 67), 0, 1), ((35, 67, 3), -1, 2), ((2, 521, 509), 0, 0)),
        serial=VIEWED,
    ),
    view(
        "narrow",
        ref.narrow_op,
        cases(
            ((2, 3, 4), 0, 1, 1),
            ((2, 3, 4), 2, 1, 2),
            ((2, 3, 4), -1, -2, 1),
            ((5,), 0, 5, 0),
            ((5,), 0, 0, 5),
        ),
        bad(RuntimeError, "length", MATRIX, 1, 2, 2),
        bad(RuntimeError, "negative", MATRIX, 1, 0, -1),
        bad(IndexError, "start|range", MATRIX, 1, 4, 0),
        bad(RuntimeError, "0-dim", np.array(1.0), 0, 0, 1),
        boundary=cases(((37, 67), 1, 2, 33), ((67, 37), 0, 3, 61), ((521, 1018), 1, 3, 509)),
        serial=VIEWED,
    ),
    view(
        "unbind",
        ref.unbind_op,
        cases(((3, 2),), ((2, 3), 1), ((2, 3, 4), -1), ((2, 0), 0)),
        bad(IndexError, "[Dd]im", MATRIX, 2),
        bad(IndexError, "[Dd]im", np.array(1.0), 0),
        bad(RuntimeError, "memory", np.zeros((2**40, 0)), peer=False),  # PyTorch fills the memory first
        boundary=cases(((3, 35, 67),), ((35, 67, 2), -1), ((2, 521, 509),)),
        serial=VIEWED,
    ),
    view_only(
        "reshape_as",
        ref.view_as_op,
        as_other(((2, 6), (3, 4)), ((), (1, 1)), ((0, 2), (2, 0))),
        view=None,
        boundary=copies(lambda shape: Const(np.zeros(int(np.prod(shape))))),
        serial=PASSED_ON,
    ),
    view_only(
        "contiguous",
        ref.same_op,
        ALL_SHAPES,
        view=None,
        boundary=copies(),
        serial=PASSED_ON,
    ),
    view("clone", ref.same_op, ALL_SHAPES, view=False, boundary=copies(), serial=PASSED_ON),
    view("detach", ref.same_op, ALL_SHAPES, order=0),
    OpSpec(
        "copy of a permutation",
        ref.permute_op,
        PERMUTATIONS,
        function=lambda lib, x, dims: x.permute(dims).clone(),
        composition=moved(ref.permute_op),
        boundary=permuted_copies,
        serial=PASSED_ON,
        tolerance=EXACT,
        registered=False,
    ),
    OpSpec(
        "cat",
        ref.cat_op,
        joins(
            ([(2, 3), (2, 3)],),
            ([(2, 3), (0, 3), (1, 3)],),
            ([(2, 3), (2, 1)], 1),
            ([(2, 3), (2, 1)], -1),
            ([(4,)],),
            ([(0,), (2, 2)],),
            ([(2, 2, 3), (2, 1, 3)], -2),
            ([(0, 3), (0, 3)],),
        ),
        composition=moved(ref.cat_op),
        boundary=wide_joins(lambda rank: rank - 1, stacked=False),
        serial=PASSED_ON,
        tolerance=EXACT,
        errors=(
            bad(ValueError, "empty", []),
            bad(RuntimeError, "[Ss]ize", [MATRIX, np.zeros((2, 4))]),
            bad(RuntimeError, "zero-dim", [np.array(1.0), np.array(2.0)]),
            bad(IndexError, "[Dd]im", [MATRIX], 2),
            bad(RuntimeError, "dimensions", [MATRIX, CUBE]),
            bad(TypeError, ".", [MATRIX, 3]),
        ),
    ),
    OpSpec(
        "stack",
        ref.stack_op,
        joins(
            ([(2, 3), (2, 3)],),
            ([(2, 3), (2, 3), (2, 3)], 1),
            ([(2, 3), (2, 3)], -1),
            ([(), ()],),
            ([(0, 2)], 1),
        ),
        composition=moved(ref.stack_op),
        boundary=wide_joins(lambda rank: rank, stacked=True),
        serial=PASSED_ON,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "empty", []),
            bad(RuntimeError, "equal|size", [MATRIX, np.zeros((2, 4))]),
            bad(IndexError, "[Dd]im", [MATRIX], 3),
        ),
    ),
)

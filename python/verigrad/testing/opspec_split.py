"""Records of parts of a tensor, and of tensors put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from verigrad.testing.opspec import OpSpec, bad
from verigrad.testing.opspec_rearrange import several
from verigrad.testing.opspec_shape import (
    CUBE,
    EXACT,
    MATRIX,
    PASSED_ON,
    Samples,
    cases,
    view,
)
from verigrad.testing.reference import splitting as ref
from verigrad.testing.reference.compositions import moved
from verigrad.testing.samples import Const, Sample, Sampler, call

VECTOR = np.arange(3.0)
NUMBER = np.array(1.0)
VIEWS = "forward: views"


def parts(
    name: str, reference: Callable[..., Any], samples: Samples, boundary: Samples, *errors: Any
) -> OpSpec:
    """A record of views whose gradient is joined of theirs."""
    return view(name, reference, samples, *errors, boundary=boundary, serial=VIEWS)


def joined(
    name: str,
    reference: Callable[..., Any],
    samples: Samples,
    boundary: Samples,
    *errors: Any,
    **options: Any,
) -> OpSpec:
    """A record of a tensor that is made of others."""
    chosen: dict[str, Any] = {
        "composition": moved(reference),
        "boundary": boundary,
        "serial": PASSED_ON,
        "tolerance": EXACT,
        "errors": errors,
    }
    return OpSpec(name, reference, samples, **{**chosen, **options})


def along(name: str, axis: int, least: int, *rows: tuple[Any, ...]) -> OpSpec:
    """hsplit, vsplit or dsplit."""
    small = np.zeros((1,) * (least - 1))
    wide = (3, 5, 4)[: max(least, 2)]
    return parts(
        name,
        partial(ref.split_along, axis),
        cases(*rows, ((2, 3, 4), [1]), ((6, 6, 6), 3), ((6, 6, 6), (2, -1)), ((0, 0, 0), 2)),
        cases(((6, 6, 36), 2), ((94, 94, 35), [3, 5])),
        bad(RuntimeError, "at least", small, 1),
        bad(RuntimeError, "not divisible", np.zeros(wide), 7),
        bad(RuntimeError, "not divisible", np.zeros(wide), 0),
    )


def stacks(*rows: tuple[Any, ...]) -> Samples:
    """Lists of tensors."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shapes in rows:
            yield call([s.array(*shape) for shape in shapes])
        yield call((s.array(3), s.array(3)))
        for other in ("int64", "float64"):
            if other != s.dtype.name:
                yield call([s.array(2, 3), s.array(2, 3, dtype=other)], grad=False)

    return samples


def wide_stacks(*rows: tuple[Any, ...]) -> Samples:
    """On both sides of what a copy is cut at."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shapes in rows:
            yield call([s.array(*shape) for shape in shapes], vary=shapes[0][0] < 100)

    return samples


def blocks(s: Sampler) -> Iterator[Sample]:
    """Matrices, vectors, numbers, none of a size, and other dtypes."""
    yield from several(((2, 3), (), (3,)), ((2, 2),), ((0, 2), (2, 0)))(s)
    yield call(s.array(0), s.array(2, 3), peer=False)  # PyTorch's gradient is one row off
    if s.dtype.name != "float64":
        yield call(s.array(2, 3), s.array(2, dtype="float64"), grad=False)


def choices(s: Sampler) -> Iterator[Sample]:
    """Of every number, with and without equal ones."""
    for args in ((), (1,), (3,), (5,), (2, True), (3, True), (1, True)):
        yield call(s.array(4), *args)
    yield call(s.array(4), 0, grad=False)
    yield call(s.array(0), 2, grad=False)
    yield call(s.array(0), 2, True, grad=False)
    yield call(s.array(3), r=2, with_replacement=True)


ANY_SHAPES = (((2, 3), (2, 3)), ((2, 2, 3), (2, 2, 3)), ((2, 3),), ((0, 3), (0, 3)))
NOTHING = bad(RuntimeError, "non-empty", [])
ONE_TENSOR = bad(TypeError, ".", MATRIX)

SPECS = (
    parts(
        "split",
        ref.split_op,
        cases(
            ((5,), 2),
            ((5,), 5),
            ((5,), 9),
            ((2, 3), 1),
            ((2, 5), 2, 1),
            ((2, 5), [1, 4], -1),
            ((2, 5), (2, 0, 3), 1),
            ((0, 3), 2),
            ((0, 3), 0),
        ),
        cases(((7, 67), 3), ((35, 33), [5, 20, 8], 1), ((1042, 509), 521)),
        bad(RuntimeError, "can only be 0", MATRIX, 0),
        bad(RuntimeError, "non-negative", MATRIX, -1),
        bad(RuntimeError, "sum exactly", MATRIX, [1, 1], 1),
        bad(RuntimeError, "non-negative", MATRIX, [-1, 4], 1),
        bad(RuntimeError, "1-dim", NUMBER, 1),
        bad(IndexError, "[Dd]im", MATRIX, 1, 2),
    ),
    parts(
        "split_with_sizes",
        ref.split_op,
        cases(((5,), (2, 3)), ((2, 5), (2, 0, 3), 1), ((2, 3), [2]), ((0, 2), [0, 0])),
        cases(((35, 33), (5, 20, 8), 1), ((1042, 509), [521, 521])),
        bad(RuntimeError, "sum exactly", MATRIX, [1, 1], 1),
        bad(RuntimeError, "non-negative", MATRIX, [-1, 4], 1),
        bad(RuntimeError, "sum|below", MATRIX, [2**62, 2**62, 2**62], peer=False),
    ),
    parts(
        "chunk",
        ref.chunk_op,
        cases(((5,), 2), ((10,), 4), ((3,), 5), ((2, 5), 3, 1), ((2, 5), 1, -1), ((0, 3), 3)),
        cases(((7, 67), 3), ((1042, 509), 2)),
        bad(RuntimeError, "greater than 0", MATRIX, 0),
        bad(RuntimeError, "1-dim", NUMBER, 1),
        bad(IndexError, "[Dd]im", MATRIX, 1, 2),
    ),
    parts(
        "tensor_split",
        ref.tensor_split_op,
        cases(
            ((5,), 2),
            ((3,), 5),
            ((2, 5), 3, 1),
            ((6,), (1, 4)),
            ((6,), [4, 1]),
            ((2, 5), (-1, 9), 1),
            ((2, 5), (), -1),
            ((6,), Const(np.array([1, 4]))),
            ((6,), Const(np.array(4))),
            ((6,), Const(np.array([2]))),
            ((0, 3), 2),
        ),
        cases(((7, 67), 3), ((7, 67), (3, 5), 1), ((1042, 509), 2)),
        bad(RuntimeError, "larger than 0", MATRIX, 0),
        bad(RuntimeError, "memory|max_size", MATRIX, 2**62),
        bad(RuntimeError, "1-dim", NUMBER, 1),
        bad(RuntimeError, "long", MATRIX, Const(np.array([1.0]))),
        bad(RuntimeError, "one-dim", MATRIX, Const(np.array([[1]]))),
        bad(IndexError, "[Dd]im", MATRIX, 1, 2),
    ),
    along("hsplit", 1, 1, ((6,), 3), ((2, 6), 2), ((2, 6), (1, 3))),
    along("vsplit", 0, 2, ((6, 2), 3), ((6, 2), (1, 3))),
    along("dsplit", 2, 3, ((2, 2, 6), 3), ((2, 2, 6), (1, 3))),
    *(
        joined(
            name,
            partial(ref.stack_along, axis),
            stacks(*ANY_SHAPES, *rows),
            wide_stacks(((17, 35), (17, 35)), ((521, 509), (521, 509))),
            NOTHING,
            ONE_TENSOR,
            bad(RuntimeError, "[Ss]ize", [MATRIX, np.zeros((4, 5))]),
            bad(RuntimeError, "dimensions", [np.zeros((1, 1, 1, 1)), CUBE]),
        )
        for name, axis, rows in (
            ("hstack", 1, (((3,), (2,)), ((), ()), ((2, 3), (2, 1)))),
            ("vstack", 0, (((3,), (2, 3)), ((), ()), ((2, 3), (1, 3)))),
            ("dstack", 2, (((3,), (1, 3)), ((), ()), ((2, 3, 1), (2, 3)))),
        )
    ),
    joined(
        "column_stack",
        ref.column_stack_op,
        stacks(*ANY_SHAPES, ((2,), (2, 3)), ((), ()), ((0,), (0,))),
        wide_stacks(((17,), (17, 35)), ((521, 509), (521,))),
        NOTHING,
        ONE_TENSOR,
        bad(RuntimeError, "[Ss]ize", [MATRIX, np.zeros(4)]),
    ),
    joined(
        "block_diag",
        ref.block_diag_op,
        blocks,
        several(((17, 35), (5, 3)), ((521, 509), (2, 3)), alone=False),
        bad(RuntimeError, "2 or fewer", CUBE),
        bad(TypeError, "element 0", [MATRIX]),
    ),
    joined(
        "cartesian_prod",
        ref.cartesian_prod_op,
        several(((3,), (2,)), ((2,), (3,), (2,)), ((3,),), ((0,), (2,))),
        several(((35,), (67,)), ((521,), (509,)), alone=False),
        bad(RuntimeError, "1D vector", MATRIX),
        bad(RuntimeError, "1D vector", NUMBER, VECTOR),
        bad(RuntimeError, "same dtype", VECTOR, np.zeros(2, np.float32)),
        bad(RuntimeError, "non-empty"),
        serial="",
        view=None,
    ),
    joined(
        "combinations",
        ref.combinations_op,
        choices,
        cases(((35,), 2), ((397,), 2)),
        bad(RuntimeError, "1D vector", MATRIX),
        bad(RuntimeError, "non-negative", VECTOR, -1),
        bad(RuntimeError, "below|fits", np.zeros(1000), 40, peer=False),
        serial="backward: the gradients of an element are added one after another",
        scale="inputs",
    ),
)

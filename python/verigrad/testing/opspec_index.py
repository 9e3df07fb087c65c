"""Records of selection by index, mask or condition, and of assignment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import ALL_DTYPES, OpSpec, bad
from verigrad.testing.reference import elementwise
from verigrad.testing.reference import indexing as ref
from verigrad.testing.samples import LARGE, Const, Same, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
EXACT = 0.0  # nothing is computed
COLON = slice(None)
BEYOND = Const(np.array([0, 3]))
LAST = Const(np.array([-1]))  # the last element in a subscript alone
BYTES = np.zeros(3, np.uint8)
ADDING = "additions to one element round one after another"


def where_samples(s: Sampler) -> Iterator[Sample]:
    """Three broadcast operands, numbers, other dtypes, and NaN on the side that is not taken."""
    for c, a, b in (
        ((), (), ()),
        ((5,), (5,), (5,)),
        ((3, 1), (1, 4), ()),
        ((2, 3), (3,), (2, 1)),
        ((0, 2), (2,), ()),
    ):
        yield call(s.mask(*c), s.array(*a), s.array(*b))
    yield call(s.mask(3, 4), s.array(3, 4), Same(1), note="the same tensor twice")
    yield call(s.mask(2, 3), s.array(3), 2)
    yield call(s.mask(2, 3), 0.5, s.array(2, 1))
    yield call(s.mask(2, 3), s.array(2, 3), s.array(3, dtype="float64"), grad=False)
    yield call(s.mask(1037), s.array(1037), s.array(1037), grad=False)
    yield call(s.mask(3, 4), note="positions")
    yield call(Const(s.array(2, 3, low=-1, high=1)), note="positions")
    if s.floating:
        nan = np.array([np.nan, np.inf, 1.0], s.dtype)
        yield call(
            Const(np.array([False, False, True])), nan, np.ones(3, s.dtype), grad=False, note="NaN not taken"
        )


def where_reference(condition: Any, *choices: Any) -> Any:
    """Selection; of the condition alone, the positions where it holds, one tensor per dimension."""
    return elementwise.where_op(condition, *choices) if choices else tuple(nonzero_reference(condition).T)


def large_where(s: Sampler) -> Iterator[Sample]:
    """Operands that are split between threads."""
    yield call(s.mask(LARGE), s.array(LARGE), s.array(LARGE))


def masked_samples(s: Sampler) -> Iterator[Sample]:
    """Masks of the same and of a broadcast shape, numbers and 0-d tensors."""
    for a, m in (((), ()), ((5,), (5,)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((0, 3), (1, 3))):
        yield call(s.array(*a), s.mask(*m), 2)
        yield call(s.array(*a), s.mask(*m), s.array())
    if s.floating:
        yield call(s.array(2, 3), s.mask(2, 3), float("-inf"), grad=False)


def gather_samples(s: Sampler) -> Iterator[Sample]:
    """Every dimension, indices that repeat, an index smaller than the input, sizes 0, 0-d."""
    for shape, dim, index in (
        ((5,), 0, (7,)),
        ((3, 4), 0, (2, 4)),
        ((3, 4), 1, (3, 6)),
        ((2, 3, 4), -2, (2, 5, 3)),
        ((3, 4), 1, (3, 0)),
        ((2, 3), 0, (0, 3)),
        ((1,), 0, (3,)),
    ):
        yield call(s.array(*shape), dim, s.index(*index, high=shape[dim]))
    yield call(s.array(), 0, s.index(high=1))
    yield call(s.array(60, 40), 1, s.index(60, 33, high=40), grad=False)


def scatter_samples(s: Sampler) -> Iterator[Sample]:
    """As for gather, with sources at least as large as the index."""
    for shape, dim, index, source in (
        ((5,), 0, (7,), (7,)),
        ((3, 4), 0, (2, 4), (2, 4)),
        ((3, 4), 1, (3, 6), (3, 7)),
        ((2, 3, 4), -2, (2, 5, 3), (2, 5, 4)),
        ((3, 4), 1, (3, 0), (3, 0)),
        ((3, 4), 0, (5, 2), (5, 2)),
    ):
        # PyTorch's backward is "implemented only for src.shape == index.shape".
        yield call(
            s.array(*shape), dim, s.index(*index, high=shape[dim]), s.array(*source), peer=index == source
        )
    yield call(s.array(), 0, s.index(high=1), s.array())
    yield call(s.array(60, 40), 1, s.index(60, 33, high=40), s.array(60, 33), grad=False)


def select_samples(s: Sampler) -> Iterator[Sample]:
    """Every dimension, indices that repeat, none, both integer dtypes."""
    for shape, dim, count in (
        ((5,), 0, 3),
        ((3, 4), 0, 5),
        ((3, 4), 1, 2),
        ((2, 3, 4), -2, 4),
        ((3, 4), 1, 0),
        ((2, 0), 0, 3),
    ):
        yield call(s.array(*shape), dim, s.index(count, high=shape[dim]))
    yield call(s.array(3, 4), 0, s.index(2, high=3, dtype="int32"))
    yield call(s.array(3, 4), 0, s.index(high=3))
    yield call(s.array(60, 40), 0, s.index(37, high=60), grad=False)


def row_samples(repeat: bool, alpha: bool) -> Any:
    """Rows written or added to a tensor; `repeat`: the index may name a row twice."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, dim, count in (
            ((5,), 0, 3),
            ((3, 4), 0, 3),
            ((3, 4), 1, 2),
            ((2, 3, 4), -2, 2),
            ((3, 4), 1, 0),
        ):
            size = shape[dim]
            source = tuple(count if d == dim % len(shape) else n for d, n in enumerate(shape))
            index = s.index(count, high=size) if repeat else Const(s.rng.permutation(size)[:count])
            yield call(s.array(*shape), dim, index, s.array(*source), vary=repeat)
        if alpha:
            yield call(s.array(3, 4), 0, s.index(2, high=3), s.array(2, 4), alpha=2)

    return samples


def large_rows(s: Sampler) -> Iterator[Sample]:
    """More rows than one thread takes."""
    yield call(s.array(2000, 257), 0, s.index(1501, high=2000))


def nonzero_reference(a: Any) -> Any:
    """The positions, row by row."""
    found = [index for index in np.ndindex(*a.shape) if a[index] != 0]
    return np.array(found, np.int64).reshape(len(found), a.ndim)


def nonzero_samples(s: Sampler) -> Iterator[Sample]:
    """None, some and all."""
    for shape in ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (2, 3, 2)):
        yield call(s.array(*shape, low=-1, high=1))
    yield call(np.zeros((2, 3), s.dtype))


BASIC: tuple[Any, ...] = (
    0,
    -1,
    COLON,
    slice(1, 3),
    slice(None, None, 2),
    slice(-2, None),
    slice(3, 1),
    slice(0, 100),
    Ellipsis,
    None,
    (0, 1),
    (COLON, 1),
    (Ellipsis, 0),
    (0, Ellipsis),
    (None, COLON, None, slice(1, None)),
    (slice(0, 2), slice(1, None, 2)),
    (Ellipsis, slice(0, 1)),
    (1, slice(None, None, 3), 2),
    (COLON, COLON, COLON),
)


def advanced(s: Sampler, repeat: bool) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Shapes and keys with index tensors and masks; `repeat`: an element may be named twice."""
    i = Const(np.array([0, 2, 0] if repeat else [0, 2, 1]))
    j = Const(np.array([2, -1, 0]))
    yield (4, 5), i
    yield (4, 5), [2, 0]
    yield (4, 5), (i, j)
    yield (4, 5), (COLON, j)
    yield (4, 5), (slice(1, 4), j)
    yield (4, 5), (j, 2)
    yield (4, 5), (0, j)
    yield (4, 5), (None, j)
    yield (4, 5), (Ellipsis, i)
    yield (3, 4, 5), (i, COLON, j)
    yield (3, 4, 5), (COLON, i, j)
    yield (3, 4, 5), (0, COLON, j)
    yield (3, 4, 5), (Const(np.array([[0], [2]])), Const(np.array([[1, 3]])))
    yield (4, 5), Const(np.array([], np.int64))
    yield (4, 5), Const(np.array(2))
    yield (4, 5), Const(s.rng.random((4, 5)) < 0.5)
    yield (4, 5), Const(np.array([True, False, True, True]))
    yield (4, 5), (COLON, Const(np.array([True, False, True, True, False])))
    yield (4, 5), Const(np.zeros((4, 5), bool))
    yield (3, 4, 5), Const(s.rng.random((3, 4)) < 0.5)
    yield (3, 4, 5), (Const(s.rng.random((3, 4)) < 0.5), slice(1, 3))
    yield (0, 5), Const(np.array([], np.int64))


def basic_samples(s: Sampler) -> Iterator[Sample]:
    """Numbers, slices, new dimensions and ellipses: views."""
    for key in BASIC:
        yield call(s.array(3, 4, 5), key)
    yield call(s.array(5), slice(1, None, 3))
    yield call(s.array(), Ellipsis)
    yield call(s.array(), None)
    yield call(s.array(0, 3), slice(0, 2))


def getitem_samples(s: Sampler) -> Iterator[Sample]:
    """Index tensors, masks, and their mixtures with slices."""
    for shape, key in advanced(s, repeat=True):
        yield call(s.array(*shape), key)


def get_item(lib: Library, x: Any, key: Any) -> Any:
    """x[key]."""
    return x[key]


def set_item(lib: Library, x: Any, key: Any, value: Any) -> Any:
    """x[key] = value."""
    x[key] = value
    return x


def setitem_samples(s: Sampler) -> Iterator[Sample]:
    """A number, a tensor of the same and of a broadcast shape, and of another dtype."""
    for key in BASIC:
        shape = ref.getitem_op(np.zeros((3, 4, 5)), key).shape
        yield call(s.array(3, 4, 5), key, s.array(*shape))
    for key in (0, COLON, slice(3, 1), (Ellipsis, 0), (slice(0, 2), slice(1, None, 2))):
        yield call(s.array(3, 4, 5), key, 1)
        yield call(s.array(3, 4, 5), key, s.array())
    yield call(s.array(3, 4), COLON, s.array(4))
    yield call(s.array(3, 4), COLON, s.array(3, 1))
    yield call(s.array(3, 4), 0, s.array(1, 4))
    yield call(s.array(3, 4), 1, s.array(4, dtype="int64"), grad=False)
    yield call(s.array(), Ellipsis, s.array())
    for shape, key in advanced(s, repeat=False):
        plain = tuple(k.array if isinstance(k, Const) else k for k in key) if isinstance(key, tuple) else key
        plain = plain.array if isinstance(plain, Const) else plain
        yield call(s.array(*shape), key, s.array(*ref.getitem_op(np.zeros(shape), plain).shape), vary=False)
        yield call(s.array(*shape), key, s.array(), vary=False)


INDEX_ERRORS = (
    bad(IndexError, "range|bounds", MATRIX, 2),
    bad(IndexError, "too many", MATRIX, (0, 0, 0)),
    bad(IndexError, "range|bounds", MATRIX, BEYOND),
    bad(IndexError, "mask|shape", MATRIX, Const(np.array([True]))),
    bad(IndexError, "broadcast|shape", MATRIX, (Const(np.array([0, 1])), Const(np.array([0, 1, 2])))),
    bad(TypeError, ".", MATRIX, "a"),
    bad(ValueError, "step", MATRIX, slice(None, None, -1)),
    bad(IndexError, ".", MATRIX, Const(np.array([0.5]))),
)

SPECS = (
    OpSpec(
        "where",
        where_reference,
        where_samples,
        large=large_where,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "size|shape", Const(np.ones((2, 2), bool)), MATRIX, MATRIX),
            bad(RuntimeError, "without overflow", Const(np.ones(3, bool)), BYTES, 300),
        ),
    ),
    OpSpec(
        "masked_fill",
        ref.masked_fill_op,
        masked_samples,
        method="masked_fill",
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "bool", MATRIX, Const(np.ones((2, 3))), 1),
            bad(RuntimeError, "size|shape", MATRIX, Const(np.ones((2, 2), bool)), 1),
            bad(RuntimeError, "0-dim|dimension", MATRIX, Const(np.ones((2, 3), bool)), np.ones(3)),
            bad(RuntimeError, "without overflow", BYTES, Const(np.ones(3, bool)), 300),
            bad(RuntimeError, "without overflow", BYTES, Const(np.ones(3, bool)), Const(np.array(300))),
        ),
    ),
    OpSpec(
        "gather",
        ref.gather_op,
        gather_samples,
        method="gather",
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "bounds|range|\\[0, 2\\)", MATRIX, 0, Const(np.array([[5, 0, 0]]))),
            bad(RuntimeError, "int64", MATRIX, 0, Const(np.zeros((1, 3)))),
            bad(RuntimeError, "dimension", MATRIX, 0, Const(np.array([0]))),
            bad(IndexError, "[Dd]im", MATRIX, 2, Const(np.array([[0]]))),
            bad(RuntimeError, "[Ss]ize", MATRIX, 0, Const(np.zeros((1, 4), np.int64))),
        ),
    ),
    OpSpec(
        "scatter_add",
        ref.scatter_add_op,
        scatter_samples,
        method="scatter_add",
        scale="inputs",
        tolerance=16,
        reason=ADDING,
        errors=(
            bad(
                RuntimeError,
                "bounds|range|\\[0, 2\\)",
                MATRIX,
                0,
                Const(np.array([[5, 0, 0]])),
                np.ones((1, 3)),
            ),
            bad(RuntimeError, "dtype", MATRIX, 0, Const(np.array([[0, 0, 0]])), np.ones((1, 3), np.float32)),
            bad(RuntimeError, "[Ss]ize|src", MATRIX, 0, Const(np.array([[0, 0, 0]])), np.ones((1, 2))),
        ),
    ),
    OpSpec(
        "index_select",
        ref.index_select_op,
        select_samples,
        method="index_select",
        tolerance=EXACT,
        large=large_rows,
        errors=(
            bad(IndexError, "range|bounds|\\[0, 2\\)", MATRIX, 0, BEYOND),
            bad(IndexError, "range|bounds|\\[0, 2\\)", MATRIX, 0, LAST),
            bad(IndexError, "vector", MATRIX, 0, Const(np.array([[0]]))),
            bad(RuntimeError, "int", MATRIX, 0, Const(np.array([0.5]))),
            bad(IndexError, "[Dd]im", MATRIX, 2, BEYOND),
        ),
    ),
    OpSpec(
        "index_add",
        ref.index_add_op,
        row_samples(repeat=True, alpha=True),
        method="index_add",
        scale="inputs",
        tolerance=16,
        reason=ADDING,
        errors=(
            bad(RuntimeError, "range|bounds|\\[0, 2\\)", MATRIX, 0, BEYOND, MATRIX),
            bad(RuntimeError, "range|bounds|\\[0, 2\\)", MATRIX, 0, LAST, np.ones((1, 3))),
            bad(
                RuntimeError,
                "dtype|scalar type",
                MATRIX,
                0,
                Const(np.array([0, 1])),
                np.ones((2, 3), np.float32),
            ),
            bad(RuntimeError, "shape|size", MATRIX, 0, Const(np.array([0, 1])), np.ones((2, 4))),
        ),
    ),
    OpSpec(
        "index_copy",
        ref.index_copy_op,
        row_samples(repeat=False, alpha=False),
        method="index_copy",
        tolerance=EXACT,
        errors=(
            bad(IndexError, "range|bounds|\\[0, 2\\)", MATRIX, 0, BEYOND, MATRIX),
            bad(IndexError, "range|bounds|\\[0, 2\\)", MATRIX, 0, LAST, np.ones((1, 3))),
        ),
    ),
    OpSpec(
        "nonzero",
        nonzero_reference,
        nonzero_samples,
        method="nonzero",
        order=0,
        dtypes=ALL_DTYPES,
        tolerance=EXACT,
    ),
    OpSpec(
        "__getitem__",
        ref.getitem_op,
        getitem_samples,
        function=get_item,
        view=None,
        tolerance=EXACT,
        errors=INDEX_ERRORS,
    ),
    OpSpec(
        "basic indexing",
        ref.getitem_op,
        basic_samples,
        function=get_item,
        view=True,
        tolerance=EXACT,
        registered=False,
    ),
    OpSpec(
        "__setitem__",
        ref.setitem_op,
        setitem_samples,
        function=set_item,
        mutates=1,
        view=None,
        tolerance=EXACT,
        errors=(
            bad(IndexError, "range|bounds", MATRIX, 2, 1.0),
            bad(RuntimeError, "shape|size|expand", MATRIX, 0, np.ones(4)),
            bad(IndexError, "range|bounds", MATRIX, BEYOND, 1.0),
            bad(RuntimeError, "without overflow", BYTES, 0, 300),
            bad(RuntimeError, "without overflow", BYTES, Const(np.array([0])), float("nan")),
        ),
    ),
)

"""Records of selection by index, mask or condition, and of assignment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around
from verigrad.testing.library import Library
from verigrad.testing.opspec import ALL_DTYPES, OpSpec, bad
from verigrad.testing.reference import elementwise, index_tape
from verigrad.testing.reference import indexing as ref
from verigrad.testing.reference.compositions import moved
from verigrad.testing.samples import Const, Same, Sample, Sampler, both, call
from verigrad.testing.samples_cuda import added_elements, added_rows, masks

MATRIX = np.arange(6.0).reshape(2, 3)
EXACT = 0.0  # nothing is computed
COLON = slice(None)
BEYOND = Const(np.array([0, 3]))
FAR = Const(np.array([0] * 66 + [2]))  # behind the whole vectors, and wrong by one
LAST = Const(np.array([-1]))  # the last element in a subscript alone
BYTES = np.zeros(3, np.uint8)


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
    for number in (True, 3, -1.5):
        yield call(s.mask(3, 4), number, s.array(3, 4))
        yield call(s.mask(3, 1), s.array(4), number)
    for pair in ((1.0, 0.0), (1, 0), (True, False), (True, 2), (-1, 2.5)):
        yield call(s.mask(5, 3), *pair, grad=False, note="two numbers")
    yield call(s.mask(2, 3), s.array(2, 3), s.array(3, dtype="float64"), grad=False)
    yield call(s.mask(1037), s.array(1037), s.array(1037))
    yield call(s.mask(3, 4), note="positions")
    yield call(Const(np.array(True)), note="positions")
    yield call(Const(s.array(2, 3, low=-1, high=1)), note="positions")
    if s.floating:
        nan = np.array([np.nan, np.inf, 1.0], s.dtype)
        yield call(
            Const(np.array([False, False, True])), nan, np.ones(3, s.dtype), grad=False, note="NaN not taken"
        )


def where_reference(condition: Any, *choices: Any) -> Any:
    """Selection; of the condition alone, the positions where it holds, one tensor per dimension."""
    return (
        elementwise.where_op(condition, *choices) if choices else nonzero_reference(condition, as_tuple=True)
    )


def where_boundaries(s: Sampler) -> Iterator[Sample]:
    """Vectors and their tails with a number on either side, rows, and operands that are split between
    threads: 262,144 elements (kSerialElements) by 65,536."""
    for size in (15, 33, 64, 67):
        yield call(s.mask(size), s.array(size), s.array(size))
        yield call(s.mask(size), s.array(), s.array(size))
        yield call(s.mask(size), s.array(size), s.array())
        yield call(s.mask(size), 2, s.array(size))
        yield call(s.mask(size), s.array(size), 2)
        yield call(s.mask(size), 2.5, -1.5, grad=False)
    for choice in (np.zeros, np.ones):
        yield call(Const(choice(67, bool)), s.array(67), s.array(67, dtype="float64"), grad=False, vary=False)
    yield call(s.mask(37, 41), s.array(41), s.array(37, 1))
    yield call(s.mask(521), s.array(521), s.array(509, 521), vary=False)
    yield call(s.mask(8192), s.array(40, 8192), s.array(), vary=False, note="whole chunks")
    yield call(s.mask(521, 509), s.array(521, 509), 2, vary=False)


def masked_boundaries(s: Sampler) -> Iterator[Sample]:
    """As for `where`."""
    for size in (15, 33, 67):
        yield call(s.array(size), s.mask(size), 2)
    yield call(s.array(37, 41), s.mask(41), s.array())
    yield call(s.array(509, 521), s.mask(521), s.array(), vary=False)


def masked_samples(s: Sampler) -> Iterator[Sample]:
    """Masks of the same and of a broadcast shape, numbers and 0-d tensors."""
    for a, m in (((), ()), ((5,), (5,)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((0, 3), (1, 3))):
        yield call(s.array(*a), s.mask(*m), 2)
        yield call(s.array(*a), s.mask(*m), s.array())
    yield call(s.array(3, 4), s.mask(3, 4), True)
    if s.floating:
        yield call(s.array(2, 3), s.mask(2, 3), float("-inf"), grad=False)


def gather_samples(s: Sampler) -> Iterator[Sample]:
    """Every dimension, indices that repeat, an index smaller than the input, sizes 0, 0-d."""
    for shape, dim, index in (
        ((5,), 0, (7,)),
        ((3, 4), 0, (2, 4)),
        ((3, 4), 1, (3, 8)),
        ((2, 3, 4), -2, (2, 5, 3)),
        ((3, 4), 1, (3, 0)),
        ((2, 3), 0, (0, 3)),
        ((1,), 0, (3,)),
    ):
        yield call(s.array(*shape), dim, s.index(*index, high=shape[dim]))
    yield call(s.array(), 0, s.index(high=1))
    yield call(s.array(60, 40), 1, s.index(60, 33, high=40))
    yield call(s.array(40, 60), 0, s.index(3, 60, high=40))


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
    yield call(s.array(60, 40), 1, s.index(60, 33, high=40), s.array(60, 33))


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
    yield call(s.array(60, 40), 0, s.index(37, high=60))


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


# index.cpp: 65,536 elements are cut along the first dimension (not where that is added by), by 16,384.
GATHERED = (((267, 251), 1, (263, 259)), ((67, 17, 61), 1, (65, 19, 59)), ((37, 41), 0, (301, 33)))


def gather_boundaries(s: Sampler) -> Iterator[Sample]:
    """Every dimension, above and below the size that is cut."""
    for shape, dim, index in GATHERED:
        yield call(s.array(*shape), dim, s.index(*index, high=shape[dim]))
    yield call(s.array(31), 0, s.index(70_001, high=31), vary=False)


def scatter_boundaries(s: Sampler) -> Iterator[Sample]:
    """As for `gather`."""
    for shape, dim, index in GATHERED:
        yield call(s.array(*shape), dim, s.index(*index, high=shape[dim]), s.array(*index))
    yield call(s.array(31), 0, s.index(70_001, high=31), s.array(70_001), vary=False)


def select_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows, and single elements, whose copies are cut at 65,536 elements; their gradient, which is added row
    by row in columns of 1024 (kColumns), at 262,144."""
    yield call(s.array(5, 1031), 0, s.index(7, high=5))
    yield call(s.array(269, 255), 1, s.index(251, high=255), note="single elements")
    yield call(s.array(41, 15, 67), 1, s.index(31, high=15))
    yield call(s.array(131, 1031), 0, s.index(255, high=131), vary=False)
    yield call(s.array(64, 2048), 0, s.index(40, high=64), vary=False, note="whole chunks")
    yield call(s.array(37, 15, 61), 1, s.index(119, high=15), vary=False)


def neighbours(count: int) -> tuple[Const, Const]:
    """Indices of which each is equal to the next or to the one before."""
    return Const(np.arange(count) // 2), Const((np.arange(count) + 1) // 2)


def row_boundaries(repeat: bool) -> Any:
    """Columns of 1024 (kColumns) and the vectors in them; 262,144 elements are cut by columns and slices."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, dim, count, vary in (
            ((9, 35), 0, 7, True),
            ((9, 1031), 0, 7, True),
            ((9, 1024), 0, 7, True),
            ((7, 19), 1, 17, True),
            ((41, 35, 67), 1, 31, True),
            ((521, 1031), 0, 255, False),
            ((61, 71, 67), 1, 67, False),
            ((263, 1031), 1, 1021, False),
        ):
            source = tuple(count if d == dim else n for d, n in enumerate(shape))
            order = s.rng.permutation(shape[dim])[:count]
            index = s.index(count, high=shape[dim]) if repeat else Const(order)
            yield call(s.array(*shape), dim, index, s.array(*source), vary=vary and repeat)
        if not repeat:
            twice = Const(np.array([2, 5, 2, 8, 5]))
            yield call(s.array(9, 35), 0, twice, s.array(5, 35), vary=False, note="the last one counts")
            yield call(
                s.array(9, 35), 0, Const(np.arange(8)), s.array(8, 35), vary=False, note="all but the last"
            )
            for pairs in neighbours(67):
                yield call(
                    s.array(40, 3), 0, pairs, s.array(67, 3), vary=False, note="pairs of equal indices"
                )

    return samples


def nonzero_reference(a: Any, *, as_tuple: bool = False) -> Any:
    """The positions, row by row, or dimension by dimension."""
    if as_tuple:
        return tuple(nonzero_reference(np.atleast_1d(a)).T)
    found = [index for index in np.ndindex(*a.shape) if a[index] != 0]
    return np.array(found, np.int64).reshape(len(found), a.ndim)


def nonzero_samples(s: Sampler) -> Iterator[Sample]:
    """None, some and all."""
    for shape in ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (2, 3, 2)):
        yield call(s.array(*shape, low=-1, high=1))
    yield call(np.zeros((2, 3), s.dtype))
    for shape in ((), (5,), (3, 4)):
        yield call(s.array(*shape, low=-1, high=1), as_tuple=True)


def nonzero_boundaries(s: Sampler) -> Iterator[Sample]:
    """Gaps on both sides of the eight elements that are passed over at a time, at the end as well."""
    for gap in (7, 8, 9, 10, 16, 17, 18, 26):
        mask = np.zeros(3 * gap + 5, s.dtype)
        mask[[0, gap, gap + 1, 2 * gap + 2]] = 1
        yield call(mask)
        yield call(mask[: 2 * gap + 3])
    yield call((s.rng.random((13, 7, 19)) < 0.03).astype(s.dtype))


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
    for shape, key in advanced(s, repeat=False):
        yield call(s.array(*shape), key, 2, vary=False)
    yield call(s.array(3, 4, 2), s.mask(3), 2)
    yield call(s.array(3, 4, 2), s.mask(3, 4), 2, note="a mask and a number")
    yield call(s.array(3, 4), (slice(1, None), s.mask(4)), 2)


def getitem_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows by index and by mask, pairs of indices, above what is cut forward and backward."""
    yield call(s.array(131, 1031), s.index(255, high=131), vary=False)
    yield call(s.array(300, 251), Const(s.rng.random(300) < 0.95))
    yield call(s.array(67, 71), (s.index(37, 1, high=67), s.index(35, high=71)))
    yield call(s.array(15, 17, 35), (COLON, s.index(19, high=17)))
    yield from (call(s.array(67), index, vary=False) for index in long_indices(s, 67))


def long_indices(s: Sampler, rows: int) -> Iterator[Const]:
    """From dear_serial_elements on, an index is read as it is where none of it counts from the end."""
    for size in around("dear_serial_elements"):
        yield from (s.index(size, high=rows, low=low) for low in (0, -1))


def basic_boundaries(s: Sampler) -> Iterator[Sample]:
    """Slices with steps of wide rows."""
    yield call(s.array(19, 67), (slice(1, None, 2), slice(2, 65, 3)))
    yield call(s.array(5, 35, 33), (Ellipsis, slice(None, None, 2), 7))
    yield call(s.array(35, 67), (slice(None), None, slice(1, 34)))
    yield call(s.array(521, 1031), (slice(None), slice(1, 1020, 2)), vary=False)


def setitem_boundaries(s: Sampler) -> Iterator[Sample]:
    """Slices and rows above what a copy is cut at: 262,144 elements, and as much for rows by index."""
    yield call(s.array(19, 67), (slice(1, None, 2), slice(2, 65, 3)), s.array(9, 21))
    yield call(s.array(35, 67), (COLON, slice(None, 34)), s.array(34))
    yield call(s.array(531, 1031), (COLON, slice(0, 1030, 2)), s.array(531, 515), vary=False)
    yield call(s.array(37, 35), Const(s.rng.permutation(37)[:19]), s.array(19, 35), vary=False)
    rows = Const(s.rng.permutation(257)[:255])
    yield call(s.array(257, 1031), rows, s.array(255, 1031), vary=False)
    for pairs in neighbours(67):
        yield call(s.array(40, 3), pairs, s.array(67, 3), vary=False, note="pairs of equal indices")


INDEX_ERRORS = (
    bad(IndexError, "ellipsis", MATRIX, (Ellipsis, Ellipsis), peer=False),
    bad(IndexError, "range|bounds", MATRIX, 2),
    bad(IndexError, "too many", MATRIX, (0, 0, 0)),
    bad(IndexError, "index 2 is", MATRIX, FAR),
    bad(
        IndexError,
        "index -4 is out of bounds for dimension 1 with size 3",
        MATRIX,
        (Const(np.array([[0], [1]])), Const(np.array([2, -4]))),
    ),
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
        composition=moved(where_reference),
        boundary=where_boundaries,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "bool", MATRIX, MATRIX, MATRIX),
            bad(RuntimeError, "size|shape", Const(np.ones((2, 2), bool)), MATRIX, MATRIX),
            bad(RuntimeError, "without overflow", Const(np.ones(3, bool)), BYTES, 300),
        ),
    ),
    OpSpec(
        "masked_fill",
        ref.masked_fill_op,
        masked_samples,
        method="masked_fill",
        inplace="masked_fill_",
        composition=moved(ref.masked_fill_op),
        boundary=masked_boundaries,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "boolean masks", MATRIX, Const(np.ones((2, 3))), 1),
            bad(RuntimeError, "size|shape", MATRIX, Const(np.ones((2, 2), bool)), 1),
            bad(RuntimeError, "broadcast shape", np.ones(3), Const(np.ones((2, 3), bool)), 1, form="inplace"),
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
        composition=moved(ref.gather_op),
        boundary=gather_boundaries,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "bounds|range|\\[0, 2\\)", MATRIX, 0, Const(np.array([[5, 0, 0]]))),
            bad(RuntimeError, "got 3$|index 3 is", MATRIX, 1, Const((FAR.array + 1)[None])),
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
        inplace="scatter_add_",
        scale="inputs",
        composition=index_tape.scatter_add,
        boundary=both(scatter_boundaries, added_elements),
        errors=(
            bad(RuntimeError, "int64", MATRIX, 0, Const(np.zeros((2, 3), np.float32)), MATRIX),
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
        composition=moved(ref.index_select_op),
        boundary=select_boundaries,
        errors=(
            bad(IndexError, "got 2$|index 2 is", MATRIX, 0, FAR),
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
        inplace="index_add_",
        scale="inputs",
        composition=index_tape.index_add,
        boundary=both(row_boundaries(repeat=True), added_rows),
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
        inplace="index_copy_",
        composition=moved(ref.index_copy_op),
        boundary=row_boundaries(repeat=False),
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
        boundary=both(nonzero_boundaries, masks),
        serial="the positions are written one after another",
        order=0,
        dtypes=ALL_DTYPES,
        tolerance=EXACT,
    ),
    OpSpec(
        "__getitem__",
        ref.getitem_op,
        getitem_samples,
        function=get_item,
        composition=moved(ref.getitem_op),
        boundary=getitem_boundaries,
        view=None,
        tolerance=EXACT,
        errors=INDEX_ERRORS,
    ),
    OpSpec(
        "basic indexing",
        ref.getitem_op,
        basic_samples,
        function=get_item,
        composition=moved(ref.getitem_op),
        boundary=basic_boundaries,
        serial="a view: nothing is computed",
        view=True,
        tolerance=EXACT,
        registered=False,
    ),
    OpSpec(
        "__setitem__",
        ref.setitem_op,
        setitem_samples,
        function=set_item,
        composition=moved(ref.setitem_op),
        boundary=setitem_boundaries,
        mutates=1,
        view=None,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "shape mismatch", MATRIX, Const(np.array([0, 1])), np.zeros((2, 2, 3))),
            bad(IndexError, "range|bounds", MATRIX, 2, 1.0),
            bad(RuntimeError, "shape|size|expand", MATRIX, 0, np.ones(4)),
            bad(IndexError, "range|bounds", MATRIX, BEYOND, 1.0),
            bad(RuntimeError, "without overflow", BYTES, 0, 300),
            bad(RuntimeError, "without overflow", BYTES, Const(np.array([0])), float("nan")),
        ),
    ),
)

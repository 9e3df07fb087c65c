"""Records of sorting, searching and counting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around, value
from verigrad.testing.opspec import FLOATING, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.opspec_reduce import EMPTY, MATRIX
from verigrad.testing.reference import sorting as ref
from verigrad.testing.reference import sorting_tape as parts
from verigrad.testing.samples import Const, Sample, Sampler, call

OUT_OF_RANGE = bad(IndexError, "[Dd]im", MATRIX, 2)
BOOL = np.array([[True, False]])
NAN = np.nan
# Shape and dimension: every dimension, sizes 0 and 1.
LINES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((5,), 0),
    ((1,), -1),
    ((), 0),
    ((3, 4), 0),
    ((3, 4), 1),
    ((2, 3, 4), 1),
    ((2, 3, 4), -3),
)
GATHERED = "backward: the gradient of a line is scattered into it by one thread"


def different(s: Sampler, *shape: int) -> Any:
    """No two elements are equal, as far as the dtype has so many."""
    if s.floating:
        return s.distinct(*shape)
    return s.rng.permutation(int(np.prod(shape))).reshape(shape).astype(s.dtype)


def lines(s: Sampler) -> Iterator[tuple[Any, int]]:
    """The same of different elements, and longer ones."""
    for shape, dim in LINES:
        yield different(s, *shape), dim
    yield different(s, 67), 0
    yield different(s, 2, 101), 1


def sorts() -> Callable[[Sampler], Iterator[Sample]]:
    """Both orders, stable where there are ties, NaN and infinities."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for x, dim in lines(s):
            if s.dtype.kind != "b":  # which has ties
                yield call(x, dim)
                yield call(x, dim=dim, descending=True)
            yield call(x, dim=dim, stable=True)
            yield call(x, dim=dim, stable=True, descending=True, grad=False)
        yield call(different(s, 2, 3))
        yield call(different(s, 2, 3), 0, True)
        for shape, dim in (((0,), 0), ((2, 0), 1), ((0, 2), 1)):
            yield call(different(s, *shape), dim, grad=False)
        ties = s.rng.integers(0, 4, (3, 70)).astype(s.dtype)
        for down in (False, True):
            yield call(ties, stable=True, dim=1, descending=down, grad=False, note="ties")
        if s.floating:
            edges = np.array([[1, NAN, 2, -np.inf, NAN], [0.0, -0.0, np.inf, -1, 0.0]], s.dtype)
            for x in (edges, np.tile(edges, 20)):  # short rows are sorted otherwise than long ones
                for down in (False, True):
                    yield call(x, dim=1, descending=down, stable=True, grad=False, note="edge values")

    return samples


def all_dtypes(s: Sampler) -> Iterator[Sample]:
    """The extremes of each dtype."""
    yield call(s.edges(), stable=True, dim=0, grad=False, note="edge values")
    yield call(s.edges(), stable=True, dim=0, descending=True, grad=False, note="edge values")


def sort_bounds(*more: Any, **options: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows on both sides of the length from which they are sorted by digits; more than one thread sorts."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for size in around("sort_few"):
            yield call(s.distinct(3, size), *more, vary=False, **options)
        yield call(s.distinct(131, 521), *more, vary=False, **options)
        yield call(s.distinct(17_001, 4), *more, vary=False, **options)

    return samples


def top_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows around blocks of candidates, and around how many wanted elements are found by comparison."""
    yield from sort_bounds(3)(s)
    block, room, share = value("sort_block"), value("sort_room"), value("sort_share")
    long = share * (value("sort_few") + 5)
    for size in (block - 1, block, block + 1, 2 * block - 1, 2 * block, 2 * block + 1):
        yield call(s.distinct(2, size), 2, vary=False)
    for k in (room // 2 - 1, room // 2, room // 2 + 1, *around("sort_few")):
        yield call(s.distinct(2, 5 * block + 3), k, largest=k % 2 == 0, vary=False)
    for k in (long // share - 1, long // share, long // share + 1):
        yield call(s.distinct(1, long), k, vary=False)
    # Equal elements, whose order is that of their places, and NaN, beside a bound that is known.
    few = s.rng.integers(0, 7, (3, 5 * block)).astype(s.dtype)
    some = few.copy()
    if s.floating:
        some[0, : 2 * block] = some[1, -7:] = some[2, ::3] = NAN
    for x in (few, some):
        for largest in (False, True):
            yield call(x, 5, largest=largest, grad=False, peer=False, note="equal elements")


def sort_many(s: Sampler) -> Iterator[Sample]:
    """The same, along either dimension; rows that threads share, and keys of 64 bits near to one another."""
    yield from sort_bounds()(s)
    yield call(s.distinct(131, 67), 0, vary=False)
    yield call(s.distinct(5_003), 0, True, vary=False)
    for size in around("sort_chunk"):
        yield call(s.distinct(size), vary=False)
        ties = s.rng.integers(0, 251, (2, size)).astype(s.dtype)
        yield call(
            ties,
            dim=1,
            descending=size % 2 == 0,
            stable=True,
            grad=False,
            vary=False,
            note="ties in long rows",
        )
    if s.dtype.itemsize == 8:
        start = np.array(1, s.dtype).view(np.int64)
        for last in (2**32 - 1, 2**32, 2**40 + 5):
            steps = np.append(s.rng.integers(0, last, 300), [last, 0, last - 1, 1])
            for down in (False, True):
                near = (start + steps).view(s.dtype)
                yield call(near, 0, down, grad=False, vary=False, note="near one another")


def selections(*first: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """Of each line."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for x, dim in lines(s):
            for k in {1, 2, x.shape[dim]} if x.ndim and x.shape[dim] > 1 else {1}:
                yield call(x, k, dim)
                yield call(x, k, dim=dim, **{first[0]: first[1]})
        yield call(different(s, 2, 3), 2)
        yield call(different(s, 0, 3), 2, grad=False)
        if s.floating:
            edges = np.array([[1, NAN, 2, -np.inf], [0.0, 3, np.inf, -1]], s.dtype)
            for k in (1, 2, 4):
                yield call(edges, k, grad=False, note="edge values")

    return samples


def tops(s: Sampler) -> Iterator[Sample]:
    """The greatest and the least, none of them, and options by place."""
    yield from selections("largest", False)(s)
    yield call(different(s, 2, 3), 0, grad=False)
    if s.dtype.name != "uint8":
        for k in (64, 65, 100):
            yield call(different(s, 3, 300), k, grad=False, note="many")
    yield call(different(s, 2, 3), 2, 0, False, True)
    yield call(different(s, 2, 3), 3, sorted=True)


def medians(s: Sampler) -> Iterator[Sample]:
    """Odd and even numbers of elements, of lines and of all; NaN."""
    for shape in ((), (1,), (5,), (6,), (3, 4), (67,)):
        yield call(different(s, *shape))
    for x, dim in lines(s):
        yield call(x, dim)
        yield call(x, dim=dim, keepdim=True)
    yield call(different(s, 2, 3), axis=1, keepdims=True)
    yield call(different(s, 0, 3), 1, grad=False)
    if s.floating:
        values = np.array([[1, NAN, 3, 2], [NAN, NAN, 1, 5], [4, 3, 2, 1]], s.dtype)
        yield call(values, 1, grad=False, note="NaN")
        yield call(values, grad=False, note="NaN")
        yield call(values[2], grad=False)
        yield call(np.zeros(0, s.dtype), grad=False)


def quantiles(s: Sampler) -> Iterator[Sample]:
    """Numbers and vectors of levels, of lines and of all, every interpolation, NaN."""
    for shape, dim in (
        ((5,), None),
        ((3, 4), None),
        ((3, 4), 0),
        ((2, 3, 4), 1),
        ((2, 3, 4), -1),
        ((2, 3, 4), 0),
    ):
        for keep in (False, True):
            yield call(s.distinct(*shape), 0.3, dim, keep)
            levels = Const(np.array([0.1, 0.77, 0.4], s.dtype))
            yield call(s.distinct(*shape), levels, dim, keepdim=keep)
    yield call(s.distinct(2, 5), np.asarray(0.3, s.dtype), 1, note="a level with a gradient")
    yield call(s.distinct(2, 5), np.array([0.3, 0.6], s.dtype), 1, note="levels with gradients")
    yield call(s.distinct(), 0.5)
    for kind in ("linear", "lower", "higher", "midpoint", "nearest"):
        for q in (0.0, 0.3, 0.5, 1.0):
            yield call(s.distinct(2, 6), q, 1, interpolation=kind)
    yield call(s.distinct(2, 5), 0.375, 1, interpolation="nearest", note="half-way")
    values = np.array([[1, NAN, 3, 2], [4, 3, 2, 1]], s.dtype)
    yield call(values, 0.4, 1, grad=False, note="NaN")
    yield call(np.full((2, 2), NAN, s.dtype), 0.4, 1, grad=False, note="NaN")


def quantile_bounds(s: Sampler) -> Iterator[Sample]:
    """More lines than one thread sorts; more results than one interpolates."""
    yield call(s.distinct(17, 67), 0.3, 1, vary=False)
    levels = Const(np.linspace(0.05, 0.95, 9).astype(s.dtype))
    yield call(s.distinct(17_001, 4), levels, 1, vary=False)


def distinct_elements(consecutive: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """Elements and slices, with what is returned beside them."""

    def draw(s: Sampler, *shape: int) -> Any:
        return s.rng.integers(0, 3, shape).astype(s.dtype)

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in ((), (1,), (7,), (3, 4), (0,), (2, 0)):
            yield call(draw(s, *shape))
            for inverse, counts in ((True, False), (False, True), (True, True)):
                yield call(draw(s, *shape), return_inverse=inverse, return_counts=counts)
        if not consecutive:
            yield call(draw(s, 9), False)
            yield call(draw(s, 9), True, True, True)
        for dim in (0, 1, -1):
            yield call(draw(s, 6, 2, 2), dim=dim)
            yield call(draw(s, 6, 2), dim=dim, return_inverse=True, return_counts=True)
        yield call(draw(s, 6), dim=0, return_inverse=True)
        yield call(draw(s, 2, 0), dim=1)
        if s.floating:
            yield call(np.array([1, NAN, 1, NAN, -0.0, 0.0], s.dtype), return_inverse=True, note="NaN")

    return samples


def many_elements(s: Sampler) -> Iterator[Sample]:
    """More than one thread takes."""
    yield call(s.rng.integers(0, 200, (70_001,)).astype(s.dtype), return_inverse=True, return_counts=True)


def numbers(s: Sampler) -> Iterator[Sample]:
    """Counts and sums of weights of both dtypes, the least length, none."""
    for size in (0, 1, 9):
        x = s.rng.integers(0, 6, size).astype(s.dtype)
        yield call(x)
        yield call(x, minlength=8)
        for dtype in ("float32", "float64", "int32"):
            yield call(x, Const(s.array(size, dtype=dtype)), note=f"weights of {dtype}")
        yield call(x, weights=None, minlength=2)


def many_numbers(s: Sampler) -> Iterator[Sample]:
    """More than one thread takes."""
    yield call(s.rng.integers(0, 200, (300_007,)).astype(s.dtype))


def binned(s: Sampler) -> Iterator[Sample]:
    """Given and found ranges, elements outside and at the ends, no width, NaN."""
    for shape in ((9,), (3, 4), (1,)):
        yield call(s.array(*shape), 5)
        yield call(s.array(*shape), bins=4, min=-1, max=2)
    yield call(s.array(200), vary=False)  # equal elements would lie at the end of a bin
    yield call(s.array(0), 3)
    yield call(np.array([1, 1], s.dtype), 3, note="no width")
    yield call(np.array([0, 1, 2, 3, 4], s.dtype), 4, 0, 4, note="at the ends")
    yield call(np.array([1, NAN, 3], s.dtype), 3, 0, 4, note="NaN")


def many_binned(s: Sampler) -> Iterator[Sample]:
    """More than one thread takes."""
    yield call(s.array(300_007), 10, -2.5, 2.5)


def searches(s: Sampler) -> Iterator[Sample]:
    """One row for all values and one for each of theirs, both sides, numbers, sorters."""
    for size in (0, 1, 5, 16):
        row = np.sort(s.rng.integers(0, 6, size)).astype(s.dtype)
        for right in (False, True):
            yield call(row, s.rng.integers(0, 6, (2, 7)).astype(s.dtype), right=right)
        yield call(row, 3)
        yield call(row, 2.5, out_int32=True)
    rows = np.sort(s.rng.integers(0, 9, (2, 3, 5)), -1).astype(s.dtype)
    yield call(rows, s.rng.integers(0, 9, (2, 3, 4)).astype(s.dtype))
    yield call(rows, s.rng.integers(0, 9, (2, 3, 4)).astype(s.dtype), side="right")
    yield call(rows, s.rng.integers(0, 9, (2, 3, 0)).astype(s.dtype), side="left")
    mixed = s.rng.integers(0, 9, (3, 6)).astype(s.dtype)
    places = Const(np.argsort(mixed, -1, kind="stable").astype(np.int64))
    yield call(mixed, s.rng.integers(0, 9, (3, 4)).astype(s.dtype), sorter=places)
    yield call(rows[0, 0], s.array(4, dtype="float64"), note="two dtypes")
    if s.floating:
        row = np.array([1, 2, np.inf, NAN], s.dtype)
        for right in (False, True):
            yield call(row, np.array([NAN, np.inf, 0, 2], s.dtype), right=right, note="NaN")


def buckets(s: Sampler) -> Iterator[Sample]:
    """Values of any shape, numbers, both sides."""
    row = np.sort(s.rng.integers(0, 6, 5)).astype(s.dtype)
    for shape in ((), (4,), (2, 3), (0,)):
        yield call(s.rng.integers(0, 6, shape).astype(s.dtype), row)
        yield call(s.rng.integers(0, 6, shape).astype(s.dtype), row, right=True, out_int32=True)
    yield call(2, row)


def many_searches(s: Sampler) -> Iterator[Sample]:
    """More values than one thread looks for."""
    yield call(np.sort(s.array(67)), s.array(300_007))


def many_buckets(s: Sampler) -> Iterator[Sample]:
    """The same."""
    yield call(s.array(300_007), np.sort(s.array(67)))


ROW = np.array([1.0, 3.0, 5.0])
TIED = np.array([1.0, 2.0, 2.0, 3.0])

SPECS = (
    OpSpec(
        "sort",
        ref.sort_op,
        lambda s: iter([*sorts()(s), *all_dtypes(s)]),
        method="sort",
        tolerance=0.0,
        ties=True,
        composition=parts.sort,
        boundary=sort_many,
        errors=(OUT_OF_RANGE, bad(TypeError, ".", MATRIX, 0, False, True)),
    ),
    OpSpec(
        "argsort",
        ref.argsort_op,
        sorts(),
        method="argsort",
        order=0,
        boundary=sort_bounds(),
        errors=(OUT_OF_RANGE,),
    ),
    OpSpec(
        "msort",
        ref.msort_op,
        lambda s: (call(different(s, *n)) for n in ((5,), (3, 4), (0, 2), (2, 3, 2))),
        method="msort",
        tolerance=0.0,
        ties=True,
        composition=parts.msort,
        boundary=lambda s: iter([call(s.distinct(67, 35)), call(s.distinct(67, 4_099), vary=False)]),
    ),
    OpSpec(
        "topk",
        ref.topk_op,
        tops,
        method="topk",
        dtypes=NUMERIC,
        tolerance=0.0,
        ties=True,
        composition=parts.topk,
        boundary=top_bounds,
        serial=GATHERED,
        errors=(
            bad(RuntimeError, "out of range", MATRIX, 4),
            bad(RuntimeError, "out of range", MATRIX, -1),
            bad(IndexError, "[Dd]im", MATRIX, 1, 2),
            bad(RuntimeError, "bool", BOOL, 1),
        ),
    ),
    OpSpec(
        "kthvalue",
        ref.kthvalue_op,
        selections("keepdim", True),
        method="kthvalue",
        dtypes=NUMERIC,
        tolerance=0.0,
        ties=True,
        composition=parts.kthvalue,
        boundary=sort_bounds(3),
        serial=GATHERED,
        errors=(
            bad(RuntimeError, "out of range", MATRIX, 4),
            bad(RuntimeError, "out of range", MATRIX, 0),
            bad(IndexError, "[Dd]im", MATRIX, 1, 2),
            bad(IndexError, "non-zero size", EMPTY, 1),
            bad(NotImplementedError, "Bool", BOOL, 1),
        ),
    ),
    *(
        OpSpec(
            name,
            getattr(ref, f"{name}_op"),
            medians,
            method=name,
            dtypes=NUMERIC,
            tolerance=0.0,
            ties=True,
            composition=getattr(parts, name),
            boundary=sort_bounds(1),
            serial=GATHERED,
            errors=(
                OUT_OF_RANGE,
                bad(IndexError, "non-zero size", EMPTY, 1),
                bad(NotImplementedError, "Bool", BOOL),
                # PyTorch answers the least number.
                bad(RuntimeError, "elements", np.zeros(0, np.int64), peer=False),
            ),
            kinks=(
                Kink((TIED,), ([0.0, 0.5, 0.5, 0.0],)),
                Kink((TIED, 0), ([0.0, 1.0, 0.0, 0.0],)),
            ),
        )
        for name in ("median", "nanmedian")
    ),
    *(
        OpSpec(
            name,
            getattr(ref, f"{name}_op"),
            quantiles,
            method=name,
            dtypes=FLOATING,
            scale="bound",
            ties=True,
            composition=getattr(parts, name),
            gradient_tolerance=4.0,
            boundary=quantile_bounds,
            errors=(
                bad(RuntimeError, r"\[0, 1\]", MATRIX, 1.5),
                bad(RuntimeError, r"\[0, 1\]", MATRIX, np.array([-0.5])),
                bad(RuntimeError, "interpolation", MATRIX, 0.5, interpolation="foo"),
                bad(RuntimeError, "float or double", np.arange(3), 0.5),
                bad(RuntimeError, "same dtype", MATRIX, np.ones((), np.float32)),
                bad(RuntimeError, "scalar or 1D", MATRIX, np.zeros((2, 2))),
                bad(RuntimeError, "non-empty", EMPTY, 0.5, 1),
                bad(IndexError, "[Dd]im", MATRIX, 0.5, 2),
            ),
        )
        for name in ("quantile", "nanquantile")
    ),
    OpSpec(
        "unique",
        ref.unique_op,
        distinct_elements(consecutive=False),
        method="unique",
        order=0,
        view=None,
        boundary=many_elements,
        differs={"flags": "PyTorch's result requires a gradient that it has no formula for"},
        errors=(
            bad(IndexError, "[Dd]im", MATRIX, dim=2),
            bad(RuntimeError, "0 sized", EMPTY, dim=0),
        ),
    ),
    OpSpec(
        "unique_consecutive",
        ref.unique_consecutive_op,
        distinct_elements(consecutive=True),
        method="unique_consecutive",
        order=0,
        view=None,
        boundary=many_elements,
        differs={"flags": "PyTorch's result requires a gradient that it has no formula for"},
        errors=(bad(IndexError, "[Dd]im", MATRIX, dim=2),),
    ),
    OpSpec(
        "bincount",
        ref.bincount_op,
        numbers,
        method="bincount",
        order=0,
        dtypes=("uint8", "int32", "int64"),
        boundary=many_numbers,
        errors=(
            bad(NotImplementedError, ".", MATRIX[0]),
            bad(NotImplementedError, ".", BOOL[0]),
            bad(RuntimeError, "1-d", np.ones((2, 2), np.int64)),
            bad(RuntimeError, "non-negative", np.array([1, -1])),
            bad(RuntimeError, "minlength", np.array([1]), minlength=-1),
            bad(RuntimeError, "same length", np.array([1, 2]), np.ones(3)),
        ),
    ),
    OpSpec(
        "histc",
        ref.histc_op,
        binned,
        method="histc",
        order=0,
        dtypes=FLOATING,
        boundary=many_binned,
        differs={"flags": "PyTorch's result requires a gradient that it has no formula for"},
        errors=(
            bad(NotImplementedError, ".", np.arange(3)),
            bad(RuntimeError, "bins", MATRIX, 0),
            bad(RuntimeError, "larger", MATRIX, 3, 2, 1),
            bad(RuntimeError, "finite", np.array([1.0, np.inf]), 3),
            bad(RuntimeError, "finite", np.array([1.0, NAN]), 3),
        ),
    ),
    OpSpec(
        "searchsorted",
        ref.searchsorted_op,
        searches,
        order=0,
        dtypes=NUMERIC,
        boundary=many_searches,
        errors=(
            bad(RuntimeError, "positive dimension", np.array(1.0), ROW),
            bad(RuntimeError, "must match", MATRIX, ROW),
            bad(RuntimeError, "scalar", MATRIX, 3),
            bad(RuntimeError, "opposites", ROW, ROW, side="left", right=True),
            bad(RuntimeError, "left.*right", ROW, ROW, side="foo"),
            bad(RuntimeError, "same size", ROW, ROW, sorter=np.array([0, 1])),
            bad(RuntimeError, "long dtype", ROW, ROW, sorter=np.array([0.0, 1, 2])),
            bad(RuntimeError, "out of range", ROW, ROW, sorter=np.array([0, 1, 7])),
            bad(RuntimeError, "2147483649", np.zeros((0, 2**31 + 1)), np.zeros((0, 3)), out_int32=True),
        ),
    ),
    OpSpec(
        "bucketize",
        ref.bucketize_op,
        buckets,
        order=0,
        dtypes=NUMERIC,
        boundary=many_buckets,
        errors=(bad(RuntimeError, "1 dimension", ROW, MATRIX),),
    ),
)

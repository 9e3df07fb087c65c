"""Records of the reductions and of softmax over one dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.reference import reduction as ref
from verigrad.testing.reference import reduction_tape as parts
from verigrad.testing.samples import D, Sample, Sampler, both, call
from verigrad.testing.samples_cuda import softmax_rows

MATRIX = np.arange(6.0).reshape(2, 3)
EMPTY = np.zeros((2, 0))
OUT_OF_RANGE = bad(IndexError, "[Dd]im", MATRIX, 2)
BOOLS = np.array([[True, False]])
SPREAD = "backward: the gradient is the incoming one, expanded"


def reductions(
    *,
    lists: bool = True,
    one: bool = True,
    full: bool = True,
    empty: bool = True,
    cast: bool = False,
    distinct: bool = False,
    low: float = -3.0,
    high: float = 3.0,
    gap: float = 0.0,
    edges: bool = True,
    nan: bool = False,
    pairs: bool = False,
) -> Callable[[Sampler], Iterator[Sample]]:
    """Every dimension from both ends, lists of dimensions, keepdim, sizes 0 and 1, 0-d, long rows and
    columns.

    Args:
        lists: whether a list of dimensions is allowed.
        one: whether one dimension is allowed.
        full: whether no dimension is allowed.
        empty: whether a reduction over no elements has an answer.
        cast: whether there is a keyword dtype.
        distinct: whether ties are kinks.
        low, high, gap: range of the samples.
        edges: whether infinities and NaN are tried.
        nan: whether the answer for no elements is NaN, which has no gradient to check.
        pairs: whether there is a form of two tensors.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        def draw(*shape: int) -> Any:
            return (
                s.distinct(*shape, low=low, high=high)
                if distinct
                else s.array(*shape, low=low, high=high, gap=gap)
            )

        if full:
            for shape in ((), (1,), (5,), (3, 4), (2, 3, 4)):
                yield call(draw(*shape))
            if empty:
                yield call(draw(0), grad=not nan)
                yield call(draw(2, 0, 3), grad=not nan)
            yield call(draw(1037), grad=False)
            yield call(draw(37, 41), grad=False)
        if one:
            for dim in (0, 1, -1, -3):
                yield call(draw(2, 3, 4), dim)
                yield call(draw(2, 3, 4), dim, True)
            yield call(draw(5), 0)
            yield call(draw(), 0)
            yield call(draw(), -1, True)
            yield call(draw(3, 1, 2), dim=1, keepdim=False)
            yield call(draw(3, 0), 0)
            yield call(draw(0, 3), 1, True)
            if empty:
                yield call(draw(3, 0), 1, grad=not nan)
                yield call(draw(0, 3), dim=0, keepdim=True, grad=not nan)
            yield call(draw(37, 41), 0, grad=False)
            yield call(draw(37, 41), 1, grad=False)
            yield call(draw(5, 33, 7), 1, grad=False)
        if lists:
            yield call(draw(2, 3, 4), (0, 2))
            yield call(draw(2, 3, 4), [1, -1], True)
            yield call(draw(2, 3, 4), dim=(0, 1, 2))
            yield call(draw(2, 3, 4), dim=[2, 0], keepdim=True)
            yield call(draw(6, 33, 7), (0, 2), grad=False)
        if one:
            yield call(draw(2, 3), axis=1)
            yield call(draw(2, 3), axis=-2, keepdims=True)
        if pairs:  # the grids of the two are a tenth apart, so that there are no ties
            yield call(
                draw(3, 4), s.distinct(3, 4, low=low + 0.1, high=high + 0.1), vary=False, note="two tensors"
            )
        if cast:
            yield call(draw(2, 3), dtype=D("float64"))
            yield call(draw(2, 3), 1, dtype=D("float32"), grad=False)
        if edges and s.floating:
            values = np.array(
                [[1, np.inf, 2], [1, np.nan, np.inf], [-np.inf, -0.0, 0.0], [np.nan, np.nan, 3]], s.dtype
            )
            if full:
                yield call(values, grad=False, note="edge values")
                yield call(values[:1], grad=False, note="edge values")
            if one:
                yield call(values, 1, grad=False, note="edge values")
                yield call(values, 0, grad=False, note="edge values")
        if not distinct:
            return
        ties = np.array([[1, 3, 3], [2, 2, 2], [0, 1, 0]]).astype(s.dtype)
        if full:
            yield call(ties, grad=False, note="ties")
        if one:
            yield call(ties, 1, grad=False, note="ties")

    return samples


# Shape and dimension on both sides of what reduce.cpp, reduce_loops.h and arg_reduce.cpp cut their work by.
# Groups of 4, 32 lanes, four of them, runs of 2,048.
VECTORS = (3, 4, 31, 33, 128, 159, 161, 2047, 2048, 2049, 4129)
ROWS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((5, 35), 1),
    ((3, 2047), 1),
    ((3, 2051), 1),
    ((515, 33), 1),  # blocks of 512 results
    ((5, 64), 1),  # from 64 on arg_reduce looks for the extremum before its place
    ((7, 131), 1),
    ((3, 2048), 1),
)
STRIDED: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((2, 545), 1),  # sliced, the strided runs of 512, 32 and 8
    ((3, 1061), 1),
    ((3, 512), 1),
)
COLUMNS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((3, 257), 0),  # blocks of 256 columns in arg_reduce
    ((7, 511), 0),
    ((65, 513), 0),  # blocks of 512 columns, leaves of 64 rows, four rows at a time
    ((131, 17), 0),
    ((64, 512), 0),  # whole leaves and blocks
    ((5, 256), 0),
    ((3, 67, 37), 1),
)
SEVERAL: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((70, 3, 33), (0, 2)),  # 64 runs in one call, leaves of 2,048
    ((64, 3, 16), (0, 2)),
    ((67, 3, 16), (0, 2)),
    ((3, 2, 2049), (0, 2)),
    ((17, 3, 5, 37), (0, 2)),  # columns whose leaves cross the inner dimension
    ((5, 3, 7, 11), (1, 3)),
)
THREADS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((300_007,), None),
    ((40, 8192), None),  # five whole chunks
    ((8_195, 33), 1),  # 16 blocks of results and more
    ((701, 603), 0),  # fewer, with chunks of the reduced dimension
    ((40, 83, 101), 1),
    ((3, 100_003), 1),
)


def at_bounds(
    draw: Callable[..., Any], *, lists: bool = True, more: tuple[tuple[tuple[int, ...], Any], ...] = ()
) -> Callable[[Sampler], Iterator[Sample]]:
    """Rows, columns, vectors and several dimensions at all bounds.

    Args:
        draw: an array from a sampler, a shape and the dimension that is reduced.
        lists: whether a list of dimensions is allowed.
        more: further shapes and dimensions.
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        for size in VECTORS:
            yield call(draw(s, (size,), 0))
        for shape, dim in (*ROWS, *STRIDED, *COLUMNS, *(SEVERAL if lists else ()), *THREADS, *more):
            yield call(draw(s, shape, dim), *(() if dim is None else (dim,)))

    return samples


def plain(low: float = -3.0, high: float = 3.0) -> Callable[..., Any]:
    """Numbers of a range."""
    return lambda s, shape, dim: s.array(*shape, low=low, high=high)


def factors(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
    """Numbers near one of either sign, so that products neither vanish nor overflow."""
    x = s.array(*shape, low=0.9, high=1.1)
    return x if s.dtype.kind in "bu" else (x * s.rng.choice([-1, 1], shape)).astype(s.dtype)


def peaks(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
    """No ties; the extremes of the first line stand at its ends, those of the others anywhere."""
    x = s.distinct(*shape)
    if isinstance(dim, int):
        line = np.moveaxis(x, dim, 0).reshape(shape[dim], -1)[:, 0].copy()
        low, high = int(line.argmin()), int(line.argmax())
        line[[0, low]] = line[[low, 0]]
        high = low if high == 0 else high
        line[[-1, high]] = line[[high, -1]]
        first: tuple[Any, ...] = (slice(None), *(0,) * (x.ndim - 1))
        np.moveaxis(x, dim, 0)[first] = line
    return x


def with_ties(samples: Callable[[Sampler], Iterator[Sample]]) -> Callable[[Sampler], Iterator[Sample]]:
    """The samples, and lines in which several elements are the greatest and the least, or NaN."""

    def tied(s: Sampler) -> Iterator[Sample]:
        yield from samples(s)
        for shape, dim in (((1037,), None), ((37, 131), 1), ((131, 37), 0)):
            x = (np.round(s.array(*shape) * 2) / 2).astype(s.dtype)
            yield call(x, *(() if dim is None else (dim,)), note="ties")
        yield call(np.ones(67, s.dtype), note="equal elements")
        for n in (67, 4 * 65536 + 67) if s.floating else ():
            x = s.array(n)
            x[0] = np.nan
            yield call(x, vary=False, note="NaN")

    return tied


def widened(samples: Callable[[Sampler], Iterator[Sample]]) -> Callable[[Sampler], Iterator[Sample]]:
    """The samples, and sums in float64, whose gradients are converted; many results, whose gradients are cut
    for threads."""

    def wide(s: Sampler) -> Iterator[Sample]:
        yield from samples(s)
        if s.floating:
            for shape in ((37, 67), (516, 521)):
                yield call(s.array(*shape), 1, dtype=D("float64"), vary=False)
            yield call(s.array(4 * 65536 + 67, 2), 1, vary=False)

    return wide


def truths(few: bool) -> Callable[..., Any]:
    """Lines of ones with a single zero in every second line, at its end in the first; or the reverse."""

    def draw(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
        x = np.full(shape, 0 if few else 1).astype(s.dtype)
        lines = np.moveaxis(x, dim if isinstance(dim, int) else -1, -1)
        size = lines.shape[-1]
        for number, place in enumerate(np.ndindex(lines.shape[:-1])):
            if number % 2 == 0:
                lines[(*place, (size - 1 - 7 * number) % size)] = 1 if few else 0
        return x

    return draw


def numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with numpy's names of its arguments as well."""

    def either(*args: Any, **kwargs: Any) -> Any:
        names = {"axis": "dim", "keepdims": "keepdim"}
        return function(*args, **{names.get(k, k): v for k, v in kwargs.items()})

    return either


def reduction(
    name: str,
    reference: Callable[..., Any],
    samples: Callable[[Sampler], Iterator[Sample]],
    composition: Callable[..., Any] | None = None,
    **options: Any,
) -> OpSpec:
    """A record of a reduction, which takes numpy's names of its arguments as well."""
    chosen: dict[str, Any] = {"method": name, "errors": (OUT_OF_RANGE,)}
    if composition is not None:
        chosen["composition"] = numpy_names(composition)
    return OpSpec(name, numpy_names(reference), samples, **{**chosen, **options})


def probabilities(s: Sampler) -> Iterator[Sample]:
    """Every dimension, sizes 0 and 1, 0-d, large and infinite logits."""
    for shape in ((1,), (5,)):
        yield call(s.array(*shape), 0)
    for dim in (0, 1, -1):
        yield call(s.array(2, 3, 4), dim)
    yield call(s.array(3, 4), dim=-2)
    yield call(s.array(), 0, grad=False)
    yield call(s.array(3, 0), 0)
    yield call(s.array(3, 0), 1)
    yield call(s.array(0, 3), 1)
    yield call(s.array(2, 3), 1, dtype=D("float64"))
    yield call(s.array(17, 41), 1, grad=False)
    yield call(s.array(5, 33, 3), 1, grad=False)
    yield call(s.array(4, 5) * s.dtype.type(300), 1, grad=False, note="large logits")
    yield call(np.array([[1, 1, 1], [-np.inf, 0, 1]], s.dtype), 1, grad=False, note="ties and minus infinity")
    yield call(
        np.array([[np.inf, 0, 1], [np.nan, 0, 1], [-np.inf, -np.inf, -np.inf]], s.dtype),
        1,
        grad=False,
        note="infinity and NaN",
    )


def softmax_bounds(s: Sampler) -> Iterator[Sample]:
    """Short rows in blocks of 1,024 elements, long ones, blocks of 128 columns; cut for threads."""
    for shape, dim in (
        ((9, 127), 1),  # 8 rows of a block and one more
        ((8, 128), 1),
        ((37, 31), 1),  # 33 rows of a block
        ((3, 129), 1),  # the first long row; 32 lanes
        ((2, 1023), 1),
        ((3, 1057), 1),
        ((2, 2081), 1),
        ((2753, 97), 1),
        ((41, 1701), 1),
        ((3, 5, 127), 1),
        ((2, 33, 129), 1),
        ((1, 2, 7), 1),
        ((2, 3, 259), -2),
        ((37, 1801), 0),
        ((53, 17, 83), 1),
        ((3, 9, 128), 1),  # whole blocks of columns
        ((128, 1024), 1),  # whole chunks
    ):
        yield call(s.array(*shape), dim)


def softmax(name: str, reference: Callable[..., Any], composition: Callable[..., Any]) -> OpSpec:
    """A record of softmax or its logarithm."""
    return OpSpec(
        name,
        reference,
        probabilities,
        method=name,
        dtypes=FLOATING,
        scale="bound",
        tolerance=1.0,
        composition=composition,
        boundary=both(softmax_bounds, softmax_rows),
        errors=(bad(IndexError, "[Dd]im", MATRIX, 2), bad(NotImplementedError, ".", np.arange(4), 0)),
    )


TIED = np.array([1.0, 3.0, 3.0, 3.0])
TIED_ROWS = np.array([[3.0, 3.0, 1.0], [2.0, 5.0, 5.0]])
NONE_LEFT = bad(IndexError, ".", EMPTY, 1)

SPECS = (
    reduction(
        "sum",
        ref.sum_op,
        reductions(cast=True),
        parts.total,
        scale="bound",
        boundary=widened(at_bounds(plain())),
        serial=SPREAD,
        errors=(OUT_OF_RANGE, bad(RuntimeError, "multiple", MATRIX, (0, 0))),
    ),
    reduction(
        "mean",
        ref.mean_op,
        reductions(cast=True, nan=True),
        parts.mean,
        dtypes=FLOATING,
        scale="bound",
        tolerance=2.0,
        boundary=widened(at_bounds(plain())),
        serial=SPREAD,
        errors=(OUT_OF_RANGE, bad(RuntimeError, "dtype", np.arange(4))),
    ),
    reduction(
        "prod",
        ref.prod_op,
        reductions(lists=False, cast=True, gap=0.3, low=-1.6, high=1.6),
        parts.product,
        scale="bound",
        tolerance=1.0,
        boundary=at_bounds(factors, lists=False, more=(((1_100, 481), 1),)),
        kinks=(
            Kink((np.array([0.0, 2.0, 3.0]),), ([6.0, 0.0, 0.0],)),
            Kink((np.array([0.0, 2.0, 0.0]),), ([0.0, 0.0, 0.0],)),
            Kink((np.array([[0.0, 2.0], [4.0, 5.0]]), 1), ([[2.0, 0.0], [5.0, 4.0]],)),
        ),
    ),
    reduction(
        "max",
        ref.max_op,
        composition=parts.extremum(np.argmax, shared=False),
        boundary=with_ties(at_bounds(peaks, lists=False)),
        tolerance=0.0,
        zeros=False,
        samples=reductions(lists=False, empty=False, distinct=True, pairs=True),
        ties=True,
        errors=(OUT_OF_RANGE, bad(RuntimeError, ".", EMPTY), NONE_LEFT),
        kinks=(Kink((TIED,), ([0.0, 1 / 3, 1 / 3, 1 / 3],)), Kink((TIED_ROWS, 1), ([[1, 0, 0], [0, 1, 0]],))),
    ),
    reduction(
        "min",
        ref.min_op,
        composition=parts.extremum(np.argmin, shared=False),
        boundary=with_ties(at_bounds(peaks, lists=False)),
        tolerance=0.0,
        zeros=False,
        samples=reductions(lists=False, empty=False, distinct=True, pairs=True),
        ties=True,
        errors=(OUT_OF_RANGE, bad(RuntimeError, ".", EMPTY), NONE_LEFT),
        kinks=(
            Kink((-TIED,), ([0.0, 1 / 3, 1 / 3, 1 / 3],)),
            Kink((-TIED_ROWS, 1), ([[1, 0, 0], [0, 1, 0]],)),
        ),
    ),
    reduction(
        "amax",
        ref.amax_op,
        composition=parts.extremum(np.argmax, shared=True),
        boundary=with_ties(at_bounds(peaks)),
        tolerance=0.0,
        zeros=False,
        samples=reductions(empty=False, distinct=True),
        ties=True,
        errors=(OUT_OF_RANGE, NONE_LEFT),
        kinks=(Kink((TIED_ROWS, 1), ([[0.5, 0.5, 0], [0, 0.5, 0.5]],)),),
    ),
    reduction(
        "amin",
        ref.amin_op,
        composition=parts.extremum(np.argmin, shared=True),
        boundary=with_ties(at_bounds(peaks)),
        tolerance=0.0,
        zeros=False,
        samples=reductions(empty=False, distinct=True),
        ties=True,
        errors=(OUT_OF_RANGE, NONE_LEFT),
        kinks=(Kink((-TIED_ROWS, 1), ([[0.5, 0.5, 0], [0, 0.5, 0.5]],)),),
    ),
    reduction(
        "argmax",
        ref.argmax_op,
        boundary=at_bounds(peaks, lists=False),
        tolerance=0.0,
        samples=reductions(lists=False, empty=False, distinct=True),
        order=0,
        dtypes=NUMERIC,
        errors=(OUT_OF_RANGE, bad(IndexError, ".", EMPTY), NONE_LEFT),
    ),
    reduction(
        "argmin",
        ref.argmin_op,
        boundary=at_bounds(peaks, lists=False),
        tolerance=0.0,
        samples=reductions(lists=False, empty=False, distinct=True),
        order=0,
        dtypes=NUMERIC,
        errors=(OUT_OF_RANGE, bad(IndexError, ".", EMPTY), NONE_LEFT),
    ),
    reduction(
        "all",
        ref.all_op,
        tolerance=0.0,
        samples=reductions(),
        boundary=at_bounds(truths(few=False)),
        order=0,
        dtypes=ALL_DTYPES,
    ),
    reduction(
        "any",
        ref.any_op,
        tolerance=0.0,
        samples=reductions(low=-0.6, high=0.6),
        boundary=at_bounds(truths(few=True)),
        order=0,
        dtypes=ALL_DTYPES,
    ),
    softmax("softmax", ref.softmax_op, parts.softmax),
    softmax("log_softmax", ref.log_softmax_op, parts.log_softmax),
)

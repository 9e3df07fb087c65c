"""Records of the reductions and of softmax over one dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.reference import reduction as ref
from verigrad.testing.samples import D, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
EMPTY = np.zeros((2, 0))
OUT_OF_RANGE = bad(IndexError, "[Dd]im", MATRIX, 2)
BOOLS = np.array([[True, False]])
ACCUMULATION = "sums in another order round differently; the error is relative to the sum of absolute values"


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


def large(*dims: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """One long reduction and many short ones, over rows and over columns."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for dim in dims:
            if dim is None:
                yield call(s.array(300_007, low=0.9, high=1.1))
            else:
                yield call(s.array(701, 603, low=0.9, high=1.1), dim)
                yield call(s.array(40, 83, 101, low=0.9, high=1.1), dim)

    return samples


def reduction(
    name: str, reference: Callable[..., Any], samples: Callable[[Sampler], Iterator[Sample]], **options: Any
) -> OpSpec:
    """A record of a reduction, which takes numpy's names of its arguments as well."""

    def either(*args: Any, **kwargs: Any) -> Any:
        names = {"axis": "dim", "keepdims": "keepdim"}
        return reference(*args, **{names.get(k, k): v for k, v in kwargs.items()})

    chosen: dict[str, Any] = {"method": name, "boundary": large(None, 0, 1), "errors": (OUT_OF_RANGE,)}
    return OpSpec(name, either, samples, **{**chosen, **options})


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


def softmax(name: str, reference: Callable[..., Any]) -> OpSpec:
    """A record of softmax or its logarithm."""
    return OpSpec(
        name,
        reference,
        probabilities,
        method=name,
        dtypes=FLOATING,
        scale="norm",
        boundary=large(0, 1),
        tolerance=32,
        reason="the greatest logit is subtracted before the exponential, which rounds",
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
        scale="inputs",
        tolerance=32,
        reason=ACCUMULATION,
        errors=(OUT_OF_RANGE, bad(RuntimeError, "multiple", MATRIX, (0, 0))),
    ),
    reduction(
        "mean",
        ref.mean_op,
        reductions(cast=True, nan=True),
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason=ACCUMULATION,
        errors=(OUT_OF_RANGE, bad(RuntimeError, "dtype", np.arange(4))),
    ),
    reduction(
        "prod",
        ref.prod_op,
        reductions(lists=False, cast=True, gap=0.3, low=-1.6, high=1.6),
        tolerance=64,
        scale="inputs",
        reason="a product of n factors rounds n times",
        kinks=(
            Kink((np.array([0.0, 2.0, 3.0]),), ([6.0, 0.0, 0.0],)),
            Kink((np.array([0.0, 2.0, 0.0]),), ([0.0, 0.0, 0.0],)),
            Kink((np.array([[0.0, 2.0], [4.0, 5.0]]), 1), ([[2.0, 0.0], [5.0, 4.0]],)),
        ),
    ),
    reduction(
        "max",
        ref.max_op,
        tolerance=0.0,
        samples=reductions(lists=False, empty=False, distinct=True, pairs=True),
        ties=True,
        errors=(OUT_OF_RANGE, bad(RuntimeError, ".", EMPTY), NONE_LEFT),
        kinks=(Kink((TIED,), ([0.0, 1 / 3, 1 / 3, 1 / 3],)), Kink((TIED_ROWS, 1), ([[1, 0, 0], [0, 1, 0]],))),
    ),
    reduction(
        "min",
        ref.min_op,
        tolerance=0.0,
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
        tolerance=0.0,
        samples=reductions(empty=False, distinct=True),
        ties=True,
        errors=(OUT_OF_RANGE, NONE_LEFT),
        kinks=(Kink((TIED_ROWS, 1), ([[0.5, 0.5, 0], [0, 0.5, 0.5]],)),),
    ),
    reduction(
        "amin",
        ref.amin_op,
        tolerance=0.0,
        samples=reductions(empty=False, distinct=True),
        ties=True,
        errors=(OUT_OF_RANGE, NONE_LEFT),
        kinks=(Kink((-TIED_ROWS, 1), ([[0.5, 0.5, 0], [0, 0.5, 0.5]],)),),
    ),
    reduction(
        "argmax",
        ref.argmax_op,
        tolerance=0.0,
        samples=reductions(lists=False, empty=False, distinct=True),
        order=0,
        dtypes=NUMERIC,
        errors=(OUT_OF_RANGE, bad(IndexError, ".", EMPTY), NONE_LEFT),
    ),
    reduction(
        "argmin",
        ref.argmin_op,
        tolerance=0.0,
        samples=reductions(lists=False, empty=False, distinct=True),
        order=0,
        dtypes=NUMERIC,
        errors=(OUT_OF_RANGE, bad(IndexError, ".", EMPTY), NONE_LEFT),
    ),
    reduction("all", ref.all_op, tolerance=0.0, samples=reductions(), order=0, dtypes=ALL_DTYPES),
    reduction(
        "any", ref.any_op, tolerance=0.0, samples=reductions(low=-0.6, high=0.6), order=0, dtypes=ALL_DTYPES
    ),
    softmax("softmax", ref.softmax_op),
    softmax("log_softmax", ref.log_softmax_op),
)

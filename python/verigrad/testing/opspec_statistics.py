"""Records of moments, norms and the other reductions that are composed of sums."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from verigrad.testing.opspec import FLOATING, NUMERIC, Kink, OpSpec, bad
from verigrad.testing.opspec_reduce import EMPTY, MATRIX, OUT_OF_RANGE, numpy_names, plain, reductions
from verigrad.testing.reference import statistics as ref
from verigrad.testing.reference import statistics_tape as parts
from verigrad.testing.samples import Const, D, Same, Sample, Sampler, call

INTEGERS = bad(RuntimeError, "floating point", np.arange(4))
TWICE = bad(RuntimeError, "multiple", MATRIX, (0, 0))
INF = math.inf
CUBE = np.zeros((2, 2, 2))
# Rows, columns, several dimensions, and more elements than one thread takes, in rows and as a whole.
BOUNDS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((159,), None),
    ((5, 35), 1),
    ((7, 511), 0),
    ((5, 3, 7, 11), (1, 3)),
    ((300_007,), None),
    ((8_195, 33), 1),
    ((701, 603), 0),
)


def bounds(
    draw: Callable[..., Any] | None = None, *more: Any, dims: bool = True, vary: bool = True, **options: Any
) -> Callable[[Sampler], Iterator[Sample]]:
    """Samples on both sides of what reductions cut their work by.

    Args:
        draw: an array from a sampler, a shape and a dimension.
        more: arguments before the dimension.
        dims: whether dimensions are arguments.
        vary: whether the layouts are.
        options: keywords of the call.
    """
    make = draw or plain()

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape, dim in BOUNDS:
            if dims or dim is None:
                named = {} if dim is None else {"dim": dim}
                yield call(make(s, shape, dim), *more, vary=vary, **named, **options)

    return samples


def moments(s: Sampler, edges: bool = True) -> Iterator[Sample]:
    """The samples of reductions, PyTorch's three forms, corrections up to more than there are elements.

    Args:
        edges: whether infinities are tried; PyTorch's mean of them is NaN beside a variance.
    """
    for sample in reductions(nan=True, edges=edges)(s):
        yield smooth_only(sample)
    for dim in (None, 1, (0, 2)):
        yield smooth_only(call(s.array(2, 3, 4), dim=dim, correction=0))
        yield smooth_only(call(s.array(2, 3, 4), dim=dim, correction=0.5, keepdim=True))
    yield call(s.array(2, 3), False)
    yield call(s.array(2, 3), unbiased=True)
    yield call(s.array(2, 3), 1, False)
    yield call(s.array(2, 3), dim=0, unbiased=False, keepdim=True)
    yield call(s.array(2, 3), [], correction=None, peer=False, note="PyTorch's gradient is infinite")
    yield call(s.array(2, 3), 1, correction=3, grad=False, note="no degree of freedom")
    yield call(s.array(2, 3), 1, correction=4.5, grad=False, note="less than none")
    yield call(np.full((3, 10), 0.1, s.dtype), 1, grad=False, note="equal elements")
    yield call(s.array(4, 33, low=0, high=0.25) + s.dtype.type(1000), 1, note="far from 0")


def smooth_only(sample: Sample) -> Sample:
    """Without a gradient where there are too few elements for one, or all are equal."""
    dim = sample.kwargs.get(
        "dim", sample.kwargs.get("axis", sample.args[1] if len(sample.args) > 1 else None)
    )
    few = ref.reduced_size(sample.arrays()[0], None if isinstance(dim, bool) else dim) <= 1
    return replace(sample, grad=sample.grad and not few)


def moment(name: str, method: str | None, reference: Any, composition: Any, **options: Any) -> OpSpec:
    """A record of the variance or a relative."""
    return OpSpec(
        name,
        reference,
        moments if method else functools.partial(moments, edges=False),
        method=method,
        dtypes=FLOATING,
        scale="bound",
        composition=composition,
        gradient_tolerance=4.0,
        boundary=bounds(),
        errors=(OUT_OF_RANGE, TWICE, bad(RuntimeError, "floating point", np.arange(4))),
        **options,
    )


def covariances(s: Sampler) -> Iterator[Sample]:
    """Vectors and matrices, corrections, both kinds of weights, no observations."""
    for shape in ((2, 5), (1, 4), (5,), (4, 3)):
        yield call(s.array(*shape))
    yield call(s.array(3, 6), correction=0)
    yield call(s.array(3, 6), correction=2)
    counts = Const(np.array([1, 2, 0, 3], np.int64))
    yield call(s.array(2, 4), fweights=counts)
    yield call(s.array(2, 4), fweights=Const(np.array([1, 2, 0, 3], np.int32)), correction=0)
    if s.floating:
        worth = s.array(4, low=0.1, high=1.0)
        yield call(s.array(2, 4), aweights=worth)
        yield call(s.array(2, 4), fweights=counts, aweights=worth, correction=0)
        yield call(s.array(2, 0), grad=False, note="no observations")
        yield call(s.array(2, 3), correction=5, grad=False, note="no degree of freedom")
        yield call(s.array(), grad=False, note="a number")


def correlations(s: Sampler) -> Iterator[Sample]:
    """Vectors and matrices; a row of equal elements has no correlation."""
    for shape in ((2, 5), (3, 4), (4, 33)):
        yield call(s.array(*shape))
    yield call(s.array(5), grad=False)
    yield call(np.array([[1, 2, 3], [2, 2, 2]], s.dtype), grad=False, note="equal elements")


def sums_of_powers(s: Sampler) -> Iterator[Sample]:
    """Those of the reductions that name a dimension; infinities, and powers beyond the dtype."""
    for sample in reductions(full=False, edges=False)(s):
        yield sample if not s.floating or 0 not in sample.arrays()[0].shape else replace(sample, grad=False)
    edges = np.array([[-np.inf, -np.inf], [np.inf, 1], [np.nan, 1], [-np.inf, 1], [1000, 999]])
    if s.floating:
        yield call(edges.astype(s.dtype), 1, grad=False, note="edge values")
        yield call(s.array(3, 4) * s.dtype.type(300), 1, note="large")


def extremes(s: Sampler) -> Iterator[Sample]:
    """Every dimension and none, with and without it; NaN and ties."""
    for shape in ((), (1,), (5,), (2, 3, 4)):
        yield call(s.distinct(*shape))
    yield call(s.distinct(2, 3), keepdim=True)
    for dim in (0, 1, -1):
        yield call(s.distinct(2, 3, 4), dim=dim)
        yield call(s.distinct(2, 3, 4), dim=dim, keepdim=True)
    yield call(s.distinct(), dim=0)
    yield call(s.distinct(0, 3), dim=1, grad=False)
    if s.floating:
        yield call(np.array([[1, np.nan], [np.inf, -np.inf]], s.dtype), dim=1, grad=False, note="edge values")


def with_nan(s: Sampler) -> Iterator[Sample]:
    """The samples of reductions, and some in which every third element is NaN."""
    yield from reductions(cast=True, nan=True)(s)
    if s.floating:
        for shape, dim in (((7,), None), ((4, 5), 1), ((4, 5), 0), ((3, 2, 4), (0, 2))):
            yield call(holes(s, shape, dim), *(() if dim is None else (dim,)), note="NaN")
        yield call(np.full((2, 2), np.nan, s.dtype), 1, grad=False, note="nothing but NaN")


def holes(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
    """Numbers, and NaN in every third place."""
    x = s.array(*shape)
    if s.floating:
        x.reshape(-1)[1::3] = np.nan
    return x


def matrices(s: Sampler) -> Iterator[Sample]:
    """Square, wide and tall ones, and some without elements."""
    for shape in ((3, 3), (2, 5), (5, 2), (1, 1), (0, 3), (3, 0)):
        yield call(s.array(*shape))
    yield call(s.array(37, 41), grad=False)


def orders(vector: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """Every kind of order over dimensions, lists of them and none. Magnitudes are distinct and not 0."""

    def samples(s: Sampler) -> Iterator[Sample]:
        def draw(*shape: int) -> Any:
            return signed(s, *shape)

        for p in (2, 1, 3, 0.5, 1.5, 2.5, -1, -2.5, INF, -INF):
            yield call(draw(5), p)
            yield call(draw(2, 3, 4), p, 1)
            yield call(draw(2, 3, 4), p, dim=(0, 2), keepdim=True)
        for p in (0, 0.0):
            yield call(draw(2, 3), p, 1, grad=False)
        for shape in ((), (1,), (3, 4)):
            yield call(draw(*shape))
        yield call(draw(2, 3), dtype=D("float64"))
        yield call(draw(2, 3), dim=-1)
        yield call(draw(2, 3), 2, [], True)
        for p in (2, 1, 3, 0.5, 0):
            yield call(s.array(0), p, grad=False)
            yield call(s.array(2, 0), p, 1, grad=False)
        yield call(s.array(0, 2), INF, 1, grad=False)
        special = np.array([[0, 0, 0], [np.nan, 1, 2], [np.inf, 0, 1]], s.dtype)
        for p in (2, 1, 0, 3, -1, INF, -INF):
            yield call(special, p, 1, grad=False, note="0, NaN and infinity")
        if not vector:
            for name in ("fro", None):
                yield call(draw(2, 3), name)
                yield call(draw(2, 3, 4), name, 1)
                yield call(draw(2, 3, 4), p=name, dim=(0, 1), keepdim=True)
            yield call(draw(2, 3), 2, 1, True, dtype=D("float64"))

    return samples


def matrix_orders(s: Sampler) -> Iterator[Sample]:
    """Every order that needs no singular values, over pairs of dimensions; the others are LAPACK's."""
    for p in ("fro", 1, -1, INF, -INF):
        yield call(signed(s, 3, 4), p)
        yield call(signed(s, 2, 3, 4), p, (0, 2))
        yield call(signed(s, 2, 3, 4), p, dim=(-1, 0), keepdim=True)
        yield call(np.array([[1, np.nan], [np.inf, 0]], s.dtype), p, grad=False, note="NaN and infinity")
    yield call(signed(s, 3, 4))
    yield call(signed(s, 3, 4), dtype=D("float64"))
    for p in ("fro", 1, INF):
        yield call(s.array(2, 0), p, grad=False)
        yield call(s.array(0, 2), p, grad=False)


def signed(s: Sampler, *shape: int) -> Any:
    """Magnitudes that are not 0, of either sign. Their sums are not equal, as those of a grid may be."""
    x = s.array(*shape, low=0.3, high=3.0)
    return np.asarray(x * s.rng.choice([-1, 1], shape)).astype(s.dtype)


def near_one(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
    """Magnitudes whose powers are all of one size."""
    return s.array(*shape, low=0.5, high=1.5)


def signed_line(s: Sampler, shape: tuple[int, ...], dim: Any) -> Any:
    """Distinct magnitudes of either sign."""
    return signed(s, *shape)


def both_norms(s: Sampler) -> Iterator[Sample]:
    """Vectors by every order, matrices by those of matrices."""
    for p in (2, 1, 3, 0.5, -1, INF, -INF):
        yield call(signed(s, 5), p)
        yield call(signed(s, 2, 3), p, 1)
        yield call(signed(s, 2, 3), p, dim=[0], keepdim=True)
    for order in ("fro", 1, -1, INF, -INF):
        yield call(signed(s, 3, 4), order)
        yield call(signed(s, 2, 3, 4), order, (0, 2), True)
    for shape in ((), (4,), (3, 4), (2, 3, 2)):
        yield call(signed(s, *shape))
    yield call(signed(s, 2, 3), None, (0, 1))
    yield call(signed(s, 2, 3), dtype=D("float64"))


def differences(s: Sampler) -> Iterator[Sample]:
    """Every kind of order, broadcast shapes, two dtypes, a tensor and itself."""
    for p in (2.0, 1, 3, 0.5, INF):
        yield call(signed(s, 3, 4), s.array(3, 4, low=-0.05, high=0.05), p, vary=p != INF)
    yield call(signed(s, 3, 4), s.array(4, low=-0.05, high=0.05))
    yield call(signed(s, 3, 4), s.array(3, 4, dtype="float64"), grad=False)
    yield call(s.array(3), Same(0), grad=False, note="no distance")
    yield call(s.array(0), s.array(0), grad=False)


def pairs_of_rows(s: Sampler) -> Iterator[Sample]:
    """Every kind of order, batches that are broadcast, no rows and no columns, both ways of computing."""
    for p in (2.0, 1, 3, 0.5, INF):
        yield call(s.distinct(3, 4, low=1, high=3), s.distinct(2, 4, low=-3, high=-1), p, vary=p != INF)
    yield call(s.array(2, 1, 3, 4, low=1), s.array(5, 2, 4, high=-1))
    yield call(s.array(3, 4), s.array(2, 4), p=0, grad=False)
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        yield call(s.array(3, 4, low=1), s.array(2, 4, high=-1), compute_mode=mode)
    yield call(s.array(27, 3, low=1), s.array(2, 3, high=-1), note="from products")
    yield call(s.array(2, 26, 3, low=1), s.array(3, 3, high=-1), note="from products")
    for a, b in (((0, 3), (2, 3)), ((2, 3), (0, 3)), ((2, 0), (3, 0))):
        yield call(s.array(*a), s.array(*b), grad=False)
    yield call(s.array(2, 0), s.array(3, 0), INF, grad=False)
    x = s.array(2, 3)
    yield call(x, x.copy(), grad=False, note="no distance")


def many_pairs(s: Sampler) -> Iterator[Sample]:
    """More results than one thread takes, from products and from differences."""
    yield call(s.array(601, 3, low=1), s.array(521, 3, high=-1), vary=False)
    far, near = s.distinct(131, 17, low=1, high=3), s.distinct(127, 17, low=-3, high=-1)
    yield call(far, near, 3.0, vary=False)


def one_dimension(s: Sampler) -> Iterator[Sample]:
    """Those bounds that name one dimension or none. Elements are distinct."""
    for sample in bounds(lambda s, shape, dim: s.distinct(*shape))(s):
        if not isinstance(sample.kwargs.get("dim"), tuple):
            yield sample


def far_apart(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors, and more elements than one thread takes."""
    for shape in ((67,), (601, 521)):
        yield call(signed(s, *shape), s.array(*shape, low=-0.01, high=0.01))


def rows_of_observations(s: Sampler) -> Iterator[Sample]:
    """Tiles of the product, and more elements than one thread takes."""
    for shape in ((17, 35), (67, 4_099)):
        yield call(s.array(*shape), vary=False)


def squares(s: Sampler) -> Iterator[Sample]:
    """Diagonals longer than a run of the sum; the gradient has more elements than one thread fills."""
    for shape in ((67, 35), (601, 521)):
        yield call(s.array(*shape))


TIED_ROWS = np.array([[1.0, 1.0, 3.0], [5.0, 2.0, 2.0]])

SPECS = (
    moment("var", "var", ref.var_op, parts.var),
    moment(
        "std",
        "std",
        ref.std_op,
        parts.std,
        ties=True,
        kinks=(
            Kink((np.full(10, 0.1),), (np.zeros(10),)),
            Kink(
                (np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 2.0]]), 1, False),
                ([[0, 0, 0], [-(0.5**0.5) / 3, -(0.5**0.5) / 3, 2 * 0.5**0.5 / 3]],),
            ),
        ),
    ),
    moment("var_mean", None, ref.var_mean_op, parts.var_mean),
    moment("std_mean", None, ref.std_mean_op, parts.std_mean, ties=True),
    OpSpec(
        "cov",
        ref.cov_op,
        covariances,
        method="cov",
        dtypes=NUMERIC,
        scale="bound",
        composition=parts.cov,
        gradient_tolerance=4.0,
        boundary=rows_of_observations,
        errors=(
            bad(RuntimeError, "two or fewer", CUBE),
            bad(RuntimeError, "bool", np.array([True])),
            bad(RuntimeError, "integral", MATRIX, fweights=np.ones(3)),
            bad(RuntimeError, "numel", MATRIX, fweights=np.ones(2, np.int64)),
            bad(RuntimeError, "one or fewer", MATRIX, fweights=np.ones((3, 1), np.int64)),
            bad(RuntimeError, "negative", MATRIX, fweights=-np.ones(3, np.int64)),
            bad(RuntimeError, "floating point", MATRIX, aweights=np.ones(3, np.int64)),
            bad(RuntimeError, "numel", MATRIX, aweights=np.ones(4)),
            bad(RuntimeError, "negative", MATRIX, aweights=-np.ones(3)),
        ),
    ),
    OpSpec(
        "corrcoef",
        ref.corrcoef_op,
        correlations,
        method="corrcoef",
        dtypes=NUMERIC,
        scale="bound",
        composition=parts.corrcoef,
        gradient_tolerance=4.0,
        ties=True,
        boundary=rows_of_observations,
        errors=(bad(RuntimeError, "two or fewer", CUBE), bad(RuntimeError, "bool", np.array([True]))),
    ),
    OpSpec(
        "logsumexp",
        numpy_names(ref.logsumexp_op),
        sums_of_powers,
        method="logsumexp",
        scale="bound",
        composition=parts.logsumexp,
        gradient_tolerance=4.0,
        boundary=lambda s: (x for x in bounds()(s) if x.kwargs),
        errors=(OUT_OF_RANGE, TWICE, bad(TypeError, "dim", MATRIX), bad(TypeError, "dim", MATRIX, None)),
        kinks=(Kink((np.array([-INF, 1.0]), 0), ([0.0, 1.0],)),),
    ),
    OpSpec(
        "count_nonzero",
        ref.count_nonzero_op,
        lambda s: (x for x in reductions(low=-1, high=1)(s) if not x.kwargs and len(x.args) < 3),
        method="count_nonzero",
        order=0,
        boundary=bounds(plain(-1, 1)),
        errors=(OUT_OF_RANGE, TWICE),
    ),
    OpSpec(
        "aminmax",
        ref.aminmax_op,
        extremes,
        method="aminmax",
        tolerance=0.0,
        zeros=False,
        ties=True,
        composition=parts.aminmax,
        boundary=one_dimension,
        errors=(
            bad(IndexError, "[Dd]im", MATRIX, dim=2),
            bad(IndexError, "non-zero size", EMPTY, dim=1),
            bad(RuntimeError, "no identity", EMPTY),
        ),
        kinks=(Kink((TIED_ROWS,), ([[0.5, 0.5, 0], [1, 0, 0]],), {}),),
    ),
    OpSpec(
        "nansum",
        numpy_names(ref.nansum_op),
        with_nan,
        method="nansum",
        scale="bound",
        composition=numpy_names(parts.nansum),
        boundary=bounds(holes),
        errors=(OUT_OF_RANGE, TWICE),
    ),
    OpSpec(
        "nanmean",
        numpy_names(ref.nanmean_op),
        with_nan,
        method="nanmean",
        ties=True,  # nothing but NaN has no mean
        dtypes=FLOATING,
        scale="bound",
        composition=numpy_names(parts.nanmean),
        boundary=bounds(holes),
        errors=(OUT_OF_RANGE, TWICE, INTEGERS),
    ),
    OpSpec(
        "trace",
        ref.trace_op,
        matrices,
        method="trace",
        dtypes=NUMERIC,
        scale="bound",
        composition=parts.trace,
        boundary=squares,
        serial="forward: the diagonal is short",
        errors=(
            bad(RuntimeError, "matrix", CUBE),
            bad(RuntimeError, "matrix", np.ones(3)),
            bad(NotImplementedError, "Bool", np.array([[True]])),
        ),
    ),
    OpSpec(
        "norm",
        ref.norm_op,
        orders(vector=False),
        method="norm",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.norm,
        gradient_tolerance=4.0,
        boundary=bounds(),
        errors=(
            bad(IndexError, "[Dd]im", MATRIX, 2, 5),
            bad(RuntimeError, "floating point", np.arange(4)),
            bad(RuntimeError, "narrowing", MATRIX, dtype=D("float32")),
            bad(RuntimeError, "foo", MATRIX, "foo"),
            bad(RuntimeError, "2-tuple", CUBE, "fro", (0, 1, 2)),
            bad(RuntimeError, "2-tuple", CUBE, "nuc"),
        ),
        kinks=(Kink((np.zeros(2),), (np.zeros(2),)), Kink((np.array([0.0, 2.0]), 1), ([0.0, 1.0],))),
    ),
    OpSpec(
        "linalg_vector_norm",
        ref.vector_norm_op,
        orders(vector=True),
        function="linalg.vector_norm",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.vector_norm,
        gradient_tolerance=4.0,
        boundary=lambda s: (x for p in (2, 1.5, 3) for x in bounds(near_one, p)(s)),
        errors=(
            INTEGERS,
            bad(RuntimeError, "multiple", MATRIX, 2, (0, 0)),
            bad(RuntimeError, "identity", EMPTY, INF),
            bad(RuntimeError, "identity", EMPTY, -1),
            bad(RuntimeError, "identity", EMPTY, INF, 1),
            bad(RuntimeError, "dtype", MATRIX, dtype=D("int64")),
            bad(RuntimeError, "narrowing", MATRIX, dtype=D("float32")),
            bad(TypeError, "ord", MATRIX, "fro"),
        ),
        kinks=(
            *(Kink((np.zeros(2), p), (np.zeros(2),)) for p in (2, 3, 0.5, 1.5, INF)),
            Kink((np.array([0.0, 2.0]), 0.5), ([0.0, 1.0],)),
            Kink((np.array([0.0, 2.0]), -1), ([0.0, 0.0],)),
            Kink((np.array([2.0, -2.0, 1.0]), INF), ([0.5, -0.5, 0.0],)),
            Kink((np.array([1.0, 2.0]), 0), ([0.0, 0.0],)),
        ),
    ),
    OpSpec(
        "linalg_matrix_norm",
        ref.matrix_norm_op,
        matrix_orders,
        function="linalg.matrix_norm",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.matrix_norm,
        gradient_tolerance=4.0,
        ties=True,
        boundary=lambda s: (
            call(signed(s, *shape), p) for shape in ((17, 35), (601, 521)) for p in ("fro", 1)
        ),
        errors=(
            bad(RuntimeError, "at least 2", np.ones(3)),
            bad(RuntimeError, "different", MATRIX, "fro", (0, 0)),
            bad(RuntimeError, "2-tuple", MATRIX, "fro", (0,)),
            bad(RuntimeError, "not supported", MATRIX, 5),
            bad(RuntimeError, "not supported", MATRIX, "foo"),
            bad(RuntimeError, "floating point", np.ones((2, 2), np.int64)),
            bad(IndexError, "[Dd]im", MATRIX, 1, (0, 2)),
            bad(IndexError, "non-zero size", EMPTY.T, -INF),
            bad(RuntimeError, "floating point", np.ones((2, 2), np.int64), "nuc"),
        ),
    ),
    OpSpec(
        "linalg_norm",
        ref.linalg_norm_op,
        both_norms,
        function="linalg.norm",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.linalg_norm,
        gradient_tolerance=4.0,
        ties=True,
        boundary=bounds(signed_line),
        errors=(
            bad(RuntimeError, "length 1 or 2", CUBE, None, (0, 1, 2)),
            bad(RuntimeError, "1D or 2D", CUBE, 1),
            bad(RuntimeError, "2-tuple", MATRIX, "fro", 1),
            bad(RuntimeError, "not supported", MATRIX, "abc"),
            bad(RuntimeError, "floating point", np.arange(4)),
            bad(RuntimeError, "2-tuple", MATRIX, "nuc", 1),
        ),
    ),
    OpSpec(
        "dist",
        ref.dist_op,
        differences,
        method="dist",
        dtypes=FLOATING,
        scale="bound",
        composition=parts.dist,
        gradient_tolerance=4.0,
        ties=True,
        boundary=lambda s: (
            call(signed(s, *n), s.array(*n, low=-0.01, high=0.01)) for n in ((67,), (601, 521))
        ),
        errors=(
            bad(RuntimeError, "floating point", np.arange(4), np.arange(4)),
            bad(RuntimeError, "size", MATRIX, np.ones(4)),
        ),
        kinks=(Kink((np.array([1.0, 2.0]), np.array([1.0, 2.0])), ([0.0, 0.0], [0.0, 0.0])),),
    ),
    OpSpec(
        "cdist",
        ref.cdist_op,
        pairs_of_rows,
        dtypes=FLOATING,
        scale="bound",
        composition=parts.cdist,
        gradient_tolerance=4.0,
        ties=True,
        boundary=many_pairs,
        errors=(
            bad(RuntimeError, "2D", np.ones(3), MATRIX),
            bad(RuntimeError, "columns", MATRIX, np.ones((2, 4))),
            bad(RuntimeError, "floating-point", np.ones((2, 3), np.int64), MATRIX),
            bad(RuntimeError, "X2", MATRIX, np.ones((2, 3), np.int64)),
            bad(RuntimeError, "dtype", MATRIX, np.ones((2, 3), np.float32)),
            bad(RuntimeError, "non-negative", MATRIX, MATRIX, -1.0),
            bad(ValueError, "compute_mode", MATRIX, MATRIX, compute_mode="foo"),
            bad(RuntimeError, "size", np.ones((2, 2, 3)), np.ones((3, 2, 3))),
        ),
        kinks=(
            Kink(
                (np.array([[1.0, 2.0]]), np.array([[1.0, 2.0], [4.0, 6.0]])),
                ([[-0.6, -0.8]], [[0.0, 0.0], [0.6, 0.8]]),
            ),
            Kink(
                (np.array([[1.0, 2.0]]), np.array([[1.0, 2.0], [4.0, 6.0]])),
                ([[-0.6, -0.8]], [[0.0, 0.0], [0.6, 0.8]]),
                {"compute_mode": "use_mm_for_euclid_dist"},
            ),
        ),
    ),
)

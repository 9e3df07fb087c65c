"""Records of writing by index, and of what is read by number or by mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import value
from verigrad.testing.opspec import ALL_DTYPES, Kink, OpSpec, bad
from verigrad.testing.opspec_index import (
    GATHERED,
    long_indices,
    nonzero_boundaries,
    nonzero_reference,
    nonzero_samples,
)
from verigrad.testing.reference import index_tape
from verigrad.testing.reference import scattering as ref
from verigrad.testing.reference.compositions import moved
from verigrad.testing.samples import Const, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
VECTOR = np.arange(3.0)
BYTES = np.zeros(3, np.uint8)
EXACT = 0.0
ROW = Const(np.array([[0, 1, 1]]))
FIRST = Const(np.array([0]))
ONE_AFTER_ANOTHER = "backward: the gradients of an element are added one after another"

# Shape, dim, shapes of index and source.
SCATTERED: tuple[tuple[tuple[int, ...], int, tuple[int, ...], tuple[int, ...]], ...] = (
    ((5,), 0, (7,), (7,)),
    ((3, 4), 0, (2, 4), (2, 4)),
    ((3, 4), 1, (3, 6), (3, 7)),
    ((2, 3, 4), -2, (2, 5, 3), (2, 5, 4)),
    ((3, 4), 1, (3, 0), (3, 0)),
    ((3, 4), 0, (5, 2), (5, 2)),
)


def once(s: Sampler, shape: tuple[int, ...], dim: int) -> Const:
    """An index that names each place once."""
    return Const(np.argsort(s.rng.random(shape), dim))


def scatters(s: Sampler) -> Iterator[Sample]:
    """A source and a number, every dimension, sizes 0, equal places, a source larger than the index, both
    ways to combine."""
    for shape, dim, index, source in SCATTERED:
        at = s.index(*index, high=shape[dim])
        # PyTorch's gradient does not know which of several elements for one place has won.
        yield call(s.array(*shape), dim, at, s.array(*source), peer=False)
        yield call(s.array(*shape), dim, at, 2)
    yield call(s.array(3, 4), 1, once(s, (3, 4), 1), s.array(3, 4))
    yield call(s.array(3, 4), 0, once(s, (3, 4), 0), s.array(3, 4))
    yield call(s.array(), 0, s.index(high=1), s.array())
    yield call(s.array(), 0, s.index(1, high=1), s.array(1))
    yield call(s.array(3, 4), 0, s.index(2, 4, high=3, dtype="int32"), s.array(2, 4), peer=False)
    yield call(s.array(3, 4), 0, s.index(2, 4, high=3), value=1)
    for reduce in ("add", "multiply"):
        # PyTorch has no gradient for these.
        yield call(s.array(3, 4), 0, s.index(2, 4, high=3), s.array(2, 4), reduce=reduce, peer=False)
        yield call(s.array(3, 4), 1, s.index(3, 6, high=4), 2, reduce=reduce, peer=False)
        yield call(s.array(3, 4), 1, s.index(3, 6, high=4), 2, reduce=reduce, grad=False)


def scatter_bounds(s: Sampler) -> Iterator[Sample]:
    """Above and below what is cut, with equal places."""
    for shape, dim, index in GATHERED:
        yield call(s.array(*shape), dim, s.index(*index, high=shape[dim]), s.array(*index))
    yield call(s.array(67, 17, 61), 1, s.index(65, 19, 59, high=17), 2)


def reductions(s: Sampler) -> Iterator[Sample]:
    """Every reduction, with and without the elements themselves."""
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        if reduce == "mean" and s.dtype.kind == "b":
            continue
        for include in (True, False):
            # No two candidates are equal, and no factor is 0.
            values = s.distinct(40, low=0.6, high=2.4) if s.floating else s.array(40)
            for shape, dim, index, source in SCATTERED[:4]:
                n, k = int(np.prod(shape)), int(np.prod(source))
                exact = index == source  # PyTorch differentiates only these
                yield call(
                    np.resize(values, n).reshape(shape),
                    dim,
                    s.index(*index, high=shape[dim]),
                    np.resize(values[::-1], k).reshape(source),
                    reduce,
                    include_self=include,
                    peer=exact,
                    grad=n + k <= 40,
                )
        yield call(s.array(3, 4), 1, s.index(3, 0, high=4), s.array(3, 0), reduce)
        yield call(s.array(), 0, s.index(high=1), s.array() + s.dtype.type(1), reduce)
    if s.floating:
        three = Const(np.array([0, 0, 1]))
        yield call(np.array([1.5, 2.0, 3.0], s.dtype), 0, three, np.array([0.0, 2.5, 4.0], s.dtype), "prod")
        specials = np.array([np.nan, 1.0, np.inf], s.dtype)
        for reduce in ("amax", "amin", "sum"):
            yield call(np.zeros(3, s.dtype), 0, three, specials, reduce, grad=False, note="edge values")


def reduction_bounds(s: Sampler) -> Iterator[Sample]:
    """Above and below what is cut."""
    for reduce in ("sum", "mean", "amax"):
        shape, index = (8201, 11), (8200, 8)
        values = s.distinct(int(np.prod(shape)) + int(np.prod(index)), low=0.6, high=2.4)
        first, second = np.split(values, [int(np.prod(shape))])
        at = s.index(*index, high=11)
        yield call(first.reshape(shape), 1, at, second.reshape(index), reduce, vary=False)
    yield call(s.array(35, 33, low=0.6), 1, s.index(35, 4, high=33), s.array(35, 4, low=0.6), "prod")


def takes(s: Sampler) -> Iterator[Sample]:
    """Every shape of the index, from either end, equal ones, none."""
    for shape, index in (
        ((5,), (3,)),
        ((3, 4), (2, 3)),
        ((3, 4), ()),
        ((), (2,)),
        ((), ()),
        ((2, 3), (0,)),
        ((0,), (0, 2)),
    ):
        high = max(int(np.prod(shape)), 1)
        yield call(s.array(*shape), s.index(*index, high=high, low=-high))


def take_bounds(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread takes."""
    yield call(s.array(35, 33), s.index(17, high=35 * 33, low=-35 * 33))
    count = value("dear_serial_elements") + value("index_block")
    for size in (count, count + 1):
        yield call(s.array(301, 255), s.index(size, high=301 * 255), vary=False)


def takes_along(s: Sampler) -> Iterator[Sample]:
    """Along each dimension, broadcast either way, of all elements, from the end."""
    for shape, index, dim in (
        ((3, 4), (3, 2), 1),
        ((3, 4), (1, 2), 1),
        ((1, 4), (3, 2), -1),
        ((2, 3, 4), (1, 5, 1), 1),
        ((3, 4), (0, 4), 0),
    ):
        yield call(s.array(*shape), s.index(*index, high=shape[dim], low=-shape[dim]), dim)
    yield call(s.array(3, 4), s.index(2, 3, high=12))
    # Of all elements PyTorch takes none from the end.
    yield call(s.array(3, 4), s.index(2, 3, high=12, low=-12), peer=False)


def take_along_bounds(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread takes, in rows that threads share."""
    yield call(s.array(35, 33), s.index(35, 17, high=33), 1)
    yield call(s.array(267, 251), s.index(263 + 4, 259, high=251), 1)


def puts(s: Sampler) -> Iterator[Sample]:
    """Numbers from either end, equal ones only where they are added or the last one is to count."""
    for accumulate in (False, True):
        for shape, index in (((5,), (3,)), ((3, 4), (2, 3)), ((), (1,)), ((3, 4), (0,))):
            size = int(np.prod(shape))
            at = Const(
                s.rng.permutation(size)[: int(np.prod(index))].reshape(index) - size * int(not accumulate)
            )
            yield call(s.array(*shape), at, s.array(*index), accumulate)
    yield call(s.array(5), Const(np.array([1, -1, 1, 4])), s.array(2, 2), True)
    # PyTorch's gradient does not know which of several elements for one place has won.
    yield call(s.array(5), Const(np.array([1, -1, 1, 4])), s.array(4), peer=False)


def put_bounds(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread copies."""
    yield call(s.array(35, 33), s.index(67, high=35 * 33), s.array(67), vary=False)
    yield call(s.array(35, 33), s.index(67, high=35 * 33), s.array(67), True)
    yield call(s.array(521, 509), s.index(301, high=521 * 509), s.array(301), True, vary=False)
    yield call(s.array(521, 509), s.index(301, high=521 * 509), s.array(301), vary=False)
    # Threads share the places.
    several = s.index(70_001, high=1009)
    yield call(s.array(1009), several, s.array(70_001), True, vary=False)
    yield call(s.array(2), s.index(70_001, high=2), s.array(70_001), True, vary=False)
    yield call(s.array(1009), several, s.array(70_001), grad=False, peer=False, vary=False)


def fills(s: Sampler) -> Iterator[Sample]:
    """Numbers and 0-d tensors, from either end, equal indices, none."""
    for shape, dim, index in (
        ((5,), 0, [1, 3]),
        ((3, 4), 0, [0, -1, 0]),
        ((3, 4), -1, [2]),
        ((2, 3, 4), 1, []),
        ((), 0, [0]),
    ):
        at = Const(np.array(index, np.int64))
        # PyTorch's gradient does not know indices from the end.
        peer = min(index, default=0) >= 0
        yield call(s.array(*shape), dim, at, 2, peer=peer)
        yield call(s.array(*shape), dim, at, s.array(), peer=peer)
    yield call(s.array(3, 4), 1, Const(np.array(2)), True)
    if s.floating:
        yield call(s.array(3, 4), 1, Const(np.array([1])), float("-inf"), grad=False)


def fill_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows and columns of more elements than one thread writes."""
    yield call(s.array(19, 35), 1, Const(np.array([3, 30])), 2)
    yield call(s.array(19, 35), 0, Const(np.array([3, 17])), s.array())
    yield call(s.array(521, 1031), 0, Const(np.arange(0, 520, 2)), s.array(), vary=False)


def index_puts(s: Sampler) -> Iterator[Sample]:
    """Rows, points, columns, masks, broadcast values, equal indices where they are added."""
    i, j = Const(np.array([0, 2])), Const(np.array([3, -1]))
    mask = Const(np.array([True, False, True]))
    for accumulate in (False, True):
        for shape, indices, values in (
            ((4,), (i,), (2,)),
            ((3, 4), (i,), (2, 4)),
            ((3, 4), (i,), (4,)),
            ((3, 4), (i, j), (2,)),
            ((3, 4), (i, j), ()),
            ((3, 4), (mask,), (2, 4)),
            ((3, 4), [mask], (1,)),
            ((3, 4, 5), (j, i), (2, 5)),
            ((3, 4), (Const(np.zeros(0, np.int64)),), (0, 4)),
        ):
            shape_of = (4, 4, 5)[: len(shape)] if indices[0] is j else shape
            yield call(
                s.array(*shape_of),
                indices,
                s.array(*values),
                accumulate,
                vary=accumulate and indices[0] is not mask,
            )
    again = Const(np.array([[0, 1], [1, 0]]))
    yield call(s.array(3, 4), (again,), s.array(2, 2, 4), accumulate=True)
    yield call(s.array(3, 4), (again, again), s.array(2, 2), True)


def index_put_bounds(s: Sampler) -> Iterator[Sample]:
    """Rows above and below what is cut."""
    yield call(s.array(37, 35), (s.index(19, high=37),), s.array(19, 35), True)
    yield call(s.array(257, 1031), (s.index(255, high=257),), s.array(255, 1031), True, vary=False)
    for index in long_indices(s, 67):
        yield call(s.array(67), (index,), s.array(index.array.size), True, vary=False, note="a long index")
        yield call(s.array(67), (index,), s.array(), grad=False, vary=False, note="a long index")


def selections(s: Sampler) -> Iterator[Sample]:
    """Masks of the same and of another shape, none and all."""
    for a, m in (
        ((5,), (5,)),
        ((3, 4), (3, 4)),
        ((3, 4), (4,)),
        ((4,), (3, 4)),
        ((2, 1), (1, 3)),
        ((), ()),
        ((), (3,)),
        ((0, 2), (2,)),
    ):
        yield call(s.array(*a), s.mask(*m))
    yield call(s.array(3), Const(np.zeros(3, bool)), grad=False)
    yield call(s.array(3), Const(np.ones(3, bool)))


def selection_bounds(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread takes."""
    yield call(s.array(35, 33), s.mask(33))
    yield call(s.array(301, 255), Const(s.rng.random((301, 255)) < 0.95), vary=False)


def mask_scatters(s: Sampler) -> Iterator[Sample]:
    """Sources as large as needed and larger, broadcast masks."""
    for a, m, source in (
        ((5,), (5,), (5,)),
        ((3, 4), (3, 4), (3, 5)),
        ((3, 4), (4,), (12,)),
        ((3, 1), (4,), (12,)),
        ((), (), (1,)),
        ((0,), (0,), (0,)),
    ):
        yield call(s.array(*a), s.mask(*m), s.array(*source))


def mask_scatter_bounds(s: Sampler) -> Iterator[Sample]:
    """More elements than one thread copies."""
    yield call(s.array(35, 33), s.mask(35, 33), s.array(35, 33))
    yield call(s.array(521, 509), Const(s.rng.random((521, 509)) < 0.05), s.array(60, 509), vary=False)


def scatter_errors(*further: Any) -> tuple[Any, ...]:
    """What every scatter refuses; `further` arguments follow the source."""
    ones = np.ones((1, 3))
    return (
        bad(RuntimeError, "int64", MATRIX, 0, Const(np.zeros((2, 3), np.float32)), MATRIX, *further),
        bad(RuntimeError, "\\[0, 2\\)", MATRIX, 0, Const(np.array([[5, 0, 0]])), ones, *further),
        bad(RuntimeError, "\\[0, 2\\)", MATRIX, 0, Const(np.array([[-1, 0, 0]])), ones, *further),
        bad(RuntimeError, "dtype", MATRIX, 0, ROW, np.ones((1, 3), np.float32), *further),
        bad(RuntimeError, "[Ss]ize", MATRIX, 0, ROW, np.ones((1, 2)), *further),
        bad(RuntimeError, "[Ss]ize", MATRIX, 0, Const(np.zeros((1, 4), np.int64)), np.ones((1, 4)), *further),
        bad(RuntimeError, "dimensions", MATRIX, 0, FIRST, ones, *further),
        bad(IndexError, "[Dd]im", MATRIX, 2, ROW, ones, *further),
    )


SPECS = (
    OpSpec(
        "scatter",
        ref.scatter_op,
        scatters,
        method="scatter",
        inplace="scatter_",
        composition=index_tape.scatter,
        boundary=scatter_bounds,
        errors=(
            *scatter_errors(),
            bad(RuntimeError, "add or multiply", MATRIX, 0, ROW, 2.0, reduce="mean"),
            bad(RuntimeError, "without overflow", BYTES, 0, FIRST, 300),
        ),
    ),
    OpSpec(
        "scatter_reduce",
        ref.scatter_reduce_op,
        reductions,
        method="scatter_reduce",
        inplace="scatter_reduce_",
        composition=index_tape.scatter_reduce,
        ties=True,
        boundary=reduction_bounds,
        errors=(
            *scatter_errors("sum"),
            bad(RuntimeError, "amax or amin", MATRIX, 0, ROW, np.ones((1, 3)), "add"),
            bad(NotImplementedError, "bool", np.ones(3, bool), 0, FIRST, np.ones(1, bool), "mean"),
        ),
        kinks=(
            Kink(
                (np.array([2.0, 1.0]), 0, Const(np.array([0, 0, 1])), np.array([2.0, 1.0, 1.0]), "amax"),
                ([0.5, 0.5], [0.5, 0.0, 0.5]),
            ),
            Kink(
                (np.array([0.0, 3.0]), 0, Const(np.array([0, 0, 1])), np.array([2.0, 5.0, 0.0]), "prod"),
                ([10.0, 0.0], [0.0, 0.0, 3.0]),
            ),
            Kink(
                (np.array([4.0, 3.0]), 0, Const(np.array([0, 0, 1])), np.array([0.0, 0.0, 0.0]), "prod"),
                ([0.0, 0.0], [0.0, 0.0, 3.0]),
            ),
        ),
        tolerance=8.0,
        gradient_tolerance=2.0,
        reason="products and their quotients are rounded once for each factor",
    ),
    OpSpec(
        "take",
        ref.take_op,
        takes,
        method="take",
        composition=moved(ref.take_op),
        boundary=take_bounds,
        serial=ONE_AFTER_ANOTHER,
        tolerance=EXACT,
        errors=(
            bad(IndexError, "out of bounds", MATRIX, Const(np.array([6]))),
            bad(IndexError, "out of bounds", MATRIX, Const(np.array([-7]))),
            bad(IndexError, "empty", np.zeros(0), FIRST),
            bad(RuntimeError, "long", MATRIX, Const(np.array([0.0]))),
            bad(RuntimeError, "long", MATRIX, Const(np.array([0], np.int32))),
        ),
    ),
    OpSpec(
        "take_along_dim",
        ref.take_along_dim_op,
        takes_along,
        method="take_along_dim",
        composition=moved(ref.take_along_dim_op),
        boundary=take_along_bounds,
        tolerance=EXACT,
        errors=(
            bad(IndexError, "no dimensions", np.array(1.0), Const(np.array(0)), 0),
            bad(RuntimeError, "same number of dimensions", MATRIX, FIRST, 1),
            bad(RuntimeError, "Long", MATRIX, Const(np.array([[0.0]])), 1),
            bad(RuntimeError, "expected an index", MATRIX, Const(np.array([[3]])), 1, peer=False),
            bad(RuntimeError, "broadcast|size", MATRIX, Const(np.zeros((3, 1), np.int64)), 1),
            bad(IndexError, "[Dd]im", MATRIX, Const(np.array([[0]])), 2),
        ),
    ),
    OpSpec(
        "put",
        ref.put_op,
        puts,
        method="put",
        inplace="put_",
        scale="inputs",
        composition=index_tape.put,
        boundary=put_bounds,
        errors=(
            bad(IndexError, "same number of elements", MATRIX, Const(np.array([0, 1])), np.ones(1)),
            bad(RuntimeError, "same dtype", MATRIX, FIRST, np.ones(1, np.float32)),
            bad(IndexError, "out of bounds", MATRIX, Const(np.array([6])), np.ones(1)),
            bad(RuntimeError, "long", MATRIX, Const(np.array([0.0])), np.ones(1)),
        ),
    ),
    OpSpec(
        "index_fill",
        ref.index_fill_op,
        fills,
        method="index_fill",
        inplace="index_fill_",
        composition=moved(ref.index_fill_op),
        boundary=fill_bounds,
        tolerance=EXACT,
        errors=(
            bad(IndexError, "out of bounds", MATRIX, 1, Const(np.array([3])), 2),
            bad(IndexError, "out of bounds", MATRIX, 1, Const(np.array([-4])), 2),
            bad(IndexError, "int64", MATRIX, 1, Const(np.array([0], np.int32)), 2),
            bad(RuntimeError, "vector", MATRIX, 1, Const(np.array([[0]])), 2),
            bad(RuntimeError, "0-dimensional", MATRIX, 1, FIRST, np.ones(1)),
            bad(RuntimeError, "without overflow", BYTES, 0, FIRST, 300),
            bad(IndexError, "[Dd]im", MATRIX, 2, FIRST, 2),
        ),
    ),
    OpSpec(
        "index_put",
        ref.index_put_op,
        index_puts,
        method="index_put",
        inplace="index_put_",
        scale="inputs",
        composition=index_tape.index_put,
        boundary=index_put_bounds,
        errors=(
            bad(RuntimeError, "dtypes match", MATRIX, (FIRST,), np.ones(1, np.float32)),
            bad(IndexError, "out of bounds", MATRIX, (Const(np.array([5])),), np.ones(1)),
            bad(IndexError, "too many", MATRIX, (FIRST, FIRST, FIRST), np.ones(1)),
            bad(RuntimeError, "shape", MATRIX, (FIRST,), np.ones(4)),
            bad(RuntimeError, "shape mismatch", MATRIX, (FIRST,), np.ones((1, 1, 3))),
            bad(IndexError, "indices must be", MATRIX, (Const(np.array([1.0])),), np.ones(1)),
            bad(TypeError, "element 0", MATRIX, (0,), np.ones(1)),
            bad(TypeError, ".", MATRIX, FIRST, 2.0),
            bad(RuntimeError, "at least one index", MATRIX, (), np.ones(1)),
        ),
    ),
    OpSpec(
        "masked_select",
        ref.masked_select_op,
        selections,
        method="masked_select",
        composition=moved(ref.masked_select_op),
        boundary=selection_bounds,
        serial=ONE_AFTER_ANOTHER,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "BoolTensor", MATRIX, Const(np.ones(3))),
            bad(RuntimeError, "size|shape", MATRIX, Const(np.ones(2, bool))),
        ),
    ),
    OpSpec(
        "masked_scatter",
        ref.masked_scatter_op,
        mask_scatters,
        method="masked_scatter",
        inplace="masked_scatter_",
        composition=moved(ref.masked_scatter_op),
        boundary=mask_scatter_bounds,
        tolerance=EXACT,
        errors=(
            bad(RuntimeError, "Number of elements", MATRIX, Const(np.ones(3, bool)), np.ones(5)),
            bad(RuntimeError, "same dtypes", MATRIX, Const(np.ones(3, bool)), np.ones(6, np.float32)),
            bad(RuntimeError, "boolean masks", MATRIX, Const(np.ones(3)), np.ones(6)),
            bad(RuntimeError, "size|shape", MATRIX, Const(np.ones(2, bool)), np.ones(6)),
        ),
    ),
    OpSpec(
        "argwhere",
        nonzero_reference,
        lambda s: (sample for sample in nonzero_samples(s) if not sample.kwargs),
        method="argwhere",
        boundary=nonzero_boundaries,
        serial="the positions are written one after another",
        order=0,
        dtypes=ALL_DTYPES,
        tolerance=EXACT,
    ),
)

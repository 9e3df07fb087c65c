"""Records of embeddings, bags of them, and one-hot vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from verigrad.testing.opspec import FLOATING, Kink, OpSpec, bad
from verigrad.testing.reference import embedding as ref
from verigrad.testing.reference import index_tape
from verigrad.testing.samples import Const, Sample, Sampler, call

TABLE = np.arange(12.0).reshape(4, 3)
INDEX = Const(np.array([0, 1, 2, 2, 3]))
OFFSETS = Const(np.array([0, 2, 2]))
PICK = Const(np.array([0, 2, 2]))


def embedding_samples(s: Sampler) -> Iterator[Sample]:
    """Indices of every shape, twice and never used rows, padding, shortened rows."""
    for shape in ((), (1,), (5,), (0,), (2, 3), (2, 0), (2, 3, 2)):
        yield call(s.index(*shape, high=4), s.array(4, 3))
    yield call(s.index(5, high=4, dtype="int32"), s.array(4, 3))
    yield call(s.index(5, high=1), s.array(1, 3), note="one row")
    yield call(s.index(5, high=4), s.array(4, 1), note="one column")
    yield call(s.index(5, high=4), s.array(4, 0), note="no column", grad=False)
    yield call(Const(np.zeros(0, np.int64)), s.array(0, 3), note="no row", grad=False)
    for index in (INDEX, s.index(2, 3, high=4)):
        for padding in (None, 0, 2, -1, -4):
            # Finite differences see the padding row and the counts, which gradients by definition do not.
            yield call(index, s.array(4, 3), padding_idx=padding, grad=padding is None)
        yield call(index, s.array(4, 3), scale_grad_by_freq=True, grad=False)
    yield call(s.index(300, high=50), s.array(50, 7))
    special = np.array([[np.nan, 1], [np.inf, -np.inf], [0, -0.0]], s.dtype)
    yield call(Const(np.array([2, 0, 1, 1])), special, grad=False, note="NaN and infinities")


def renorm_samples(s: Sampler) -> Iterator[Sample]:
    """Rows that are longer and shorter than the limit, taken once, twice and never."""
    for norm in (2.0, 1.0, math.inf, 3.0):
        yield call(PICK, s.array(4, 3, gap=0.5), max_norm=1.0, norm_type=norm, grad=False)
        yield call(s.index(2, 3, high=4), s.array(4, 3), max_norm=2.5, norm_type=norm, grad=False)
    yield call(Const(np.zeros(0, np.int64)), s.array(4, 3), max_norm=1.0, grad=False)


def embedding_boundaries(s: Sampler) -> Iterator[Sample]:
    """Rows that are copied, cut at 65,536 elements; gradients that are added in columns of 1024 (kColumns),
    cut at 262,144, with the padding left out and divided by the number of times that a row is taken."""
    index = s.index(301, high=19)
    yield call(s.index(67, high=19), s.array(19, 35))
    yield call(index, s.array(19, 17), padding_idx=-2)
    yield call(index, s.array(19, 17), scale_grad_by_freq=True)
    yield call(s.index(7, 11, high=5), s.array(5, 1031), padding_idx=1, scale_grad_by_freq=True)
    yield call(s.index(255, high=67), s.array(67, 1031), vary=False)


def renorm_boundaries(s: Sampler) -> Iterator[Sample]:
    """Norms of rows with tails of vectors, and rows enough to be cut."""
    for norm in (2.0, 1.0, math.inf):
        yield call(s.index(67, high=19), s.array(19, 35), max_norm=7.0, norm_type=norm, grad=False)
    yield call(s.index(521, high=67), s.array(67, 131), max_norm=15.0, grad=False, vary=False)
    for limit in (1.0, 99.0):  # all rows are shortened, none is
        yield call(Const(np.arange(67)), s.array(67, 35), max_norm=limit, grad=False, vary=False)


def bag_boundaries(s: Sampler) -> Iterator[Sample]:
    """Bags of one length and of several, of wide rows, enough to be cut forward and backward."""
    for mode in ("sum", "mean", "max"):
        yield call(s.index(37, 7, high=19), s.distinct(19, 35), mode=mode)
        offsets = Const(np.sort(s.rng.integers(1, 300, 67)) * (np.arange(67) > 0))
        yield call(s.index(301, high=19), s.distinct(19, 17), offsets, mode=mode, padding_idx=3)
        yield call(s.index(51, 5, high=67), s.array(67, 1031), mode=mode, vary=False)
    yield call(s.index(37, 7, high=19), s.array(19, 35), mode="sum", per_sample_weights=s.array(37, 7))
    yield call(s.index(37, 7, high=19), s.array(19, 35), mode="mean", scale_grad_by_freq=True)


def bag_renorm_boundaries(s: Sampler) -> Iterator[Sample]:
    """Norms of rows with tails of vectors, and rows enough to be cut."""
    yield call(s.index(37, 7, high=19), s.array(19, 35), max_norm=7.0, grad=False)
    yield call(s.index(131, 4, high=67), s.array(67, 131), max_norm=15.0, grad=False, vary=False)
    offsets = Const(np.array([0, 13, 30]))
    yield call(Const(np.arange(50)), s.array(50, 35), offsets, max_norm=7.0, grad=False, vary=False)
    for limit in (1.0, 99.0):
        yield call(
            Const(np.arange(134).reshape(67, 2)), s.array(134, 35), max_norm=limit, grad=False, vary=False
        )


def one_hot_boundaries(s: Sampler) -> Iterator[Sample]:
    """Classes on both sides of a vector, and enough to be cut."""
    for classes in (7, 8, 9, 17, 33):
        yield call(s.index(35, high=classes), classes)
    yield call(s.index(2051, high=131), 131, vary=False)


def bag_samples(s: Sampler) -> Iterator[Sample]:
    """Bags of one length and of several, empty ones, all modes, weights, padding."""
    weight = s.distinct(4, 3)
    for mode in ("sum", "mean", "max"):
        for shape in ((1, 1), (1, 3), (2, 2), (5, 3), (0, 2)):
            yield call(s.index(*shape, high=4), s.distinct(4, 3), mode=mode)
        for offsets in ([0, 2, 2], [0, 1, 3, 5], [0], [0, 0, 0], [0, 5], [0, 1, 2, 3, 4]):
            yield call(INDEX, s.distinct(4, 3), Const(np.array(offsets)), mode=mode)
        yield call(INDEX, weight, Const(np.array([0, 2, 5])), mode=mode, include_last_offset=True)
        for padding in (2, -1, -2):
            # The padding row has a gradient of 0 by finite differences too: it is not in its bag.
            yield call(INDEX, s.distinct(4, 3), OFFSETS, mode=mode, padding_idx=padding)
            yield call(s.index(3, 3, high=4), s.distinct(4, 3), mode=mode, padding_idx=padding)
        empty = Const(np.zeros(0, np.int64))
        yield call(empty, weight, Const(np.array([0, 0])), mode=mode, grad=False, note="empty bags")
        yield call(empty, weight, empty, mode=mode, grad=False, note="no bags")
        yield call(s.index(2, 3, high=4, dtype="int32"), weight, mode=mode)
        yield call(s.index(200, high=50), s.array(50, 7), Const(np.arange(0, 200, 7)), mode=mode, vary=False)
    yield call(INDEX, s.array(4, 3), OFFSETS, mode="sum", per_sample_weights=s.array(5))
    yield call(s.index(2, 3, high=4), s.array(4, 3), mode="sum", per_sample_weights=s.array(2, 3))
    yield call(INDEX, s.array(4, 3), OFFSETS, mode="sum", per_sample_weights=s.array(5), padding_idx=1)
    yield call(INDEX, s.array(4, 3), OFFSETS, scale_grad_by_freq=True, grad=False)


def bag_renorm_samples(s: Sampler) -> Iterator[Sample]:
    """Rows that are longer than the limit."""
    for norm in (2.0, 1.0):
        yield call(INDEX, s.array(4, 3, gap=0.5), OFFSETS, max_norm=1.0, norm_type=norm, grad=False)


def one_hot_samples(s: Sampler) -> Iterator[Sample]:
    """Classes of every shape, with and without their number."""
    for shape in ((), (1,), (5,), (2, 3), (2, 3, 2)):
        yield call(s.index(*shape, high=4))
        yield call(s.index(*shape, high=4), 4)
        yield call(s.index(*shape, high=4), num_classes=7)
    yield call(s.index(0, high=4), 3)
    yield call(s.index(2, 0, high=4), 3)


SPECS = (
    OpSpec(
        "embedding",
        ref.embedding_op,
        embedding_samples,
        function="nn.functional.embedding",
        dtypes=FLOATING,
        tolerance=0,
        composition=index_tape.embedding,
        boundary=embedding_boundaries,
        errors=(
            bad(IndexError, "range|\\[0, 4\\)", Const(np.array([0, 4])), TABLE),
            bad(IndexError, "range|\\[0, 4\\)", Const(np.array([-1])), TABLE),
            bad(IndexError, "range|\\[0, 4\\)", Const(np.array([1, 4])), TABLE, max_norm=1.0),
            bad(IndexError, "range|\\[0, 4\\)", Const(np.array([1, -1])), TABLE, max_norm=1.0),
            bad(RuntimeError, "int64|Long", Const(np.array([1.0])), TABLE),
            bad(RuntimeError, "int64|Long", Const(np.array([True])), TABLE),
            bad(RuntimeError, "int64|Long", Const(np.array([1], np.uint8)), TABLE),
            bad(RuntimeError, "2-D", PICK, TABLE[0]),
            bad(RuntimeError, "2-D", PICK, TABLE[None]),
            bad(AssertionError, "num_embeddings", PICK, TABLE, padding_idx=4),
            bad(AssertionError, "num_embeddings", PICK, TABLE, padding_idx=-5),
        ),
        kinks=(
            Kink((PICK, TABLE), ([[1] * 3, [0] * 3, [2] * 3, [0] * 3],)),
            Kink((PICK, TABLE), ([[1] * 3, [0] * 3, [0] * 3, [0] * 3],), {"padding_idx": 2}),
            Kink((PICK, TABLE), ([[1] * 3, [0] * 3, [0] * 3, [0] * 3],), {"padding_idx": -2}),
            Kink((PICK, TABLE), ([[1] * 3, [0] * 3, [1] * 3, [0] * 3],), {"scale_grad_by_freq": True}),
        ),
    ),
    OpSpec(
        "embedding with max_norm",
        ref.embedding_op,
        renorm_samples,
        function=lambda lib, index, weight, **options: lib.get("nn.functional.embedding")(
            index, weight.detach().clone(), **options
        ),
        dtypes=FLOATING,
        order=0,
        tolerance=16,
        reason="the norm of a row, a quotient and a product round in turn",
        boundary=renorm_boundaries,
        registered=False,
    ),
    OpSpec(
        "embedding_bag",
        ref.embedding_bag_op,
        bag_samples,
        function="nn.functional.embedding_bag",
        dtypes=FLOATING,
        scale="bound",
        composition=index_tape.embedding_bag,
        boundary=bag_boundaries,
        registered=False,
        errors=(
            bad(ValueError, "mode", INDEX, TABLE, OFFSETS, mode="median"),
            bad(RuntimeError, "0", INDEX, TABLE, Const(np.array([1, 2]))),
            bad(RuntimeError, "length", INDEX, TABLE, Const(np.array([0, 6]))),
            bad(RuntimeError, "offset", INDEX, TABLE, Const(np.zeros(0, np.int64)), include_last_offset=True),
            bad(RuntimeError, "valid|\\[0, 4\\)", Const(np.array([-1, 0])), TABLE, Const(np.array([0]))),
            bad(RuntimeError, "valid|\\[0, 4\\)", Const(np.array([4, 0])), TABLE, Const(np.array([0]))),
            bad(RuntimeError, "int64|Long", Const(np.array([1.0])), TABLE, Const(np.array([0]))),
            bad(RuntimeError, "int64|Long", INDEX, TABLE, Const(np.array([0.0]))),
            bad(ValueError, "2D", Const(np.array([[0, 1]])), TABLE, OFFSETS),
            bad(ValueError, "1D", INDEX, TABLE),
            bad(ValueError, "1D", INDEX, TABLE, Const(np.array([[0, 1]]))),
            bad(ValueError, "1D or 2D", Const(np.array([[[0]]])), TABLE),
            bad(ValueError, "same shape", INDEX, TABLE, OFFSETS, mode="sum", per_sample_weights=np.ones(4)),
            bad(NotImplementedError, "sum", INDEX, TABLE, OFFSETS, per_sample_weights=np.ones(5)),
            bad(
                RuntimeError,
                "type",
                INDEX,
                TABLE,
                OFFSETS,
                mode="sum",
                per_sample_weights=np.ones(5, np.float32),
            ),
            bad(ValueError, "frequency", INDEX, TABLE, OFFSETS, mode="max", scale_grad_by_freq=True),
            bad(ValueError, "sparse", INDEX, TABLE, OFFSETS, mode="max", sparse=True),
            bad(ValueError, "2D", INDEX, TABLE[0], OFFSETS),
            bad(RuntimeError, "padding_idx", INDEX, TABLE, OFFSETS, padding_idx=4),
            bad(RuntimeError, "padding_idx", INDEX, TABLE, OFFSETS, padding_idx=-5),
            bad(RuntimeError, "float|Float", INDEX, Const(np.ones((4, 3), np.int32)), OFFSETS),
        ),
        kinks=(
            Kink((PICK, np.ones((4, 1)), Const(np.array([0]))), ([[1], [0], [0], [0]],), {"mode": "max"}),
            Kink(
                (PICK, np.ones((4, 1)), Const(np.array([0]))),
                ([[1], [0], [1], [0]],),
                {"mode": "sum", "scale_grad_by_freq": True},
            ),
        ),
    ),
    OpSpec(
        "embedding_bag with max_norm",
        ref.embedding_bag_op,
        bag_renorm_samples,
        function=lambda lib, index, weight, *args, **options: lib.get("nn.functional.embedding_bag")(
            index, weight.detach().clone(), *args, **options
        ),
        dtypes=FLOATING,
        order=0,
        scale="inputs",
        boundary=bag_renorm_boundaries,
        tolerance=16,
        reason="the norm of a row, a quotient, a product and a mean round in turn",
        registered=False,
    ),
    OpSpec(
        "one_hot",
        ref.one_hot_op,
        one_hot_samples,
        function="nn.functional.one_hot",
        dtypes=("int64",),
        order=0,
        boundary=one_hot_boundaries,
        registered=False,
        errors=(
            bad(RuntimeError, "LongTensor", Const(np.array([1.0]))),
            bad(RuntimeError, "LongTensor", Const(np.array([1], np.int32))),
            bad(RuntimeError, "non-negative", Const(np.array([-1]))),
            bad(RuntimeError, "non-negative|an index in", Const(np.array([-1])), 3),  # CPU, CUDA
            *(bad(RuntimeError, "smaller|an index in", Const(np.array([3])), n) for n in (3, 0, -2)),
            bad(RuntimeError, "infer", Const(np.zeros(0, np.int64))),
            bad(RuntimeError, "infer", Const(np.zeros(0, np.int64)), 0),
        ),
    ),
)

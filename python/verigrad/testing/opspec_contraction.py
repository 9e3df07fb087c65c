"""Records of the products that sum over pairs of dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, ErrorInput, OpSpec, bad
from verigrad.testing.opspec_linalg import ALIKE, MATRIX, STACK
from verigrad.testing.reference import contraction as ref
from verigrad.testing.reference import contraction_tape as parts
from verigrad.testing.reference import linalg, tape
from verigrad.testing.samples import Const, Same, Sample, Sampler, call

Shape = tuple[int, ...]
THREE, FOUR = np.ones(3), np.ones(4)
SQUARE = np.ones((2, 2))
DTYPES = "dtype"


def of_shapes(*shapes: tuple[Shape, ...], same: bool = False) -> Callable[[Sampler], Iterator[Sample]]:
    """Operands of these shapes, and perhaps the first one twice."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for group in shapes:
            yield call(*(s.array(*shape) for shape in group))
        if same:
            yield call(s.array(*shapes[0][0]), Same(0), note="the same tensor twice")

    return samples


def product(
    name: str,
    reference: Callable[..., Any],
    composition: Callable[..., Any],
    samples: Callable[[Sampler], Iterator[Sample]],
    boundary: Callable[[Sampler], Iterator[Sample]],
    *errors: ErrorInput,
    **options: Any,
) -> OpSpec:
    """A record of a product, whose tolerance is that of a product of matrices."""
    chosen: dict[str, Any] = {"method": name, "dtypes": NUMERIC, **options}
    return OpSpec(
        name,
        reference,
        samples,
        composition=composition,
        boundary=boundary,
        errors=errors,
        scale="bound",
        tolerance=32,
        reason=ALIKE,
        gradient_tolerance=4.0,
        **chosen,
    )


def mixed(s: Sampler) -> Iterator[Sample]:
    """Vectors of several lengths, also of two dtypes."""
    for n, m in ((3, 4), (1, 1), (0, 3), (3, 0), (5, 5)):
        yield call(s.array(n), s.array(m))
    yield call(s.array(3), s.array(2, dtype="float64"), grad=False)
    yield call(s.array(3), s.array(2, dtype="int64"), grad=False)
    yield call(s.array(3), Same(0), note="the same tensor twice")


def krons(s: Sampler) -> Iterator[Sample]:
    """Equal and unequal numbers of dimensions, and none."""
    for a, b in (
        ((2, 3), (3, 2)),
        ((2,), (3,)),
        ((2, 3), (2,)),
        ((2,), (2, 1, 2)),
        ((), (2, 2)),
        ((2, 0), (3, 2)),
    ):
        yield call(s.array(*a), s.array(*b))
    yield call(s.array(2, 2), s.array(2, dtype="float64"), grad=False)


def added(shapes: tuple[Shape, Shape], *addends: Shape) -> Callable[[Sampler], Iterator[Sample]]:
    """Addends of these shapes for a product, factors before both, and no elements to sum over."""
    a, b = shapes

    def samples(s: Sampler) -> Iterator[Sample]:
        for addend in addends:
            yield call(s.array(*addend), s.array(*a), s.array(*b))
            yield call(s.array(*addend), s.array(*a), s.array(*b), beta=2, alpha=3)
        x = addends[0]
        yield call(s.array(*x), s.array(*a), s.array(*b), beta=0)
        yield call(s.array(*x), s.array(*a), s.array(*b), alpha=0)
        if s.floating:
            yield call(s.array(*x), s.array(*a), s.array(*b), beta=0.5, alpha=-1.5)
            nothing = np.full(x, np.nan, s.dtype)
            yield call(Const(nothing), s.array(*a), s.array(*b), beta=0, note="NaN that is not read")
        if len(b) > 1:
            yield call(s.array(*x), s.array(*a[:-1], 0), s.array(*b[:-2], 0, b[-1]))

    return samples


def addition(
    name: str,
    inplace: str,
    reference: Callable[..., Any],
    composition: Callable[..., Any],
    shapes: tuple[Shape, Shape],
    addends: tuple[Shape, ...],
    large: tuple[Shape, Shape, Shape],
    *errors: ErrorInput,
    dtypes: tuple[str, ...] = NUMERIC,
) -> OpSpec:
    """A record of a product that is added to a tensor."""
    return product(
        name,
        reference,
        composition,
        added(shapes, *addends),
        of_shapes((addends[0], *shapes), large),
        *errors,
        inplace=inplace,
        dtypes=dtypes,
    )


def tensordots(s: Sampler) -> Iterator[Sample]:
    """Numbers of dimensions, lists of them, dimensions of one element beside longer ones."""
    yield call(s.array(2, 3), s.array(2, 3))
    yield call(s.array(2, 3), s.array(3, 4), 1)
    yield call(s.array(2, 3), s.array(2), dims=0)
    yield call(s.array(2, 3, 4), s.array(4, 3, 5), dims=([2, 1], [0, 1]))
    yield call(s.array(2, 3, 4), s.array(3, 2), [[-2], [0]])
    yield call(s.array(2, 3), s.array(1, 4), dims=([0], [0]), note="one element meets each")
    yield call(s.array(1, 3), s.array(2, 4), dims=([0], [0]), note="one element meets each")
    yield call(s.array(2, 3), s.array(3, 4), dims=Const(np.array(1)), vary=False)
    yield call(s.array(2, 3), s.array(3, 4), dims=Const(np.array([[1], [0]])), vary=False)
    yield call(s.array(2, 0), s.array(0, 3), 1)
    yield call(s.array(0, 2), s.array(2, 3), 1)
    yield call(s.array(), s.array(), 0)


EQUATIONS: tuple[tuple[str, tuple[Shape, ...]], ...] = (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("ij,jk", ((2, 3), (3, 4))),
    ("ij,kj->ki", ((2, 3), (4, 3))),
    ("i,i->", ((3,), (3,))),
    ("i,j->ij", ((3,), (2,))),
    ("ij->ji", ((2, 3),)),
    ("bA", ((2, 3),)),
    ("ij->i", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("ii->i", ((3, 3),)),
    ("ii", ((3, 3),)),
    ("iij->ji", ((3, 3, 2),)),
    ("iji->j", ((3, 2, 3),)),
    ("iii->i", ((2, 2, 2),)),
    ("ii,ij->j", ((3, 3), (3, 2))),
    ("bij,bjk->bik", ((2, 2, 3), (2, 3, 4))),
    ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))),
    ("bhqk,bkhd->bqhd", ((2, 2, 3, 4), (2, 4, 2, 3))),
    ("ijk,jil->kl", ((2, 3, 4), (3, 2, 5))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
    ("ij,ij,ij->i", ((2, 3), (2, 3), (2, 3))),
    ("bn,anm,bm->ba", ((2, 3), (4, 3, 5), (2, 5))),
    ("...ij->...ji", ((2, 2, 3),)),
    ("...ij,...jk->...ik", ((2, 1, 2, 3), (5, 3, 4))),
    ("...,...->...", ((2, 3), (3,))),
    ("i...,i...->...", ((2, 3), (2, 3))),
    ("...i,ij", ((2, 3), (3, 2))),
    (" i j , j k -> i k ", ((2, 3), (3, 4))),
    ("iJ,Ja->ia", ((2, 3), (3, 4))),
    ("ij,ij->ij", ((2, 3), (1, 3))),
    ("ij,jk->ik", ((2, 3), (1, 4))),
    ("ij,k->ij", ((2, 3), (4,))),
    ("i,->i", ((3,), ())),
    (",->", ((), ())),
    ("->", ((),)),
    ("ij,jk->ik", ((2, 0), (0, 3))),
    ("ij,jk->ik", ((0, 2), (2, 3))),
)


def einsums(s: Sampler) -> Iterator[Sample]:
    """Repeated letters, the ellipsis, broadcast sizes, one operand to four, lists of subscripts."""
    for equation, shapes in EQUATIONS:
        yield call(equation, *(s.array(*shape) for shape in shapes))
    yield call("ij,jk->ik", [s.array(2, 3), s.array(3, 4)])
    yield call(s.array(2, 3), [0, 1], s.array(3, 4), [1, 2], [0, 2])
    yield call(s.array(2, 3), [0, 1], s.array(3, 4), [1, 2])
    yield call(s.array(2, 3), [30, 2])
    yield call(s.array(2, 3), [0, ...], s.array(3), [...], [0, ...])
    yield call("ij,ij->", s.array(2, 3), Same(0), note="the same tensor twice")
    if s.dtype.name == "float32":
        yield call("i,j->ij", s.array(3), s.array(2, dtype="int64"), grad=False, note="two dtypes")


def large_einsums(s: Sampler) -> Iterator[Sample]:
    """Products that are cut into tiles, and a batch of them."""
    yield call("ij,kj->ki", s.array(261, 127), s.array(131, 127))
    yield call("bij,bjk->bik", s.array(5, 67, 61), s.array(5, 61, 65))
    yield call("ij->j", s.array(601, 521))
    yield call("...ii->...i", s.array(3, 35, 35))


def chains(s: Sampler) -> Iterator[Sample]:
    """Two matrices and more, in whose order it matters where one begins."""
    for sizes in ((2, 3, 4), (2, 3, 4, 2), (5, 1, 4, 2, 3), (1, 4, 1, 4)):
        yield call(*(s.array(n, m) for n, m in zip(sizes, sizes[1:], strict=False)))
    yield call(s.array(2, 0), s.array(0, 3))


def dots(s: Sampler) -> Iterator[Sample]:
    """The same as a list, with vectors at the ends."""
    for sample in chains(s):
        yield call(list(sample.args))
    for shapes in (
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3, 4), (4,)),
        ((3,), (3,)),
        ((3,), (3, 2), (2, 4)),
    ):
        yield call([s.array(*shape) for shape in shapes])


def powers(s: Sampler) -> Iterator[Sample]:
    """From the matrix of ones to the seventh power, and batches."""
    for n in (1, 2, 3, 5, 7):
        yield call(s.array(3, 3, low=-1, high=1), n)
    yield call(s.array(2, 3, 3), 0, grad=False)
    yield call(s.array(2, 1, 2, 2, low=-1, high=1), n=3)
    yield call(s.array(0, 0), 2)


def crosses(named: bool) -> Callable[[Sampler], Iterator[Sample]]:
    """Vectors of three along any dimension, broadcast."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b in (
            ((3,), (3,)),
            ((2, 3), (2, 3)),
            ((0, 3), (0, 3)),
            ((2, 3), (1, 3)),
            ((2, 1, 3), (1, 4, 3)),
        ):
            yield call(s.array(*a), s.array(*b))
        for dim in (0, -2):
            yield call(s.array(3, 2), s.array(3, 2), dim=dim)
        yield call(s.array(2, 3, 4), s.array(2, 3, 4), dim=1)
        if not named:
            yield call(s.array(2, 3, 4), s.array(2, 3, 4))
            yield call(s.array(3, 3), s.array(3, 3))
            yield call(s.array(3, 3), s.array(3, 3), 1)
        yield call(s.array(3), Same(0), note="the same tensor twice")

    return samples


def tiles(s: Sampler) -> Iterator[Sample]:
    """A product that is cut into tiles."""
    yield call(s.array(257, 257, low=-0.1, high=0.1), 2)


NOT_1D = bad(RuntimeError, "1-?D", MATRIX, THREE)
BATCH = np.ones((2, 3, 4))
BATCHES = "3D"

SPECS = (
    product(
        "dot",
        linalg.matmul_op,
        tape.matmul,
        of_shapes(((3,), (3,)), ((1,), (1,)), ((0,), (0,)), ((301,), (301,)), same=True),
        of_shapes(((67,), (67,)), ((300_007,), (300_007,))),
        NOT_1D,
        bad(RuntimeError, "size", THREE, FOUR),
        bad(RuntimeError, DTYPES, THREE, np.ones(3, np.float32)),
        bad(NotImplementedError, "Bool", np.array([True]), np.array([True])),
        serial="forward: one number is one task of the product",
    ),
    product(
        "vdot",
        linalg.matmul_op,
        tape.matmul,
        of_shapes(((3,), (3,)), ((0,), (0,)), same=True),
        of_shapes(((67,), (67,)), ((300_007,), (300_007,))),
        NOT_1D,
        bad(RuntimeError, "size", THREE, FOUR),
        serial="forward: one number is one task of the product",
    ),
    product(
        "mv",
        linalg.matmul_op,
        tape.matmul,
        of_shapes(((2, 3), (3,)), ((1, 1), (1,)), ((0, 3), (3,)), ((2, 0), (0,)), ((3, 301), (301,))),
        of_shapes(((67, 35), (35,)), ((2_051, 2_003), (2_003,))),
        bad(RuntimeError, "vector", THREE, THREE),
        bad(RuntimeError, "vector", MATRIX, MATRIX),
        bad(RuntimeError, "size", MATRIX, FOUR),
        bad(RuntimeError, DTYPES, MATRIX, np.ones(3, np.float32)),
        bad(NotImplementedError, "Bool", np.array([[True]]), np.array([True])),
    ),
    product(
        "outer",
        ref.outer_op,
        parts.outer,
        mixed,
        of_shapes(((67,), (35,)), ((601,), (521,))),
        NOT_1D,
        bad(RuntimeError, "1-D", THREE, MATRIX),
        dtypes=ALL_DTYPES,
    ),
    product("ger", ref.outer_op, parts.outer, mixed, of_shapes(((601,), (521,))), NOT_1D),
    product(
        "inner",
        ref.inner_op,
        parts.inner,
        of_shapes(
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (2, 3)),
            ((2, 3), (4, 3)),
            ((2, 2, 3), (4, 5, 3)),
            ((), (2, 3)),
            ((2, 3), ()),
            ((2, 0), (3, 0)),
            ((0, 2), (3, 2)),
            same=True,
        ),
        of_shapes(((261, 127), (131, 127))),
        bad(RuntimeError, "last dimension", MATRIX, FOUR),
        bad(RuntimeError, DTYPES, THREE, np.ones(3, np.float32)),
        bad(NotImplementedError, "Bool", np.array([True]), np.array([True])),
    ),
    product(
        "kron",
        ref.kron_op,
        parts.kron,
        krons,
        of_shapes(((5, 7), (3, 11)), ((31, 17), (19, 33))),
        bad(RuntimeError, "dimensions", np.ones((1,) * 9), np.ones((1,) * 9), peer=False),
        dtypes=ALL_DTYPES,
    ),
    addition(
        "addmm",
        "addmm_",
        ref.addmm_op,
        parts.addmm,
        ((2, 3), (3, 4)),
        ((2, 4), (4,), (2, 1), ()),
        ((521,), (601, 7), (7, 521)),
        bad(RuntimeError, "matri", MATRIX, MATRIX, THREE),
        bad(RuntimeError, "multiplied", MATRIX, MATRIX, MATRIX),
        bad(RuntimeError, "expanded", np.ones(5), MATRIX, np.ones((3, 4))),
        bad(RuntimeError, "expanded", np.ones((1, 2, 4)), MATRIX, np.ones((3, 4))),
        bad(RuntimeError, DTYPES, np.ones((2, 4), np.float32), MATRIX, np.ones((3, 4))),
        bad(RuntimeError, DTYPES, np.ones((2, 4)), MATRIX, np.ones((3, 4), np.float32)),
        bad(NotImplementedError, "Bool", *[np.array([[True]])] * 3),
    ),
    addition(
        "addmv",
        "addmv_",
        ref.addmm_op,
        parts.addmm,
        ((35, 3), (3,)),
        ((35,), (1,), ()),
        ((2_051,), (2_051, 2_003), (2_003,)),
        bad(RuntimeError, "vector", np.ones(2), MATRIX, MATRIX),
        bad(RuntimeError, "vector", np.ones(2), THREE, THREE),
        bad(RuntimeError, "size", np.ones(2), MATRIX, FOUR),
        bad(RuntimeError, "expanded", THREE, MATRIX, THREE),
        bad(RuntimeError, DTYPES, np.ones(2, np.float32), MATRIX, THREE),
    ),
    addition(
        "addbmm",
        "addbmm_",
        ref.addbmm_op,
        parts.addbmm,
        ((2, 3, 4), (2, 4, 5)),
        ((3, 5), (5,), ()),
        ((601, 521), (3, 601, 7), (3, 7, 521)),
        bad(RuntimeError, BATCHES, np.ones((3, 5)), BATCH, MATRIX, peer=False),
        bad(RuntimeError, "batch2", np.ones((3, 5)), BATCH, BATCH),
        bad(RuntimeError, "expanded", FOUR, BATCH, np.ones((2, 4, 5))),
        bad(RuntimeError, DTYPES, np.ones((3, 5), np.float32), BATCH, np.ones((2, 4, 5))),
    ),
    addition(
        "baddbmm",
        "baddbmm_",
        ref.addmm_op,
        parts.addmm,
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 5), (3, 5), (2, 1, 1), ()),
        ((5, 131, 130), (5, 131, 61), (5, 61, 130)),
        bad(RuntimeError, BATCHES, np.ones((2, 3, 5)), MATRIX, BATCH),
        bad(RuntimeError, "batch2", np.ones((2, 3, 5)), BATCH, BATCH),
        bad(RuntimeError, "expanded", THREE, BATCH, np.ones((2, 4, 5))),
        bad(RuntimeError, DTYPES, np.ones((2, 3, 5), np.float32), BATCH, np.ones((2, 4, 5))),
    ),
    addition(
        "addr",
        "addr_",
        ref.addr_op,
        parts.addr,
        ((3,), (4,)),
        ((3, 4), (4,), (3, 1), ()),
        ((601, 521), (601,), (521,)),
        bad(RuntimeError, "1-D", np.ones((3, 4)), THREE, MATRIX),
        bad(RuntimeError, "expanded", THREE, THREE, FOUR),
        bad(RuntimeError, "integral", *[np.ones(2, np.int64)] * 3, alpha=0.5),
    ),
    product(
        "tensordot",
        ref.tensordot_op,
        parts.tensordot,
        tensordots,
        of_shapes(((261, 3, 43), (3, 43, 131))),
        bad(RuntimeError, "same length", MATRIX, MATRIX, ([0, 1], [0])),
        bad(RuntimeError, "match", MATRIX, np.ones((3, 4)), ([1], [1])),
        bad(RuntimeError, "dims >= 0", MATRIX, MATRIX, -1),
        bad(RuntimeError, "dims", MATRIX, MATRIX, 3),
        bad(RuntimeError, "multiple", MATRIX, MATRIX, ([0, 0], [0, 0])),
        bad(RuntimeError, DTYPES, MATRIX, np.ones((2, 3), np.float32)),
        bad(IndexError, "[Dd]im", MATRIX, MATRIX, ([5], [0])),
        bad(TypeError, "dims", MATRIX, MATRIX, (0, 1)),
        bad(TypeError, "dims", MATRIX, MATRIX, "ij", peer=False),
        method=None,
    ),
    product(
        "einsum",
        ref.einsum_op,
        parts.einsum,
        einsums,
        large_einsums,
        bad(RuntimeError, "fewer operands", "ij,jk->ik", MATRIX),
        bad(RuntimeError, "more operands", "ij->i", MATRIX, MATRIX),
        bad(RuntimeError, "number of subscripts", "i->i", MATRIX),
        bad(RuntimeError, "number of subscripts", "ijk...->i", MATRIX),
        bad(RuntimeError, "does not appear", "ij->ik", MATRIX),
        bad(RuntimeError, "more than once", "ij->ii", MATRIX),
        *(bad(RuntimeError, f"subscript {x} does", f"ij->i{x}", MATRIX) for x in "AZaz"),
        bad(RuntimeError, "repeated", "ii->i", MATRIX),
        bad(RuntimeError, "broadcast", "ij,jk->ik", MATRIX, MATRIX),
        bad(RuntimeError, "invalid subscript", "i?->i", MATRIX),
        bad(RuntimeError, "ellipsis", "i..j->ij", MATRIX),
        bad(RuntimeError, "ellipsis", "...i...->i", MATRIX),
        bad(RuntimeError, "ellipsis", "ij->.ij", MATRIX),
        bad(RuntimeError, DTYPES, "ij,ij->", MATRIX, np.ones((2, 3), np.float32)),
        bad(NotImplementedError, "Bool", "ij,ij->", np.array([[True, False]]), np.array([[True, False]])),
        bad(ValueError, "at least one operand", "ij"),
        bad(ValueError, "range", MATRIX, [0, 55]),
        bad(ValueError, "range", MATRIX, [0, -1]),
        bad(TypeError, "str", 3, MATRIX),
        bad(TypeError, "Tensor", "ij->ij", 3),
        bad(TypeError, "int", MATRIX, [0, 1.5]),
        bad(TypeError, "list", MATRIX, 3, peer=False),
        method=None,
        view=None,
        dtypes=("int64", *FLOATING),
    ),
    product(
        "chain_matmul",
        ref.chain_matmul_op,
        parts.chain_matmul,
        chains,
        of_shapes(((261, 127), (127, 131))),
        bad(RuntimeError, "one or more"),
        bad(RuntimeError, "matri", MATRIX, THREE),
        bad(RuntimeError, "multiplied", MATRIX, MATRIX),
        bad(TypeError, "Tensor", MATRIX, 3),
        method=None,
    ),
    product(
        "linalg_multi_dot",
        ref.multi_dot_op,
        parts.multi_dot,
        dots,
        lambda s: iter([call([s.array(261, 127), s.array(127, 131)])]),
        bad(RuntimeError, "at least 2", [MATRIX]),
        bad(RuntimeError, "multiplied", [MATRIX, MATRIX]),
        bad(RuntimeError, "2D", [MATRIX, THREE, np.ones((3, 4))]),
        bad(RuntimeError, "1D", [STACK, MATRIX]),
        bad(RuntimeError, DTYPES, [MATRIX, np.ones((3, 4), np.float32)]),
        function="linalg.multi_dot",
        method=None,
    ),
    product(
        "matrix_power",
        ref.matrix_power_op,
        parts.matrix_power,
        powers,
        tiles,
        bad(RuntimeError, "at least 2", THREE, 2),
        bad(RuntimeError, "square", MATRIX, 2),
    ),
    product(
        "cross",
        ref.cross_op,
        parts.cross,
        crosses(named=False),
        of_shapes(((35, 3), (35, 3)), ((100_003, 3), (100_003, 3))),
        bad(RuntimeError, "size 3", SQUARE, SQUARE),
        bad(RuntimeError, "length 3", MATRIX, MATRIX, 0),
        bad(RuntimeError, "same number", MATRIX, THREE),
        bad(RuntimeError, DTYPES, THREE, np.ones(3, np.float32)),
    ),
    product(
        "linalg_cross",
        ref.linalg_cross_op,
        parts.linalg_cross,
        crosses(named=True),
        of_shapes(((35, 3), (35, 3)), ((100_003, 3), (100_003, 3))),
        bad(RuntimeError, "length 3", MATRIX, MATRIX, dim=0),
        bad(RuntimeError, "same number", MATRIX, THREE),
        bad(RuntimeError, "size", MATRIX, np.ones((4, 3))),
        bad(IndexError, "[Dd]im", MATRIX, MATRIX, dim=4),
        function="linalg.cross",
        method=None,
    ),
    product(
        "linalg_vecdot",
        ref.vecdot_op,
        parts.vecdot,
        of_shapes(
            ((3,), (3,)),
            ((2, 3), (2, 3)),
            ((2, 3), (3,)),
            ((2, 1, 3), (4, 3)),
            ((0, 3), (0, 3)),
            ((2, 0), (2, 0)),
        ),
        of_shapes(((35, 67), (35, 67)), ((601, 521), (601, 521))),
        bad(RuntimeError, "floating point", np.arange(3), np.arange(3)),
        bad(RuntimeError, "size", MATRIX, FOUR),
        bad(RuntimeError, DTYPES, THREE, np.ones(3, np.float32), peer=False),
        bad(IndexError, "[Dd]im", MATRIX, MATRIX, dim=2),
        function="linalg.vecdot",
        method=None,
        dtypes=FLOATING,
    ),
)

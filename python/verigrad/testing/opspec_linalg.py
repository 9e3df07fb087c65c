"""Records of the matrix products."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.boundaries import around, value
from verigrad.testing.measures_product import WIDTHS, width
from verigrad.testing.opspec import FLOATING, NUMERIC, OpSpec, bad
from verigrad.testing.reference import linalg as ref
from verigrad.testing.reference import tape
from verigrad.testing.samples import Same, Sample, Sampler, call

MATRIX = np.arange(6.0).reshape(2, 3)
STACK = np.arange(12.0).reshape(2, 2, 3)
WIDER = bad(RuntimeError, "shape|size|multipl", MATRIX, MATRIX)
ALIKE = "equal terms, where a dimension is expanded, round alike in every addition, in float64 here as well"
MIXED = bad(RuntimeError, "dtype", MATRIX, np.ones((3, 2), np.float32))


def linear(input: Any, weight: Any, bias: Any = None) -> tape.Var:
    """``linear`` over the tape's variables."""
    x, w = tape.var(input), tape.var(weight)
    features = w.shape[-1]
    rows = x.reshape(x.size // features if features else int(np.prod(x.shape[:-1])), features)
    out = tape.matmul(rows, w.swap())
    out = out if bias is None else out + bias
    return out.reshape(*x.shape[:-1], w.shape[0])


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> tape.Var:
    """``bilinear`` over the tape's variables: the first operand meets the weight, then the second."""
    x, y = tape.var(input1), tape.var(input2)
    lead = x.shape[:-1]
    count = int(np.prod(lead))
    x, y = x.reshape(count, x.shape[-1]), y.reshape(count, y.shape[-1])
    out = tape.einsum("nkj,nj->nk", tape.einsum("ni,kij->nkj", x, weight), y)
    out = out if bias is None else out + bias
    return out.reshape(*lead, out.shape[-1])


def products(*pairs: tuple[tuple[int, ...], tuple[int, ...]]) -> Callable[[Sampler], Iterator[Sample]]:
    """Operands of these shapes, and one pair that takes several tiles."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for a, b in pairs:
            yield call(s.array(*a), s.array(*b))
        lead = pairs[0][0][:-2]
        yield call(s.array(*lead, 1, 300), s.array(*lead, 300, 1), note="long sum")
        yield call(s.array(*lead, 3, 3), Same(0), note="the same tensor twice")

    return samples


def large_products(*lead: int) -> Callable[[Sampler], Iterator[Sample]]:
    """Both sides of the sizes at which a product is cut.

    A product of 2,000,000 multiply-adds (kSerialWork, kTileWork) is cut into tiles of the result, the longer
    side first, where that side has 256; parts are multiples of 16. A batch is shared out in pieces of
    1,000,000. Integers go by blocks of 64 x 256 (kRows, kColumns).
    """

    def samples(s: Sampler) -> Iterator[Sample]:
        def pair(m: int, k: int, n: int, note: str) -> Sample:
            return call(s.array(*lead, m, k), s.array(*lead, k, n), note=note)

        yield pair(67, 65, 35, "one tile")
        yield pair(3, 65, 257, "two blocks of integers")
        yield pair(3, 64, 256, "one whole block of integers")
        yield pair(1, 129, 67, "row times matrix")
        yield pair(67, 129, 1, "matrix times column")
        if not lead:
            yield pair(255, 129, 125, "a side too short to cut")
            yield pair(257, 125, 260, "two by two tiles")
            yield pair(523, 31, 250, "four tiles of rows")

    return samples


def register_tiles(s: Sampler) -> Iterator[Sample]:
    """Both sides of the tiles of registers of each level, for the product and both gradients; of the depth at
    which they visit the output again, and of the size from which BLAS is better."""
    if not s.floating:
        return
    size = s.dtype.itemsize
    for level, widths in WIDTHS.items():
        for which in widths:
            whole = width(level, which, size)
            columns = (whole - 1, whole, whole + 1, 2 * whole + 3)
            rows = around(f"product_{which}_{level}_rows")
            sizes = [(rows[i], columns[i], columns[(i + 1) % 4]) for i in range(4)]
            for m, n, k in (*sizes, (rows[1], whole, whole)):
                yield call(s.array(m, k), s.array(k, n), vary=False)
    for k in around("gemm_depth"):
        yield call(s.array(7, k), s.array(k, 17), vary=False)
        yield call(s.array(k, 7), s.array(7, 14), vary=False)
    deep = value("gemm_blas_bytes") // (16 * size) + 1
    yield call(s.array(3, deep), s.array(deep, 13), vary=False)
    yield call(s.array(deep, 3), s.array(3, 13), vary=False)


def many_tiles(s: Sampler) -> Iterator[Sample]:
    """Besides, work for 16 tiles, the last of one row, and for more than 64, with sides around 512."""
    yield from large_products()(s)
    yield from register_tiles(s)
    for m, k, n in ((2881, 190, 60), (1000, 140, 1000), (2048, 33, 2048)):
        yield call(s.array(m, k), s.array(k, n), vary=False)


def large_batches(s: Sampler) -> Iterator[Sample]:
    """Products that are shared out one by one, in pairs, and as tiles of their own."""
    yield from large_products(2)(s)
    yield call(s.array(5, 129, 67), s.array(5, 67, 65), note="each on its own")
    yield call(s.array(7, 80, 70), s.array(7, 70, 66), note="in pairs")
    yield call(s.array(2, 259, 61), s.array(2, 61, 255), note="two tiles each")


def large_matmul(s: Sampler) -> Iterator[Sample]:
    """The products of two matrices, and of stacks that are broadcast."""
    yield from large_products()(s)
    yield call(s.array(5, 129, 67), s.array(67, 65), note="a stack times a matrix")
    yield call(s.array(129, 67), s.array(5, 67, 65), note="a matrix times a stack")
    yield call(s.array(7, 1, 40, 37), s.array(3, 37, 70), note="stacks of 7 and 3")
    yield call(s.array(3, 259, 67), s.array(67), note="a stack times a vector")


def product(
    name: str, samples: Callable[[Sampler], Iterator[Sample]], *errors: Any, **options: Any
) -> OpSpec:
    """A record of a product."""
    return OpSpec(
        name,
        ref.matmul_op,
        samples,
        method=name,
        dtypes=NUMERIC,
        scale="inputs",
        tolerance=32,
        reason=ALIKE,
        composition=tape.matmul,
        gradient_tolerance=4.0,
        errors=errors,
        **options,
    )


def linear_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, further leading dimensions, with and without bias."""
    for shape in ((3,), (0, 3), (1, 3), (2, 3), (5, 3), (2, 4, 3), (2, 0, 3)):
        yield call(s.array(*shape), s.array(4, 3), s.array(4))
        yield call(s.array(*shape), s.array(4, 3))
    yield call(s.array(2, 3), s.array(4, 3), bias=s.array(4))
    yield call(s.array(2, 3), s.array(1, 3), s.array(1))
    yield call(s.array(2, 0), s.array(4, 0), s.array(4))


def bilinear_samples(s: Sampler) -> Iterator[Sample]:
    """Batches of 0, 1, 2 and n, further leading dimensions, with and without bias."""
    for lead in ((), (0,), (1,), (2,), (5,), (2, 4), (2, 0)):
        yield call(s.array(*lead, 3), s.array(*lead, 4), s.array(2, 3, 4), s.array(2))
        yield call(s.array(*lead, 3), s.array(*lead, 4), s.array(2, 3, 4))
    yield call(s.array(2, 1), s.array(2, 1), s.array(1, 1, 1), bias=s.array(1))
    yield call(s.array(2, 3), s.array(2, 3), s.array(2, 3, 3), note="equal sizes")
    yield call(s.array(33, 17), s.array(33, 19), s.array(5, 17, 19), s.array(5))


def large_linear(s: Sampler) -> Iterator[Sample]:
    """Both sides of the tiles of a product, with a bias that starts them; the column sums of the bias take
    more than a leaf of the reduction."""
    yield call(s.array(67, 65), s.array(35, 65), s.array(35), note="one tile")
    yield call(s.array(257, 125), s.array(260, 125), s.array(260), note="two by two tiles")
    yield call(s.array(523, 31), s.array(250, 31), note="four tiles of rows")
    yield call(s.array(5, 61, 67), s.array(210, 67), s.array(210), note="leading dimensions")
    yield call(s.array(2051, 33), s.array(1, 33), s.array(1), note="one result")
    yield call(s.array(1, 301), s.array(67, 301), s.array(67), note="one row")
    for k in around("gemm_depth"):
        yield call(s.array(7, k), s.array(17, k), s.array(17), vary=False)


def large_bilinear(s: Sampler) -> Iterator[Sample]:
    """Products that are cut into tiles."""
    yield call(s.array(131, 17), s.array(131, 19), s.array(53, 17, 19), s.array(53))
    yield call(s.array(261, 19), s.array(261, 33), s.array(33, 19, 33), s.array(33))


SPECS = (
    product(
        "matmul",
        products(
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (3, 2)),
            ((2, 3), (3,)),
            ((2, 2, 3), (3, 2)),
            ((2, 3), (2, 3, 2)),
            ((2, 1, 2, 3), (3, 3, 2)),
            ((3,), (2, 3, 2)),
            ((2, 2, 3), (3,)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
            ((2, 0, 3), (2, 3, 1)),
            ((0, 2, 3), (0, 3, 2)),
            ((1, 1), (1, 1)),
        ),
        WIDER,
        MIXED,
        bad(RuntimeError, "1D|dimension|scalar", np.array(1.0), MATRIX),
        bad(RuntimeError, "size|shape", np.ones(4), MATRIX),
        bad(RuntimeError, "size|shape", MATRIX, np.ones(4)),
        bad(RuntimeError, "size|shape", np.ones(4), np.ones(3)),
        bad(RuntimeError, "size|shape|multipl", STACK, np.ones((5, 2))),
        bad(RuntimeError, ".", STACK, np.ones((3, 3, 2))),
        operator=operator.matmul,
        boundary=large_matmul,
    ),
    product(
        "mm",
        products(((2, 3), (3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 3), (3, 1))),
        WIDER,
        MIXED,
        bad(RuntimeError, "matri|2D", STACK, MATRIX),
        boundary=many_tiles,
    ),
    product(
        "bmm",
        products(
            ((2, 2, 3), (2, 3, 4)), ((0, 2, 3), (0, 3, 2)), ((2, 2, 0), (2, 0, 3)), ((1, 1, 3), (1, 3, 1))
        ),
        bad(RuntimeError, "shape|size|3D", STACK, np.ones((3, 3, 2))),
        bad(RuntimeError, "3D", MATRIX, MATRIX),
        boundary=large_batches,
    ),
    OpSpec(
        "linear",
        ref.linear_op,
        linear_samples,
        function="nn.functional.linear",
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason=ALIKE,
        composition=linear,
        gradient_tolerance=4.0,
        boundary=large_linear,
        errors=(
            bad(RuntimeError, "shape|size|multipl", MATRIX, np.ones((4, 2))),
            bad(RuntimeError, "weight", MATRIX, np.ones((1, 4, 3)), peer=False),
            bad(RuntimeError, "input", np.array(1.0), np.ones((4, 3)), peer=False),
            bad(RuntimeError, "dtype", MATRIX, np.ones((4, 3), np.float32)),
            bad(RuntimeError, ".", MATRIX, np.ones((4, 3)), np.ones(3)),
        ),
    ),
    OpSpec(
        "bilinear",
        ref.bilinear_op,
        bilinear_samples,
        function="nn.functional.bilinear",
        dtypes=FLOATING,
        scale="inputs",
        tolerance=32,
        reason=ALIKE,
        composition=bilinear,
        gradient_tolerance=4.0,
        boundary=large_bilinear,
        registered=False,
        errors=(
            bad(RuntimeError, "batch", MATRIX, np.ones((3, 4)), np.ones((5, 3, 4))),
            bad(RuntimeError, "dimension", MATRIX, np.ones((1, 2, 4)), np.ones((5, 3, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((3, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((5, 4, 4))),
            bad(RuntimeError, "size", MATRIX, np.ones((2, 4)), np.ones((5, 3, 3))),
            bad(RuntimeError, "bias", MATRIX, np.ones((2, 4)), np.ones((5, 3, 4)), np.ones(4)),
            bad(RuntimeError, "bias", MATRIX, np.ones((2, 4)), np.ones((5, 3, 4)), np.ones(1)),
            bad(RuntimeError, "dtype", MATRIX, np.ones((2, 4), np.float32), np.ones((5, 3, 4))),
        ),
    ),
)

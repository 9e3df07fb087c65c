"""Records of conversions between dtypes, to Python and to numpy, and of comparisons that answer a bool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.library import Library
from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, OpSpec, bad
from verigrad.testing.opspec_shape import method
from verigrad.testing.reference import elementwise, tape
from verigrad.testing.reference._numba import kernel
from verigrad.testing.samples import Const, D, Same, Sample, Sampler, call

EXACT = 0.0
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (37, 41))


def quantised(s: Sampler, *shape: int) -> Any:
    """Multiples of 1/256, which a cast to float32 and finite differences of it leave exact."""
    return (np.round(s.array(*shape) * 256) / 256).astype(s.dtype) if s.floating else s.array(*shape)


def cast_samples(*args: Any, grad: bool = True) -> Callable[[Sampler], Iterator[Sample]]:
    """Every shape; halves, which are truncated towards zero; infinities to floating-point dtypes only."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in SHAPES:
            yield call(quantised(s, *shape), *args, grad=grad and math.prod(shape) < 100)
        if s.floating:
            yield call(
                np.array([0.5, -0.5, 1.5, -1.5, 2.999, -0.0, 100.0], s.dtype),
                *args,
                grad=False,
                note="truncation",
            )

    return samples


def to_samples(s: Sampler) -> Iterator[Sample]:
    """By position and by keyword, to every dtype; without gradient where that is no floating-point dtype."""
    for dtype in ALL_DTYPES:
        yield call(quantised(s, 2, 3), D(dtype), grad=dtype in FLOATING)
    for shape in SHAPES:
        yield call(quantised(s, *shape), dtype=D("float64"), grad=math.prod(shape) < 100)
    yield call(quantised(s, 2, 3), "cpu")
    yield call(quantised(s, 2, 3), D("float64"), copy=True)
    if s.floating:
        yield call(
            np.array([np.inf, -np.inf, np.nan, 1e30 if s.dtype == np.float32 else 1e300], s.dtype),
            D("float32"),
            grad=False,
            note="edge values",
        )


def cast_bounds(*args: Any, grad: bool = True) -> Callable[[Sampler], Iterator[Sample]]:
    """Tails of vectors, blocks of 16 of a transposed matrix; more elements than one thread takes."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in ((35, 67), (516, 521)):
            yield call(quantised(s, *shape), *args, grad=grad)

    return samples


def to_bounds(s: Sampler) -> Iterator[Sample]:
    """Conversions between all dtypes, and a copy."""
    for dtype in ALL_DTYPES:
        yield call(quantised(s, 35, 67), D(dtype), grad=dtype in FLOATING)
    yield call(quantised(s, 35, 67), D(s.dtype.name), copy=True)
    yield call(quantised(s, 516, 521), D("float64"), copy=True)


def other_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for shape in ((35, 67), (516, 521)):
        yield call(quantised(s, *shape), Const(np.zeros(2, "float64")))


def close_bounds(s: Sampler) -> Iterator[Sample]:
    """Equal but for the last element; more elements than one thread takes."""
    for shape in ((1037,), (516, 521)):
        x = s.array(*shape)
        other = x.copy()
        other.reshape(-1)[-1] += 1
        yield call(x, x.copy(), grad=False, vary=False)
        yield call(x, other, grad=False, vary=False)
        if s.floating:  # within the tolerance, but not equal
            yield call(x, (x * 1.000003).astype(s.dtype), grad=False, vary=False)


def unchanged(a: Any, *args: Any, **kwargs: Any) -> tape.Var:
    """The composition of conversions: the same number, for as long as it is one of floating point."""
    return tape.var(a)


def cast_reference(dtype: str | None = None) -> Callable[..., Any]:
    """Conversion to a dtype, or to that of an argument."""

    def reference(a: Any, target: Any = None, **kwargs: Any) -> Any:
        wanted = kwargs.get("dtype", target)
        if isinstance(wanted, np.ndarray):
            wanted = wanted.dtype
        return elementwise.copy_op(a, dtype or (a.dtype if wanted is None or wanted == "cpu" else wanted))

    return reference


def other_samples(s: Sampler) -> Iterator[Sample]:
    """A tensor and one whose dtype it takes."""
    for dtype in ALL_DTYPES:
        yield call(quantised(s, 2, 3), Const(np.zeros(2, dtype)), grad=dtype in FLOATING)


def cast(name: str, dtype: str) -> OpSpec:
    """A record of a method that converts to one dtype."""
    smooth = dtype in FLOATING
    return OpSpec(
        name,
        cast_reference(dtype),
        cast_samples(grad=smooth),
        function=method(name),
        view=None,
        order=2 if smooth else 0,
        tolerance=EXACT,
        grad_dtypes=FLOATING,
        composition=unchanged,
        boundary=cast_bounds(grad=smooth),
        serial=""
        if dtype != "float32"
        else "float32 stays itself; the loops that convert are those of double",
    )


def single(s: Sampler) -> Iterator[Sample]:
    """One element in no, one and two dimensions."""
    for shape in ((), (1,), (1, 1)):
        yield call(s.array(*shape), grad=False)
    if s.floating:
        yield call(np.array(np.nan, s.dtype), grad=False)
        yield call(np.array([np.inf], s.dtype), grad=False)


def listed(s: Sampler) -> Iterator[Sample]:
    """Every shape."""
    for shape in SHAPES[:-1]:
        yield call(s.array(*shape), grad=False)


def to_numpy(lib: Library, x: Any) -> Any:
    """The array, as a tensor again so that it can be compared."""
    return lib.from_numpy(np.array(x.detach().numpy()))


@kernel
def close(a: float, b: float, rtol: float, atol: float, equal_nan: bool) -> bool:
    if a == b:
        return True
    if a != a and b != b:
        return equal_nan
    return abs(b) < np.inf and abs(a - b) <= atol + rtol * abs(b)


def isclose_op(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol |b|."""
    left, right = np.broadcast_arrays(a, b)
    out = [
        close(float(x), float(y), rtol, atol, equal_nan)
        for x, y in zip(left.reshape(-1), right.reshape(-1), strict=True)
    ]
    return np.array(out, bool).reshape(left.shape)


def allclose_op(*args: Any, **kwargs: Any) -> bool:
    """Whether all elements are close."""
    return bool(isclose_op(*args, **kwargs).all())


def equal_op(a: Any, b: Any) -> bool:
    """The same shape and elements."""
    return a.shape == b.shape and all(x == y for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True))


def close_samples(s: Sampler) -> Iterator[Sample]:
    """Equal, nearly equal and different tensors, other tolerances, NaN and infinities."""
    for shape in ((), (5,), (0,), (2, 3)):
        x = s.array(*shape)
        yield call(x, Same(0), grad=False)
        yield call(x, s.array(*shape), grad=False)
    yield call(s.array(2, 3), s.array(3), grad=False)
    if s.floating:
        x = s.array(6, low=1, high=2)
        yield call(x, (x * (1 + 3e-6)).astype(s.dtype), grad=False)
        yield call(x, (x * (1 + 3e-4)).astype(s.dtype), grad=False)
        yield call(x, (x * (1 + 3e-4)).astype(s.dtype), 1e-3, grad=False)
        yield call(x, (x + np.array([0.1, 0, 0, 0, 0, 0])).astype(s.dtype), rtol=0.0, atol=0.2, grad=False)
        hundred = np.full(3, 100, s.dtype)
        for rtol, atol in ((0.1, 0.0), (0.049, 0.0), (0.0, 0.1), (0.03, 3.0), (0.0, 5.0), (0.04, 0.0)):
            yield call(hundred, hundred + s.dtype.type(5), rtol=rtol, atol=atol, grad=False)
        odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], s.dtype)
        yield call(odd, odd.copy(), grad=False)
        yield call(odd, odd.copy(), equal_nan=True, grad=False)
        yield call(odd, odd[::-1].copy(), equal_nan=True, grad=False)


def equal_samples(s: Sampler) -> Iterator[Sample]:
    """Equal and different elements and shapes."""
    for shape in ((), (5,), (0,), (2, 3), (2, 0, 3)):
        x = s.array(*shape)
        yield call(x, x.copy(), grad=False)
        yield call(x, s.array(*shape), grad=False)
    yield call(s.array(3), s.array(1, 3), grad=False)
    for other in ALL_DTYPES:  # ones and zeros are the same numbers in every dtype
        ones = np.array([1, 0, 1], s.dtype)
        yield call(ones, ones.astype(other), grad=False)
        yield call(ones, np.array([1, 1, 1], other), grad=False)
    yield call(s.array(2, 0), s.array(0, 2), grad=False)
    if s.floating:
        nan = np.array([np.nan], s.dtype)
        yield call(nan, nan.copy(), grad=False)
        yield call(np.array([0.0], s.dtype), np.array([-0.0], s.dtype), grad=False)


MISMATCH = bad(RuntimeError, "size|shape", np.zeros((2, 3)), np.zeros((2, 4)))
NEGATIVE = (
    bad(RuntimeError, "rtol", np.zeros(2), np.zeros(2), rtol=-1e-3),
    bad(RuntimeError, "atol", np.zeros(2), np.zeros(2), atol=-1e-3),
)
MIXED = bad(RuntimeError, "float64|Double", np.zeros(2), np.zeros(2, np.float32))

SPECS = (
    OpSpec(
        "to",
        cast_reference(),
        to_samples,
        composition=unchanged,
        boundary=to_bounds,
        function=method("to"),
        view=None,
        grad_dtypes=FLOATING,
        tolerance=EXACT,
        errors=(bad(TypeError, ".", np.zeros(2), [1]), bad(RuntimeError, ".", np.zeros(2), "abacus")),
    ),
    cast("float", "float32"),
    cast("double", "float64"),
    cast("long", "int64"),
    cast("int", "int32"),
    cast("byte", "uint8"),
    cast("bool", "bool"),
    OpSpec(
        "type_as",
        cast_reference(),
        other_samples,
        composition=unchanged,
        boundary=other_bounds,
        function=method("type_as"),
        view=None,
        grad_dtypes=FLOATING,
        tolerance=EXACT,
    ),
    OpSpec(
        "cpu",
        cast_reference(),
        cast_samples(),
        composition=unchanged,
        boundary=cast_bounds(),
        serial="the tensor itself",
        function=method("cpu"),
        view=None,
        tolerance=EXACT,
    ),
    OpSpec(
        "item",
        lambda a: a.reshape(-1)[0].item(),
        single,
        serial="one element",
        function=method("item"),
        order=0,
        tolerance=EXACT,
        errors=(bad(RuntimeError, "2", np.zeros(2)), bad(RuntimeError, "0", np.zeros(0))),
    ),
    OpSpec(
        "tolist",
        lambda a: a.tolist(),
        listed,
        boundary=lambda s: iter([call(s.array(37, 67), grad=False)]),
        serial="Python's lists are made by the thread that holds the interpreter",
        function=method("tolist"),
        order=0,
        registered=False,
        tolerance=EXACT,
    ),
    OpSpec(
        "numpy",
        lambda a: a,
        listed,
        boundary=lambda s: iter([call(s.array(37, 67), grad=False)]),
        serial="the memory is shared",
        host="the memory of an array is the CPU's",
        function=to_numpy,
        order=0,
        registered=False,
        tolerance=EXACT,
    ),
    OpSpec(
        "isclose",
        isclose_op,
        close_samples,
        boundary=close_bounds,
        method="isclose",
        order=0,
        dtypes=NUMERIC,
        tolerance=EXACT,
        errors=(MISMATCH, MIXED, *NEGATIVE),
    ),
    OpSpec(
        "allclose",
        allclose_op,
        close_samples,
        boundary=close_bounds,
        method="allclose",
        order=0,
        dtypes=NUMERIC,
        errors=(MISMATCH, MIXED),
    ),
    OpSpec(
        "equal",
        equal_op,
        equal_samples,
        boundary=close_bounds,
        method="equal",
        order=0,
        tolerance=EXACT,
    ),
)

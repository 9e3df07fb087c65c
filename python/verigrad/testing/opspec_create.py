"""Records of the functions that make tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError
from verigrad.testing.library import Library
from verigrad.testing.opspec import ALL_DTYPES, NUMERIC, OpSpec, bad
from verigrad.testing.opspec_shape import method
from verigrad.testing.reference import creation as ref
from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded
from verigrad.testing.samples import D, Raw, Sample, Sampler, call

SIZES: tuple[tuple[Any, ...], ...] = ((2, 3), (0,), (2, 0, 3), (1,), ((2, 3),), ([4],), ((),))
DEFAULT = ("float32",)  # samples that do not depend on a dtype are made once


def sized(s: Sampler) -> Iterator[Sample]:
    """Sizes as numbers, tuples and lists; the default dtype and each other."""
    for size in SIZES:
        yield call(*size, dtype=D(s.dtype.name))
    if s.dtype.name == "float32":
        for size in SIZES:
            yield call(*size)


def full_samples(s: Sampler) -> Iterator[Sample]:
    """Values of every kind, with and without a dtype."""
    for size in ((2, 3), (0,), (), (5,)):
        yield call(size, 3, dtype=D(s.dtype.name))
    for value in (2, 2.5, True, float("inf"), -1):
        yield call((2,), value)


def like_samples(*args: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """Tensors of every shape, and another dtype."""

    def samples(s: Sampler) -> Iterator[Sample]:
        for shape in ((), (0,), (5,), (2, 3), (2, 0, 3)):
            yield call(s.array(*shape), *args, grad=False)
        yield call(s.array(2, 3), *args, dtype=D("int64"), grad=False)
        yield call(s.array(2, 3), *args, dtype=D("float64"), grad=False)

    return samples


def arange_samples(s: Sampler) -> Iterator[Sample]:
    """One, two and three bounds, both directions, none, whole and other numbers."""
    whole: tuple[tuple[int, ...], ...] = ((5,), (0,), (1, 6), (2, 10, 3), (5, 0, -2), (3, 3), (200,))
    for bounds in whole:
        yield call(*bounds, dtype=D(s.dtype.name))
    for uneven in ((0, 2.5), (0.9, 5), (5, 0, -1.5), (0.5, 10.5, 2)):
        yield call(*uneven, dtype=D(s.dtype.name))
    if s.dtype.name == "float32":
        other: tuple[tuple[float, ...], ...] = (
            (5,),
            (5.0,),
            (0.5, 3),
            (0.0, 1.0, 0.25),
            (1, 2, 0.3),
            (1, 0, -0.125),
        )
        for limits in (*other, (1037,)):
            yield call(*limits)


def linspace_samples(s: Sampler) -> Iterator[Sample]:
    """None, one and several steps, both directions."""
    for args in (
        (0, 1, 5),
        (-2.5, 2.5, 11),
        (1, -1, 4),
        (10, 0, 4),
        (3.5, 7, 1),
        (3, 7, 0),
        (2, 2, 3),
        (0, 1, 1037),
    ):
        if s.dtype.name == "uint8" and min(args[:2]) < 0:
            continue
        yield call(*args, dtype=D(s.dtype.name))
        if s.dtype.name == "float32":
            yield call(*args)


def eye_samples(s: Sampler) -> Iterator[Sample]:
    """Square, wide, tall and empty."""
    for args in ((3,), (2, 4), (4, 2), (0,), (0, 3), (1,)):
        yield call(*args, dtype=D(s.dtype.name))
    yield call(3)


def data_samples(s: Sampler) -> Iterator[Sample]:
    """Numbers, nested lists and tuples, arrays; the dtype of the data and another one."""
    plain: tuple[Any, ...] = (
        3,
        2.5,
        True,
        [],
        [1, 2],
        [[1.0, 2], [3, 4]],
        [[True, False]],
        ((1, 2), (3, 4)),
        [[[1]]],
        [[], []],
        [1, 2.5],
        [True, 2],
        [float("nan"), float("inf")],
    )
    for data in plain:
        yield call(data)
    for data in (3, [1, 0], [[1.5, 2.5], [0.0, 3.0]], True):
        yield call(data, dtype=D(s.dtype.name))
    for shape in ((), (0,), (5,), (2, 3)):
        yield call(Raw(s.array(*shape)))
    yield call(Raw(s.array(2, 3)), dtype=D("float64"))
    yield call(Raw(s.array(4, 6)[::2, 1::2]), note="a strided array")
    yield call(Raw(s.array(4, 6).T), note="a transposed array")


def array_samples(s: Sampler) -> Iterator[Sample]:
    """Contiguous, strided, transposed and empty arrays."""
    for array in (
        s.array(),
        s.array(0),
        s.array(5),
        s.array(2, 3),
        s.array(4, 6)[1::2, ::3],
        s.array(3, 4, 5).T,
    ):
        yield call(Raw(np.asarray(array)))


def sized_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for size in ((37, 67), (516, 521)):
        yield call(size, dtype=D(s.dtype.name))


def full_bounds(s: Sampler) -> Iterator[Sample]:
    """The same with a value."""
    for size in ((37, 67), (516, 521)):
        yield call(size, 3, dtype=D(s.dtype.name))


def like_bounds(*args: Any) -> Callable[[Sampler], Iterator[Sample]]:
    """The same of a tensor."""
    return lambda s: (call(s.array(*size), *args, grad=False) for size in ((37, 67), (516, 521)))


def arange_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    yield call(3, 120, 2, dtype=D(s.dtype.name))
    if s.dtype.itemsize > 1:
        yield call(-5, 899_999, 3, dtype=D(s.dtype.name))


def linspace_bounds(s: Sampler) -> Iterator[Sample]:
    """The same, from either end."""
    for steps in (131, 530_001):
        yield call(-2.5, 4.0, steps, dtype=D(s.dtype.name))


def eye_bounds(s: Sampler) -> Iterator[Sample]:
    """The same on a diagonal."""
    for size in ((37, 67), (516, 521)):
        yield call(*size, dtype=D(s.dtype.name))


def data_bounds(s: Sampler) -> Iterator[Sample]:
    """Arrays in both orders, converted and not."""
    for size in ((37, 67), (516, 521)):
        yield call(Raw(s.array(*size)))
        yield call(Raw(s.array(*size).T), dtype=D("float64"))


def linspace_bound(start: Any, end: Any, steps: int, dtype: Any = None) -> tape.Var:
    """The composition: two roundings of numbers up to the greater end."""
    value = ref.linspace_op(start, end, steps, dtype=np.dtype("float64"))
    return tape.Var(Rounded(value, max(abs(start), abs(end)) + np.abs(value)))


def uninitialised(name: str) -> Callable[[Library, Any], None]:
    """New memory has a shape and a dtype, and can be written to."""

    def made_by(lib: Library, shape: tuple[int, ...], dtype: str) -> Any:
        if name == "empty_like":
            return lib.get(name)(lib.from_numpy(np.zeros(shape, dtype)))
        if name == "new_empty":
            return lib.from_numpy(np.zeros(1, dtype)).new_empty(shape)
        return lib.get(name)(shape, dtype=lib.dtype(dtype))

    def usable(lib: Library, shape: tuple[int, ...], dtype: str) -> float:
        made = made_by(lib, shape, dtype)
        if tuple(made.shape) != shape or lib.dtype_name(made) != dtype:
            raise CheckError(f"{name}: expected {dtype}{list(shape)}, got {made.dtype} {tuple(made.shape)}")
        if not made.is_contiguous() or made.requires_grad:
            raise CheckError(f"{name}: expected a contiguous tensor that requires no gradient, got another")
        made.fill_(1)
        if not np.array_equal(lib.to_numpy(made), np.ones(shape, dtype)):
            raise CheckError(f"{name}: expected memory to write to, got {made}")
        return 0.0

    def checks(lib: Library, check: Any) -> None:
        shapes: tuple[tuple[int, ...], ...] = ((2, 3), (0,), (), (5,))
        for dtype in ALL_DTYPES:
            for shape in shapes:
                check(dtype, f"{dtype}{list(shape)}", partial(usable, lib, shape, dtype))

    return checks


def sharing_checks(name: str) -> Callable[[Library, Any], None]:
    """The tensor and the array are the same memory. An array is on the CPU: as_tensor takes it to another
    default device, from_numpy leaves it there."""

    def checks(lib: Library, check: Any) -> None:
        device = "cpu" if name == "from_numpy" else str(lib.device).partition(":")[0]
        for dtype in ALL_DTYPES:

            def run(dtype: str = dtype) -> float:
                array = np.zeros((4, 6), dtype)
                tensor = lib.get(name)(array[::2, 1:])
                array[2, 3] = 1
                if tensor.device.type != device:
                    raise CheckError(f"{name}: expected a tensor on {device}, got one on {tensor.device}")
                if device != "cpu":
                    if lib.to_numpy(tensor).any():
                        raise CheckError(f"{name}: expected a copy, got one that follows the array")
                    return 0.0
                if lib.to_numpy(tensor)[1, 2] != 1:
                    raise CheckError(f"{name}: expected the array's memory, got a copy")
                tensor[0, 0] = 1
                if array[0, 1] != 1 or array.sum(dtype=np.int64) != 2:
                    raise CheckError(f"{name}: expected writes to reach the array, got {array}")
                return 0.0

            check(dtype, "shared memory", run)

    return checks


def create(
    name: str,
    reference: Callable[..., Any],
    samples: Callable[[Sampler], Iterator[Sample]],
    *errors: Any,
    **options: Any,
) -> OpSpec:
    """A record of a function that makes tensors: no gradient, nothing computed."""
    return OpSpec(name, reference, samples, **{"order": 0, "tolerance": 0.0, "errors": errors, **options})


def new(
    name: str,
    reference: Callable[..., Any],
    samples: Callable[[Sampler], Iterator[Sample]],
    *errors: Any,
    **options: Any,
) -> OpSpec:
    """A record of a method that makes a tensor of the dtype of another one."""
    return create(name, reference, samples, *errors, function=method(name), **options)


def new_sized(s: Sampler) -> Iterator[Sample]:
    """Sizes as numbers, tuples and lists; the dtype of the tensor and another one."""
    for size in SIZES:
        yield call(s.array(2), *size, grad=False)
    yield call(s.array(2), size=(2, 3), grad=False)
    yield call(s.array(2), 2, 3, dtype=D("int64"), grad=False)


def new_filled(s: Sampler) -> Iterator[Sample]:
    """Values of every kind; the dtype of the tensor and another one."""
    for value in (3, True, 2.5):
        yield call(s.array(2), (2, 3), value, grad=False)
    yield call(s.array(2), [4], fill_value=2, grad=False)
    yield call(s.array(2), (), 2.5, dtype=D("int64"), grad=False)


def new_data(s: Sampler) -> Iterator[Sample]:
    """Numbers, lists and arrays; the dtype of the tensor and another one."""
    for data in (3, 2.5, [1, 0], [[1.5, 2.5], [0.0, 3.0]], [], True):
        yield call(s.array(2), data, grad=False)
    yield call(s.array(2), [1, 2], dtype=D("float64"), grad=False)
    yield call(s.array(2), Raw(s.array(2, 3, low=0, dtype="int64")), grad=False)


def new_bounds(s: Sampler) -> Iterator[Sample]:
    """Tails of vectors; more elements than one thread takes."""
    for size in ((37, 67), (516, 521)):
        yield call(s.array(2), size, grad=False)


def new_filled_bounds(s: Sampler) -> Iterator[Sample]:
    """The same with a value."""
    for size in ((37, 67), (516, 521)):
        yield call(s.array(2), size, 3, grad=False)


def new_data_bounds(s: Sampler) -> Iterator[Sample]:
    """Arrays, converted and not."""
    for size in ((37, 67), (516, 521)):
        yield call(s.array(2), Raw(s.array(*size)), grad=False)


UNWRITTEN = "memory is not written to"
NEGATIVE = bad(RuntimeError, "negative", -1)

SPECS = (
    create("zeros", ref.zeros_op, sized, NEGATIVE, bad(TypeError, ".", 2.5), boundary=sized_bounds),
    create("ones", ref.ones_op, sized, NEGATIVE, bad(TypeError, ".", "three"), boundary=sized_bounds),
    create(
        "full",
        ref.full_op,
        full_samples,
        bad(RuntimeError, "negative", (-1,), 2),
        bad(TypeError, ".", (2,), "three"),
        bad(RuntimeError, "without overflow", (2,), 300, dtype=D("uint8")),
        bad(RuntimeError, "without overflow", (0,), float("nan"), dtype=D("int64")),
        bad(RuntimeError, "without overflow", (2,), 1e300, dtype=D("float32")),
        boundary=full_bounds,
    ),
    create(
        "empty",
        ref.zeros_op,
        lambda s: iter(()),
        NEGATIVE,
        check=uninitialised("empty"),
        compare=False,
        serial=UNWRITTEN,
    ),
    create(
        "zeros_like", ref.zeros_like_op, like_samples(), bad(TypeError, ".", [1, 2]), boundary=like_bounds()
    ),
    create(
        "ones_like", ref.ones_like_op, like_samples(), bad(TypeError, ".", [1, 2]), boundary=like_bounds()
    ),
    create(
        "full_like",
        ref.full_like_op,
        like_samples(2),
        bad(TypeError, ".", [1, 2], 3),
        boundary=like_bounds(2),
    ),
    create(
        "empty_like",
        ref.zeros_like_op,
        lambda s: iter(()),
        bad(TypeError, ".", [1, 2]),
        check=uninitialised("empty_like"),
        compare=False,
        serial=UNWRITTEN,
    ),
    *(
        new(
            name,
            partial(ref.new_op, value),
            new_sized,
            bad(TypeError, "size", np.ones(2)),
            bad(RuntimeError, "negative", np.ones(2), -1),
            boundary=new_bounds,
        )
        for name, value in (("new_zeros", 0), ("new_ones", 1))
    ),
    new(
        "new_full",
        ref.new_full_op,
        new_filled,
        bad(RuntimeError, "negative", np.ones(2), (-1,), 2),
        bad(RuntimeError, "without overflow", np.ones(2, np.uint8), (2,), 300),
        boundary=new_filled_bounds,
    ),
    new(
        "new_tensor",
        lambda a, data, *, dtype=None: ref.tensor_op(data, dtype=a.dtype if dtype is None else dtype),
        new_data,
        bad(ValueError, ".", np.ones(2), [[1, 2], [3]]),
        boundary=new_data_bounds,
    ),
    new(
        "new_empty",
        partial(ref.new_op, 0),
        lambda s: iter(()),
        bad(TypeError, "size", np.ones(2)),
        check=uninitialised("new_empty"),
        compare=False,
        serial=UNWRITTEN,
    ),
    create(
        "arange",
        ref.arange_op,
        arange_samples,
        bad(RuntimeError, "zero", 0, 5, 0),
        bad(RuntimeError, "sign|bound", 5, 0, 1),
        *(bad(RuntimeError, "range", *ends) for ends in ((0, math.inf), (-math.inf, 0), (math.nan, 1.0))),
        bad(RuntimeError, "overflow", 0.0, 1e30),
        bad(ValueError, "zero", 0, 1, 0.3, dtype=D("int64")),
        bad(NotImplementedError, "bool|Bool", 2, dtype=D("bool")),
        dtypes=NUMERIC,
        tolerance=4.0,
        boundary=arange_bounds,
    ),
    create(
        "linspace",
        ref.linspace_op,
        linspace_samples,
        bad(RuntimeError, "steps", 0, 1, -1),
        bad(RuntimeError, "without overflow", 0, 300, 4, dtype=D("uint8")),
        bad(NotImplementedError, "bool|Bool", 0, 1, 4, dtype=D("bool")),
        dtypes=NUMERIC,
        scale="bound",
        tolerance=1.0,
        composition=linspace_bound,
        boundary=linspace_bounds,
    ),
    create("eye", ref.eye_op, eye_samples, bad(RuntimeError, "n|negative|least", -1), boundary=eye_bounds),
    create(
        "tensor",
        ref.tensor_op,
        data_samples,
        bad(ValueError, ".", [[1, 2], [3]]),
        bad(ValueError, ".", ["a"]),
        bad(TypeError, ".", [1, [2]]),
        bad(TypeError, ".", Raw(np.array([object()]))),
        bad(RuntimeError, "without overflow", [float("nan")], dtype=D("int64")),
        bad(RuntimeError, "without overflow", [300], dtype=D("uint8")),
        boundary=data_bounds,
    ),
    create(
        "as_tensor",
        ref.tensor_op,
        data_samples,
        bad(ValueError, ".", [[1, 2], [3]]),
        boundary=data_bounds,
        check=sharing_checks("as_tensor"),
    ),
    create(
        "from_numpy",
        ref.tensor_op,
        array_samples,
        bad(TypeError, ".", [1.0]),
        bad(TypeError, ".", Raw(np.array(["a"]))),
        bad(ValueError, "stride", Raw(np.arange(4.0)[::-1])),
        serial="the memory is shared",
        check=sharing_checks("from_numpy"),
    ),
)

"""Records of the random numbers: the exact stream, the distribution, seeds, and the state of the
generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from verigrad.testing.calls import CheckError, compare
from verigrad.testing.layouts import SLICED, build
from verigrad.testing.library import Library
from verigrad.testing.opspec import FLOATING, OpSpec, bad
from verigrad.testing.opspec_activation import SEED as START
from verigrad.testing.opspec_activation import seeded
from verigrad.testing.reference import random as ref
from verigrad.testing.reference import tape
from verigrad.testing.reference.rounded import Rounded
from verigrad.testing.samples import Const, D, Sample, Sampler, call

SEED = 20_250_607
MANY = 100_000
# Kolmogorov and Smirnov's statistic exceeds this over sqrt(n) with a probability of 1e-6, asymptotically.
KS_BOUND = 2.69
SIGMAS = 5.0
FLOAT_TOLERANCE = 24.0  # units of epsilon: the angle of a normal number is rounded to float32 before its sine
SIZES: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (7,), (2, 0), (3, 5), (64, 4), (1037,))

# 64 blocks of four or two numbers, and more numbers than one thread takes.
BATCHES = (127, 129, 255, 257, 65_793)

Draw = Callable[[Library, Sequence[int], str, Any], Any]
Stream = Callable[[int, int, int, str], np.ndarray]


def generator(lib: Library, seed: int = SEED) -> Any:
    """A generator of its own."""
    made = lib.get("Generator")(lib.device)
    made.manual_seed(seed)
    return made


def state_of(lib: Library, source: Any) -> tuple[int, int]:
    """Seed and block counter."""
    seed, counter = np.frombuffer(lib.to_numpy(source.get_state()).tobytes(), np.uint64)
    return int(seed), int(counter)


def require(condition: bool, name: str, expected: str, got: Any) -> None:
    """Raises CheckError unless the condition holds."""
    if not condition:
        raise CheckError(f"{name}: expected {expected}, got {got}")


def stream_check(
    name: str, draw: Draw, stream: Stream, lib: Library, dtype: str, shape: tuple[int, ...]
) -> Callable[[], float]:
    """The numbers of one call, and those of the next, are those of the reference; a block of the stream holds
    four numbers of float32, or two others."""
    of_block = 4 if dtype == "float32" and stream is not integer_stream else 2

    def run() -> float:
        source, error = generator(lib), 0.0
        for _ in range(2):
            seed, counter = state_of(lib, source)
            wanted = stream(seed, counter, math.prod(shape), dtype).reshape(shape)
            scale = np.ones(shape)
            got = draw(lib, shape, dtype, source)
            error = max(error, compare(lib, got, wanted, scale, FLOAT_TOLERANCE, f"{name}({list(shape)})"))
            numbers = 0 if name == "randperm" and math.prod(shape) < 2 else math.prod(shape)
            blocks, taken = -(-numbers // of_block), state_of(lib, source)[1] - counter
            require(taken == blocks, name, f"{blocks} blocks of the stream to be taken", taken)
        return error

    return run


def moments_check(
    name: str, draw: Draw, lib: Library, dtype: str, mean: float, variance: float
) -> Callable[[], float]:
    """Mean, variance and the correlation of neighbours, within five standard deviations of each."""

    def run() -> float:
        x = lib.to_numpy(draw(lib, (MANY,), dtype, generator(lib))).astype(np.float64)
        off = (x.mean() - mean) / math.sqrt(variance / MANY)
        require(abs(off) < SIGMAS, name, f"a mean of {mean}", f"{x.mean()} ({off:.1f} standard deviations)")
        fourth = ((x - mean) ** 4).mean()
        off = (((x - mean) ** 2).mean() - variance) / math.sqrt((fourth - variance**2) / MANY)
        require(
            abs(off) < SIGMAS, name, f"a variance of {variance}", f"{x.var()} ({off:.1f} standard deviations)"
        )
        lag = float(((x[1:] - mean) * (x[:-1] - mean)).mean() / variance) * math.sqrt(MANY)
        require(abs(lag) < SIGMAS, name, "neighbours without correlation", f"{lag:.1f} standard deviations")
        return 0.0

    return run


def ks_check(
    name: str, draw: Draw, lib: Library, dtype: str, cdf: Callable[[float], float]
) -> Callable[[], float]:
    """The greatest distance between the empirical and the true distribution function."""

    def run() -> float:
        x = np.sort(lib.to_numpy(draw(lib, (MANY,), dtype, generator(lib))).astype(np.float64))
        true = np.array([cdf(v) for v in x])
        steps = np.arange(MANY + 1) / MANY
        distance = max(np.abs(true - steps[1:]).max(), np.abs(true - steps[:-1]).max())
        bound = KS_BOUND / math.sqrt(MANY)
        require(distance < bound, name, f"a distance of distributions below {bound:.5f}", f"{distance:.5f}")
        return 0.0

    return run


def seed_check(name: str, draw: Draw, lib: Library, dtype: str) -> Callable[[], float]:
    """Equal seeds give equal bits, other seeds others; the state can be saved and restored; the default
    generator."""

    def bits(source: Any) -> bytes:
        return lib.to_numpy(draw(lib, (101,), dtype, source)).tobytes()

    def run() -> float:
        first, second = generator(lib), generator(lib)
        one = bits(first)
        require(one == bits(second), name, "equal numbers for equal seeds", "others")
        require(one != bits(first), name, "other numbers in the second call", "the same")
        require(one != bits(generator(lib, SEED + 1)), name, "other numbers for another seed", "the same")
        state = first.get_state()
        following = [bits(first), bits(first)]
        first.set_state(state)
        require(following == [bits(first), bits(first)], name, "the same numbers after set_state", "others")
        kept = lib.get_rng_state()
        lib.get("manual_seed")(SEED)
        default = bits(None)
        lib.set_rng_state(kept)
        require(default == one, name, "the default generator's numbers to be those of its seed", "others")
        return 0.0

    return run


def shape_check(
    name: str, draw: Draw, lib: Library, dtype: str, shape: tuple[int, ...]
) -> Callable[[], float]:
    """Shape and dtype of a result, which requires no gradient."""

    def run() -> float:
        made = draw(lib, shape, dtype, generator(lib))
        require(tuple(made.shape) == shape, name, f"shape {list(shape)}", list(made.shape))
        require(lib.dtype_name(made) == dtype, name, f"dtype {dtype}", made.dtype)
        require(not made.requires_grad, name, "a result that requires no gradient", made)
        return 0.0

    return run


def distribution(
    name: str,
    draw: Draw,
    stream: Stream,
    mean: float,
    variance: float,
    cdf: Callable[[float], float] | None,
    dtypes: Sequence[str] = FLOATING,
) -> Callable[[Library, Any], None]:
    """All checks of a random operation."""

    def checks(lib: Library, check: Any) -> None:
        for dtype in dtypes:
            for shape in SIZES:
                check(dtype, f"shape {list(shape)}", shape_check(name, draw, lib, dtype, shape))
                if lib.name == "verigrad":
                    check(dtype, f"stream {list(shape)}", stream_check(name, draw, stream, lib, dtype, shape))
            check(dtype, "seeds", seed_check(name, draw, lib, dtype))
            check(dtype, "moments", moments_check(name, draw, lib, dtype, mean, variance))
            if cdf is not None:
                check(dtype, "distribution", ks_check(name, draw, lib, dtype, cdf))

    return checks


def sized(name: str) -> Draw:
    """A function of a size."""

    def draw(lib: Library, shape: Sequence[int], dtype: str, source: Any) -> Any:
        return (
            lib.get(name)(*shape, dtype=lib.dtype(dtype), generator=source)
            if shape
            else lib.get(name)((), dtype=lib.dtype(dtype), generator=source)
        )

    return draw


def like(name: str, *args: Any) -> Draw:
    """A function of a tensor."""

    def draw(lib: Library, shape: Sequence[int], dtype: str, source: Any) -> Any:
        model = lib.from_numpy(np.zeros(tuple(shape), dtype))
        if lib.name == "torch" and source is not None:  # PyTorch's have no generator before 2.9
            kept = lib.get_rng_state()
            lib.set_rng_state(source.get_state())
            made = lib.get(name)(model, *args)
            source.set_state(lib.get_rng_state())
            lib.set_rng_state(kept)
            return made
        return lib.get(name)(model, *args, generator=source)

    return draw


def filled(name: str, *args: float) -> Draw:
    """An in-place method, on a sliced tensor whose surroundings must stay."""

    def draw(lib: Library, shape: Sequence[int], dtype: str, source: Any) -> Any:
        built = build(lib, np.zeros(tuple(shape), dtype), SLICED)
        result = getattr(built.tensor, name)(*args, generator=source)
        require(result is built.tensor, name, "the tensor itself", result)
        rebuilt = build(lib, lib.to_numpy(result), SLICED)
        require(
            rebuilt.memory.tobytes() == built.memory.tobytes(),
            name,
            "the memory around to stay",
            "other bytes",
        )
        return result

    return draw


def integer(lib: Library, shape: Sequence[int], dtype: str, source: Any) -> Any:
    """randint with both bounds."""
    return lib.get("randint")(LOW, HIGH, tuple(shape), dtype=lib.dtype(dtype), generator=source)


def permuted(lib: Library, shape: Sequence[int], dtype: str, source: Any) -> Any:
    """randperm of a vector."""
    return lib.get("randperm")(math.prod(shape), dtype=lib.dtype(dtype), generator=source).reshape(
        tuple(shape)
    )


@cache
def integer_stream(seed: int, counter: int, count: int, dtype: str) -> np.ndarray:
    """The reference of `integer`."""
    return ref.integers(seed, counter, count, LOW, HIGH).astype(dtype)


def permutation_checks(lib: Library, check: Any) -> None:
    """Every number once, the stream, seeds, and each place equally likely."""

    def complete(count: int) -> Callable[[], float]:
        def run() -> float:
            x = lib.to_numpy(lib.get("randperm")(count, generator=generator(lib)))
            require(sorted(x.tolist()) == list(range(count)), "randperm", f"each of 0 to {count - 1} once", x)
            return 0.0

        return run

    def places() -> float:
        source = generator(lib)
        draws = np.array([lib.to_numpy(lib.get("randperm")(4, generator=source)) for _ in range(6000)])
        counts = np.array([(draws == v).sum(0) for v in range(4)])
        statistic = float(((counts - 1500) ** 2 / 1500).sum())
        require(
            statistic < 45.0,
            "randperm",
            "each place equally likely (chi-square of 9 degrees below 45)",
            statistic,
        )
        return 0.0

    for count in (0, 1, 2, 10, 1037):
        check("int64", f"complete {count}", complete(count))
        if lib.name == "verigrad":
            stream = stream_check(
                "randperm",
                permuted,
                lambda s, c, n, d: ref.permutation(s, c, n).astype(d),
                lib,
                "int64",
                (count,),
            )
            check("int64", f"stream {count}", stream)
    check("int64", "places", places)
    check("int64", "seeds", seed_check("randperm", permuted, lib, "int64"))


def normal_cdf(x: float) -> float:
    """Of the standard normal distribution."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


LOW, HIGH = -5, 12
COUNT = HIGH - LOW
INTEGER_MOMENTS = ((LOW + HIGH - 1) / 2, (COUNT**2 - 1) / 12)
INTEGRAL_LIKE = ("int32", "int64", "float32", "float64")
# Integers that a dtype does not hold, each by one. PyTorch warns where floating-point numbers are not exact.
BEYOND = tuple(
    bad(
        RuntimeError,
        "out of bounds",
        low,
        high,
        (2,),
        dtype=D(dtype),
        peer=dtype in ("bool", "uint8", "int32"),
    )
    for dtype, least, most in (
        ("bool", 0, 1),
        ("uint8", 0, 255),
        ("int32", -(2**31), 2**31 - 1),
        ("float32", -(2**24), 2**24),
        ("float64", -(2**53), 2**53),
    )
    for low, high in ((least - 1, most), (least, most + 2))
)
NOT_FLOATING = bad(NotImplementedError, "int64|Long", 3, dtype=D("int64"))


def rounded(reference: Callable[..., Any]) -> Callable[..., Any]:
    """The composition: numbers of the stream, off by some units of 1."""

    def composition(*args: Any, **kwargs: Any) -> tape.Var:
        value = np.asarray(reference(*args, **kwargs), np.float64)
        return tape.Var(Rounded(value, 1.0 + np.abs(value)))

    return composition


def record(
    name: str,
    check: Callable[[Library, Any], None],
    *errors: Any,
    reference: Callable[..., Any],
    arguments: Callable[[Sampler, int], Sample],
    also: tuple[Callable[[Sampler, int], Sample], ...] = (),
    dtypes: tuple[str, ...] = FLOATING,
    function: Callable[..., Any] | None = None,
    **options: Any,
) -> OpSpec:
    """A record of a random operation.

    Args:
        name: the operation.
        check: of its distribution and of the generator.
        errors: calls that must fail.
        reference: the same call with the default generator at the start of its stream.
        arguments: a call for a number of elements.
        also: further ones.
        dtypes: of the results.
        function: the operation, by default the library's function of that name.
        options: further attributes of the record.
    """

    def run(lib: Library, *args: Any, **kwargs: Any) -> Any:
        operation = lib.get(name) if function is None else partial(function, lib)
        return seeded(lib, lambda: operation(*args, **kwargs))

    def sampled(*counts: int) -> Callable[[Sampler], Iterator[Sample]]:
        return lambda s: (
            replace(make(s, n), grad=False, peer=False) for make in (arguments, *also) for n in counts
        )

    return OpSpec(
        name,
        reference,
        sampled(7),
        function=run,
        boundary=sampled(*BATCHES),
        composition=rounded(reference),
        check=check,
        scale="bound",
        order=0,
        dtypes=dtypes,
        errors=errors,
        tolerance=FLOAT_TOLERANCE,
        reason="angles are rounded before their sine",
        **options,
    )


def method_of(name: str) -> Callable[..., Any]:
    """The in-place method, for the calls that must fail."""
    return lambda lib, x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def by_size(s: Sampler, count: int) -> Sample:
    """A size and a dtype."""
    return call(count, dtype=D(s.dtype.name))


def by_model(*numbers: float) -> Callable[[Sampler, int], Sample]:
    """A tensor and numbers."""
    return lambda s, count: call(Const(np.zeros(count, s.dtype)), *numbers)


@cache
def uniforms(count: int, dtype: Any = "float32", low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """The start of the default generator's stream."""
    return ref.uniform(START, 0, count, np.dtype(dtype).name, low, high)


@cache
def normals(count: int, dtype: Any = "float32", mean: float = 0.0, deviation: float = 1.0) -> np.ndarray:
    """The same of normal numbers."""
    return ref.normal(START, 0, count, np.dtype(dtype).name, mean, deviation)


UNIFORM = (ref.uniform, 0.5, 1 / 12, lambda x: min(max(x, 0.0), 1.0))
NORMAL = (ref.normal, 0.0, 1.0, normal_cdf)

SPECS = (
    record(
        "rand",
        distribution("rand", sized("rand"), *UNIFORM),
        NOT_FLOATING,
        bad(RuntimeError, "negative", -1),
        reference=uniforms,
        arguments=by_size,
    ),
    record(
        "randn",
        distribution("randn", sized("randn"), *NORMAL),
        NOT_FLOATING,
        bad(RuntimeError, "negative", -1),
        reference=normals,
        arguments=by_size,
    ),
    record(
        "rand_like",
        distribution("rand_like", like("rand_like"), *UNIFORM),
        reference=lambda x: uniforms(x.size, x.dtype),
        arguments=by_model(),
    ),
    record(
        "randn_like",
        distribution("randn_like", like("randn_like"), *NORMAL),
        reference=lambda x: normals(x.size, x.dtype),
        arguments=by_model(),
    ),
    record(
        "randint",
        distribution("randint", integer, integer_stream, *INTEGER_MOMENTS, None, INTEGRAL_LIKE),
        bad(RuntimeError, "low|from|less", 5, 5, (2,)),
        *BEYOND,
        bad(RuntimeError, "negative", 0, 5, (-1,)),
        reference=lambda low, high, size, dtype: integer_stream(START, 0, size[0], np.dtype(dtype).name),
        arguments=lambda s, count: call(LOW, HIGH, (count,), dtype=D(s.dtype.name)),
        dtypes=INTEGRAL_LIKE,
    ),
    record(
        "randint_like",
        distribution(
            "randint_like",
            like("randint_like", LOW, HIGH),
            integer_stream,
            *INTEGER_MOMENTS,
            None,
            INTEGRAL_LIKE,
        ),
        bad(RuntimeError, "low|from|less", np.zeros(2), 5, 5),
        reference=lambda x, low, high: integer_stream(START, 0, x.size, x.dtype.name),
        arguments=by_model(LOW, HIGH),
        dtypes=INTEGRAL_LIKE,
    ),
    record(
        "randperm",
        permutation_checks,
        bad(RuntimeError, "negative", -1),
        bad(RuntimeError, "without overflow", 300, dtype=D("uint8")),
        bad(NotImplementedError, "bool|Bool", 2, dtype=D("bool")),
        reference=lambda count: ref.permutation(START, 0, count),
        arguments=lambda s, count: call(count),
        dtypes=("int64",),
    ),
    record(
        "uniform_",
        distribution(
            "uniform_",
            filled("uniform_", -2.0, 3.0),
            lambda s, c, n, d: ref.uniform(s, c, n, d, -2.0, 3.0),
            0.5,
            25 / 12,
            lambda x: min(max((x + 2.0) / 5.0, 0.0), 1.0),
        ),
        bad(RuntimeError, "from|low|to", np.zeros(2), 2.0, 1.0),
        bad(RuntimeError, "finite", np.zeros(2), -math.inf, 1.0, peer=False),
        bad(RuntimeError, "finite", np.zeros(2), -1e308, 1e308, peer=False),
        bad(NotImplementedError, "int64|Long", Const(np.zeros(2, np.int64)), 0.0, 1.0),
        reference=lambda x, low, high: uniforms(x.size, x.dtype, low, high),
        arguments=by_model(-2.0, 3.0),
        also=(by_model(2.0, 2.0),),
        mutates=1,
        view=None,
        function=method_of("uniform_"),
    ),
    record(
        "normal_",
        distribution(
            "normal_",
            filled("normal_", 1.0, 2.0),
            lambda s, c, n, d: ref.normal(s, c, n, d, 1.0, 2.0),
            1.0,
            4.0,
            lambda x: normal_cdf((x - 1.0) / 2.0),
        ),
        bad(RuntimeError, "std|negative|deviation", np.zeros(2), 0.0, -1.0),
        reference=lambda x, mean, deviation: normals(x.size, x.dtype, mean, deviation),
        arguments=by_model(1.0, 2.0),
        also=(by_model(1.0, 0.0),),
        mutates=1,
        view=None,
        function=method_of("normal_"),
    ),
)
